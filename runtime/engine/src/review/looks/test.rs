//! Tests that a change deletes, empties or silences.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use windlass_contract::document::{Confidence, Severity};
use windlass_domain::diff::{FileChange, FileStatus, LineSide};

use super::kind::{Language, Purpose, is_test_code, name_of};
use super::lines::{self, Line, Moved};
use super::{Gatherer, Seen, TEST_DELETED, TEST_FOCUSED, TEST_REMOVED, TEST_SKIPPED, TEST_WEAKENED};

/// How a language writes its tests.
struct TestWords {
    /// A test, with its name.
    test: Regex,
    /// An assertion.
    assertion: Regex,
    /// An assertion that holds whatever happens.
    empty_assertion: Regex,
    /// A mark that skips a test.
    skip: Regex,
    /// A mark that skips all others.
    focus: Option<Regex>,
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the expression is fixed")
}

static RUST: LazyLock<TestWords> = LazyLock::new(|| TestWords {
    test: regex(r"^\s*(?:pub(?:\([a-z]+\))?\s+)?(?:async\s+)?fn\s+(?<name>\w+)"),
    assertion: regex(r"\b(?:prop_)?assert(?:_eq|_ne|_matches|_snapshot|_json_snapshot)?!|#\[should_panic"),
    empty_assertion: regex(r"\bassert!\(\s*true\s*[,)]|\bassert_eq!\(\s*(?:true,\s*true|1,\s*1)\s*[,)]"),
    skip: regex(r"^\s*#\[(?:cfg_attr\(.*,\s*)?ignore\b"),
    focus: None,
});

static PYTHON: LazyLock<TestWords> = LazyLock::new(|| TestWords {
    test: regex(r"^\s*(?:async\s+)?def\s+(?<name>test\w*)"),
    assertion: regex(r"^\s*assert\b|\bself\.assert\w+\(|\bpytest\.raises\(|\bassert_\w+\("),
    empty_assertion: regex(r"^\s*assert\s+(?:True|1)\s*(?:,|$)|\bself\.assertTrue\(\s*True\s*[,)]"),
    skip: regex(
        r"@?\bpytest\.mark\.(?:skip|skipif|xfail)\b|\bunittest\.(?:skip\w*|expectedFailure)\b|\bpytest\.(?:skip|xfail)\(|\bself\.skipTest\(",
    ),
    focus: None,
});

static JAVASCRIPT: LazyLock<TestWords> = LazyLock::new(|| TestWords {
    test: regex(
        r#"^\s*(?:await\s+)?(?:t\.)?(?<prefix>[xf])?(?:it|test)(?<mark>\.(?:skip|todo|failing|only))?\s*\(\s*(?<name>"[^"]*"|'[^']*'|`[^`]*`)"#,
    ),
    assertion: regex(r"\bexpect\s*\(|\bassert(?:\.\w+)*\s*\(|\.should\b"),
    empty_assertion: regex(
        r"\bexpect\s*\(\s*true\s*\)\s*\.\s*(?:toBe\(\s*true|toBeTruthy\()|\bassert(?:\.ok)?\s*\(\s*true\s*[,)]",
    ),
    skip: regex(
        r"\b(?:it|test|describe|suite|context)\.(?:skip|todo|failing)\b\s*[.(]|^\s*x(?:it|test|describe)\s*\(",
    ),
    focus: Some(regex(r"\b(?:it|test|describe|suite|context)\.only\b\s*[.(]|^\s*f(?:it|describe)\s*\(")),
});

static GO: LazyLock<TestWords> = LazyLock::new(|| TestWords {
    test: regex(r"^func\s+(?<name>(?:Test|Fuzz|Example)\w*)\s*\("),
    assertion: regex(r"\b[tb]\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\b(?:assert|require)\.\w+\("),
    empty_assertion: regex(r"\b(?:assert|require)\.True\(\s*t\s*,\s*true\s*[,)]"),
    skip: regex(r"\b[tb]\.Skip(?:f|Now)?\("),
    focus: None,
});

fn words(language: Language) -> Option<&'static TestWords> {
    match language {
        Language::Rust => Some(&RUST),
        Language::Python => Some(&PYTHON),
        Language::JavaScript => Some(&JAVASCRIPT),
        Language::Go => Some(&GO),
        Language::Ruby | Language::Php | Language::Other => None,
    }
}

pub(super) fn look(gatherer: &mut Gatherer<'_>) {
    let diff = gatherer.subject.diff;
    let added_files = diff.files.iter().filter(|file| file.status == FileStatus::Added);
    let added_names: BTreeSet<&str> = added_files.map(|file| name_of(&file.path)).collect();
    let added_tests = diff.files.iter().flat_map(|file| tests_of(file, LineSide::Added));
    let added_tests: BTreeSet<String> = added_tests.map(|test| test.name).collect();
    let mut moved = Moved::of(diff);
    for file in &diff.files {
        if file.status == FileStatus::Deleted {
            deleted(file, &added_names, &added_tests, gatherer);
            continue;
        }
        if Purpose::of(&file.path) == Purpose::Foreign {
            continue;
        }
        let emptied = removed(file, &added_tests, gatherer);
        weakened(file, &emptied, gatherer);
        silenced(file, &mut moved, gatherer);
    }
}

/// A test whose first line was added or removed.
struct Test {
    name: String,
    hunk: usize,
    old: u32,
}

/// The tests of a file that stand on one side of the change only.
fn tests_of(file: &FileChange, side: LineSide) -> Vec<Test> {
    let language = Language::of(&file.path);
    let Some(words) = words(language) else { return Vec::new() };
    let mut found = Vec::new();
    let mut marked = false;
    for line in lines::all(file).filter(|line| line.side == side || line.side == LineSide::Context) {
        let text = line.text.trim_start();
        if language == Language::Rust && is_rust_test_mark(text) {
            marked = true;
            continue;
        }
        if let Some(test) = words.test.captures(line.text) {
            let is_test = language != Language::Rust || marked;
            // A test that is now skipped is still there; one that was skipped before is no loss.
            let was_marked = side == LineSide::Removed
                && ["prefix", "mark"].iter().any(|group| test.name(group).is_some());
            if is_test && !was_marked && line.side == side {
                found.push(Test { name: test["name"].to_owned(), hunk: line.hunk, old: line.old });
            }
            marked = false;
        } else if !text.is_empty() && !text.starts_with("#[") && !text.starts_with("//") {
            marked = false;
        }
    }
    found
}

/// `#[test]`, `#[tokio::test(…)]`, `#[rstest]` and the like.
fn is_rust_test_mark(text: &str) -> bool {
    let name = text.strip_prefix("#[").and_then(|rest| rest.split([']', '(']).next()).unwrap_or_default();
    matches!(name.rsplit("::").next(), Some("test" | "rstest" | "test_case" | "proptest"))
}

fn deleted(
    file: &FileChange,
    added_names: &BTreeSet<&str>,
    added_tests: &BTreeSet<String>,
    gatherer: &mut Gatherer<'_>,
) {
    let tests = tests_of(file, LineSide::Removed);
    let moved_away = !tests.is_empty() && tests.iter().all(|test| added_tests.contains(&test.name));
    if !is_test_code(&file.path) || added_names.contains(name_of(&file.path)) || moved_away {
        return;
    }
    let message = match tests.len() {
        0 => format!("the test file `{}` is deleted", file.path),
        1 => format!("the test file `{}` is deleted, with 1 test", file.path),
        count => format!("the test file `{}` is deleted, with {count} tests", file.path),
    };
    let seen = Seen {
        file: &file.path,
        line: 1,
        message,
        severity: TEST_DELETED.severity,
        confidence: Confidence::High,
    };
    gatherer.see(&TEST_DELETED, seen);
}

/// Reports the tests that went; gives the hunks that they stood in.
fn removed(file: &FileChange, added: &BTreeSet<String>, gatherer: &mut Gatherer<'_>) -> BTreeSet<usize> {
    let mut hunks = BTreeSet::new();
    let added_here = tests_of(file, LineSide::Added);
    for test in tests_of(file, LineSide::Removed) {
        hunks.insert(test.hunk);
        if added.contains(&test.name) {
            continue;
        }
        // A renamed test leaves a test in its hunk.
        if added_here.iter().any(|other| other.hunk == test.hunk) {
            continue;
        }
        let seen = Seen {
            file: &file.path,
            line: test.old,
            message: format!("the test {} is removed", quoted(&test.name)),
            severity: TEST_REMOVED.severity,
            confidence: Confidence::High,
        };
        gatherer.see(&TEST_REMOVED, seen);
    }
    hunks
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.trim_matches(['"', '\'', '`']))
}

fn weakened(file: &FileChange, emptied: &BTreeSet<usize>, gatherer: &mut Gatherer<'_>) {
    let language = Language::of(&file.path);
    let Some(words) = words(language) else { return };
    // Rust keeps tests beside the program, and assertions in it too.
    let in_tests = is_test_code(&file.path) || language == Language::Rust;
    if !in_tests {
        return;
    }
    let is_assertion = |line: &Line<'_>| words.assertion.is_match(&lines::code(line.text, language));
    let mut first = None;
    let (mut gone, mut come) = (0_usize, 0_usize);
    for line in lines::changed(file) {
        if line.side == LineSide::Added && words.empty_assertion.is_match(&lines::code(line.text, language)) {
            let seen = Seen {
                file: &file.path,
                line: line.new,
                message: "this assertion holds whatever happens".to_owned(),
                severity: TEST_WEAKENED.severity,
                confidence: Confidence::High,
            };
            gatherer.see(&TEST_WEAKENED, seen);
        } else if !emptied.contains(&line.hunk) && is_assertion(&line) {
            match line.side {
                LineSide::Removed => {
                    gone += 1;
                    first.get_or_insert(line.old);
                }
                LineSide::Added => come += 1,
                LineSide::Context => {}
            }
        }
    }
    if let Some(line) = first.filter(|_| gone > come) {
        let seen = Seen {
            file: &file.path,
            line,
            message: format!("{gone} assertions are removed, {come} added"),
            severity: TEST_WEAKENED.severity,
            confidence: Confidence::Medium,
        };
        gatherer.see(&TEST_WEAKENED, seen);
    }
}

fn silenced(file: &FileChange, moved: &mut Moved<'_>, gatherer: &mut Gatherer<'_>) {
    let language = Language::of(&file.path);
    let Some(words) = words(language) else { return };
    let mut before = "";
    for line in lines::all(file).filter(|line| line.side != LineSide::Removed) {
        let is_conditional = before.trim_start().starts_with("if ");
        before = line.text;
        if line.side != LineSide::Added {
            continue;
        }
        let code = lines::code(line.text, language);
        let focus =
            words.focus.as_ref().is_some_and(|focus| focus.is_match(&code)) && is_test_code(&file.path);
        let is_decision = is_conditional || says_when_or_why(line.text, &code, language);
        let (look, message, severity) = if focus {
            (&TEST_FOCUSED, "only this test is run", TEST_FOCUSED.severity)
        } else if !words.skip.is_match(&code) {
            continue;
        } else if is_decision {
            (&TEST_SKIPPED, "this test is skipped under a condition or with a reason", Severity::Note)
        } else {
            (&TEST_SKIPPED, "this test is skipped, or its failure expected", TEST_SKIPPED.severity)
        };
        if moved.take(line.text) {
            continue;
        }
        let confidence = if is_test_code(&file.path) { Confidence::High } else { Confidence::Medium };
        let seen =
            Seen { file: &file.path, line: line.new, message: message.to_owned(), severity, confidence };
        gatherer.see(look, seen);
    }
}

/// Whether a mark that skips a test says under which condition or why: that makes it a decision.
fn says_when_or_why(text: &str, code: &str, language: Language) -> bool {
    let lower = code.to_ascii_lowercase();
    ["skipif", "skipunless", "cfg_attr", "ignore ="].iter().any(|mark| lower.contains(mark))
        || (language == Language::Rust && lines::comment(text, language).is_some())
}
