//! The ten defects for each language, and where they are put.
//!
//! Files are chosen by name and content, so that any repository of the language will do. Each defect stands apart from the
//! others, so that none hides another.

use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;

use windlass_tests::Repository;

/// A language that there are defects for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    Node,
}

impl Language {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "rust" => Some(Self::Rust),
            "python" => Some(Self::Python),
            "node" => Some(Self::Node),
            _ => None,
        }
    }
}

/// A defect and its place after the change; for a deleted file, its first line.
pub(crate) struct Planted {
    pub(crate) what: &'static str,
    pub(crate) file: String,
    pub(crate) lines: RangeInclusive<u64>,
    /// The rule that must find it, or the check, whatever its rule.
    rule: &'static str,
}

impl Planted {
    pub(crate) fn covers(&self, file: &str, line: u64) -> bool {
        self.file == file && self.lines.contains(&line)
    }

    pub(crate) fn is_told_by(&self, rule: &str, file: &str, line: u64) -> bool {
        let is_rule =
            rule.strip_prefix(self.rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_rule && self.covers(file, line)
    }
}

/// The checkout that defects are planted in.
struct Bed<'a> {
    repository: &'a Repository,
    tracked: Vec<String>,
    planted: Vec<Planted>,
}

/// Plants the defects of a language in a checkout.
pub(crate) fn plant(repository: &Repository, language: Language) -> Vec<Planted> {
    let tracked = repository.git(&["ls-files"]).lines().map(str::to_owned).collect();
    let mut bed = Bed { repository, tracked, planted: Vec::new() };
    let programs = bed.programs(language);
    let (first, second) = (programs.first(), programs.get(1).or(programs.first()));
    let (first, second) = first.zip(second).expect("the repository has programs in this language");
    bed.token(first, language);
    bed.leftover(second, language);
    bed.tests(language);
    bed.conflict();
    let mut binary = b"\x7fELF".to_vec();
    binary.extend((0_u8..=255).cycle().take(4096));
    bed.add("seeded.bin", &binary, 1..=1, ("binary added", "windlass/binary-added"));
    let workflow = ".github/workflows/seeded.yml";
    bed.add(workflow, b"on: push\n", 1..=1, ("protected path changed", "windlass/protected-path"));
    bed.dependency(language);
    match language {
        Language::Rust => {
            bed.executable();
            let last = programs.last().expect("there is one");
            let wrong = "\n/// Planted.\npub fn seeded_type() -> u32 {\n    \"three\"\n}\n";
            bed.append(last, wrong, ("type error", "cargo-check/E0308"));
        }
        Language::Python => {
            let path = beside(first, "seeded_broken.py");
            bed.add(&path, b"def broken(:\n    pass\n", 1..=1, ("syntax error", "python-compile"));
        }
        Language::Node => {}
    }
    bed.planted
}

/// A path in the folder of another.
fn beside(path: &str, name: &str) -> String {
    path.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let in_tests = path.split('/').any(|part| matches!(part, "test" | "tests" | "__tests__"));
    in_tests || name.starts_with("test") || name.contains(".test.") || name.contains(".spec.")
}

fn is_javascript(path: &str) -> bool {
    [".js", ".mjs", ".cjs"].iter().any(|end| path.ends_with(end))
}

impl Bed<'_> {
    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.repository.path().join(path)).unwrap_or_default()
    }

    /// Notes a defect that is there.
    fn note(&mut self, file: &str, lines: RangeInclusive<u64>, (what, rule): (&'static str, &'static str)) {
        self.planted.push(Planted { what, file: file.to_owned(), lines, rule });
    }

    fn add(
        &mut self,
        path: &str,
        bytes: &[u8],
        lines: RangeInclusive<u64>,
        defect: (&'static str, &'static str),
    ) {
        let file = self.repository.path().join(path);
        assert!(!file.exists(), "{path} is there already");
        std::fs::create_dir_all(file.parent().expect("it is below the top folder"))
            .expect("folders can be made");
        std::fs::write(file, bytes).expect("files can be written");
        self.note(path, lines, defect);
    }

    fn append(&mut self, path: &str, text: &str, defect: (&'static str, &'static str)) {
        let mut content = self.read(path);
        if !content.is_empty() && !content.ends_with('\n') {
            content.push('\n');
        }
        let before = content.lines().count() as u64;
        content.push_str(text);
        let after = content.lines().count() as u64;
        self.repository.write_all(&[(path, &content)]);
        self.note(path, before + 1..=after, defect);
    }

    /// Puts a text before a line, counted from 0.
    fn insert(&mut self, path: &str, at: usize, text: &str, defect: (&'static str, &'static str)) {
        let content = self.read(path);
        let mut lines: Vec<&str> = content.lines().collect();
        lines.insert(at, text);
        let added = text.lines().count() as u64;
        self.repository.write_all(&[(path, &(lines.join("\n") + "\n"))]);
        self.note(path, at as u64 + 1..=at as u64 + added, defect);
    }

    /// Files of the program, in the order of their paths.
    fn programs(&self, language: Language) -> Vec<String> {
        let aside = ["scripts", "bench", "benchmark", "benchmarks", "dist", "docs", "example", "examples"];
        let fits = |path: &&String| {
            let is_program = match language {
                Language::Rust => return path.ends_with("src/lib.rs") || path.ends_with("src/main.rs"),
                Language::Python => {
                    let in_package = self.tracked.iter().any(|other| *other == beside(path, "__init__.py"));
                    in_package && path.ends_with(".py") && !path.ends_with("__init__.py")
                }
                Language::Node => is_javascript(path) && !path.contains(".config."),
            };
            let top = path.split('/').next().unwrap_or(path);
            is_program && !is_test(path) && !aside.contains(&top)
        };
        self.tracked.iter().filter(fits).cloned().collect()
    }

    fn token(&mut self, path: &str, language: Language) {
        // The form of a GitHub token, with letters and digits in no order that says anything.
        let alphabet: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
        let scattered =
            (1..=36_usize).map(|place| alphabet[(place * place * 31 + place * 7) % alphabet.len()]);
        let token = format!("{}_{}", ["g", "h", "p"].concat(), scattered.collect::<String>());
        let text = match language {
            Language::Rust => format!("\n/// Planted.\npub const SEEDED: &str = \"{token}\";\n"),
            Language::Python => format!("\n\nSEEDED = \"{token}\"\n"),
            Language::Node => format!("\nconst seeded = \"{token}\";\n"),
        };
        self.append(path, &text, ("token in code", "windlass/secret"));
    }

    fn leftover(&mut self, path: &str, language: Language) {
        let text = match language {
            Language::Rust => {
                "\n/// Planted.\n#[must_use]\npub fn seeded_leftover(value: u32) -> u32 {\n    dbg!(value)\n}\n"
            }
            Language::Python => "\n\ndef seeded_leftover():\n    breakpoint()\n",
            Language::Node => "\nfunction seededLeftover() {\n  debugger;\n}\n",
        };
        self.append(path, text, ("debugging left behind", "windlass/debug-leftover"));
    }

    /// Deletes the smallest file of tests, silences a test of the next one, and adds one that fails where tests are run.
    fn tests(&mut self, language: Language) {
        let mut files: Vec<(usize, String, usize)> = self
            .tracked
            .iter()
            .filter_map(|path| {
                let content = self.read(path);
                Some((content.len(), path.clone(), first_test(path, &content, language)?))
            })
            .collect();
        files.sort();
        // Elsewhere in Rust a deleted file would also be missed by the file that names it.
        let is_whole = |path: &str| {
            let mut folders = path.rsplit('/').skip(1);
            language != Language::Rust || folders.next() == Some("tests") && folders.next() != Some("src")
        };
        let deleted = files.iter().position(|(_, path, _)| is_whole(path)).expect("there are files of tests");
        let (_, deleted, _) = files.remove(deleted);
        std::fs::remove_file(self.repository.path().join(&deleted)).expect("files can be deleted");
        self.note(&deleted, 1..=1, ("test deleted", "windlass/test-deleted"));
        let (_, path, at) = files.into_iter().next().expect("there is a second file of tests");
        self.silence(&path, at, language);
        let failing = ("failing test", if language == Language::Python { "unittest" } else { "node-test" });
        match language {
            Language::Rust => {}
            Language::Python if self.read(&path).contains("import unittest") => {
                let text = "import unittest\n\n\nclass Seeded(unittest.TestCase):\n    def test_sum(self):\n        self.assertEqual(1 + 1, 3)\n";
                self.add(&beside(&path, "test_seeded.py"), text.as_bytes(), 1..=6, failing);
            }
            Language::Python => {
                let text = "def test_sum():\n    assert 1 + 1 == 3\n";
                self.add(
                    &beside(&path, "test_seeded.py"),
                    text.as_bytes(),
                    1..=2,
                    ("failing test", "pytest"),
                );
            }
            Language::Node => {
                let text = "const test = require(\"node:test\");\nconst assert = require(\"node:assert\");\n\ntest(\"sum\", () => {\n  assert.strictEqual(1 + 1, 3);\n});\n";
                self.add(&beside(&path, "seeded.test.cjs"), text.as_bytes(), 1..=6, failing);
                let broken = "function broken( {\n}\n";
                let defect = ("syntax error", "node-test");
                self.add(&beside(&path, "seeded-broken.test.cjs"), broken.as_bytes(), 1..=2, defect);
            }
        }
    }

    fn silence(&mut self, path: &str, at: usize, language: Language) {
        let content = self.read(path);
        let line = content.lines().nth(at).expect("the line was found there");
        let indent = &line[..line.len() - line.trim_start().len()];
        let defect = ("test skipped", "windlass/test-skipped");
        match language {
            Language::Rust => self.insert(path, at + 1, &format!("{indent}#[ignore]"), defect),
            Language::Python if content.contains("import unittest") => {
                self.insert(path, at, &format!("{indent}@unittest.skip(\"later\")"), defect);
            }
            Language::Python => self.insert(path, at, &format!("{indent}@pytest.mark.skip"), defect),
            Language::Node => {
                let name = line.trim_start().split('(').next().expect("the line has a call");
                let skipped = line.replacen(&format!("{name}("), &format!("{name}.skip("), 1);
                let mut lines: Vec<&str> = content.lines().collect();
                lines[at] = &skipped;
                self.repository.write_all(&[(path, &(lines.join("\n") + "\n"))]);
                self.note(path, at as u64 + 1..=at as u64 + 1, defect);
            }
        }
    }

    fn conflict(&mut self) {
        let is_document = |path: &&String| {
            let is_text = [".md", ".rst", ".txt"].iter().any(|end| path.ends_with(end));
            !path.contains('/') && is_text && path.starts_with("README")
        };
        let path = self.tracked.iter().find(is_document).cloned().unwrap_or_else(|| "README.md".to_owned());
        let mark = |sign: &str| sign.repeat(7);
        let text = format!("{} ours\none\n{}\ntwo\n{} theirs\n", mark("<"), mark("="), mark(">"));
        self.append(&path, &text, ("conflict marker", "windlass/conflict-marker"));
    }

    fn dependency(&mut self, language: Language) {
        let defect = ("dependency from git", "windlass/dependency-source");
        let url = "https://example.org/seeded.git";
        let (path, heads, line): (_, &[&str], _) = match language {
            // One that no crate uses: it is not resolved, so that the offline build still reaches the type error.
            Language::Rust => {
                ("Cargo.toml", &["[workspace.dependencies]"], format!("seeded = {{ git = \"{url}\" }}"))
            }
            Language::Python => {
                let line = format!("seeded @ git+{url}\n");
                return self.append("requirements.txt", &line, defect);
            }
            Language::Node => {
                let line = format!("    \"seeded\": \"git+{url}\",");
                ("package.json", &["\"dependencies\": {", "\"devDependencies\": {"], line)
            }
        };
        let content = self.read(path);
        let at = content.lines().position(|text| heads.contains(&text.trim()));
        let at = at.unwrap_or_else(|| panic!("{path} has none of {heads:?}"));
        self.insert(path, at + 1, &line, defect);
    }

    fn executable(&mut self) {
        let plain = |path: &&String| path.starts_with("LICENSE") || path.starts_with("README");
        let path = self.tracked.iter().find(plain).expect("there is a licence").clone();
        let file = self.repository.path().join(&path);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).expect("modes can be changed");
        self.note(&path, 1..=1, ("mode changed", "windlass/mode-changed"));
    }
}

/// The line, from 0, of the first test of a file that can be silenced by itself.
fn first_test(path: &str, content: &str, language: Language) -> Option<usize> {
    let is_first = |line: &str| match language {
        Language::Rust => line.trim() == "#[test]",
        Language::Python => line.trim_start().starts_with("def test"),
        Language::Node => {
            ["test(", "it(", "describe("].iter().any(|call| line.trim_start().starts_with(call))
        }
    };
    let is_file = match language {
        Language::Rust => path.ends_with(".rs") && !path.ends_with("/main.rs"),
        Language::Python => {
            let has_marks = content.contains("import unittest") || content.contains("import pytest");
            path.ends_with(".py") && is_test(path) && has_marks
        }
        Language::Node => is_javascript(path) && is_test(path),
    };
    is_file.then(|| content.lines().position(is_first)).flatten()
}
