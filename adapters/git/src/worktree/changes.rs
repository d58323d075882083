//! What a bot changed in its worktree, and committing all of it.
//!
//! Only plumbing is used, for three reasons: no hook can run, nothing is signed, and no git is ever started inside a
//! folder that an agent filled. `git add` and `git status` look into submodules by running git there, with whatever
//! configuration the agent put there; `diff-files` that ignores submodules and `ls-files` do not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use windlass_domain::diff::ObjectId;
use windlass_domain::time::Timestamp;
use windlass_policy::{Permit, WriteWorktree};

use super::{Worktree, WorktreeError, files};
use crate::commit::{BOT_ADDRESS, NewCommit, Signature, commit_tree};
use crate::patch::shown_path;
use crate::program::{GitError, Place, unexpected};
use crate::repository::object_id;

/// Why the changes could not be committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// An analysis worktree takes no commits.
    #[error("the worktree `{path}` is for analysis and has no branch to commit to", path = path.display())]
    NoBranch {
        /// The worktree.
        path: std::path::PathBuf,
    },
    /// Anything that can go wrong with a worktree.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

impl From<GitError> for CommitError {
    fn from(error: GitError) -> Self {
        Self::Worktree(error.into())
    }
}

/// Paths that differ between a worktree and its index.
#[derive(Debug, Default)]
pub(super) struct Changes {
    gone: Vec<Vec<u8>>,
    /// New, changed, or of another type.
    present: Vec<Vec<u8>>,
}

impl Worktree {
    /// The paths that were changed, added or removed since the last commit, sorted; files that git ignores are left
    /// out. Bytes that are not UTF-8 are written as `\xNN`.
    ///
    /// # Errors
    /// A repository of its own lies in the worktree, or the program failed.
    pub fn changed_paths(&self, permit: &Permit<WriteWorktree>) -> Result<Vec<String>, WorktreeError> {
        let (_lock, place) = self.begin(permit)?;
        let changes = changes(&self.path, &place)?;
        let mut paths: Vec<String> =
            changes.gone.iter().chain(&changes.present).map(|path| shown_path(path)).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// Commits everything that was changed, files that git does not know yet included, files that it ignores not.
    ///
    /// Author and committer are the runtime, at `at`. None where nothing was changed. Called again after a crash
    /// with the same arguments it gives the same commit.
    ///
    /// # Errors
    /// Something in the worktree cannot be committed (it is named), or the program failed; the files stay as they are.
    pub fn commit_all(
        &self,
        permit: &Permit<WriteWorktree>,
        message: &str,
        at: Timestamp,
    ) -> Result<Option<ObjectId>, CommitError> {
        let Some(branch) = self.branch() else {
            return Err(CommitError::NoBranch { path: self.path.clone() });
        };
        let (lock, place) = self.begin(permit)?;
        let head = self.head()?;
        stage(&place, &changes(&self.path, &place)?)?;
        let tree = object_id("write-tree", &place.git("write-tree").holding(lock.file()).run()?)?;
        let author = Signature::bot();
        let commit = |parent: &ObjectId| {
            commit_tree(&place, &NewCommit { tree: &tree, parents: &[parent], message, author: &author, at })
        };
        if tree == tree_of(&place, &head)? {
            // Perhaps a crash came between the commit and its record: then it is made again, and is the same.
            return Ok(match bot_parent(&place, &head)? {
                Some(parent) if commit(&parent)? == head => Some(head),
                _ => None,
            });
        }
        let new = commit(&head)?;
        self.repository.clear_stale_branch_lock(branch)?;
        let name = branch.reference();
        let arguments = ["-m", "windlass: commit", &name, new.as_str(), head.as_str()];
        place.git("update-ref").args(arguments).holding(lock.file()).run()?;
        Ok(Some(new))
    }

    /// Paths with changes that no commit has: in the files, or in the index alone.
    pub(super) fn uncommitted(&self, place: &Place) -> Result<Vec<String>, WorktreeError> {
        let changes = changes(&self.path, place)?;
        let mut paths: Vec<String> =
            changes.gone.iter().chain(&changes.present).map(|path| shown_path(path)).collect();
        if paths.is_empty() {
            let arguments =
                ["--cached", "--name-only", "-z", "--no-renames", "--ignore-submodules=dirty", "HEAD"];
            let stdout = place.git("diff-index").args(arguments).run()?;
            paths = records(&stdout).map(shown_path).collect();
        }
        Ok(paths)
    }
}

pub(super) fn tree_of(place: &Place, commit: &ObjectId) -> Result<ObjectId, GitError> {
    let name = format!("{commit}^{{tree}}");
    object_id("rev-parse", &place.git("rev-parse").args(["--verify", "--quiet", &name]).run()?)
}

/// The only parent of a commit of the runtime's.
fn bot_parent(place: &Place, commit: &ObjectId) -> Result<Option<ObjectId>, GitError> {
    let line = place.git("log").args(["--max-count=1", "--format=%ce %P", commit.as_str()]).line()?;
    Ok(line
        .split_once(' ')
        .filter(|(address, _)| *address == BOT_ADDRESS)
        .and_then(|(_, parents)| ObjectId::new(parents).ok()))
}

/// Compares the folder with its index.
fn changes(folder: &Path, place: &Place) -> Result<Changes, WorktreeError> {
    // Files that were only touched are settled first. Status 1 says that some really differ.
    let refreshed = place.git("update-index").args(["-q", "--ignore-submodules", "--refresh"]).ask()?;
    if !matches!(refreshed.code, 0 | 1) {
        return Err(refreshed.refused("update-index").into());
    }
    let mut changes = Changes::default();
    let arguments = ["--raw", "-z", "--no-renames", "--ignore-submodules=all", "--no-ext-diff"];
    let stdout = place.git("diff-files").args(arguments).run()?;
    let mut fields = records(&stdout);
    while let Some(facts) = fields.next() {
        let path = fields.next().ok_or_else(|| unexpected("diff-files", facts))?;
        let list = if facts.ends_with(b" D") { &mut changes.gone } else { &mut changes.present };
        list.push(path.to_vec());
    }
    let stdout = place.git("ls-files").args(["-z", "--others", "--exclude-standard"]).run()?;
    for path in records(&stdout) {
        if let Some(inner) = path.strip_suffix(b"/") {
            return Err(WorktreeError::NestedRepository { inner: shown_path(inner) });
        }
        changes.present.push(path.to_vec());
    }
    submodules(folder, place, &mut changes)?;
    Ok(changes)
}

/// A submodule's folder is empty as long as nobody touched it; what an agent can do to it is put something there,
/// put something in its place, or remove it.
fn submodules(folder: &Path, place: &Place, changes: &mut Changes) -> Result<(), WorktreeError> {
    let stdout = place.git("ls-files").args(["-z", "--stage"]).run()?;
    for record in records(&stdout).filter(|record| record.starts_with(b"160000 ")) {
        let Some(at) = record.iter().position(|&byte| byte == b'\t') else { continue };
        let name = &record[at + 1..];
        let path = folder.join(OsStr::from_bytes(name));
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {
                if std::fs::read_dir(&path).map_err(files(&path))?.next().is_some() {
                    return Err(WorktreeError::InsideSubmodule { inner: shown_path(name) });
                }
            }
            Ok(_) => changes.present.push(name.to_vec()),
            Err(_) => changes.gone.push(name.to_vec()),
        }
    }
    Ok(())
}

/// Takes the changes into the index, through clean filters and line end rules as any commit.
fn stage(place: &Place, changes: &Changes) -> Result<(), GitError> {
    let list = |paths: &[Vec<u8>]| paths.iter().flat_map(|path| [path.as_slice(), b"\0"].concat()).collect();
    // Removed first: a file may stand where a folder was, and a file below a new symbolic link is not looked for.
    if !changes.gone.is_empty() {
        let call = place.git("update-index").args(["-z", "--force-remove", "--stdin"]);
        call.input(list(&changes.gone)).run()?;
    }
    if !changes.present.is_empty() {
        let call = place.git("update-index").args(["-z", "--add", "--replace", "--remove", "--stdin"]);
        call.input(list(&changes.present)).run()?;
    }
    Ok(())
}

fn records(stdout: &[u8]) -> impl Iterator<Item = &[u8]> {
    stdout.split(|&byte| byte == 0).filter(|record| !record.is_empty())
}
