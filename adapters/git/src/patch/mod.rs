//! The change between two trees: written as a patch that `git apply` takes, and read back as data.
//!
//! There is one way from a patch to its [`TreeDiff`], reading the patch; a diff that was just made takes it too. So
//! what a verdict is bound to (the bytes) and what a person is shown (the data) cannot differ.
//!
//! The bytes depend on the two trees and the library's version alone: no configuration, no attribute, no clock and
//! no `git` program has a say. Text is what has no NUL byte in its first 8,000 bytes, as git has it. Renames are
//! found from half similar content on; copies are not looked for.

mod parse;
mod pick;
mod render;

use sha2::{Digest as _, Sha256};
use windlass_domain::diff::{
    DiffLine, FileChange, FileContent, FileStatus, Hunk, LineSide, ObjectId, Patch, TreeDiff,
};

use crate::objects::ObjectsError;
use crate::repository::Repository;

pub use parse::NotAPatch;
pub use pick::{PickError, Selection};

use parse::{Body, RawHunk, Section};

/// The mode of a submodule's commit in a tree.
pub(crate) const SUBMODULE: u32 = 0o160_000;

/// Largest content of one changed file, in bytes. Both sides are held in memory and packed into the patch, and a
/// patch is stored for good.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Largest patch, in bytes, for the same reason.
pub const MAX_PATCH_BYTES: usize = 256 << 20;

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A changed file is too large for a patch.
    #[error("the changed file `{path}` has {bytes} bytes; a patch takes files of up to {MAX_FILE_BYTES}")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The patch is too large.
    #[error("the patch is larger than {MAX_PATCH_BYTES} bytes; make the change in smaller parts")]
    PatchTooLarge,
    /// The object database failed.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What was written could not be read back: a fault of this crate.
    #[error("the patch that was made cannot be read back")]
    Unreadable(#[from] NotAPatch),
}

impl Repository {
    /// The change from `base` (nothing: the empty tree) to `head`, each a commit or a tree.
    ///
    /// # Errors
    /// An object is not here, or the change is beyond the limits.
    pub fn diff(&self, base: Option<&ObjectId>, head: &ObjectId) -> Result<Patch, DiffError> {
        let objects = self.objects()?;
        let base = base.map(|base| objects.tree(base)).transpose()?;
        let head = objects.tree(head)?;
        let bytes = render::render(&objects, base.as_ref(), &head)?;
        let mut files = Vec::new();
        for entry in entries(&parse::parse(&bytes)?) {
            let last = entry.last();
            let has_content = last.new_path.is_some() && last.new_mode != SUBMODULE;
            let new_bytes = if has_content { objects.size(objects.oid(&last.new_id)?)? } else { 0 };
            files.push(entry.change(new_bytes));
        }
        Ok(Patch { bytes, diff: TreeDiff { files } })
    }
}

/// What one [`FileChange`] stands for: one section of a patch, or two where the type changed (git writes such a
/// change as a deletion and an addition).
pub(crate) struct Entry<'a> {
    sections: &'a [Section],
}

/// Groups sections into entries.
pub(crate) fn entries(sections: &[Section]) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    let mut rest = sections;
    while let Some(first) = rest.first() {
        let split = matches!(rest.get(1), Some(next) if first.new_path.is_none() && next.old_path.is_none()
            && first.old_path == next.new_path);
        let (entry, after) = rest.split_at(if split { 2 } else { 1 });
        found.push(Entry { sections: entry });
        rest = after;
    }
    found
}

impl<'a> Entry<'a> {
    pub(crate) fn first(&self) -> &'a Section {
        &self.sections[0]
    }

    pub(crate) fn last(&self) -> &'a Section {
        &self.sections[self.sections.len() - 1]
    }

    pub(crate) fn status(&self) -> FileStatus {
        let section = self.first();
        match (&section.old_path, &section.new_path) {
            _ if self.sections.len() > 1 => FileStatus::TypeChanged,
            (None, _) => FileStatus::Added,
            (_, None) => FileStatus::Deleted,
            (old, new) if old == new => FileStatus::Modified,
            _ => FileStatus::Renamed,
        }
    }

    /// The path after the change, or before it for a deletion.
    pub(crate) fn path(&self) -> &'a [u8] {
        let last = self.last();
        last.new_path.as_deref().or(last.old_path.as_deref()).unwrap_or_default()
    }

    pub(crate) fn hunks(&self) -> impl Iterator<Item = &'a RawHunk> {
        self.sections.iter().flat_map(|section| match &section.body {
            Body::Text(hunks) => hunks.as_slice(),
            Body::None | Body::Binary => &[],
        })
    }

    /// The stable id of the file's change.
    ///
    /// SHA-256 over these fields, each preceded by its length as eight little-endian bytes: `file`, the status in
    /// snake case, the old path's bytes, the new path's bytes (each empty where there is none), the old mode and the
    /// new mode in octal without a leading zero, the old content's and the new content's id in hexadecimal (zeros
    /// where there is none). The id is the first 16 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        let (first, last) = (self.first(), self.last());
        let status = match self.status() {
            FileStatus::Added => "added",
            FileStatus::Deleted => "deleted",
            FileStatus::Modified => "modified",
            FileStatus::Renamed => "renamed",
            FileStatus::TypeChanged => "type_changed",
        };
        short_id([
            b"file".as_slice(),
            status.as_bytes(),
            first.old_path.as_deref().unwrap_or_default(),
            last.new_path.as_deref().unwrap_or_default(),
            format!("{:o}", first.old_mode).as_bytes(),
            format!("{:o}", last.new_mode).as_bytes(),
            first.old_id.as_str().as_bytes(),
            last.new_id.as_str().as_bytes(),
        ])
    }

    /// The stable id of one hunk of this file.
    ///
    /// SHA-256 over these fields, each preceded by its length as eight little-endian bytes: `hunk`, the path's bytes
    /// (after the change, or before it for a deletion), the four numbers of the header as `old,lines,new,lines` in
    /// decimal, and all lines as they stand in the patch (` `, `+` or `-`, the bytes, a line feed; a last line
    /// without one ends with `\` in its place). The id is the first 16 hexadecimal digits.
    pub(crate) fn hunk_id(&self, hunk: &RawHunk) -> String {
        let header = format!("{},{},{},{}", hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines);
        let mut lines = Vec::new();
        for line in &hunk.lines {
            lines.push(match line.side {
                LineSide::Context => b' ',
                LineSide::Added => b'+',
                LineSide::Removed => b'-',
            });
            lines.extend_from_slice(&line.text);
            lines.push(if line.ended { b'\n' } else { b'\\' });
        }
        short_id([b"hunk".as_slice(), self.path(), header.as_bytes(), &lines])
    }

    fn change(&self, new_bytes: u64) -> FileChange {
        let (first, last) = (self.first(), self.last());
        let status = self.status();
        let content = if first.old_mode == SUBMODULE || last.new_mode == SUBMODULE {
            FileContent::Submodule
        } else if self.sections.iter().any(|section| matches!(section.body, Body::Binary)) {
            FileContent::Binary
        } else {
            FileContent::Text { hunks: self.hunks().map(|hunk| self.hunk(hunk)).collect() }
        };
        FileChange {
            id: self.id(),
            path: shown_path(self.path()),
            old_path: first.old_path.as_deref().filter(|_| status == FileStatus::Renamed).map(shown_path),
            status,
            old_mode: first.old_mode,
            new_mode: last.new_mode,
            new_bytes,
            content,
        }
    }

    fn hunk(&self, hunk: &RawHunk) -> Hunk {
        let text = |line: &parse::RawLine| String::from_utf8_lossy(&line.text).into_owned();
        Hunk {
            id: self.hunk_id(hunk),
            old_start: hunk.old_start,
            old_lines: hunk.old_lines,
            new_start: hunk.new_start,
            new_lines: hunk.new_lines,
            lines: hunk.lines.iter().map(|line| DiffLine { side: line.side, text: text(line) }).collect(),
        }
    }
}

fn short_id<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    hex::encode(&hasher.finalize()[..8])
}

/// A path as records show it: bytes that are not UTF-8 as `\xNN`.
pub(crate) fn shown_path(path: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in path.utf8_chunks() {
        shown.push_str(chunk.valid());
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// A path as git writes it in a patch: in double quotes with C escapes where it has bytes that are not printable
/// ASCII, a quote or a backslash.
pub(crate) fn quote(path: &[u8]) -> Vec<u8> {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\');
    if path.iter().all(|&byte| plain(byte)) {
        return path.to_vec();
    }
    let mut quoted = vec![b'"'];
    for &byte in path {
        if plain(byte) {
            quoted.push(byte);
        } else if let Some(letter) = escape_letter(byte) {
            quoted.extend([b'\\', letter]);
        } else {
            quoted.extend(format!("\\{byte:03o}").bytes());
        }
    }
    quoted.push(b'"');
    quoted
}

/// Undoes [`quote`] for a text that begins with a double quote: the bytes, and what follows the closing quote.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut plain = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((plain, rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                if let Some(byte) = (0..=u8::MAX).find(|&byte| escape_letter(byte) == Some(escaped)) {
                    plain.push(byte);
                    rest = after;
                } else {
                    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
                    plain.push(u8::from_str_radix(digits, 8).ok()?);
                    rest = &rest[3..];
                }
            }
            byte => plain.push(byte),
        }
    }
}

fn escape_letter(byte: u8) -> Option<u8> {
    Some(match byte {
        0x07 => b'a',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0b => b'v',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' => b'"',
        b'\\' => b'\\',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_undone_for_every_byte() {
        let all: Vec<u8> = (1..=u8::MAX).collect();
        let quoted = quote(&all);
        assert_eq!(unquote(&quoted), Some((all, b"".as_slice())));
        assert_eq!(quote("plain name.txt".as_bytes()), b"plain name.txt");
        assert_eq!(quote("ä\t".as_bytes()), br#""\303\244\t""#);
    }

    #[test]
    fn a_path_that_is_not_text_shows_its_bytes() {
        assert_eq!(shown_path(b"a\xff\xc3(b"), "a\\xff\\xc3(b");
        assert_eq!(shown_path("ä/b".as_bytes()), "ä/b");
    }
}
