//! The demonstration's repository: a small account book program on `main`, and a branch `parser` with ten planted problems.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use windlass_contract::{ErrorCode, Fault};

use super::place::Place;

/// The check during which the driver is killed.
pub(super) const SLOW_CHECK: &str = "check soak";

/// One planted problem, and how a finding shows that it was found.
pub(super) struct Planted {
    pub(super) what: &'static str,
    pub(super) file: &'static str,
    /// What the rule of the finding starts with.
    pub(super) rule: &'static str,
}

const fn planted(what: &'static str, file: &'static str, rule: &'static str) -> Planted {
    Planted { what, file, rule }
}

/// The planted problems.
const PLANTED: [Planted; 10] = [
    planted("an access token in the code", "src/ledger/upload.py", "windlass/secret"),
    planted("a conflict marker", "README.md", "windlass/conflict-marker"),
    planted("a link to nowhere", "README.md", "links"),
    planted("a test file deleted", "tests/test_report.py", "windlass/test-deleted"),
    planted("a test skipped", "tests/test_parser.py", "windlass/test-skipped"),
    planted("a breakpoint", "src/ledger/parser.py", "windlass/debug-leftover"),
    planted("a line that is too long", "src/ledger/parser.py", "lines"),
    planted("a protected file changed", ".github/workflows/ci.yml", "windlass/protected-path"),
    planted("a check taken out", ".windlass/checks.toml", "windlass/checks-changed"),
    planted("a binary file added", "data/books.bin", "windlass/binary-added"),
];

macro_rules! files {
    ($side:literal: $($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("files/", $side, "/", $path)))),+]
    };
}

const MAIN: [(&str, &str); 14] = files!("main":
    "README.md", "docs/format.md", "pyproject.toml", "src/ledger/__init__.py", "src/ledger/parser.py",
    "src/ledger/report.py", "src/ledger/cli.py", "tests/test_parser.py", "tests/test_report.py",
    ".github/workflows/ci.yml", ".windlass/checks.toml", "tools/lines.sh", "tools/links.sh", "tools/soak.sh",
);

const TRIM: (&str, &str) = ("tools/trim.sh", include_str!("files/main/tools/trim.sh"));

const PARSER: [(&str, &str); 5] = files!("parser":
    "README.md", "src/ledger/parser.py", "tests/test_parser.py", ".github/workflows/ci.yml", ".windlass/checks.toml",
);

/// Plants the repository, and says what is wrong with its branch.
pub(super) async fn plant(place: &Place) -> Result<&'static [Planted], Fault> {
    let root = place.repository();
    place.git(&["init", "--quiet", "--initial-branch=main"]).await?;
    for (path, text) in MAIN.into_iter().chain([TRIM]) {
        write(&root, path, text.as_bytes())?;
    }
    commit(place, "A ledger that reads, sums and prints").await?;
    place.git(&["checkout", "--quiet", "-b", "parser"]).await?;
    for (path, text) in PARSER {
        write(&root, path, text.as_bytes())?;
    }
    write(&root, "src/ledger/upload.py", upload().as_bytes())?;
    write(&root, "data/books.bin", &(0..=255).cycle().take(4096).collect::<Vec<u8>>())?;
    std::fs::remove_file(root.join("tests/test_report.py"))
        .map_err(|error| io("tests/test_report.py", &error))?;
    commit(place, "Entries have tags").await?;
    Ok(&PLANTED)
}

async fn commit(place: &Place, message: &str) -> Result<(), Fault> {
    place.git(&["add", "--all"]).await?;
    place.git(&["commit", "--quiet", "-m", message]).await.map(drop)
}

fn write(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Fault> {
    let file = root.join(path);
    let folder = file.parent().unwrap_or(root);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, bytes));
    let mode = || std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644));
    written.and_then(|()| mode()).map_err(|error| io(path, &error))
}

fn io(path: &str, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::Io, format!("cannot write `{path}`: {error}"))
}

/// A module with a token that was never valid. It is put together here so that this source holds none.
fn upload() -> String {
    let token = ["ghp", "_", "x7Kq2ZpL9vTfR4mW", "c8JbN1sYdH6gU3eQaV5i"].concat();
    format!(
        "\"\"\"Sends books to the archive.\"\"\"\n\nTOKEN = \"{token}\"\n\n\ndef header() -> dict[str, str]:\n    \
         return {{\"Authorization\": f\"Bearer {{TOKEN}}\"}}\n"
    )
}
