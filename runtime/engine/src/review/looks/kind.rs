//! What kind of file a path names: its language, and whether it is a program, a test, a document or somebody else's.

use windlass_contract::document::Severity;

/// A language that the looks know words of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    JavaScript,
    Go,
    Ruby,
    Php,
    Other,
}

impl Language {
    pub(super) fn of(path: &str) -> Self {
        match extension(path) {
            "rs" => Self::Rust,
            "py" | "pyi" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" => {
                Self::JavaScript
            }
            "go" => Self::Go,
            "rb" => Self::Ruby,
            "php" => Self::Php,
            _ => Self::Other,
        }
    }

    pub(super) const fn quotes(self) -> &'static [char] {
        match self {
            Self::JavaScript | Self::Go => &['"', '\'', '`'],
            Self::Rust | Self::Python | Self::Ruby | Self::Php | Self::Other => &['"', '\''],
        }
    }

    pub(super) const fn comments(self) -> &'static [&'static str] {
        match self {
            Self::Rust | Self::JavaScript | Self::Go => &["//", "/*"],
            Self::Python | Self::Ruby => &["#"],
            Self::Php => &["//", "/*", "#"],
            Self::Other => &["//", "#", "/*", "<!--"],
        }
    }

    pub(super) const fn has_lifetimes(self) -> bool {
        matches!(self, Self::Rust)
    }
}

/// What a file is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Part of the program, its build or its configuration.
    Program,
    /// A test.
    Test,
    /// Data of tests: fixtures, snapshots, recordings.
    TestData,
    /// Documents and examples.
    Document,
    /// Somebody else's code, or code that a program wrote.
    Foreign,
}

impl Purpose {
    pub(super) fn of(path: &str) -> Self {
        let lower = path.to_ascii_lowercase();
        let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
        let in_folder = |names: &[&str]| folders.split('/').any(|folder| names.contains(&folder));
        let foreign =
            ["vendor", "node_modules", "third_party", "third-party", "dist", "bower_components", ".yarn"];
        let data = [
            "fixtures",
            "fixture",
            "testdata",
            "test-data",
            "test_data",
            "__snapshots__",
            "snapshots",
            "golden",
        ];
        if in_folder(&foreign)
            || name.ends_with(".min.js")
            || name.ends_with(".min.css")
            || is_lock_name(name)
        {
            Self::Foreign
        } else if in_folder(&data) || extension(name) == "snap" {
            Self::TestData
        } else if in_folder(&["test", "tests", "__tests__", "spec", "specs", "e2e"]) || is_test_name(name) {
            Self::Test
        } else if in_folder(&["docs", "doc", "examples", "example"])
            || matches!(extension(name), "md" | "mdx" | "rst" | "adoc" | "txt" | "html")
            || name == "changelog"
            || name.contains(".example")
            || name.contains(".sample")
        {
            Self::Document
        } else {
            Self::Program
        }
    }

    /// A severity, made milder outside the program.
    pub(super) fn soften(self, severity: Severity) -> Severity {
        match (self, severity) {
            (Self::Program, severity) => severity,
            (_, Severity::Error) => Severity::Warning,
            (_, Severity::Warning | Severity::Note) => Severity::Note,
        }
    }
}

/// Whether a path is code that a test runner takes for tests.
pub(super) fn is_test_code(path: &str) -> bool {
    Purpose::of(path) == Purpose::Test && Language::of(path) != Language::Other
}

fn is_test_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    stem == "tests"
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem.ends_with("_spec")
        || name.contains(".test.")
        || name.contains(".spec.")
        || name == "conftest.py"
}

/// The lock files of package managers, with the manifests that they follow.
pub(super) const LOCKS: [(&str, &[&str]); 10] = [
    ("Cargo.lock", &["Cargo.toml"]),
    ("package-lock.json", &["package.json"]),
    ("npm-shrinkwrap.json", &["package.json"]),
    ("yarn.lock", &["package.json"]),
    ("pnpm-lock.yaml", &["package.json", "pnpm-workspace.yaml"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("uv.lock", &["pyproject.toml"]),
    ("Pipfile.lock", &["Pipfile"]),
    ("go.sum", &["go.mod"]),
    ("Gemfile.lock", &["Gemfile"]),
];

fn is_lock_name(name: &str) -> bool {
    LOCKS.iter().any(|(lock, _)| lock.eq_ignore_ascii_case(name))
}

/// The last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What follows the last dot of a path's last part.
pub(super) fn extension(path: &str) -> &str {
    name_of(path).rsplit_once('.').map_or("", |(_, extension)| extension)
}
