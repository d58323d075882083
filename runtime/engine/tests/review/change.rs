//! Diffs written as text, for tests.

use windlass_contract::document::{Confidence, Finding, FindingOrigin, Severity};
use windlass_domain::diff::{DiffLine, FileChange, FileContent, FileStatus, Hunk, LineSide, TreeDiff};
use windlass_domain::run::request::Scope;

/// A hunk from lines that start with ` `, `+` or `-`, with the first line on each side.
pub(crate) fn hunk(old_start: u32, new_start: u32, text: &str) -> Hunk {
    let line = |line: &str| {
        let side = match line.as_bytes().first() {
            Some(b'+') => LineSide::Added,
            Some(b'-') => LineSide::Removed,
            _ => LineSide::Context,
        };
        DiffLine { side, text: line.get(1..).unwrap_or_default().to_owned() }
    };
    let lines: Vec<DiffLine> = text.lines().map(line).collect();
    let count = |absent| u32::try_from(lines.iter().filter(|line| line.side != absent).count()).unwrap();
    let (old_lines, new_lines) = (count(LineSide::Added), count(LineSide::Removed));
    Hunk { id: format!("{old_start}-{new_start}"), old_start, old_lines, new_start, new_lines, lines }
}

pub(crate) fn modified(path: &str, hunks: Vec<Hunk>) -> FileChange {
    FileChange {
        id: path.to_owned(),
        path: path.to_owned(),
        old_path: None,
        status: FileStatus::Modified,
        old_mode: 0o100_644,
        new_mode: 0o100_644,
        new_bytes: 1000,
        content: FileContent::Text { hunks },
    }
}

/// A file that stays, with these lines added to it.
pub(crate) fn with(path: &str, lines: &[&str]) -> FileChange {
    let text: Vec<String> = lines.iter().map(|line| format!("+{line}")).collect();
    modified(path, vec![hunk(10, 10, &format!(" before\n{}\n after", text.join("\n")))])
}

/// A file that stays, with these lines taken from it.
pub(crate) fn without(path: &str, lines: &[&str]) -> FileChange {
    let text: Vec<String> = lines.iter().map(|line| format!("-{line}")).collect();
    modified(path, vec![hunk(10, 10, &format!(" before\n{}\n after", text.join("\n")))])
}

pub(crate) fn added(path: &str, content: &str) -> FileChange {
    let text: Vec<String> = content.lines().map(|line| format!("+{line}")).collect();
    FileChange {
        status: FileStatus::Added,
        old_mode: 0,
        new_bytes: content.len() as u64,
        ..modified(path, vec![Hunk { old_start: 0, ..hunk(0, 1, &text.join("\n")) }])
    }
}

pub(crate) fn deleted(path: &str, content: &str) -> FileChange {
    let text: Vec<String> = content.lines().map(|line| format!("-{line}")).collect();
    FileChange {
        status: FileStatus::Deleted,
        new_mode: 0,
        new_bytes: 0,
        ..modified(path, vec![Hunk { new_start: 0, ..hunk(1, 0, &text.join("\n")) }])
    }
}

pub(crate) fn diff(files: Vec<FileChange>) -> TreeDiff {
    TreeDiff { files }
}

pub(crate) fn finding(file: &str, line: u32, rule: &str, message: &str) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        end_line: None,
        rule: Some(rule.to_owned()),
        message: message.to_owned(),
        rationale: "because".to_owned(),
        scope: Scope::Correctness,
        severity: Severity::Warning,
        origin: FindingOrigin::New,
        confidence: Confidence::High,
    }
}

/// A finding as one line.
pub(crate) fn shown(finding: &Finding) -> String {
    let lines =
        finding.end_line.map_or_else(|| finding.line.to_string(), |end| format!("{}-{end}", finding.line));
    let severity = serde_json::to_value(finding.severity).unwrap();
    let rule = finding.rule.as_deref().unwrap_or("none");
    format!("{}:{lines} {} {rule}: {}", finding.file, severity.as_str().unwrap(), finding.message)
}
