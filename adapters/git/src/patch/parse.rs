//! Reading a patch of the form that `render` writes.
//!
//! It is not a reader for any patch that git or others may write: every section has an `index` line with full ids,
//! and nothing stands between sections.

use std::ops::Range;

use windlass_domain::diff::{LineSide, ObjectId};

use super::unquote;

/// The text is not a patch of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a patch of ours: {what} at byte {at}")]
pub struct NotAPatch {
    what: &'static str,
    at: usize,
}

/// One `diff --git` section.
#[derive(Debug)]
pub(crate) struct Section {
    /// None for an addition.
    pub(crate) old_path: Option<Vec<u8>>,
    /// None for a deletion.
    pub(crate) new_path: Option<Vec<u8>>,
    /// 0 for an addition.
    pub(crate) old_mode: u32,
    /// 0 for a deletion.
    pub(crate) new_mode: u32,
    /// Zeros for an addition.
    pub(crate) old_id: ObjectId,
    /// Zeros for a deletion.
    pub(crate) new_id: ObjectId,
    pub(crate) body: Body,
    /// Where its body stands in the patch.
    pub(crate) body_range: Range<usize>,
}

/// What follows a section's header.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Text(Vec<RawHunk>),
    Binary,
}

/// A hunk with its lines' exact bytes.
#[derive(Debug)]
pub(crate) struct RawHunk {
    pub(crate) old_start: u32,
    pub(crate) old_lines: u32,
    pub(crate) new_start: u32,
    pub(crate) new_lines: u32,
    pub(crate) lines: Vec<RawLine>,
}

/// A line of a hunk.
#[derive(Debug)]
pub(crate) struct RawLine {
    pub(crate) side: LineSide,
    /// Without its line feed.
    pub(crate) text: Vec<u8>,
    /// Whether it ends with a line feed.
    pub(crate) ended: bool,
}

/// Reads a whole patch.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Section>, NotAPatch> {
    let mut reader = Reader { bytes, at: 0 };
    let mut sections = Vec::new();
    while reader.at < bytes.len() {
        sections.push(reader.section()?);
    }
    Ok(sections)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The header of a section as far as it has been read.
#[derive(Default)]
struct Header {
    added: bool,
    deleted: bool,
    old_mode: u32,
    new_mode: u32,
    renamed_from: Option<Vec<u8>>,
    renamed_to: Option<Vec<u8>>,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: &'static str) -> NotAPatch {
        NotAPatch { what, at: self.at }
    }

    /// The line at the cursor, without its line feed.
    fn peek(&self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        rest.split(|&byte| byte == b'\n').next()
    }

    /// Takes the line at the cursor if it begins so; gives what follows.
    fn take(&mut self, prefix: &[u8]) -> Option<&'a [u8]> {
        let line = self.peek()?;
        let rest = line.strip_prefix(prefix)?;
        self.at = (self.at + line.len() + 1).min(self.bytes.len());
        Some(rest)
    }

    fn section(&mut self) -> Result<Section, NotAPatch> {
        let names = self.take(b"diff --git ").ok_or_else(|| self.wrong("no `diff --git` line"))?;
        let mut header = Header::default();
        let ids = loop {
            if let Some(ids) = self.take(b"index ") {
                break ids;
            }
            self.header_line(&mut header)?;
        };
        let (ids, mode) = match ids.iter().position(|&byte| byte == b' ') {
            Some(at) => (&ids[..at], Some(&ids[at + 1..])),
            None => (ids, None),
        };
        if let Some(mode) = mode {
            let mode = octal(mode).ok_or_else(|| self.wrong("a bad mode"))?;
            (header.old_mode, header.new_mode) = (mode, mode);
        }
        let (old_id, new_id) = object_ids(ids).ok_or_else(|| self.wrong("bad object ids"))?;
        let name = same_name(names);
        let path = |renamed: Option<Vec<u8>>| renamed.or_else(|| name.clone());
        let old_path = path(header.renamed_from).ok_or_else(|| self.wrong("no old path"))?;
        let new_path = path(header.renamed_to).ok_or_else(|| self.wrong("no new path"))?;
        let start = self.at;
        let body = self.body()?;
        Ok(Section {
            old_path: (!header.added).then_some(old_path),
            new_path: (!header.deleted).then_some(new_path),
            old_mode: header.old_mode,
            new_mode: header.new_mode,
            old_id,
            new_id,
            body,
            body_range: start..self.at,
        })
    }

    fn header_line(&mut self, header: &mut Header) -> Result<(), NotAPatch> {
        let bad_mode = self.wrong("a bad mode");
        let mode = |text: &[u8]| octal(text).ok_or_else(|| bad_mode.clone());
        if let Some(text) = self.take(b"new file mode ") {
            (header.added, header.new_mode) = (true, mode(text)?);
        } else if let Some(text) = self.take(b"deleted file mode ") {
            (header.deleted, header.old_mode) = (true, mode(text)?);
        } else if let Some(text) = self.take(b"old mode ") {
            header.old_mode = mode(text)?;
        } else if let Some(text) = self.take(b"new mode ") {
            header.new_mode = mode(text)?;
        } else if let Some(text) = self.take(b"rename from ") {
            header.renamed_from = Some(whole_name(text).ok_or_else(|| self.wrong("a bad path"))?);
        } else if let Some(text) = self.take(b"rename to ") {
            header.renamed_to = Some(whole_name(text).ok_or_else(|| self.wrong("a bad path"))?);
        } else {
            return Err(self.wrong("an unknown header line"));
        }
        Ok(())
    }

    fn body(&mut self) -> Result<Body, NotAPatch> {
        if self.take(b"GIT binary patch").is_some() {
            // The encoding has no line that begins so: its lines have no space.
            while self.peek().is_some_and(|line| !line.starts_with(b"diff --git ")) {
                self.take(b"");
            }
            return Ok(Body::Binary);
        }
        if self.take(b"--- ").is_none() {
            return Ok(Body::None);
        }
        self.take(b"+++ ").ok_or_else(|| self.wrong("no `+++` line"))?;
        let mut hunks = Vec::new();
        while let Some(header) = self.take(b"@@ ") {
            hunks.push(self.hunk(header)?);
        }
        Ok(Body::Text(hunks))
    }

    fn hunk(&mut self, header: &[u8]) -> Result<RawHunk, NotAPatch> {
        let ((old_start, old_lines), (new_start, new_lines)) =
            hunk_ranges(header).ok_or_else(|| self.wrong("a bad hunk header"))?;
        let mut lines: Vec<RawLine> = Vec::new();
        let (mut old, mut new) = (0, 0);
        while old < old_lines || new < new_lines {
            let line = self.take(b"").ok_or_else(|| self.wrong("a hunk that ends early"))?;
            let (&origin, text) = line.split_first().ok_or_else(|| self.wrong("an empty line in a hunk"))?;
            let side = match origin {
                b' ' => LineSide::Context,
                b'+' => LineSide::Added,
                b'-' => LineSide::Removed,
                _ => return Err(self.wrong("a hunk line of no side")),
            };
            old += u32::from(side != LineSide::Added);
            new += u32::from(side != LineSide::Removed);
            let ended = self.take(b"\\ ").is_none();
            lines.push(RawLine { side, text: text.to_vec(), ended });
        }
        if (old, new) == (old_lines, new_lines) {
            Ok(RawHunk { old_start, old_lines, new_start, new_lines, lines })
        } else {
            Err(self.wrong("a hunk with other lines than its header says"))
        }
    }
}

fn octal(text: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()
}

fn object_ids(text: &[u8]) -> Option<(ObjectId, ObjectId)> {
    let (old, new) = std::str::from_utf8(text).ok()?.split_once("..")?;
    Some((ObjectId::new(old).ok()?, ObjectId::new(new).ok()?))
}

/// A name that fills the rest of its line.
fn whole_name(text: &[u8]) -> Option<Vec<u8>> {
    if text.starts_with(b"\"") {
        unquote(text).filter(|(_, rest)| rest.is_empty()).map(|(name, _)| name)
    } else {
        Some(text.to_vec())
    }
}

/// The name in `a/<name> b/<name>`, if both are the same.
fn same_name(text: &[u8]) -> Option<Vec<u8>> {
    let (old, new) = if text.starts_with(b"\"") {
        let (old, rest) = unquote(text)?;
        (old, whole_name(rest.strip_prefix(b" ")?)?)
    } else {
        // Two equal names split the text at its middle, whatever spaces they have.
        let middle = text.len() / 2;
        (text.get(..middle)?.to_vec(), text.get(middle + 1..)?.to_vec())
    };
    let name = old.strip_prefix(b"a/")?;
    (new.strip_prefix(b"b/") == Some(name)).then(|| name.to_vec())
}

/// `-1,2 +3,4 @@ …`: each range as its start and number of lines.
fn hunk_ranges(header: &[u8]) -> Option<((u32, u32), (u32, u32))> {
    let mut words = header.split(|&byte| byte == b' ');
    let mut range = |sign: u8| {
        let word = std::str::from_utf8(words.next()?.strip_prefix(&[sign])?).ok()?;
        let (start, lines) = word.split_once(',').unwrap_or((word, "1"));
        Some((start.parse().ok()?, lines.parse().ok()?))
    };
    let (old, new) = (range(b'-')?, range(b'+')?);
    (words.next() == Some(b"@@".as_slice())).then_some((old, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_read() {
        assert_eq!(same_name(b"a/x b/y b/x b/y").unwrap(), b"x b/y");
        assert_eq!(same_name(b"\"a/\\303\\244\" \"b/\\303\\244\"").unwrap(), "ä".as_bytes());
        assert_eq!(same_name(b"a/x b/y"), None);
    }

    #[test]
    fn a_broken_patch_is_refused_at_its_byte() {
        for broken in [
            "hello\n",
            "diff --git a/x b/x\n",
            "diff --git a/x b/x\nindex 1..2\n",
            "diff --git a/x b/x\nindex 1111111111111111111111111111111111111111..\
             2222222222222222222222222222222222222222 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a\n",
        ] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
