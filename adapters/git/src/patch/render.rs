//! Writing a patch: headers by hand, hunks and binary bodies by libgit2 from the two contents alone.

use git2::{Delta, FileMode, Oid};

use super::{DiffError, MAX_FILE_BYTES, MAX_PATCH_BYTES, SUBMODULE, quote, shown_path};
use crate::objects::{Objects, ObjectsError, could_not, id_of};

/// Lines of context around a change, as git's default has it.
const CONTEXT_LINES: u32 = 3;

/// Most files that are compared with each other to find renames. The work grows with the product of deleted and
/// added files; beyond this a rename shows as a deletion and an addition.
const RENAME_LIMIT: usize = 1_000;

/// How similar, in percent, two contents of a renamed file are at least; git's default.
const RENAME_SIMILARITY: u16 = 50;

/// One side of a file's change.
#[derive(Clone)]
struct Side {
    path: Vec<u8>,
    mode: u32,
    oid: Oid,
}

/// One file's change. At least one side is there.
struct Change {
    old: Option<Side>,
    new: Option<Side>,
}

/// The patch from one tree to another.
pub(super) fn render(
    objects: &Objects,
    base: Option<&git2::Tree<'_>>,
    head: &git2::Tree<'_>,
) -> Result<Vec<u8>, DiffError> {
    let mut patch = Vec::new();
    for change in changes(objects, base, head)? {
        let same_type = match (&change.old, &change.new) {
            (Some(old), Some(new)) => old.mode & 0o170_000 == new.mode & 0o170_000,
            _ => true,
        };
        if same_type {
            section(objects, &change, &mut patch)?;
        } else {
            section(objects, &Change { old: change.old, new: None }, &mut patch)?;
            section(objects, &Change { old: None, new: change.new }, &mut patch)?;
        }
        if patch.len() > MAX_PATCH_BYTES {
            return Err(DiffError::PatchTooLarge);
        }
    }
    Ok(patch)
}

/// All changed files in the order of their paths' bytes.
fn changes(
    objects: &Objects,
    base: Option<&git2::Tree<'_>>,
    head: &git2::Tree<'_>,
) -> Result<Vec<Change>, ObjectsError> {
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).ignore_submodules(false).ignore_case(false);
    let mut diff = objects
        .all
        .diff_tree_to_tree(base, Some(head), Some(&mut options))
        .map_err(could_not("compare two trees"))?;
    let mut similar = git2::DiffFindOptions::new();
    similar.renames(true).rename_threshold(RENAME_SIMILARITY).rename_limit(RENAME_LIMIT);
    diff.find_similar(Some(&mut similar)).map_err(could_not("look for renames"))?;
    let mut changes: Vec<Change> = diff
        .deltas()
        .map(|delta| Change {
            old: (delta.status() != Delta::Added).then(|| side(&delta.old_file())),
            new: (delta.status() != Delta::Deleted).then(|| side(&delta.new_file())),
        })
        .filter(|change| match (&change.old, &change.new) {
            (Some(old), Some(new)) => (&old.path, old.mode, old.oid) != (&new.path, new.mode, new.oid),
            _ => true,
        })
        .collect();
    changes.sort_by(|one, two| one.path().cmp(two.path()));
    Ok(changes)
}

impl Change {
    fn path(&self) -> &[u8] {
        self.new.as_ref().or(self.old.as_ref()).map_or(b"", |side| &side.path)
    }
}

fn side(file: &git2::DiffFile<'_>) -> Side {
    let mode = match file.mode() {
        FileMode::BlobExecutable => 0o100_755,
        FileMode::Link => 0o120_000,
        FileMode::Commit => SUBMODULE,
        // Old trees have group-writable files; git reads their mode as this one.
        FileMode::Blob | FileMode::BlobGroupWritable | FileMode::Tree | FileMode::Unreadable => 0o100_644,
    };
    Side { path: file.path_bytes().unwrap_or_default().to_vec(), mode, oid: file.id() }
}

/// Writes one `diff --git` section.
fn section(objects: &Objects, change: &Change, patch: &mut Vec<u8>) -> Result<(), DiffError> {
    let path = change.path();
    let old_path = change.old.as_ref().map_or(path, |side| &side.path);
    let new_path = change.new.as_ref().map_or(path, |side| &side.path);
    let (old_name, new_name) = (prefixed(b"a/", old_path), prefixed(b"b/", new_path));
    line(patch, &[b"diff --git ", &old_name, b" ", &new_name]);
    let mode = |mode: u32| format!("{mode:o}").into_bytes();
    let mut index_mode = None;
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            // A rename says its mode only where the mode changed, or on the `index` line.
            if old.mode == new.mode {
                index_mode = Some(old.mode);
            } else {
                line(patch, &[b"old mode ", &mode(old.mode)]);
                line(patch, &[b"new mode ", &mode(new.mode)]);
            }
            if old.path != new.path {
                line(patch, &[b"rename from ", &quote(&old.path)]);
                line(patch, &[b"rename to ", &quote(&new.path)]);
            }
        }
        (None, Some(new)) => line(patch, &[b"new file mode ", &mode(new.mode)]),
        (Some(old), None) => line(patch, &[b"deleted file mode ", &mode(old.mode)]),
        (None, None) => {}
    }
    let id = |side: &Option<Side>| side.as_ref().map_or(Oid::ZERO_SHA1, |side| side.oid).to_string();
    let ids = format!("{}..{}", id(&change.old), id(&change.new));
    match index_mode {
        Some(index_mode) => line(patch, &[b"index ", ids.as_bytes(), b" ", &mode(index_mode)]),
        None => line(patch, &[b"index ", ids.as_bytes()]),
    }
    let (old, new) = (content(objects, change.old.as_ref())?, content(objects, change.new.as_ref())?);
    let body = body(&old, &new)?;
    if body.starts_with(b"@@ ") {
        let label = |sign: &[u8], side: &Option<Side>, name: &[u8]| {
            let name = if side.is_some() { name } else { b"/dev/null" };
            // Programs that read patches take a space for the name's end, unless a tab follows.
            let end = if name.contains(&b' ') && !name.starts_with(b"\"") { b"\t".as_slice() } else { b"" };
            [sign, name, end].concat()
        };
        line(patch, &[&label(b"--- ", &change.old, &old_name)]);
        line(patch, &[&label(b"+++ ", &change.new, &new_name)]);
    }
    patch.extend_from_slice(&body);
    Ok(())
}

fn line(patch: &mut Vec<u8>, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| patch.extend_from_slice(piece));
    patch.push(b'\n');
}

fn prefixed(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    quote(&[prefix, path].concat())
}

/// What is compared for one side: a submodule's commit as the line that git writes for it.
fn content(objects: &Objects, side: Option<&Side>) -> Result<Vec<u8>, DiffError> {
    let Some(side) = side else { return Ok(Vec::new()) };
    if side.mode == SUBMODULE {
        return Ok(format!("Subproject commit {}\n", id_of(side.oid)).into_bytes());
    }
    let bytes = objects.size(side.oid)?;
    if bytes > MAX_FILE_BYTES {
        return Err(DiffError::FileTooLarge { path: shown_path(&side.path), bytes });
    }
    Ok(objects.blob(side.oid)?)
}

/// The hunks or the binary body from one content to another; nothing where they are the same.
fn body(old: &[u8], new: &[u8]) -> Result<Vec<u8>, ObjectsError> {
    let mut options = git2::DiffOptions::new();
    options.context_lines(CONTEXT_LINES).interhunk_lines(0).indent_heuristic(true).show_binary(true);
    let text = could_not("compare two files");
    let mut patch = git2::Patch::from_buffers(old, None, new, None, Some(&mut options)).map_err(&text)?;
    let printed = patch.to_buf().map_err(&text)?;
    // libgit2 writes a header for a file without a name first; no line of it begins like a body.
    let mut rest: &[u8] = &printed;
    while !rest.is_empty() && !rest.starts_with(b"@@ ") && !rest.starts_with(b"GIT binary patch\n") {
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
    }
    Ok(rest.to_vec())
}
