//! From places on the head back to places on the base.

use std::collections::BTreeMap;

use windlass_domain::diff::{FileChange, FileContent, FileStatus, Hunk, LineSide, TreeDiff};

/// Where a line of the head comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// This line of the base.
    Line(u32),
    /// It is an added line; its hunk removed these lines of the base.
    Hunk(Vec<u32>),
}

/// The files of a change by their path on the head.
pub(super) struct LineMap<'a>(BTreeMap<&'a str, &'a FileChange>);

impl<'a> LineMap<'a> {
    pub(super) fn new(diff: &'a TreeDiff) -> Self {
        let on_head = diff.files.iter().filter(|file| file.status != FileStatus::Deleted);
        Self(on_head.map(|file| (file.path.as_str(), file)).collect())
    }

    /// The file and line on the base that a line of the head comes from; none for a new file.
    pub(super) fn origin<'p>(&self, path: &'p str, line: u32) -> Option<(&'p str, Origin)>
    where
        'a: 'p,
    {
        let Some(file) = self.0.get(path) else { return Some((path, Origin::Line(line))) };
        if file.status == FileStatus::Added {
            return None;
        }
        let old_path = file.old_path.as_deref().unwrap_or(path);
        let hunks = match &file.content {
            FileContent::Text { hunks } => hunks.as_slice(),
            FileContent::Binary | FileContent::Submodule => &[],
        };
        // How far the base is ahead after the last hunk before the line.
        let mut shift = 0_i64;
        for hunk in hunks {
            // A hunk without new lines stands after the line that it names.
            let start = hunk.new_start + u32::from(hunk.new_lines == 0);
            if line < start {
                break;
            }
            if line < start.saturating_add(hunk.new_lines) {
                return Some((old_path, inside(hunk, line)));
            }
            shift += i64::from(hunk.old_lines) - i64::from(hunk.new_lines);
        }
        let line = u32::try_from((i64::from(line) + shift).max(1)).unwrap_or(u32::MAX);
        Some((old_path, Origin::Line(line)))
    }
}

fn inside(hunk: &Hunk, line: u32) -> Origin {
    let (mut old, mut new) = (hunk.old_start, hunk.new_start);
    let mut removed = Vec::new();
    let mut found = None;
    for diff_line in &hunk.lines {
        match diff_line.side {
            LineSide::Context => {
                if new == line {
                    found = Some(old);
                }
                old += 1;
                new += 1;
            }
            LineSide::Added => new += 1,
            LineSide::Removed => {
                removed.push(old);
                old += 1;
            }
        }
    }
    found.map_or(Origin::Hunk(removed), Origin::Line)
}
