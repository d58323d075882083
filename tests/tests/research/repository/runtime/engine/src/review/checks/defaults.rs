//! The checks and fixers that a repository gets without a checks file, from the names of its tracked files and the
//! content of its top manifests.
//!
//! Only what the repository itself configured is run beyond the compiler, the formatter and the tests of its language,
//! and nothing is ever downloaded.

use std::collections::BTreeMap;

use windlass_contract::document::Severity;
use windlass_domain::run::request::{Preset, Scope};
use windlass_policy::CheckOrigin;

use super::{Anchor, Check, Checks, FindingPattern, Fixer, Parser};

/// Largest manifest that is read, in bytes; of a larger one only the name counts.
pub const MANIFEST_LIMIT_BYTES: u64 = 1024 * 1024;

/// Files in the root whose content decides about defaults.
const READ_MANIFESTS: [&str; 5] =
    ["package.json", "pyproject.toml", "setup.cfg", "tox.ini", "requirements-dev.txt"];

/// `compileall`'s way to say that a file is no Python.
const PYTHON_SYNTAX: &str =
    r#"File "(?<file>[^"]+)", line (?<line>\d+)\n(?:.*\n){0,3}?(?<message>\w*Error: .+)$"#;

/// `unittest`'s way to say that a test failed; the first place named is the test's own.
const UNITTEST: &str = r#"^(?<message>(?:FAIL|ERROR): .+)\n-{20,}\n(?:.*\n){0,12}?  File "(?<file>[^"]+)", line (?<line>\d+), in "#;

/// `rustfmt --check`'s way to say that a place is formatted otherwise.
const RUSTFMT: &str = r"^Diff in (?<file>.+?)(?: at line |:)(?<line>\d+):$";

/// `tsc --pretty false`.
const TYPESCRIPT: &str =
    r"^(?<file>[^\s(][^(]*)\((?<line>\d+),\d+\): (?<severity>error|warning) (?<rule>TS\d+): (?<message>.+)$";

/// `go build` and `go vet`.
const GO_TOOL: &str =
    r"^(?:vet: )?(?:\./)?(?<file>[^\s:#][^:\n]*\.go):(?<line>\d+)(?::\d+)?: (?<message>.+)$";

/// `go test`, with the failing tests' places and those of panics.
const GO_TEST: &str = r"^\s+(?<file>[^\s:/]+_test\.go):(?<line>\d+): (?<message>.+)$";

/// `gofmt -l`.
const GOFMT: &str = r"^(?<file>\S.*\.go)$";

/// The manifests among the tracked files whose content [`find_defaults`] wants to see.
pub fn manifests(paths: &[String]) -> impl Iterator<Item = &String> {
    paths.iter().filter(|path| READ_MANIFESTS.contains(&path.as_str()))
}

/// The default checks and fixers for these tracked files.
///
/// `contents` holds the manifests that could be read. A repository of a kind that is not known gets none; the looks at
/// the diff need no tool.
#[must_use]
pub fn find_defaults(paths: &[String], contents: &BTreeMap<String, String>) -> Checks {
    let tree = Tree { paths, contents };
    let mut found = Checks { origin: CheckOrigin::Default, checks: Vec::new(), fixers: Vec::new() };
    rust(&tree, &mut found);
    python(&tree, &mut found);
    node(&tree, &mut found);
    go(&tree, &mut found);
    found
}

/// The tracked files.
struct Tree<'a> {
    paths: &'a [String],
    contents: &'a BTreeMap<String, String>,
}

impl Tree<'_> {
    fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|tracked| tracked == path)
    }

    fn any_in_root(&self, fits: impl Fn(&str) -> bool) -> Option<&str> {
        self.paths.iter().map(String::as_str).find(|path| !path.contains('/') && fits(path))
    }

    fn any_named(&self, fits: impl Fn(&str) -> bool) -> Option<&str> {
        self.paths.iter().map(String::as_str).find(|path| fits(path.rsplit('/').next().unwrap_or(path)))
    }

    fn content(&self, path: &str) -> &str {
        self.contents.get(path).map_or("", String::as_str)
    }
}

/// What distinguishes one default check from the next; the rest is the same for all.
struct Default<'a> {
    name: &'a str,
    argv: &'a [&'a str],
    scope: Scope,
    preset: Preset,
    severity: Severity,
    why: &'a str,
    anchor: &'a str,
}

impl Default<'_> {
    fn check(self, parser: Parser) -> Check {
        Check {
            name: self.name.to_owned(),
            argv: words(self.argv),
            scope: self.scope,
            preset: self.preset,
            parser,
            severity: self.severity,
            rationale: self.why.to_owned(),
            message: None,
            time_limit_ms: None,
            output_limit_bytes: None,
            success_exit: vec![0],
            anchor: Anchor { file: self.anchor.to_owned(), line: 1 },
        }
    }
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|&word| word.to_owned()).collect()
}

fn lines(pattern: &str) -> Parser {
    Parser::Regex { pattern: FindingPattern::new(pattern).expect("a test compiles the defaults' patterns") }
}

fn fixer(name: &str, argv: &[&str], scope: Scope, anchor: &str) -> Fixer {
    Fixer {
        name: name.to_owned(),
        argv: words(argv),
        scope,
        anchor: Anchor { file: anchor.to_owned(), line: 1 },
    }
}

fn rust(tree: &Tree<'_>, found: &mut Checks) {
    if !tree.has("Cargo.toml") {
        return;
    }
    let locked: &[&str] = if tree.has("Cargo.lock") { &["--offline", "--locked"] } else { &["--offline"] };
    let cargo = |command: &[&'static str]| [&["cargo"], command, locked].concat();
    let anchor = "Cargo.toml";
    let json = "--message-format=json";
    let compile = Default {
        name: "cargo-check",
        argv: &cargo(&["check", "--workspace", "--all-targets", "--quiet", json]),
        scope: Scope::Correctness,
        preset: Preset::Quick,
        severity: Severity::Warning,
        why: "the compiler refuses or warns about it; an error means that nothing can be built",
        anchor,
    };
    let lint = Default {
        name: "clippy",
        argv: &cargo(&["clippy", "--workspace", "--all-targets", "--quiet", json]),
        scope: Scope::Style,
        preset: Preset::Standard,
        severity: Severity::Warning,
        why: "clippy knows this as a likely mistake or as code that can be said more plainly",
        anchor,
    };
    let test = Default {
        name: "cargo-test",
        argv: &cargo(&["test", "--workspace", "--no-fail-fast", "--quiet", json]),
        scope: Scope::Correctness,
        preset: Preset::Standard,
        severity: Severity::Error,
        why: "a test of the repository fails: the change breaks what somebody wrote down as wanted",
        anchor,
    };
    let format = Default {
        name: "rustfmt",
        argv: &["cargo", "fmt", "--all", "--", "--check"],
        scope: Scope::Style,
        preset: Preset::Quick,
        severity: Severity::Note,
        why: "`cargo fmt` would write it otherwise; mixed formatting makes later diffs noisy",
        anchor,
    };
    found.checks.push(compile.check(Parser::CargoJson));
    found.checks.push(lint.check(Parser::CargoJson));
    found.checks.push(test.check(Parser::CargoJson));
    let format = format.check(lines(RUSTFMT));
    found.checks.push(Check { message: Some("not formatted as rustfmt would".to_owned()), ..format });
    let clippy_fix = cargo(&["clippy", "--fix", "--allow-dirty", "--workspace", "--all-targets", "--quiet"]);
    found.fixers.push(fixer("clippy-fix", &clippy_fix, Scope::Style, anchor));
    found.fixers.push(fixer("cargo-fmt", &["cargo", "fmt", "--all"], Scope::Style, anchor));
}

fn python(tree: &Tree<'_>, found: &mut Checks) {
    let project = ["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini", "Pipfile"];
    let manifest = project.into_iter().find(|path| tree.has(path));
    let Some(anchor) = manifest.or_else(|| tree.any_in_root(|path| path.ends_with(".py"))) else { return };
    let compile = Default {
        name: "python-compile",
        argv: &["python3", "-m", "compileall", "-q", "-x", r"(^|/)(\.git|node_modules|\.venv|venv)/", "."],
        scope: Scope::Correctness,
        preset: Preset::Quick,
        severity: Severity::Error,
        why: "Python cannot even read the file, so importing it fails",
        anchor,
    };
    found.checks.push(compile.check(lines(PYTHON_SYNTAX)));
    let ruff_configured = tree.has("ruff.toml")
        || tree.has(".ruff.toml")
        || tree.content("pyproject.toml").contains("[tool.ruff");
    if ruff_configured {
        let ruff = Default {
            name: "ruff",
            argv: &["ruff", "check", "--output-format", "sarif", "--no-fix", "."],
            scope: Scope::Style,
            preset: Preset::Quick,
            severity: Severity::Warning,
            why: "the repository's own ruff configuration forbids it",
            anchor,
        };
        found.checks.push(ruff.check(Parser::Sarif));
        found.fixers.push(fixer(
            "ruff-fix",
            &["ruff", "check", "--fix", "--quiet", "."],
            Scope::Style,
            anchor,
        ));
    }
    python_tests(tree, anchor, found);
}

fn python_tests(tree: &Tree<'_>, anchor: &str, found: &mut Checks) {
    let is_test =
        |name: &str| (name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py");
    if tree.any_named(is_test).is_none() {
        return;
    }
    let uses_pytest = tree.any_named(|name| name == "conftest.py" || name == "pytest.ini").is_some()
        || READ_MANIFESTS.iter().any(|manifest| tree.content(manifest).contains("pytest"))
        || tree.content("requirements.txt").contains("pytest");
    let pytest = [
        "python3",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "junit_family=xunit1",
        "--junitxml=/dev/stdout",
    ];
    let unittest = ["python3", "-m", "unittest", "discover", "-q"];
    let tests = Default {
        name: if uses_pytest { "pytest" } else { "unittest" },
        argv: if uses_pytest { &pytest } else { &unittest },
        scope: Scope::Correctness,
        preset: Preset::Standard,
        severity: Severity::Error,
        why: "a test of the repository fails: the change breaks what somebody wrote down as wanted",
        anchor,
    };
    let check = tests.check(if uses_pytest { Parser::Junit } else { lines(UNITTEST) });
    // Exit status 5 is both programs' way to say that they found no test.
    found.checks.push(Check { success_exit: vec![0, 5], ..check });
}

fn node(tree: &Tree<'_>, found: &mut Checks) {
    let anchor = "package.json";
    if !tree.has(anchor) {
        return;
    }
    let manifest: serde_json::Value = serde_json::from_str(tree.content(anchor)).unwrap_or_default();
    let script = manifest.pointer("/scripts/test").and_then(|script| script.as_str()).unwrap_or_default();
    let is_test =
        |name: &str| [".test.js", ".test.mjs", ".test.cjs", ".spec.js"].iter().any(|end| name.ends_with(end));
    let runs_node_test =
        script.starts_with("node --test") && !script.contains(['&', '|', ';', '$', '"', '\'']);
    let own_script = !script.is_empty() && !script.contains("no test specified");
    let mut argv = vec!["node", "--test", "--test-reporter=junit"];
    let parser = if runs_node_test {
        argv.extend(script.split_whitespace().skip(2).filter(|word| !word.starts_with("--test-reporter")));
        Parser::Junit
    } else if own_script {
        argv = vec!["npm", "test", "--silent"];
        Parser::Exit
    } else {
        Parser::Junit
    };
    if own_script || tree.any_named(is_test).is_some() {
        let tests = Default {
            name: if own_script && !runs_node_test { "npm-test" } else { "node-test" },
            argv: &argv,
            scope: Scope::Correctness,
            preset: Preset::Standard,
            severity: Severity::Error,
            why: "a test of the repository fails: the change breaks what somebody wrote down as wanted",
            anchor,
        };
        found.checks.push(tests.check(parser));
    }
    node_linters(tree, found);
}

fn node_linters(tree: &Tree<'_>, found: &mut Checks) {
    let eslint = tree.any_in_root(|path| path.starts_with("eslint.config.") || path.starts_with(".eslintrc"));
    if let Some(anchor) = eslint {
        let lint = Default {
            name: "eslint",
            argv: &["eslint", "--format", "json", "."],
            scope: Scope::Style,
            preset: Preset::Quick,
            severity: Severity::Warning,
            why: "the repository's own eslint configuration forbids it",
            anchor,
        };
        // Exit status 1: there are findings. They are read from the output.
        found.checks.push(Check { success_exit: vec![0, 1], ..lint.check(Parser::EslintJson) });
        found.fixers.push(fixer("eslint-fix", &["eslint", "--fix", "."], Scope::Style, anchor));
    }
    if tree.has("tsconfig.json") {
        let types = Default {
            name: "tsc",
            argv: &["tsc", "--noEmit", "--pretty", "false"],
            scope: Scope::Correctness,
            preset: Preset::Standard,
            severity: Severity::Error,
            why: "the types do not fit; it fails when it is built or when it runs",
            anchor: "tsconfig.json",
        };
        found.checks.push(types.check(lines(TYPESCRIPT)));
    }
}

fn go(tree: &Tree<'_>, found: &mut Checks) {
    let anchor = "go.mod";
    if !tree.has(anchor) {
        return;
    }
    let vet = Default {
        name: "go-vet",
        argv: &["go", "vet", "./..."],
        scope: Scope::Correctness,
        preset: Preset::Quick,
        severity: Severity::Error,
        why: "the compiler refuses it, or vet knows it as a mistake",
        anchor,
    };
    let test = Default {
        name: "go-test",
        argv: &["go", "test", "./..."],
        scope: Scope::Correctness,
        preset: Preset::Standard,
        severity: Severity::Error,
        why: "a test of the repository fails: the change breaks what somebody wrote down as wanted",
        anchor,
    };
    let format = Default {
        name: "gofmt",
        argv: &["gofmt", "-l", "."],
        scope: Scope::Style,
        preset: Preset::Quick,
        severity: Severity::Note,
        why: "`gofmt` would write it otherwise; mixed formatting makes later diffs noisy",
        anchor,
    };
    found.checks.push(vet.check(lines(GO_TOOL)));
    found.checks.push(test.check(lines(GO_TEST)));
    let format = format.check(lines(GOFMT));
    found.checks.push(Check { message: Some("not formatted as gofmt would".to_owned()), ..format });
    found.fixers.push(fixer("gofmt", &["gofmt", "-w", "."], Scope::Style, anchor));
}
