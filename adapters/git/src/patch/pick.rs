//! Building a tree from chosen parts of a patch.
//!
//! It needs the patch and its base, not the commit that the patch was made from: a verdict can be applied when the
//! bot's branch is long gone. Each whole file is checked against the content id that the patch names.

use std::collections::BTreeSet;
use std::path::Path;

use git2::{IndexEntry, IndexTime, ObjectType, Oid};
use windlass_domain::diff::{FileStatus, LineSide, ObjectId};

use super::parse::{Body, RawHunk, Section};
use super::{Entry, NotAPatch, SUBMODULE, entries, parse, shown_path};
use crate::objects::{KeepError, Objects, ObjectsError, could_not, id_of};
use crate::program::GitError;
use crate::repository::Repository;

/// Chosen parts of a patch, by their stable ids.
///
/// A file stands for all of its change: content, mode, new path. A hunk stands for its lines alone; the path and the
/// mode stay as they were. A file that is added, is deleted or changes its type has no parts: any of its hunks
/// chooses all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Ids of files.
    pub files: BTreeSet<String>,
    /// Ids of hunks.
    pub hunks: BTreeSet<String>,
}

/// Why no tree could be built from a selection.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// An id that the patch does not have.
    #[error("the patch has no file or hunk `{id}`; the change may be another one than was judged")]
    UnknownId {
        /// The id.
        id: String,
    },
    /// The patch was made for another base.
    #[error("the patch does not fit `{path}` in the base commit; pick from the base that the bundle names")]
    OtherBase {
        /// The file.
        path: String,
    },
    /// The bytes are no patch of ours.
    #[error(transparent)]
    NotAPatch(#[from] NotAPatch),
    /// The object database failed.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The program failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl From<KeepError> for PickError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Objects(error) => Self::Objects(error),
            KeepError::Git(error) => Self::Git(error),
        }
    }
}

impl Repository {
    /// Builds the tree that `base` (nothing: the empty tree) becomes through the chosen parts of `patch`, and keeps
    /// it in the object database. No branch and no checkout is touched.
    ///
    /// # Errors
    /// An id is unknown, or the patch was made for another base; then nothing is kept.
    pub fn pick(
        &self,
        base: Option<&ObjectId>,
        patch: &[u8],
        selection: &Selection,
    ) -> Result<ObjectId, PickError> {
        let sections = parse::parse(patch)?;
        let entries = entries(&sections);
        known(&entries, selection)?;
        let objects = self.objects()?;
        let mut index = git2::Index::new().map_err(could_not("build a tree"))?;
        if let Some(base) = base {
            index.read_tree(&objects.tree(base)?).map_err(could_not("build a tree"))?;
        }
        let picker = Picker { objects: &objects, patch };
        let mut edits = Vec::new();
        for entry in &entries {
            edits.extend(picker.edit(&index, entry, selection)?);
        }
        // All removals come first: a file may give way to a folder of its name.
        for path in edits.iter().filter_map(|edit| edit.remove.as_deref()) {
            index.remove(as_path(path), 0).map_err(could_not("build a tree"))?;
        }
        for (path, mode, oid) in edits.into_iter().filter_map(|edit| edit.add) {
            index.add(&index_entry(path, mode, oid)).map_err(could_not("build a tree"))?;
        }
        let tree = index.write_tree_to(&objects.all).map_err(could_not("build a tree"))?;
        objects.keep(&self.place(), tree)?;
        Ok(id_of(tree))
    }
}

/// What one chosen file does to the tree.
#[derive(Default)]
struct Edit {
    remove: Option<Vec<u8>>,
    add: Option<(Vec<u8>, u32, Oid)>,
}

struct Picker<'a> {
    objects: &'a Objects,
    patch: &'a [u8],
}

impl Picker<'_> {
    /// What the selection takes of one file, if anything.
    fn edit(
        &self,
        index: &git2::Index,
        entry: &Entry<'_>,
        selection: &Selection,
    ) -> Result<Option<Edit>, PickError> {
        let chosen: Vec<&RawHunk> =
            entry.hunks().filter(|hunk| selection.hunks.contains(&entry.hunk_id(hunk))).collect();
        let has_parts = matches!(entry.status(), FileStatus::Modified | FileStatus::Renamed)
            && entry.first().new_mode != SUBMODULE;
        if selection.files.contains(&entry.id()) || (!has_parts && !chosen.is_empty()) {
            return self.whole(index, entry).map(Some);
        }
        let (Some(old_path), false) = (&entry.first().old_path, chosen.is_empty()) else {
            return Ok(None);
        };
        let (mode, oid) = self.in_base(index, entry.first(), old_path)?;
        let text = apply(&self.objects.blob(oid)?, &chosen).ok_or_else(|| other_base(old_path))?;
        let oid = self.objects.make(ObjectType::Blob, &text)?;
        Ok(Some(Edit { remove: None, add: Some((old_path.clone(), mode, oid)) }))
    }

    /// All of a file's change.
    fn whole(&self, index: &git2::Index, entry: &Entry<'_>) -> Result<Edit, PickError> {
        let mut edit = Edit::default();
        if let Some(path) = &entry.first().old_path {
            self.in_base(index, entry.first(), path)?;
            edit.remove = Some(path.clone());
        } else if let Some(path) = &entry.last().new_path
            && index.get_path(as_path(path), 0).is_some()
        {
            return Err(other_base(path));
        }
        let last = entry.last();
        if let Some(path) = &last.new_path {
            let wanted = self.objects.oid(&last.new_id)?;
            let made = if last.new_mode == SUBMODULE { wanted } else { self.new_content(last)? };
            if made != wanted {
                return Err(other_base(path));
            }
            edit.add = Some((path.clone(), last.new_mode, made));
        }
        Ok(edit)
    }

    /// The file of the base that a section changes; it must be the very one.
    fn in_base(&self, index: &git2::Index, section: &Section, path: &[u8]) -> Result<(u32, Oid), PickError> {
        let entry = index.get_path(as_path(path), 0).ok_or_else(|| other_base(path))?;
        if entry.id == self.objects.oid(&section.old_id)? {
            Ok((entry.mode, entry.id))
        } else {
            Err(other_base(path))
        }
    }

    /// Makes the content after a section's whole change.
    fn new_content(&self, section: &Section) -> Result<Oid, PickError> {
        let old = match section.old_path {
            Some(_) => self.objects.blob(self.objects.oid(&section.old_id)?)?,
            None => Vec::new(),
        };
        let path = section.new_path.as_deref().unwrap_or_default();
        let new = match &section.body {
            Body::None => old,
            Body::Text(hunks) => {
                apply(&old, &hunks.iter().collect::<Vec<_>>()).ok_or_else(|| other_base(path))?
            }
            Body::Binary => return self.binary(section),
        };
        Ok(self.objects.make(ObjectType::Blob, &new)?)
    }

    /// Decodes a binary body, through libgit2, in a tree that has this one file under a plain name.
    fn binary(&self, section: &Section) -> Result<Oid, PickError> {
        let act = could_not("decode a binary patch");
        let mut before = git2::Index::new().map_err(&act)?;
        let mut text = b"diff --git a/file b/file\n".to_vec();
        if section.old_path.is_some() {
            let oid = self.objects.oid(&section.old_id)?;
            before.add(&index_entry(b"file".to_vec(), 0o100_644, oid)).map_err(&act)?;
            text.extend(format!("index {}..{} 100644\n", section.old_id, section.new_id).bytes());
        } else {
            text.extend_from_slice(b"new file mode 100644\n");
            text.extend(format!("index {}..{}\n", section.old_id, section.new_id).bytes());
        }
        text.extend_from_slice(&self.patch[section.body_range.clone()]);
        let tree = before.write_tree_to(&self.objects.all).map_err(&act)?;
        let tree = self.objects.all.find_tree(tree).map_err(&act)?;
        let diff = git2::Diff::from_buffer(&text).map_err(&act)?;
        let after = self.objects.all.apply_to_tree(&tree, &diff, None).map_err(&act)?;
        let entry = after.get_path(Path::new("file"), 0);
        entry.map(|entry| entry.id).ok_or_else(|| other_base(section.new_path.as_deref().unwrap_or_default()))
    }
}

/// Every chosen id must be one of the patch's.
fn known(entries: &[Entry<'_>], selection: &Selection) -> Result<(), PickError> {
    let files: BTreeSet<String> = entries.iter().map(Entry::id).collect();
    let hunks: BTreeSet<String> =
        entries.iter().flat_map(|entry| entry.hunks().map(|hunk| entry.hunk_id(hunk))).collect();
    let unknown = selection.files.difference(&files).chain(selection.hunks.difference(&hunks)).next();
    unknown.map_or(Ok(()), |id| Err(PickError::UnknownId { id: id.clone() }))
}

/// The text with these hunks applied exactly where they say; none where the text is another one.
fn apply(old: &[u8], hunks: &[&RawHunk]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = old.split_inclusive(|&byte| byte == b'\n').collect();
    let mut new = Vec::with_capacity(old.len());
    let mut at = 0;
    for hunk in hunks {
        // A hunk without old lines stands after the line that it names.
        let start = usize::try_from(hunk.old_start).ok()?.checked_sub(usize::from(hunk.old_lines > 0))?;
        new.extend(lines.get(at..start)?.concat());
        at = start;
        for line in &hunk.lines {
            let mut text = line.text.clone();
            if line.ended {
                text.push(b'\n');
            }
            if line.side != LineSide::Added {
                if *lines.get(at)? != text.as_slice() {
                    return None;
                }
                at += 1;
            }
            if line.side != LineSide::Removed {
                new.extend(text);
            }
        }
    }
    new.extend(lines.get(at..)?.concat());
    Some(new)
}

fn other_base(path: &[u8]) -> PickError {
    PickError::OtherBase { path: shown_path(path) }
}

fn as_path(path: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path))
}

fn index_entry(path: Vec<u8>, mode: u32, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::RawLine;
    use super::*;

    fn hunk(old_start: u32, old_lines: u32, lines: &[(LineSide, &str)]) -> RawHunk {
        let lines =
            lines.iter().map(|&(side, text)| RawLine { side, text: text.into(), ended: true }).collect();
        RawHunk { old_start, old_lines, new_start: 0, new_lines: 0, lines }
    }

    #[test]
    fn hunks_apply_exactly_where_they_say_or_not_at_all() {
        use LineSide::{Added, Context, Removed};
        let replace = hunk(2, 2, &[(Removed, "b"), (Added, "B"), (Context, "c")]);
        let insert = hunk(3, 0, &[(Added, "x")]);
        assert_eq!(apply(b"a\nb\nc\n", &[&replace, &insert]).unwrap(), b"a\nB\nc\nx\n");
        assert_eq!(apply(b"a\nb\nC\n", &[&replace]), None, "other context");
        assert_eq!(apply(b"b\nc\n", &[&replace]), None, "another place");
        assert_eq!(apply(b"a\nb\nc", &[&replace]), None, "no line feed at the end");
        assert_eq!(apply(b"a\nb\nc\n", &[&insert, &replace]), None, "out of order");
    }
}
