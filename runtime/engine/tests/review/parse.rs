//! What tools really print, and what nobody should print.

use proptest::prelude::*;
use windlass_contract::document::Severity;
use windlass_domain::child::{ChildEnd, EndedBecause};
use windlass_domain::run::request::{Preset, Scope};
use windlass_engine::review::checks::{Anchor, Check, FindingPattern, Parser, find_defaults};
use windlass_engine::review::parse::{
    MAX_FINDINGS, MAX_MESSAGE_BYTES, Output, Places, Reading, one_line, read,
};

use crate::change::shown;

const TRACKED: [&str; 12] = [
    "Cargo.toml",
    "src/lib.rs",
    "tests/outside.rs",
    "calc.py",
    "tests/test_calc.py",
    "test_unit.py",
    "bad/broken.py",
    "add.test.js",
    "a.js",
    "a.ts",
    "pkg/deep/main_test.go",
    "package.json",
];

fn check(name: &str, parser: Parser) -> Check {
    Check {
        name: name.to_owned(),
        argv: vec!["tool".to_owned()],
        scope: Scope::Correctness,
        preset: Preset::Quick,
        parser,
        severity: Severity::Warning,
        rationale: "because".to_owned(),
        message: None,
        time_limit_ms: None,
        output_limit_bytes: None,
        success_exit: vec![0],
        anchor: Anchor { file: "Cargo.toml".to_owned(), line: 1 },
    }
}

fn reading(check: &Check, end: &ChildEnd, stdout: &[u8], stderr: &[u8]) -> Reading {
    read(check, Output { end, stdout, stderr }, &Places::new("/repo", TRACKED))
}

fn findings(check: &Check, code: u8, stdout: &str, stderr: &str) -> Vec<String> {
    match reading(check, &ChildEnd::Exited { code }, stdout.as_bytes(), stderr.as_bytes()) {
        Reading::Complete { findings, dropped: 0 } => findings.iter().map(shown).collect(),
        other => panic!("{other:?}"),
    }
}

/// A default check, by name.
fn default_check(name: &str) -> Check {
    let paths: Vec<String> = [
        "Cargo.toml",
        "setup.py",
        "test_unit.py",
        "package.json",
        "tsconfig.json",
        "eslint.config.js",
        "go.mod",
    ]
    .map(str::to_owned)
    .to_vec();
    let found = find_defaults(&paths, &[].into());
    found
        .checks
        .into_iter()
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no default check {name}"))
}

fn pattern(text: &str) -> Parser {
    Parser::Regex { pattern: FindingPattern::new(text).unwrap() }
}

#[test]
fn clippy_names_its_lints_once_each() {
    assert_eq!(
        findings(&check("clippy", Parser::CargoJson), 0, include_str!("../fixtures/clippy.json"), ""),
        [
            "src/lib.rs:10 warning clippy/unused_variables: unused variable: `unused`",
            "src/lib.rs:11 warning clippy/needless_return: unneeded `return` statement",
            "tests/outside.rs:4 warning clippy/unnecessary_literal_unwrap: used `unwrap()` on `None` value",
        ]
    );
}

#[test]
fn the_compiler_says_what_does_not_fit() {
    let found =
        findings(&default_check("cargo-check"), 101, include_str!("../fixtures/cargo-check.json"), "");
    assert!(
        found.contains(
            &"src/lib.rs:32 error cargo-check/E0308: mismatched types: expected `u8`, found `&str`"
                .to_owned()
        ),
        "{found:#?}"
    );
}

#[test]
fn a_problem_inside_a_foreign_macro_is_shown_where_it_was_called() {
    let line = r#"{"reason":"compiler-message","message":{"message":"bad","level":"error","code":null,"spans":[
        {"file_name":"/home/ada/.cargo/registry/src/x/src/lib.rs","line_start":7,"line_end":7,"is_primary":true,"label":null,
         "expansion":{"span":{"file_name":"src/lib.rs","line_start":3,"line_end":4,"is_primary":false,"label":null,"expansion":null}}}]}}"#
        .replace('\n', "");
    assert_eq!(
        findings(&check("cargo-check", Parser::CargoJson), 101, &line, ""),
        ["src/lib.rs:3-4 error cargo-check: bad"]
    );
}

#[test]
fn failing_rust_tests_are_found_where_they_panic() {
    let found = findings(&default_check("cargo-test"), 101, include_str!("../fixtures/cargo-test.txt"), "");
    let tests: Vec<&String> = found.iter().filter(|finding| finding.contains("test-failed")).collect();
    assert_eq!(
        tests,
        [
            "Cargo.toml:1 error cargo-test/test-failed: test `tests::it_errs` fails: Error: \"no luck\"",
            "src/lib.rs:20 error cargo-test/test-failed: test `tests::it_fails` fails: assertion `left == right` failed: sum",
            "tests/outside.rs:4 error cargo-test/test-failed: test `from_outside` fails: called `Option::unwrap()` on a `None` value",
        ]
    );
}

#[test]
fn formatters_and_compilers_are_read_by_patterns() {
    let rustfmt = findings(&default_check("rustfmt"), 1, include_str!("../fixtures/rustfmt.txt"), "");
    assert_eq!(rustfmt, ["src/lib.rs:1 note rustfmt: not formatted as rustfmt would"]);
    let compile =
        findings(&default_check("python-compile"), 1, include_str!("../fixtures/compileall.txt"), "");
    assert_eq!(compile, ["bad/broken.py:1 error python-compile: SyntaxError: invalid syntax"]);
    let tsc = findings(&default_check("tsc"), 2, include_str!("../fixtures/tsc.txt"), "");
    assert_eq!(tsc, ["a.ts:1 error tsc/TS2322: Type 'string' is not assignable to type 'number'."]);
    let unittest = findings(&default_check("unittest"), 1, "", include_str!("../fixtures/unittest.txt"));
    assert_eq!(
        unittest,
        [
            "test_unit.py:11 error unittest: ERROR: test_errs (test_unit.Adds.test_errs)",
            "test_unit.py:8 error unittest: FAIL: test_adds (test_unit.Adds.test_adds)",
        ]
    );
}

#[test]
fn go_tells_places_from_its_packages_folders() {
    let test = "--- FAIL: TestAdd (0.00s)\n    main_test.go:12: got 3, want 4\nFAIL\nFAIL\texample.org/x/pkg/deep\t0.002s\n";
    assert_eq!(
        findings(&default_check("go-test"), 1, test, ""),
        ["pkg/deep/main_test.go:12 error go-test: got 3, want 4"]
    );
    let vet = "# example.org/x/pkg/deep\npkg/deep/main_test.go:7:2: undefined: add\nvet: ./pkg/deep/main_test.go:9:1: expected declaration\n";
    assert_eq!(
        findings(&default_check("go-vet"), 1, "", vet),
        [
            "pkg/deep/main_test.go:7 error go-vet: undefined: add",
            "pkg/deep/main_test.go:9 error go-vet: expected declaration",
        ]
    );
    assert_eq!(
        findings(&default_check("gofmt"), 0, "pkg/deep/main_test.go\n", ""),
        ["pkg/deep/main_test.go:1 note gofmt: not formatted as gofmt would"]
    );
}

#[test]
fn pytest_and_node_tell_failing_tests_between_other_text() {
    let pytest = include_str!("../fixtures/pytest.xml.txt");
    assert_eq!(
        findings(&check("pytest", Parser::Junit), 1, pytest, ""),
        [
            "tests/test_calc.py:7 error pytest/test-failed: test `test_add` fails: AssertionError: a < b & c",
            "calc.py:9 error pytest/test-failed: test `test_divide` fails: ZeroDivisionError: division by zero",
            "tests/test_calc.py:16 error pytest/test-failed: test `test_setup` fails: failed on setup with \"RuntimeError: no database\"",
        ]
    );
    assert_eq!(
        findings(&check("node-test", Parser::Junit), 1, include_str!("../fixtures/node-test.xml"), ""),
        [
            "add.test.js:5 error node-test/test-failed: test `adds` fails: Expected values to be strictly equal:2 !== 3",
            "add.test.js:12 error node-test/test-failed: test `throws <here>` fails: no luck",
        ]
    );
    // What Node 20 says of a file that is no JavaScript: its absolute path, and no more.
    let unloadable = r#"<testsuites>
	<testcase name="/repo/add.test.js" time="0.3" classname="test" failure="test failed">
		<failure type="testCodeFailure" message="test failed">
[Error: test failed] { code: 'ERR_TEST_FAILURE', failureType: 'testCodeFailure', exitCode: 1, signal: null }
		</failure>
	</testcase>
</testsuites>"#;
    assert_eq!(
        findings(&check("node-test", Parser::Junit), 1, unloadable, ""),
        ["add.test.js:1 error node-test/test-failed: test `add.test.js` fails: test failed"]
    );
}

#[test]
fn linters_are_read_from_sarif_and_json() {
    assert_eq!(
        findings(&check("ruff", Parser::Sarif), 1, include_str!("../fixtures/ruff.sarif"), ""),
        ["calc.py:1 error ruff/F401: `os` imported but unused"]
    );
    assert_eq!(
        findings(&check("eslint", Parser::EslintJson), 0, include_str!("../fixtures/eslint.json"), ""),
        [
            "a.js:1 warning eslint/no-unused-vars: 'unused' is assigned a value but never used.",
            "a.js:2 error eslint/no-debugger: Unexpected 'debugger' statement.",
        ]
    );
}

#[test]
fn sarif_results_that_are_settled_are_left_out() {
    let result = |more: &str| {
        format!(
            "{{\"ruleIndex\":0,\"message\":{{\"text\":\"m\"}},\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":\
             {{\"uri\":\"./a%2Ejs\"}},\"region\":{{\"startLine\":3}}}}}}]{more}}}"
        )
    };
    let results = [
        result(""),
        result(",\"suppressions\":[{\"kind\":\"inSource\"}]"),
        result(",\"kind\":\"pass\""),
        result(",\"baselineState\":\"absent\""),
        "7".to_owned(),
    ];
    let log = format!(
        "warning: old configuration\n{{\"version\":\"2.1.0\",\"runs\":[{{\"tool\":{{\"driver\":{{\"name\":\"x\",\"rules\":[{{\"id\":\"R1\",\
         \"defaultConfiguration\":{{\"level\":\"note\"}}}}]}}}},\"results\":[{}]}}]}}\ndone\n",
        results.join(",")
    );
    assert_eq!(findings(&check("x", Parser::Sarif), 0, &log, ""), ["a.js:3 note x/R1: m"]);
}

#[test]
fn a_pattern_may_name_everything() {
    let text = "E a.js:3-5 [no-x] one\nW ./a.ts:7-7 [y] two\nE gone.js:1-1 [z] three\n";
    let parser = pattern(
        r"^(?<severity>\w) (?<file>[^:]+):(?<line>\d+)-(?<end_line>\d+) \[(?<rule>[^\]]+)\] (?<message>.+)$",
    );
    assert_eq!(
        findings(&check("p", parser), 1, text, ""),
        ["a.js:3-5 error p/no-x: one", "a.ts:7 warning p/y: two", "Cargo.toml:1 error p/z: three"]
    );
}

#[test]
fn a_failed_command_without_findings_is_one_finding() {
    let make = check("make", Parser::Exit);
    assert_eq!(findings(&make, 0, "", "noise"), [] as [&str; 0]);
    assert_eq!(
        findings(
            &make,
            2,
            "compiling\n",
            "starting\nsrc/lib.rs:7: fatal error: no such thing\nmake: *** [all] Error 1\n"
        ),
        ["src/lib.rs:7 warning make/failed: exit status 2: src/lib.rs:7: fatal error: no such thing"]
    );
    assert_eq!(
        findings(&make, 3, "", ""),
        ["Cargo.toml:1 warning make/failed: exit status 3, without a word"]
    );
    let tolerant = Check { success_exit: vec![0, 3], ..make };
    assert_eq!(findings(&tolerant, 3, "", ""), [] as [&str; 0]);
}

#[test]
fn a_tool_that_is_not_there_says_nothing_about_the_change() {
    let sayings = [
        (1, "/usr/bin/python3: No module named pytest\n"),
        (101, "error: no such command: `clippy`\n\nhelp: view all installed commands with `cargo --list`\n"),
        (1, "error: 'cargo-clippy' is not installed for the toolchain '1.95.0-x86_64-unknown-linux-gnu'.\n"),
        (101, "error: no matching package named `rand` found\nlocation searched: crates.io index\n"),
        (127, "sh: 1: jest: not found\n"),
        (127, ""),
        (1, "node:internal/modules:1\nError: Cannot find module 'express'\nRequire stack:\n- /repo/a.js\n"),
        (1, "main.go:3:8: github.com/x/y@v1.0.0: module lookup disabled by GOPROXY=off\n"),
    ];
    for (code, stderr) in sayings {
        let found = reading(&check("c", Parser::Exit), &ChildEnd::Exited { code }, b"", stderr.as_bytes());
        assert!(matches!(found, Reading::Unavailable { .. }), "{stderr}: {found:?}");
    }
    // These lie in the code under review.
    for stderr in [
        "Traceback (most recent call last):\n  File \"/repo/calc.py\", line 1, in <module>\nModuleNotFoundError: No module named 'helper'\n",
        "Error: Cannot find module './helper'\nRequire stack:\n- /repo/a.js\n",
    ] {
        let found = reading(&check("c", Parser::Exit), &ChildEnd::Exited { code: 1 }, b"", stderr.as_bytes());
        assert!(matches!(found, Reading::Complete { .. }), "{stderr}: {found:?}");
    }
    let not_started = ChildEnd::NotStarted { reason: "no such program: ruff".to_owned() };
    let found = reading(&check("c", Parser::Exit), &not_started, b"", b"");
    assert_eq!(found, Reading::Unavailable { why: "no such program: ruff".to_owned() });
}

#[test]
fn success_in_an_unknown_format_is_no_success() {
    for (parser, text) in
        [(Parser::Sarif, "All checks passed!"), (Parser::EslintJson, ""), (Parser::Sarif, "{\"runs\": [")]
    {
        let found = reading(&check("c", parser), &ChildEnd::Exited { code: 0 }, text.as_bytes(), b"");
        assert!(matches!(found, Reading::Unavailable { .. }), "{text}: {found:?}");
    }
}

#[test]
fn a_command_that_was_ended_keeps_what_it_said() {
    let end = ChildEnd::Ended { why: EndedBecause::TimeLimit };
    let text = include_str!("../fixtures/clippy.json");
    let found = reading(&check("clippy", Parser::CargoJson), &end, &text.as_bytes()[..text.len() / 2], b"");
    let Reading::CutShort { findings, why } = found else { panic!("{found:?}") };
    assert!(!findings.is_empty() && why.contains("time limit"), "{why}");
}

#[test]
fn paths_are_brought_back_to_the_repository() {
    let places = Places::new("/repo/", TRACKED);
    let cases = [
        ("src/lib.rs", Some("src/lib.rs")),
        ("/repo/src/lib.rs", Some("src/lib.rs")),
        ("file:///repo/src/lib.rs", Some("src/lib.rs")),
        ("./src/../src/lib.rs", Some("src/lib.rs")),
        ("deep/main_test.go", Some("pkg/deep/main_test.go")),
        ("main_test.go", Some("pkg/deep/main_test.go")),
        ("/elsewhere/src/lib.rs", None),
        ("/src/lib.rs", None),
        ("/repository/src/lib.rs", None),
        ("../src/lib.rs", None),
        ("lib", None),
        ("", None),
    ];
    for (path, wanted) in cases {
        assert_eq!(places.tracked(path).as_deref(), wanted, "{path}");
    }
    let twice = Places::new("/repo", ["a/x.go", "b/x.go"]);
    assert_eq!(twice.tracked("x.go"), None, "two files end so");
}

#[test]
fn messages_are_one_line_without_secrets() {
    let token = concat!("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
    assert_eq!(one_line(&format!("a\n\tb \u{7} {token}")), "a b [redacted:github-pat]");
    assert!(one_line(&"ä".repeat(10_000)).len() <= MAX_MESSAGE_BYTES + 4);
}

#[test]
fn a_flood_of_findings_is_cut_and_counted() {
    let flood = "a.js:1: x\n".repeat(MAX_FINDINGS + 7);
    let parser = pattern(r"^(?<file>[^:]+):(?<line>\d+): (?<message>.+)$");
    let found = reading(&check("c", parser), &ChildEnd::Exited { code: 0 }, flood.as_bytes(), b"");
    let Reading::Complete { findings, dropped } = found else { panic!("{found:?}") };
    assert_eq!((findings.len(), dropped), (MAX_FINDINGS, 7));
}

fn any_parser() -> impl Strategy<Value = Parser> {
    prop_oneof![
        Just(Parser::CargoJson),
        Just(Parser::Sarif),
        Just(Parser::Junit),
        Just(Parser::EslintJson),
        Just(Parser::Exit),
        Just(pattern(r"(?<file>[^:\n]+):(?<line>\d+)(?:-(?<end_line>\d+))?(?<message>.*)")),
    ]
}

/// Real output with a piece cut out, a piece doubled and some bytes spoilt.
fn spoilt_output() -> impl Strategy<Value = Vec<u8>> {
    let real = prop_oneof![
        Just(&include_bytes!("../fixtures/clippy.json")[..]),
        Just(&include_bytes!("../fixtures/cargo-test.txt")[..]),
        Just(&include_bytes!("../fixtures/pytest.xml.txt")[..]),
        Just(&include_bytes!("../fixtures/node-test.xml")[..]),
        Just(&include_bytes!("../fixtures/ruff.sarif")[..]),
        Just(&include_bytes!("../fixtures/eslint.json")[..]),
    ];
    let places = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (real, places, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)).prop_map(
        |(real, (a, b), spoils)| {
            let (a, b) = (a.index(real.len()), b.index(real.len()));
            let mut bytes = [&real[..a.max(b)], &real[a.min(b)..]].concat();
            if a % 2 == 0 {
                bytes = [&real[..a.min(b)], &real[a.max(b)..]].concat();
            }
            for (place, byte) in spoils {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            bytes
        },
    )
}

fn holds(parser: Parser, stdout: &[u8], stderr: &[u8], code: u8) -> Result<(), TestCaseError> {
    let found = reading(&check("c", parser), &ChildEnd::Exited { code }, stdout, stderr);
    prop_assert!(found.findings().len() <= MAX_FINDINGS);
    for finding in found.findings() {
        prop_assert!(TRACKED.contains(&finding.file.as_str()), "{finding:?}");
        prop_assert!(
            finding.line >= 1 && finding.end_line.is_none_or(|end| end > finding.line),
            "{finding:?}"
        );
        prop_assert!(!finding.message.is_empty() && !finding.message.contains('\n'), "{finding:?}");
        prop_assert!(finding.message.len() <= MAX_MESSAGE_BYTES + 8, "{finding:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read(
        parser in any_parser(),
        stdout in prop::collection::vec(any::<u8>(), 0..400),
        stderr in prop::collection::vec(any::<u8>(), 0..100),
        code in any::<u8>(),
    ) {
        holds(parser, &stdout, &stderr, code)?;
    }

    #[test]
    fn spoilt_output_is_read(parser in any_parser(), stdout in spoilt_output(), code in 0_u8..3) {
        holds(parser, &stdout, b"", code)?;
    }
}
