//! Looks at files as wholes: protected paths, binaries, sizes, modes, links.

use windlass_contract::document::{Confidence, Severity};
use windlass_domain::diff::{FileChange, FileContent, FileStatus};

use super::kind::{Purpose, extension};
use super::{
    BINARY_ADDED, CHECKS_CHANGED, Gatherer, LARGE_FILE, Look, MODE_CHANGED, PROTECTED_PATH, SYMLINK_OUTSIDE,
    Seen, first_line, lines,
};
use crate::review::bounds::PathPattern;

/// From this size on an added file is worth a word, in bytes: source files of this size are rare, and the history of a
/// repository never gets smaller again.
const LARGE_FILE_BYTES: u64 = 1024 * 1024;

/// The folder of the workspace's own checks and policy.
const OWN_FOLDER: &str = ".windlass/";

/// Git's mode of a symbolic link.
const SYMLINK_MODE: u32 = 0o120_000;

/// Git's mode of an executable file.
const EXECUTABLE_MODE: u32 = 0o100_755;

/// Git's mode of any other file.
const PLAIN_MODE: u32 = 0o100_644;

/// Binary formats that projects keep beside their sources with reason.
const PICTURES_AND_FONTS: [&str; 14] =
    ["png", "jpg", "jpeg", "gif", "webp", "ico", "icns", "bmp", "svgz", "woff", "woff2", "ttf", "otf", "pdf"];

pub(super) fn look(gatherer: &mut Gatherer<'_>) {
    let protected: Vec<PathPattern> =
        gatherer.subject.protected.iter().map(|text| PathPattern::new(text)).collect();
    let diff = gatherer.subject.diff;
    for file in &diff.files {
        path(file, &protected, gatherer);
        content(file, gatherer);
        mode(file, gatherer);
        link(file, gatherer);
    }
}

fn whole(file: &FileChange, message: String, severity: Severity) -> Seen<'_> {
    Seen { file: &file.path, line: first_line(file), message, severity, confidence: Confidence::High }
}

fn path(file: &FileChange, protected: &[PathPattern], gatherer: &mut Gatherer<'_>) {
    let names = || [Some(file.path.as_str()), file.old_path.as_deref()].into_iter().flatten();
    let done = match file.status {
        FileStatus::Added => "added",
        FileStatus::Deleted => "deleted",
        FileStatus::Renamed => "renamed",
        FileStatus::Modified | FileStatus::TypeChanged => "changed",
    };
    if names().any(|name| name.starts_with(OWN_FOLDER)) {
        let message = format!("the workspace's own `{}` is {done}", file.path);
        gatherer.see(&CHECKS_CHANGED, whole(file, message, CHECKS_CHANGED.severity));
        return;
    }
    let pattern = protected.iter().find(|pattern| names().any(|name| pattern.covers(name)));
    if let Some(pattern) = pattern {
        let message = format!("`{}` is {done}; policy protects `{}`", file.path, pattern.text());
        gatherer.see(&PROTECTED_PATH, whole(file, message, PROTECTED_PATH.severity));
    }
}

fn content(file: &FileChange, gatherer: &mut Gatherer<'_>) {
    if file.status != FileStatus::Added || file.new_mode == SYMLINK_MODE {
        return;
    }
    let purpose = Purpose::of(&file.path);
    let is_large = file.new_bytes > LARGE_FILE_BYTES;
    let mut see = |look: &Look, message: String| {
        gatherer.see(look, whole(file, message, purpose.soften(look.severity)));
    };
    if is_large {
        see(&LARGE_FILE, format!("added with {} MiB", tenths_of_mib(file.new_bytes)));
    }
    let is_picture = PICTURES_AND_FONTS.contains(&extension(&file.path).to_ascii_lowercase().as_str());
    if file.content == FileContent::Binary && !is_large && !is_picture {
        see(&BINARY_ADDED, format!("a binary file of {} bytes is added", file.new_bytes));
    }
}

fn tenths_of_mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn mode(file: &FileChange, gatherer: &mut Gatherer<'_>) {
    let (message, severity) = match (file.old_mode, file.new_mode) {
        (PLAIN_MODE, EXECUTABLE_MODE) => ("becomes executable", MODE_CHANGED.severity),
        (EXECUTABLE_MODE, PLAIN_MODE) => ("is executable no more", Severity::Note),
        (0, EXECUTABLE_MODE) if !has_interpreter(file) => {
            ("is added as executable, without a `#!` line", Severity::Note)
        }
        (before, after) if file.status == FileStatus::TypeChanged && before != after => {
            ("changes its kind (file, symbolic link or submodule)", MODE_CHANGED.severity)
        }
        _ => return,
    };
    gatherer.see(&MODE_CHANGED, whole(file, format!("`{}` {message}", file.path), severity));
}

fn has_interpreter(file: &FileChange) -> bool {
    lines::added(file).next().is_some_and(|line| line.text.starts_with("#!"))
}

fn link(file: &FileChange, gatherer: &mut Gatherer<'_>) {
    if file.new_mode != SYMLINK_MODE {
        return;
    }
    // The content of a symbolic link is its target.
    let Some(target) = lines::added(file).next().map(|line| line.text) else { return };
    if leaves(&file.path, target) {
        let message =
            format!("the symbolic link leads out of the repository, to `{}`", target.escape_debug());
        gatherer.see(&SYMLINK_OUTSIDE, whole(file, message, SYMLINK_OUTSIDE.severity));
    }
}

/// Whether a link at this path leads out of the repository.
fn leaves(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.split('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}
