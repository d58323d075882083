//! Looks at a diff that need no tool: each is one small question to the changed lines, paths and modes.
//!
//! A review of the whole tree gives its diff from the empty tree; questions about what a change took away or touched
//! make no sense there and are not asked.
//! **Invariant:** a look sees only the diff; it finds the same on every machine.

mod dependency;
mod file;
mod kind;
mod leftover;
mod lines;
mod secret;
mod test;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{Confidence, Finding, FindingOrigin, Severity};
use windlass_domain::diff::{FileChange, FileStatus, TreeDiff};
use windlass_domain::run::request::{Preset, Scope};

/// Most findings of one look: more is one problem of the repository, not many of the change.
pub const MAX_FINDINGS_PER_LOOK: usize = 100;

/// A question to a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The rule of its findings.
    pub id: &'static str,
    /// What kind of problem it finds.
    pub scope: Scope,
    /// How bad its findings are at worst; places like tests and documents make them milder.
    pub severity: Severity,
    /// The shallowest depth that asks it.
    pub from: Preset,
    /// Whether it also asks when the whole tree is looked at.
    pub whole_tree: bool,
    /// What it finds, in words.
    pub finds: &'static str,
    /// Why its findings matter, and what to do.
    pub rationale: &'static str,
}

const fn look(
    (id, scope, severity, from): (&'static str, Scope, Severity, Preset),
    whole_tree: bool,
    finds: &'static str,
    rationale: &'static str,
) -> Look {
    Look { id, scope, severity, from, whole_tree, finds, rationale }
}

use Preset::{Deep, Quick, Standard};
use Scope::{Architecture, Correctness, Security, Style};
use Severity::{Error, Note, Warning};

/// A secret in an added line.
pub const SECRET: Look = look(
    ("windlass/secret", Security, Error, Quick),
    true,
    "secrets in added lines, by a maintained rule set",
    "whoever can read the repository can use it; revoke it, then take it out of the history before this is shared",
);
/// A conflict marker in an added line.
pub const CONFLICT_MARKER: Look = look(
    ("windlass/conflict-marker", Correctness, Error, Quick),
    true,
    "conflict markers in added lines",
    "a merge was committed unfinished; settle both sides and remove the markers",
);
/// A protected path was touched.
pub const PROTECTED_PATH: Look = look(
    ("windlass/protected-path", Security, Warning, Quick),
    false,
    "changes to paths that policy protects",
    "policy names this path because a change to it reaches further than its lines; have its owner look at it",
);
/// The checks or the policy of the workspace were changed.
pub const CHECKS_CHANGED: Look = look(
    ("windlass/checks-changed", Security, Warning, Quick),
    false,
    "changes to the workspace's own checks and policy",
    "this review ran the checks of the base commit; what the change does to them takes effect only after it is merged",
);
/// A test file was deleted.
pub const TEST_DELETED: Look = look(
    ("windlass/test-deleted", Correctness, Warning, Quick),
    false,
    "deleted test files",
    "what these tests watched over is watched over no more; say why, or keep them",
);
/// A test was removed from a file.
pub const TEST_REMOVED: Look = look(
    ("windlass/test-removed", Correctness, Warning, Quick),
    false,
    "tests removed from files that stay",
    "what this test watched over is watched over no more; say why, or keep it",
);
/// Assertions were removed, or hold whatever happens.
pub const TEST_WEAKENED: Look = look(
    ("windlass/test-weakened", Correctness, Warning, Quick),
    false,
    "assertions removed without others in their place, and assertions that always hold",
    "the test still passes where it would have failed before; assert what is wanted",
);
/// A test is passed over.
pub const TEST_SKIPPED: Look = look(
    ("windlass/test-skipped", Correctness, Warning, Quick),
    false,
    "new marks that skip, ignore or expect the failure of a test",
    "a skipped test watches over nothing; mend the cause, or say at the mark until when it is skipped",
);
/// All tests but one are passed over.
pub const TEST_FOCUSED: Look = look(
    ("windlass/test-focused", Correctness, Error, Quick),
    true,
    "marks like `.only` that silence every other test",
    "every other test of the file is silently not run; remove the mark",
);
/// A binary file was added.
pub const BINARY_ADDED: Look = look(
    ("windlass/binary-added", Architecture, Warning, Quick),
    false,
    "added binary files other than small images and fonts",
    "nobody can review it and the history keeps it for ever; build it from source, or keep it outside",
);
/// A large file was added.
pub const LARGE_FILE: Look = look(
    ("windlass/large-file", Architecture, Warning, Quick),
    false,
    "added files over 1 MiB",
    "every clone carries it for ever; keep it outside, or in large file storage",
);
/// A file's mode or kind changed.
pub const MODE_CHANGED: Look = look(
    ("windlass/mode-changed", Security, Warning, Quick),
    false,
    "changes of the executable bit and of a file's kind",
    "an executable bit decides what runs; make sure that this one is meant",
);
/// A symbolic link leads out of the repository.
pub const SYMLINK_OUTSIDE: Look = look(
    ("windlass/symlink-outside", Security, Error, Quick),
    true,
    "symbolic links that lead out of the repository",
    "programs that follow it read or write files that are not the repository's; link to a path inside, or copy",
);
/// Something for debugging was left behind.
pub const DEBUG_LEFTOVER: Look = look(
    ("windlass/debug-leftover", Correctness, Warning, Quick),
    true,
    "what was put in for debugging: dbg!, breakpoint(), debugger, binding.pry, console.log and the like",
    "it stops or litters the program for everybody else; remove it",
);
/// Code says that it is not written yet.
pub const UNFINISHED: Look = look(
    ("windlass/unfinished", Correctness, Warning, Quick),
    true,
    "code that ends the program because it is not written yet: todo!, unimplemented!",
    "whoever comes here ends the program; write it, or refuse with an error that can be handled",
);
/// A lock file changed alone.
pub const LOCK_ALONE: Look = look(
    ("windlass/lock-without-manifest", Security, Note, Standard),
    false,
    "lock files that changed while no manifest did",
    "versions moved that nobody asked for by name; fine for an update, worth a look otherwise",
);
/// A dependency comes from somewhere unusual.
pub const DEPENDENCY_SOURCE: Look = look(
    ("windlass/dependency-source", Security, Warning, Quick),
    true,
    "dependencies from a git repository, a URL or another registry",
    "it can change or vanish without a release; pin it to a commit, or take it from the registry",
);
/// Rust code that the compiler does not check.
pub const UNSAFE_ADDED: Look = look(
    ("windlass/unsafe-added", Security, Note, Deep),
    false,
    "added `unsafe` in Rust",
    "the compiler does not check memory safety here; the reason why it holds belongs beside it",
);
/// A note to come back.
pub const TODO_ADDED: Look = look(
    ("windlass/todo-added", Style, Note, Deep),
    false,
    "added TODO and FIXME notes",
    "notes in code are forgotten; make it a task, or do it now",
);

/// All looks, in the order of the table.
pub const LOOKS: [&Look; 19] = [
    &SECRET,
    &CONFLICT_MARKER,
    &PROTECTED_PATH,
    &CHECKS_CHANGED,
    &TEST_DELETED,
    &TEST_REMOVED,
    &TEST_WEAKENED,
    &TEST_SKIPPED,
    &TEST_FOCUSED,
    &BINARY_ADDED,
    &LARGE_FILE,
    &MODE_CHANGED,
    &SYMLINK_OUTSIDE,
    &DEBUG_LEFTOVER,
    &UNFINISHED,
    &LOCK_ALONE,
    &DEPENDENCY_SOURCE,
    &UNSAFE_ADDED,
    &TODO_ADDED,
];

/// What is looked at, and how.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The change; from the empty tree when the whole tree is looked at.
    pub diff: &'a TreeDiff,
    /// Whether the whole tree is looked at.
    pub whole_tree: bool,
    /// Patterns of paths that policy protects.
    pub protected: &'a [String],
    /// How deep.
    pub preset: Preset,
    /// What for.
    pub scopes: &'a [Scope],
}

/// What the looks found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Looked {
    /// The findings, in the order of files and lines within each look. Those of a change are new by nature; those of a
    /// whole tree are of unknown origin.
    pub findings: Vec<Finding>,
    /// How many more findings each look had.
    pub dropped: BTreeMap<String, u64>,
}

/// Looks at a change.
#[must_use]
pub fn look_at(subject: &Subject<'_>) -> Looked {
    let mut gatherer = Gatherer { subject, looked: Looked::default(), counts: BTreeMap::new() };
    secret::look(&mut gatherer);
    file::look(&mut gatherer);
    test::look(&mut gatherer);
    leftover::look(&mut gatherer);
    dependency::look(&mut gatherer);
    gatherer.looked
}

/// Gathers findings within the limits of depth, scope and number.
struct Gatherer<'a> {
    subject: &'a Subject<'a>,
    looked: Looked,
    counts: BTreeMap<&'static str, usize>,
}

/// Something seen, before it is a finding.
struct Seen<'a> {
    file: &'a str,
    line: u32,
    message: String,
    severity: Severity,
    confidence: Confidence,
}

impl Gatherer<'_> {
    /// Whether a look is asked at all.
    fn asks(&self, look: &Look) -> bool {
        look.from <= self.subject.preset
            && self.subject.scopes.contains(&look.scope)
            && (look.whole_tree || !self.subject.whole_tree)
    }

    fn see(&mut self, look: &Look, seen: Seen<'_>) {
        if !self.asks(look) {
            return;
        }
        let count = self.counts.entry(look.id).or_default();
        if *count >= MAX_FINDINGS_PER_LOOK {
            *self.looked.dropped.entry(look.id.to_owned()).or_default() += 1;
            return;
        }
        *count += 1;
        let origin = if self.subject.whole_tree { FindingOrigin::Unknown } else { FindingOrigin::New };
        self.looked.findings.push(Finding {
            file: seen.file.to_owned(),
            line: seen.line.max(1),
            end_line: None,
            rule: Some(look.id.to_owned()),
            message: seen.message,
            rationale: look.rationale.to_owned(),
            scope: look.scope,
            severity: seen.severity,
            origin,
            confidence: seen.confidence,
        });
    }
}

/// The line that shows a file's change best: the first changed one.
fn first_line(file: &FileChange) -> u32 {
    let first = lines::changed(file).next();
    match first {
        Some(line) if file.status != FileStatus::Deleted => line.new.max(1),
        _ => 1,
    }
}
