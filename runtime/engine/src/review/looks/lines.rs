//! The changed lines of a file, and what of a line is code.

use std::collections::BTreeMap;

use windlass_domain::diff::{FileChange, FileContent, LineSide, TreeDiff};

use super::kind::Language;

/// One line of a hunk, with its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Which hunk of the file, from 0.
    pub(super) hunk: usize,
    /// Which side it stands on.
    pub(super) side: LineSide,
    /// Its number before the change; for an added line, that of the next line that stays.
    pub(super) old: u32,
    /// Its number after the change; for a removed line, that of the next line that stays.
    pub(super) new: u32,
    /// Its text.
    pub(super) text: &'a str,
}

/// All lines of a file's hunks.
pub(super) fn all(file: &FileChange) -> impl Iterator<Item = Line<'_>> {
    let hunks = match &file.content {
        FileContent::Text { hunks } => hunks.as_slice(),
        FileContent::Binary | FileContent::Submodule => &[],
    };
    hunks.iter().enumerate().flat_map(|(place, hunk)| {
        let (mut old, mut new) = (hunk.old_start, hunk.new_start);
        hunk.lines.iter().map(move |line| {
            let numbered = Line { hunk: place, side: line.side, old, new, text: &line.text };
            old = old.saturating_add(u32::from(line.side != LineSide::Added));
            new = new.saturating_add(u32::from(line.side != LineSide::Removed));
            numbered
        })
    })
}

/// The lines of a file that were added or removed.
pub(super) fn changed(file: &FileChange) -> impl Iterator<Item = Line<'_>> {
    all(file).filter(|line| line.side != LineSide::Context)
}

/// The lines of a file that were added.
pub(super) fn added(file: &FileChange) -> impl Iterator<Item = Line<'_>> {
    all(file).filter(|line| line.side == LineSide::Added)
}

/// Lines that a change took from one place, to tell moved lines from new ones.
#[derive(Debug, Default)]
pub(super) struct Moved<'a>(BTreeMap<&'a str, usize>);

impl<'a> Moved<'a> {
    pub(super) fn of(diff: &'a TreeDiff) -> Self {
        let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
        for line in diff.files.iter().flat_map(all).filter(|line| line.side == LineSide::Removed) {
            *removed.entry(line.text.trim()).or_default() += 1;
        }
        Self(removed)
    }

    /// Whether an added line only came from elsewhere; each removed line explains one added one.
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.0.get_mut(text.trim()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// A line with the content of its strings and its comments left out.
///
/// It knows single lines only: inside a string or comment of several lines it takes words for code.
pub(super) fn code(text: &str, language: Language) -> String {
    split(text, language).0
}

/// The comment at the end of a line, if there is one.
pub(super) fn comment(text: &str, language: Language) -> Option<&str> {
    split(text, language).1
}

fn split(text: &str, language: Language) -> (String, Option<&str>) {
    let quotes = language.quotes();
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if language.comments().iter().any(|mark| rest.starts_with(mark)) {
            return (code, Some(rest));
        }
        if quotes.contains(&first) && (first != '\'' || !language.has_lifetimes() || is_character(rest)) {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            let end = string_end(rest, first);
            if end < rest.len() {
                code.push(first);
            }
            rest = rest.get(end + first.len_utf8()..).unwrap_or_default();
            continue;
        }
        code.push(first);
        rest = &rest[first.len_utf8()..];
    }
    (code, None)
}

/// Where a string ends that was opened by this quote.
fn string_end(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return place;
        }
    }
    text.len()
}

/// Whether a Rust text that starts with `'` is a character and no lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}
