//! Secrets and conflict markers in added lines.

use windlass_contract::document::{Confidence, Severity};
use windlass_domain::diff::{FileChange, LineSide};
use windlass_policy::secrets;

use super::kind::{Purpose, extension};
use super::{CONFLICT_MARKER, Gatherer, SECRET, Seen, lines};

pub(super) fn look(gatherer: &mut Gatherer<'_>) {
    let diff = gatherer.subject.diff;
    for file in &diff.files {
        secrets_in(file, gatherer);
        conflicts_in(file, gatherer);
    }
}

/// Added lines that follow each other are one text: a private key has many lines.
fn secrets_in(file: &FileChange, gatherer: &mut Gatherer<'_>) {
    let mut text = String::new();
    let mut first = 0;
    let mut last = 0;
    for line in lines::added(file) {
        if line.new != last + 1 && !text.is_empty() {
            scan(file, first, &text, gatherer);
            text.clear();
        }
        if text.is_empty() {
            first = line.new;
        }
        text.push_str(line.text);
        text.push('\n');
        last = line.new;
    }
    scan(file, first, &text, gatherer);
}

fn scan(file: &FileChange, first: u32, text: &str, gatherer: &mut Gatherer<'_>) {
    let purpose = Purpose::of(&file.path);
    for secret in secrets::scan(text) {
        // A guess by name is right in a program and mostly wrong in tests, documents and locks.
        if !secret.exact && purpose != Purpose::Program {
            continue;
        }
        let (severity, confidence) = match secret.exact {
            true => (purpose.soften(SECRET.severity), Confidence::High),
            false => (Severity::Warning, Confidence::Medium),
        };
        let before = text[..secret.start].matches('\n').count();
        gatherer.see(
            &SECRET,
            Seen {
                file: &file.path,
                line: first.saturating_add(u32::try_from(before).unwrap_or(u32::MAX)),
                message: format!("{} ({})", secret.name, secret.rule),
                severity,
                confidence,
            },
        );
    }
}

fn conflicts_in(file: &FileChange, gatherer: &mut Gatherer<'_>) {
    let purpose = Purpose::of(&file.path);
    let is_marker = |text: &str, mark: &str| {
        text.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\r']))
    };
    let mut opened = false;
    for line in lines::all(file).filter(|line| line.side != LineSide::Removed) {
        let starts = is_marker(line.text, "<<<<<<<");
        let ends = is_marker(line.text, ">>>>>>>");
        let is_new = line.side == LineSide::Added;
        // One finding a conflict; an end without its start is what remains of a half-cleaned one.
        if is_new && (starts || (ends && !opened)) && extension(&file.path) != "patch" {
            gatherer.see(
                &CONFLICT_MARKER,
                Seen {
                    file: &file.path,
                    line: line.new,
                    message: "a merge conflict was committed unfinished".to_owned(),
                    severity: match purpose {
                        Purpose::TestData => Severity::Note,
                        Purpose::Program | Purpose::Test | Purpose::Document | Purpose::Foreign => {
                            Severity::Error
                        }
                    },
                    confidence: Confidence::High,
                },
            );
        }
        opened = (opened || starts) && !ends;
    }
}
