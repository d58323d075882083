//! New and old, and one finding for what several tools say.

use windlass_contract::document::{Finding, FindingOrigin, Severity};
use windlass_domain::diff::{FileChange, FileStatus};
use windlass_engine::review::compare::{fold, normalised, tell_origins};

use crate::change::{added, diff, finding, hunk, modified};

fn origins(head: &[Finding], base: &[Finding], files: Vec<FileChange>) -> Vec<FindingOrigin> {
    tell_origins(head.to_vec(), Some(base), &diff(files)).into_iter().map(|finding| finding.origin).collect()
}

use FindingOrigin::{New, Old, Unknown};

fn at(line: u32) -> Finding {
    finding("a.rs", line, "clippy/x", "bad")
}

#[test]
fn a_finding_follows_its_line_through_the_hunks() {
    // Two lines are added after line 3, and line 10 is taken out.
    let change = || {
        vec![modified(
            "a.rs",
            vec![hunk(3, 3, " three\n+new\n+new\n four"), hunk(9, 11, " nine\n-ten\n eleven")],
        )]
    };
    let cases = [
        (1, 1, Old, "before the first hunk"),
        (3, 3, Old, "on a line that a hunk shows"),
        (4, 6, Old, "behind added lines"),
        (9, 11, Old, "on the first line of the second hunk"),
        (11, 12, Old, "behind a removed line"),
        (20, 21, Old, "behind everything"),
    ];
    for (base, head, wanted, place) in cases {
        assert_eq!(origins(&[at(head)], &[at(base)], change()), [wanted], "{place}");
    }
    assert_eq!(origins(&[at(4)], &[], change()), [New], "on an added line");
    assert_eq!(origins(&[at(4)], &[at(30)], change()), [New], "the base had it, but elsewhere");
    assert_eq!(origins(&[at(6)], &[], change()), [New], "the change made a line bad that it did not touch");
}

#[test]
fn a_line_that_was_rewritten_with_its_problem_is_old() {
    let change = || vec![modified("a.rs", vec![hunk(5, 5, "-five\n+FIVE\n+more\n six")])];
    assert_eq!(origins(&[at(5)], &[at(5)], change()), [Old]);
    assert_eq!(origins(&[at(5), at(6)], &[at(5)], change()), [Old, New], "one explains one");
    assert_eq!(origins(&[at(5)], &[at(6)], change()), [New], "the other one stood on a line that stayed");
}

#[test]
fn a_finding_on_its_own_line_is_not_taken_by_a_neighbour() {
    let none = Vec::new;
    assert_eq!(origins(&[at(7), at(8)], &[at(8)], none()), [New, Old]);
    assert_eq!(origins(&[at(8), at(7)], &[at(8)], none()), [Old, New]);
}

#[test]
fn of_two_findings_the_one_on_the_line_that_moved_is_old() {
    let longer = || vec![modified("a.rs", vec![hunk(3, 3, " three\n+new\n+new\n four")])];
    assert_eq!(origins(&[at(10), at(22)], &[at(20)], longer()), [New, Old]);
    // A hunk without context that only takes a line away names the line before it.
    let shorter = || vec![modified("a.rs", vec![hunk(5, 4, "-five")])];
    assert_eq!(origins(&[at(9), at(4)], &[at(4)], shorter()), [New, Old]);
    assert_eq!(origins(&[at(9), at(5)], &[at(6)], shorter()), [New, Old]);
}

#[test]
fn files_are_followed_through_renames() {
    let renamed = FileChange {
        status: FileStatus::Renamed,
        old_path: Some("old.rs".to_owned()),
        ..modified("a.rs", vec![hunk(1, 1, "+first\n second")])
    };
    let base = finding("old.rs", 4, "clippy/x", "bad");
    assert_eq!(origins(&[at(5)], std::slice::from_ref(&base), vec![renamed]), [Old]);
    assert_eq!(origins(&[at(4)], &[base], Vec::new()), [New], "another file");
}

#[test]
fn everything_in_a_new_file_is_new() {
    assert_eq!(origins(&[at(1)], &[at(1)], vec![added("a.rs", "x\ny\n")]), [New]);
}

#[test]
fn without_a_base_nobody_knows() {
    let told = tell_origins(vec![at(1)], None, &diff(Vec::new()));
    assert_eq!(told[0].origin, Unknown);
}

#[test]
fn messages_are_compared_without_numbers_and_paths() {
    let base = finding("a.rs", 1, "r", "function has 104 lines, see /repo/base/src/a.rs");
    let head = finding("a.rs", 1, "r", "function has 99 lines, see /repo/head/src/a.rs");
    assert_eq!(origins(&[head], &[base], Vec::new()), [Old]);
    assert_ne!(normalised("test `test_1` fails"), normalised("test `test_2` fails"));
    let other = finding("a.rs", 1, "r", "something else");
    assert_eq!(origins(&[other], &[at(1)], Vec::new()), [New]);
}

#[test]
fn what_two_tools_say_about_a_line_is_one_finding() {
    let check = finding("a.rs", 1, "cargo-check/E0308", "mismatched types");
    let clippy =
        Finding { severity: Severity::Error, ..finding("a.rs", 1, "clippy/E0308", "mismatched types") };
    let ruff = finding("a.py", 2, "ruff/F401", "`os` imported but unused");
    let flake = finding("a.py", 2, "flake8/F401", "'os' imported but not used");
    let other_line = finding("a.py", 3, "flake8/F401", "'os' imported but not used");
    let folded = fold(vec![check.clone(), clippy, ruff.clone(), flake, other_line.clone()]);
    assert_eq!(folded, [Finding { severity: Severity::Error, ..check }, ruff, other_line]);
}

#[test]
fn one_tool_may_say_two_things_about_a_line() {
    let first = finding("a_test.go", 1, "go-test/test-failed", "test `a` fails");
    let second = finding("a_test.go", 1, "go-test/test-failed", "test `b` fails");
    let elsewhere = finding("a_test.go", 1, "pytest/test-failed", "test `c` fails");
    let all = vec![first, second, elsewhere];
    assert_eq!(fold(all.clone()), all);
}
