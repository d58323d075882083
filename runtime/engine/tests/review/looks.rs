//! The looks: what they see, what they rightly pass over, and how mild they are where.

use std::collections::BTreeSet;

use proptest::prelude::*;
use windlass_contract::document::{FindingOrigin, Severity};
use windlass_domain::diff::{FileChange, FileContent, FileStatus, TreeDiff};
use windlass_domain::run::request::{Preset, Scope};
use windlass_engine::review::looks::{LOOKS, Looked, MAX_FINDINGS_PER_LOOK, Subject, look_at};
use windlass_engine::review::preset::preset_table;
use windlass_policy::standard;

use crate::change::{added, deleted, diff, hunk, modified, shown, with, without};

fn looked(diff: &TreeDiff, preset: Preset, whole_tree: bool) -> Looked {
    let protected = standard().file.protected_paths;
    look_at(&Subject { diff, whole_tree, protected: &protected, preset, scopes: &Scope::ALL })
}

/// What a deep review of these changes sees.
fn seen(files: Vec<FileChange>) -> Vec<String> {
    looked(&diff(files), Preset::Deep, false).findings.iter().map(shown).collect()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

fn token() -> String {
    format!("const TOKEN: &str = \"{}{}\";", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a")
}

#[test]
fn secrets_in_added_lines() {
    let key = format!(
        "{}\n{}\n{}",
        "-----BEGIN RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEAn5d0zYy1Wq8vT".repeat(2),
        "-----END RSA PRIVATE KEY-----"
    );
    let key: Vec<&str> = key.lines().collect();
    assert_eq!(
        seen(vec![with("src/a.rs", &["let a = 1;", &token()])]),
        ["src/a.rs:12 error windlass/secret: GitHub Personal Access Token (github-pat)"]
    );
    assert_eq!(
        seen(vec![with("deploy/key.pem", &key)]),
        ["deploy/key.pem:11 error windlass/secret: Private Key (PEM) (private-key)"]
    );
    let guess = "api_key = \"a8f5f167f44f4964e6c998dee827110c\"";
    assert_eq!(
        seen(vec![with("settings.py", &[guess])]),
        ["settings.py:11 warning windlass/secret: Generic API Key (generic-api-key)"]
    );
    assert_eq!(seen(vec![with("tests/fixtures/a.txt", &[&token()])]).len(), 1);
    assert!(seen(vec![with("docs/setup.md", &[&token()])])[0].contains(" warning "));
    assert_eq!(seen(vec![with("tests/test_a.py", &[guess]), with("README.md", &[guess])]), nothing());
    assert_eq!(seen(vec![without("src/a.rs", &[&token()])]), nothing(), "taking one out is no finding");
}

#[test]
fn no_finding_quotes_a_secret() {
    let found = looked(&diff(vec![with("src/a.rs", &[&token()])]), Preset::Deep, false);
    assert!(!serde_json::to_string(&found).unwrap().contains("16C7e42F"));
}

#[test]
fn conflict_markers() {
    let conflict = ["<<<<<<< HEAD", "one", "=======", "two", ">>>>>>> topic"];
    assert_eq!(
        seen(vec![with("src/a.rs", &conflict)]),
        ["src/a.rs:11 error windlass/conflict-marker: a merge conflict was committed unfinished"]
    );
    assert_eq!(
        seen(vec![with("a.txt", &["x", ">>>>>>> topic"])]).len(),
        1,
        "what a half-done cleaning leaves"
    );
    assert!(seen(vec![with("tests/fixtures/merge.txt", &conflict)])[0].contains(" note "));
    for harmless in ["Title\n=======", "  <<<<<<< indented in a test", "<<<<<<<<<<<", "a <<<<<<< b"] {
        let lines: Vec<&str> = harmless.lines().collect();
        assert_eq!(seen(vec![with("src/a.rs", &lines)]), nothing(), "{harmless}");
    }
}

#[test]
fn protected_paths_and_the_workspaces_own_files() {
    assert_eq!(
        seen(vec![
            with(".github/workflows/ci.yml", &["  - run: make"]),
            deleted("infra/main.tf", "x\n"),
            with(".windlass/checks.toml", &["[[check]]"]),
            with("src/infra.rs", &["// x"]),
        ]),
        [
            ".github/workflows/ci.yml:11 warning windlass/protected-path: `.github/workflows/ci.yml` is changed; policy protects `.github/**`",
            "infra/main.tf:1 warning windlass/protected-path: `infra/main.tf` is deleted; policy protects `infra/**`",
            ".windlass/checks.toml:11 warning windlass/checks-changed: the workspace's own `.windlass/checks.toml` is changed",
        ]
    );
    let away = FileChange {
        status: FileStatus::Renamed,
        old_path: Some("infra/main.tf".to_owned()),
        ..modified("old/main.tf", Vec::new())
    };
    assert_eq!(seen(vec![away]).len(), 1, "moving a protected file away touches it");
}

#[test]
fn deleted_tests() {
    let python = "def test_a():\n    assert 1 + 1 == 2\n\ndef test_b():\n    pass\n";
    assert_eq!(
        seen(vec![deleted("tests/test_a.py", python)]),
        [
            "tests/test_a.py:1 warning windlass/test-deleted: the test file `tests/test_a.py` is deleted, with 2 tests"
        ]
    );
    assert_eq!(
        seen(vec![deleted("tests/test_a.py", python), added("tests/unit/test_a.py", python)]),
        nothing()
    );
    assert_eq!(seen(vec![deleted("tests/test_a.py", python), added("tests/test_all.py", python)]), nothing());
    assert_eq!(
        seen(vec![deleted("src/helper.py", "x = 1\n"), deleted("tests/data.json", "{}\n")]),
        nothing()
    );
}

#[test]
fn removed_tests_in_each_language() {
    let rust = ["    #[test]", "    fn adds() {", "        assert_eq!(add(1, 1), 2);", "    }"];
    let cases: [(&str, &[&str], &str); 4] = [
        ("src/a.rs", &rust, "src/a.rs:12 warning windlass/test-removed: the test `adds` is removed"),
        (
            "tests/test_a.py",
            &["def test_adds():", "    assert add(1, 1) == 2"],
            "tests/test_a.py:11 warning windlass/test-removed: the test `test_adds` is removed",
        ),
        (
            "src/a.test.ts",
            &["it(\"adds two\", () => {", "  expect(add(1, 1)).toBe(2);", "});"],
            "src/a.test.ts:11 warning windlass/test-removed: the test `adds two` is removed",
        ),
        (
            "a_test.go",
            &["func TestAdd(t *testing.T) {", "\tif add(1, 1) != 2 {", "\t\tt.Fatal(\"no\")", "\t}", "}"],
            "a_test.go:11 warning windlass/test-removed: the test `TestAdd` is removed",
        ),
    ];
    for (path, lines, wanted) in cases {
        assert_eq!(seen(vec![without(path, lines)]), [wanted]);
        assert_eq!(
            seen(vec![without(path, lines), with(&format!("other/{path}"), lines)]),
            nothing(),
            "moved"
        );
    }
    assert_eq!(seen(vec![without("src/a.rs", &["    fn helper() {", "    }"])]), nothing(), "no test");
    let renamed =
        modified("src/a.rs", vec![hunk(5, 5, " #[test]\n-fn adds() {\n+fn adds_two_numbers() {\n     x();")]);
    assert_eq!(seen(vec![renamed]), nothing(), "renamed");
}

#[test]
fn what_was_removed_is_shown_where_it_stood() {
    let change = "+use std::fmt;\n+\n mod tests {\n-    #[test]\n-    fn adds() {\n-    }\n }";
    assert_eq!(
        seen(vec![modified("src/a.rs", vec![hunk(40, 40, change)])]),
        ["src/a.rs:42 warning windlass/test-removed: the test `adds` is removed"]
    );
}

#[test]
fn weakened_assertions() {
    let python = |text: &str| seen(vec![modified("tests/test_a.py", vec![hunk(5, 5, text)])]);
    assert_eq!(
        python(
            " def test_a():\n-    assert add(2, 2) == 4\n-    assert add(0, 0) == 0\n+    add(2, 2)\n+    assert add(0, 0) is not None"
        ),
        ["tests/test_a.py:6 warning windlass/test-weakened: 2 assertions are removed, 1 added"]
    );
    assert_eq!(
        python(" def test_a():\n-    assert add(2, 2) == 4\n+    assert True"),
        [
            "tests/test_a.py:6 warning windlass/test-weakened: this assertion holds whatever happens",
            "tests/test_a.py:6 warning windlass/test-weakened: 1 assertions are removed, 0 added",
        ]
    );
    assert_eq!(python(" def test_a():\n-    assert add(2, 2) == 4\n+    assert add(2, 2) == 5"), nothing());
    let program = modified("src/a.py", vec![hunk(5, 5, "-    assert x\n+    check(x)")]);
    assert_eq!(seen(vec![program]), nothing(), "an assertion of the program is no test");
}

#[test]
fn a_test_that_is_now_skipped_is_not_removed_as_well() {
    for skipped in ["test.skip(", "xtest("] {
        let lines =
            format!("-test(\"adds\", () => {{\n+{skipped}\"adds\", () => {{\n   expect(add(1, 1)).toBe(2);");
        assert_eq!(
            seen(vec![modified("a.test.js", vec![hunk(5, 5, &lines)])]),
            ["a.test.js:5 warning windlass/test-skipped: this test is skipped, or its failure expected"]
        );
    }
}

#[test]
fn skipped_and_focused_tests() {
    let cases = [
        ("src/a.rs", "    #[ignore]", "warning windlass/test-skipped"),
        ("src/a.rs", "    #[ignore = \"needs a bus\"]", "note windlass/test-skipped"),
        ("tests/test_a.py", "@pytest.mark.skip(reason=\"later\")", "warning windlass/test-skipped"),
        ("tests/test_a.py", "@pytest.mark.xfail", "warning windlass/test-skipped"),
        ("tests/test_a.py", "@unittest.skip(\"later\")", "warning windlass/test-skipped"),
        (
            "tests/test_a.py",
            "@pytest.mark.skipif(sys.platform == \"win32\", reason=\"x\")",
            "note windlass/test-skipped",
        ),
        ("tests/test_a.py", "@unittest.skipUnless(zlib, \"needs zlib\")", "note windlass/test-skipped"),
        ("src/a.rs", "    #[cfg_attr(miri, ignore)]", "note windlass/test-skipped"),
        ("a.test.js", "test.skip(\"adds\", () => {", "warning windlass/test-skipped"),
        ("a.test.js", "  xit(\"adds\", () => {", "warning windlass/test-skipped"),
        ("a.test.js", "describe.only(\"adds\", () => {", "error windlass/test-focused"),
        ("a_test.go", "\tt.Skip(\"later\")", "warning windlass/test-skipped"),
    ];
    for (path, line, wanted) in cases {
        let found = seen(vec![with(path, &[line])]);
        assert!(found.len() == 1 && found[0].contains(wanted), "{line}: {found:?}");
        assert_eq!(seen(vec![without(path, &[line]), with("b_test.rs", &[])]), nothing(), "{line} removed");
    }
    for (path, line) in [
        ("src/a.rs", "let text = \"#[ignore]\";"),
        ("src/a.js", "const list = items.filter(skip);"),
        ("src/a.js", "it.skipped = true;"),
        ("tests/test_a.py", "# pytest.mark.skip is not used here"),
    ] {
        assert_eq!(seen(vec![with(path, &[line])]), nothing(), "{line}");
    }
    let conditional =
        seen(vec![with("a_test.go", &["\tif testing.Short() {", "\t\tt.Skip(\"slow\")", "\t}"])]);
    assert!(conditional.len() == 1 && conditional[0].contains(" note "), "{conditional:?}");
    let indented =
        modified("tests/test_a.py", vec![hunk(5, 5, "-@pytest.mark.skip\n+    @pytest.mark.skip")]);
    assert_eq!(seen(vec![indented]), nothing(), "moved");
}

fn binary(path: &str, bytes: u64) -> FileChange {
    FileChange { content: FileContent::Binary, new_bytes: bytes, ..added(path, "") }
}

#[test]
fn binaries_and_large_files() {
    assert_eq!(
        seen(vec![binary("tools/helper.so", 2000), binary("logo.png", 9000), binary("film.png", 3_500_000)]),
        [
            "tools/helper.so:1 warning windlass/binary-added: a binary file of 2000 bytes is added",
            "film.png:1 warning windlass/large-file: added with 3.3 MiB",
        ]
    );
    assert!(seen(vec![binary("tests/fixtures/a.bin", 10)])[0].contains(" note "));
    let large_text = FileChange { new_bytes: 2 * 1024 * 1024, ..added("data.json", "{}\n") };
    assert_eq!(seen(vec![large_text]), ["data.json:1 warning windlass/large-file: added with 2.0 MiB"]);
    let grown = FileChange { new_bytes: 5_000_000, ..modified("big.bin", Vec::new()) };
    assert_eq!(seen(vec![grown]), nothing(), "it was there before");
}

#[test]
fn modes_and_links() {
    let mode = |old_mode, new_mode| FileChange { old_mode, new_mode, ..modified("run", Vec::new()) };
    assert_eq!(
        seen(vec![mode(0o100_644, 0o100_755), mode(0o100_755, 0o100_644)]),
        [
            "run:1 warning windlass/mode-changed: `run` becomes executable",
            "run:1 note windlass/mode-changed: `run` is executable no more",
        ]
    );
    let script = |text: &str| FileChange { new_mode: 0o100_755, ..added("run.sh", text) };
    assert_eq!(seen(vec![script("#!/bin/sh\nls\n")]), nothing());
    assert_eq!(seen(vec![script("ls\n")]).len(), 1);
    let link =
        |path: &str, target: &str| seen(vec![FileChange { new_mode: 0o120_000, ..added(path, target) }]);
    assert_eq!(
        link("a/b/link", "../../../etc/passwd"),
        [
            "a/b/link:1 error windlass/symlink-outside: the symbolic link leads out of the repository, to `../../../etc/passwd`"
        ]
    );
    assert_eq!(link("link", "/etc/passwd").len(), 1);
    assert_eq!(link("a/b/link", "../../c"), nothing());
    assert_eq!(link("a/link", "b/../../c"), nothing());
    assert_eq!(link("a/link", "../../c").len(), 1);
}

#[test]
fn debug_leftovers() {
    let found = [
        ("src/a.rs", "    dbg!(&value);"),
        ("src/a.py", "    breakpoint()"),
        ("src/a.py", "import pdb; pdb.set_trace()"),
        ("src/a.js", "  debugger;"),
        ("src/a.rb", "  binding.pry"),
        ("src/a.php", "var_dump($x);"),
        ("src/a.go", "\tspew.Dump(x)"),
        ("tests/a.rs", "    dbg!(x);"),
    ];
    for (path, line) in found {
        let seen = seen(vec![with(path, &[line])]);
        assert!(seen.len() == 1 && seen[0].contains("warning windlass/debug-leftover"), "{line}: {seen:?}");
    }
    let print = "  console.log(user);";
    assert!(seen(vec![with("src/user.js", &[print])])[0].contains("note windlass/debug-leftover"));
    let harmless = [
        ("scripts/build.js", print),
        ("src/cli.js", print),
        ("src/user.test.js", print),
        ("docs/use.md", "dbg!(x)"),
        ("src/a.rs", "// dbg!(x) is left out"),
        ("src/a.rs", "let text = \"dbg!(x)\";"),
        ("src/a.rs", "const PATTERN: &str = r\"\\bdbg!\\(\";"),
        ("src/a.rs", "fn f<'a>(x: &'a str) -> &'a str { x }"),
        ("src/a.js", "const debuggers = [];"),
        ("src/a.js", "// debugger"),
        ("src/a.py", "set_breakpoint(3)"),
        ("src/a.py", "self.breakpoint()"),
        ("src/a.py", "text = 'pdb.set_trace()'"),
        ("vendor/x/a.py", "breakpoint()"),
    ];
    for (path, line) in harmless {
        assert_eq!(seen(vec![with(path, &[line])]), nothing(), "{path}: {line}");
    }
    let moved = modified("src/a.rs", vec![hunk(5, 5, "-dbg!(x);\n+if y {\n+    dbg!(x);\n+}")]);
    assert_eq!(seen(vec![moved]), nothing(), "it was there before");
    assert!(seen(vec![with("src/a.rs", &["    todo!()"])])[0].contains("warning windlass/unfinished"));
    assert!(
        seen(vec![with("tests/a.rs", &["    unimplemented!(\"x\")"])])[0]
            .contains("note windlass/unfinished")
    );
}

#[test]
fn notes_and_unsafe_only_when_deep() {
    let change = diff(vec![with(
        "src/a.rs",
        &["let a = 1; // TODO: two", "unsafe { free(a) }", "let todo = \"TODO\";"],
    )]);
    let rules = |preset| -> Vec<String> {
        looked(&change, preset, false).findings.into_iter().filter_map(|finding| finding.rule).collect()
    };
    assert_eq!(rules(Preset::Standard), nothing());
    assert_eq!(rules(Preset::Deep), ["windlass/todo-added", "windlass/unsafe-added"]);
}

#[test]
fn dependencies_from_elsewhere() {
    let found = [
        ("Cargo.toml", "serde = { git = \"https://example.org/serde\" }"),
        ("package.json", "    \"left-pad\": \"git+https://example.org/left-pad.git\","),
        ("package.json", "    \"left-pad\": \"github:a/left-pad\","),
        ("package.json", "    \"left-pad\": \"https://example.org/left-pad.tgz\","),
        ("requirements.txt", "git+https://example.org/x.git"),
        ("requirements-dev.txt", "--extra-index-url https://example.org/simple"),
        ("pyproject.toml", "dependencies = [\"x @ https://example.org/x.whl\"]"),
        ("go.mod", "replace example.org/a => ../a"),
        (".npmrc", "registry=https://example.org/"),
    ];
    for (path, line) in found {
        let seen = seen(vec![with(path, &[line])]);
        assert!(
            seen.len() == 1 && seen[0].contains("warning windlass/dependency-source"),
            "{line}: {seen:?}"
        );
    }
    let harmless = [
        ("Cargo.toml", "repository = \"https://example.org/x.git\""),
        ("Cargo.toml", "serde = \"1\""),
        ("Cargo.toml", "# serde = { git = \"https://example.org/serde\" }"),
        ("package.json", "    \"url\": \"git+https://example.org/x.git\""),
        ("package.json", "  \"homepage\": \"https://example.org\","),
        ("requirements.txt", "requests==2.32.0"),
        ("go.mod", "\texample.org/a v1.2.3"),
    ];
    for (path, line) in harmless {
        assert_eq!(seen(vec![with(path, &[line])]), nothing(), "{line}");
    }
}

#[test]
fn locks_that_move_alone() {
    assert_eq!(
        seen(vec![with("Cargo.lock", &["version = \"1.0.1\""])]),
        ["Cargo.lock:11 note windlass/lock-without-manifest: `Cargo.lock` changed, and no manifest did"]
    );
    assert_eq!(seen(vec![with("Cargo.lock", &["x"]), with("sub/Cargo.toml", &["serde = \"1\""])]), nothing());
    assert_eq!(seen(vec![added("Cargo.lock", "x\n")]), nothing());
}

#[test]
fn the_whole_tree_is_asked_only_what_makes_sense() {
    let tree = diff(vec![
        added(".github/workflows/ci.yml", "on: push\n"),
        added("src/a.rs", &format!("{}\ndbg!(1);\nunsafe {{ x() }} // TODO\n", token())),
        added("tests/a.test.js", "test.skip(\"x\")\n"),
        binary("tools/a.so", 10),
    ]);
    let found = looked(&tree, Preset::Deep, true);
    let shown: Vec<String> = found.findings.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "src/a.rs:1 error windlass/secret: GitHub Personal Access Token (github-pat)",
            "src/a.rs:2 warning windlass/debug-leftover: `dbg!` was left behind",
        ]
    );
    assert!(found.findings.iter().all(|finding| finding.origin == FindingOrigin::Unknown));
}

#[test]
fn scopes_and_numbers_are_limited() {
    let change = diff(vec![with("src/a.rs", &vec!["dbg!(1);"; MAX_FINDINGS_PER_LOOK + 5])]);
    let found = looked(&change, Preset::Quick, false);
    assert_eq!(found.findings.len(), MAX_FINDINGS_PER_LOOK);
    assert_eq!(found.dropped["windlass/debug-leftover"], 5);
    let style = look_at(&Subject {
        diff: &change,
        whole_tree: false,
        protected: &[],
        preset: Preset::Exhaustive,
        scopes: &[Scope::Style],
    });
    assert_eq!(style, Looked::default());
}

#[test]
fn the_table_names_every_look_once() {
    let table = preset_table();
    let names: BTreeSet<&str> = table.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(names.len(), table.len());
    assert!(LOOKS.iter().all(|look| names.contains(look.id)));
}

fn any_file() -> impl Strategy<Value = FileChange> {
    let path =
        prop_oneof!["[a-z]{1,5}/[a-z]{1,4}\\.(rs|py|js|go|md)", Just("Cargo.toml".to_owned()), ".{1,12}"];
    let kind = prop_oneof![
        Just(FileStatus::Added),
        Just(FileStatus::Deleted),
        Just(FileStatus::Modified),
        Just(FileStatus::Renamed),
        Just(FileStatus::TypeChanged)
    ];
    let mode = prop_oneof![Just(0), Just(0o100_644), Just(0o100_755), Just(0o120_000), any::<u32>()];
    let text = prop::collection::vec(
        prop_oneof![".{0,40}", "[ +-](<{7}|>{7}|={7}| assert| dbg!\\(|#\\[test\\]|'[a-z\"\\\\]{0,3})"],
        0..12,
    );
    (path, kind, mode.clone(), mode, text, any::<u32>(), any::<u32>()).prop_map(
        |(path, status, old_mode, new_mode, lines, old, new)| FileChange {
            status,
            old_mode,
            new_mode,
            ..modified(&path, vec![hunk(old, new, &lines.join("\n"))])
        },
    )
}

proptest! {
    #[test]
    fn any_diff_is_looked_at(files in prop::collection::vec(any_file(), 0..4), whole_tree in any::<bool>()) {
        for finding in looked(&diff(files), Preset::Exhaustive, whole_tree).findings {
            prop_assert!(finding.line >= 1 && !finding.message.is_empty());
            prop_assert!(finding.severity >= Severity::Note);
        }
    }
}
