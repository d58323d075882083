//! The checks file and the defaults.

use std::collections::BTreeMap;

use windlass_contract::document::Severity;
use windlass_domain::run::request::{Preset, Scope};
use windlass_engine::review::checks::{
    Anchor, CHECKS_PATH, Checks, Ecosystem, MAX_CHECKS, MAX_CHECKS_BYTES, Parser, find_defaults, parse_checks,
};
use windlass_engine::review::preset::preset_table;
use windlass_policy::CheckOrigin;

fn parse(text: &str) -> Result<Checks, String> {
    parse_checks(CheckOrigin::BaseCommit, CHECKS_PATH, text).map_err(|error| error.to_string())
}

#[test]
fn a_name_and_a_command_are_enough() {
    let checks = parse("# ours\n\n[[check]]\nname = \"lint\"\nargv = [\"make\", \"lint\"]\n").unwrap();
    let check = &checks.checks[0];
    assert_eq!(checks.origin, CheckOrigin::BaseCommit);
    assert_eq!(
        (check.scope, check.preset, check.severity),
        (Scope::Correctness, Preset::Quick, Severity::Error)
    );
    assert_eq!((&check.parser, check.success_exit.as_slice()), (&Parser::Exit, &[0][..]));
    assert_eq!(check.anchor, Anchor { file: CHECKS_PATH.to_owned(), line: 4 });
}

#[test]
fn everything_can_be_said() {
    let text = r#"
version = 1

[[check]]
name = "typos"
argv = ["typos", "--format", "brief"]
scope = "style"
preset = "deep"
parser = "regex"
pattern = '^(?<file>[^:]+):(?<line>\d+):\d+: (?<message>.+)$'
severity = "note"
rationale = "somebody reads this"
message = "a typo"
time_limit_ms = 60000
output_limit_bytes = 1048576
success_exit = [0, 2]

[[fixer]]
name = "typos"
argv = ["typos", "-w"]
scope = "style"
"#;
    let checks = parse(text).unwrap();
    assert_eq!(checks.checks[0].time_limit_ms, Some(60_000));
    assert_eq!(checks.fixers[0].anchor.line, 19);
    assert!(matches!(&checks.checks[0].parser, Parser::Regex { .. }));
    let read_back: Checks = serde_json::from_str(&serde_json::to_string(&checks).unwrap()).unwrap();
    assert_eq!(read_back, checks);
}

#[test]
fn a_mistake_is_named_with_its_line_and_column() {
    let check = "[[check]]\nname = \"a\"\nargv = [\"x\"]\n";
    let cases = [
        ("[[chek]]\nname = \"a\"".to_owned(), "1:3: unknown field `chek`"),
        (format!("{check}  timelimit = 3\n"), "4:3: unknown field `timelimit`"),
        (format!("{check}scope = \"speed\"\n"), "4:9: unknown variant `speed`"),
        (format!("{check}preset = \"slow\"\n"), "4:10: unknown variant `slow`"),
        (format!("{check}parser = \"xml\"\n"), "4:10: unknown variant `xml`"),
        (format!("{check}time_limit_ms = \"1\"\n"), "4:17: invalid type"),
        (format!("{check}success_exit = [256]\n"), "4:17: invalid value"),
        ("[[check]]\nname = \"a\"\n".to_owned(), "1:1: missing field `argv`"),
        ("[[check]]\nname = \"a\"\nargv = []\n".to_owned(), "3:8: a command needs a program"),
        ("[[check]]\nname = \"a b\"\nargv = [\"x\"]\n".to_owned(), "2:8: `a b` cannot be a name"),
        ("[[check]]\nname = \"windlass\"\nargv = [\"x\"]\n".to_owned(), "2:8: `windlass` cannot be a name"),
        (format!("{check}{check}"), "5:8: the name `a` is taken already"),
        (format!("{check}parser = \"regex\"\n"), "2:8: parser = \"regex\" needs a pattern"),
        (format!("{check}pattern = 'x'\n"), "4:11: a pattern needs parser = \"regex\""),
        (format!("{check}parser = \"regex\"\npattern = '('\n"), "5:11: the pattern cannot be compiled"),
        (
            format!("{check}parser = \"regex\"\npattern = '(?<datei>x)'\n"),
            "5:11: the pattern has a group `datei`",
        ),
        ("version = 2\n".to_owned(), "1:11: version 2 is not known here"),
        ("# ü\n[[check]]\nname = \"ü\", x\n".to_owned(), "3:11: "),
    ];
    for (text, wanted) in cases {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(&format!("{CHECKS_PATH}:{wanted}")), "{text}\n{error}");
    }
}

#[test]
fn a_checks_file_has_limits() {
    assert!(parse(&"#".repeat(MAX_CHECKS_BYTES + 1)).unwrap_err().contains("at most"));
    let many: String =
        (0..=MAX_CHECKS).map(|place| format!("[[check]]\nname = \"c{place}\"\nargv = [\"x\"]\n")).collect();
    assert!(parse(&many).unwrap_err().contains("at most 64 checks"));
    let huge = "[[check]]\nname = \"a\"\nargv = [\"x\"]\nparser = \"regex\"\npattern = '(?:a{900}){900}'\n";
    assert!(parse(huge).unwrap_err().contains("size limit"));
}

#[test]
fn depth_and_scopes_select() {
    let text = r#"
[[check]]
name = "quick"
argv = ["x"]
[[check]]
name = "deep"
argv = ["x"]
preset = "deep"
[[check]]
name = "style"
argv = ["x"]
scope = "style"
"#;
    let checks = parse(text).unwrap();
    let names = |preset, scopes: &[Scope]| {
        checks.selected(preset, scopes).map(|check| check.name.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Preset::Quick, &Scope::ALL), "quick style");
    assert_eq!(names(Preset::Exhaustive, &Scope::ALL), "quick deep style");
    assert_eq!(names(Preset::Deep, &[Scope::Correctness]), "quick deep");
    assert_eq!(names(Preset::Deep, &[]), "");
}

fn defaults(paths: &[&str], contents: &[(&str, &str)]) -> Vec<String> {
    let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
    let contents: BTreeMap<String, String> =
        contents.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect();
    let found = find_defaults(&paths, &contents);
    assert!(found.checks.iter().all(|check| paths.contains(&check.anchor.file)), "anchors are tracked files");
    found.checks.iter().map(|check| format!("{}: {}", check.name, check.argv.join(" "))).collect()
}

#[test]
fn defaults_follow_from_the_tracked_files() {
    let none: [&str; 0] = [];
    assert_eq!(defaults(&["README.md", "sub/Cargo.toml"], &[]), none);
    assert_eq!(
        defaults(&["Cargo.toml", "Cargo.lock", "src/lib.rs"], &[]),
        [
            "cargo-check: cargo check --workspace --all-targets --quiet --message-format=json --offline --locked",
            "clippy: cargo clippy --workspace --all-targets --quiet --message-format=json --offline --locked",
            "cargo-test: cargo test --workspace --no-fail-fast --quiet --message-format=json --offline --locked",
            "rustfmt: cargo fmt --all -- --check",
        ]
    );
    let compile = r"python-compile: python3 -m compileall -q -x (^|/)(\.git|node_modules|\.venv|venv)/ .";
    assert_eq!(
        defaults(
            &["pyproject.toml", "tests/test_a.py"],
            &[("pyproject.toml", "[tool.ruff]\n[tool.pytest.ini_options]")]
        ),
        [
            compile,
            "ruff: ruff check --output-format sarif --no-fix .",
            "pytest: python3 -m pytest -q -p no:cacheprovider -o junit_family=xunit1 --junitxml=/dev/stdout",
        ]
    );
    assert_eq!(
        defaults(&["tool.py", "test_tool.py"], &[]),
        [compile, "unittest: python3 -m unittest discover -q"]
    );
    assert_eq!(
        defaults(&["go.mod", "main.go"], &[]),
        ["go-vet: go vet ./...", "go-test: go test ./...", "gofmt: gofmt -l ."]
    );
}

#[test]
fn node_tests_run_as_the_package_says() {
    let run = |script: &str, more: &[&str]| {
        let manifest = format!("{{\"scripts\": {{\"test\": {}}}}}", serde_json::to_string(script).unwrap());
        defaults(&[&["package.json"], more].concat(), &[("package.json", &manifest)])
    };
    assert_eq!(run("node --test test/*.js", &[]), ["node-test: node --test --test-reporter=junit test/*.js"]);
    assert_eq!(run("jest --ci", &[]), ["npm-test: npm test --silent"]);
    assert_eq!(run("node --test && echo done", &[]), ["npm-test: npm test --silent"]);
    assert_eq!(run("echo \"Error: no test specified\" && exit 1", &[]), [] as [&str; 0]);
    assert_eq!(run("", &["src/a.test.js"]), ["node-test: node --test --test-reporter=junit"]);
    assert_eq!(
        run("", &["eslint.config.js", "tsconfig.json"]),
        ["eslint: eslint --format json .", "tsc: tsc --noEmit --pretty false"]
    );
    assert_eq!(defaults(&["package.json"], &[("package.json", "no json")]), [] as [&str; 0]);
}

#[test]
fn the_table_of_depths_says_what_the_defaults_do() {
    let row_of = |check: &str| match check {
        "cargo-check" | "python-compile" | "go-vet" => "compile",
        "rustfmt" | "gofmt" => "format",
        "ruff" | "eslint" => "configured linters",
        "clippy" => "clippy",
        "tsc" => "types",
        _ => "tests",
    };
    let paths =
        ["Cargo.toml", "ruff.toml", "setup.py", "test_a.py", "package.json", "a.test.js", "eslint.config.js"];
    let paths = [&paths[..], &["tsconfig.json", "go.mod"]].concat();
    let paths: Vec<String> = paths.into_iter().map(str::to_owned).collect();
    let found = find_defaults(&paths, &BTreeMap::new());
    assert_eq!(found.checks.len(), 13);
    for check in found.checks {
        let table = preset_table();
        let row = table.iter().find(|row| row.what == row_of(&check.name)).unwrap();
        assert_eq!((row.scope, row.from), (Some(check.scope), check.preset), "{}", check.name);
    }
}

#[test]
fn nothing_that_a_default_runs_reaches_for_the_network() {
    let all = ["Cargo.toml", "pyproject.toml", "test_a.py", "package.json", "a.test.js", "go.mod"];
    let commands = defaults(&all, &[]);
    assert!(
        commands.iter().all(|command| !command.contains("npx") && !command.contains("install")),
        "{commands:?}"
    );
    let needs = Ecosystem::all_needs("/home/ada", "/scratch");
    for (name, value) in [("CARGO_NET_OFFLINE", "true"), ("GOPROXY", "off"), ("npm_config_offline", "true")] {
        assert_eq!(needs.env[name], value);
    }
}

#[test]
fn tools_write_to_the_scratch_folder_and_read_from_home() {
    for ecosystem in Ecosystem::ALL {
        let needs = ecosystem.needs("/home/ada", "/scratch");
        assert!(needs.writable.iter().all(|folder| folder.starts_with("/scratch/")), "{needs:?}");
        assert!(needs.readable.iter().all(|folder| !folder.starts_with("/scratch")), "{needs:?}");
        assert!(needs.readable.iter().all(|folder| folder != "/home/ada"), "{needs:?}");
    }
}
