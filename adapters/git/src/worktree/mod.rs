//! Bot worktrees: folders outside the user's checkout where a run reads, writes and commits.
//!
//! The `git` program makes them, so filters of the user's configuration run as in any checkout: a filter program that
//! is missing is skipped unless it is `required`, and Git LFS fetches nothing. Hooks never run, submodules stay
//! empty folders, and a sparse user checkout still gives a full worktree.
//!
//! A worktree of ours carries a mark: it is locked (so that no clean-up of git's prunes it) with a reason that names
//! its branch and its folder. **Invariants:** nothing without our mark is changed or removed; below the user's
//! `.git` only our entry in `worktrees/`, objects, and our branch with its log are written; no call trusts what the
//! worktree's own `.git` file says, because an agent may have written it.

mod advance;
mod changes;
mod create;
mod entry;
mod remove;

use std::fs::File;
use std::path::{Path, PathBuf};

use windlass_domain::diff::ObjectId;
use windlass_policy::{Permit, WriteWorktree};

use crate::branch::BotBranch;
use crate::program::{GitError, Place};
use crate::repository::{Repository, object_id};

pub use advance::MoveError;
pub use changes::CommitError;
pub use create::{CreateError, WorktreeSpec};
pub use remove::{DeleteBranchError, RemoveError};

use entry::{Entry, Lock};

/// A worktree of ours that is completely checked out.
#[derive(Debug, Clone)]
pub struct Worktree {
    repository: Repository,
    path: PathBuf,
    admin: PathBuf,
    stand: Stand,
}

/// What a worktree is checked out at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stand {
    Branch(BotBranch),
    Detached,
}

/// What can go wrong with any work on a worktree.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The permit is for another folder.
    #[error("the permit is for `{subject}` and does not cover `{path}`", path = path.display())]
    NotPermitted {
        /// The worktree.
        path: PathBuf,
        /// What the permit is for.
        subject: String,
    },
    /// A worktree cannot be at this path.
    #[error("a worktree cannot be at `{path}`: {why}", path = path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// Somebody switched the worktree to something else.
    #[error(
        "the worktree `{path}` was switched to {found}; switch it back to {expected} with git, then go on",
        path = path.display()
    )]
    Strayed {
        /// The worktree.
        path: PathBuf,
        /// What it should be at.
        expected: String,
        /// What it is at.
        found: String,
    },
    /// Another repository lies in the worktree.
    #[error(
        "`{inner}` in the worktree is a repository of its own; its files cannot be committed, move it out"
    )]
    NestedRepository {
        /// Its path in the worktree.
        inner: String,
    },
    /// Files lie in a submodule's folder.
    #[error(
        "`{inner}` is a submodule, and its folder in the worktree has files; they cannot be committed here"
    )]
    InsideSubmodule {
        /// Its path in the worktree.
        inner: String,
    },
    /// The file system failed.
    #[error("`{path}` cannot be read or written", path = path.display())]
    Files {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The program failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Worktree {
    /// Finds the worktree of ours in this folder; none where there is none, or none that is ours and complete.
    ///
    /// # Errors
    /// The repository could not be read.
    pub fn find(repository: &Repository, path: &Path) -> Result<Option<Self>, WorktreeError> {
        let Some(path) = entry::settled(path) else { return Ok(None) };
        let Some(entry) = Entry::find(repository, &path)? else { return Ok(None) };
        if !(entry.is_checked_out() && path.is_dir()) {
            return Ok(None);
        }
        let Some(stand) = entry.stand(&path) else { return Ok(None) };
        Ok(Some(Self { repository: repository.clone(), path, admin: entry.admin, stand }))
    }

    /// Its folder, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its branch; none for an analysis worktree.
    #[must_use]
    pub fn branch(&self) -> Option<&BotBranch> {
        match &self.stand {
            Stand::Branch(branch) => Some(branch),
            Stand::Detached => None,
        }
    }

    /// The repository that it belongs to.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The commit that it is checked out at.
    ///
    /// # Errors
    /// [`WorktreeError::Strayed`] where it is no longer on its branch.
    pub fn head(&self) -> Result<ObjectId, WorktreeError> {
        let place = self.place()?;
        let symbolic = place.git("symbolic-ref").args(["--quiet", "HEAD"]).ask()?;
        let found = if symbolic.code == 0 { symbolic.line("symbolic-ref")? } else { "no branch".to_owned() };
        let expected = match &self.stand {
            Stand::Branch(branch) => branch.reference(),
            Stand::Detached => "no branch".to_owned(),
        };
        if found != expected {
            return Err(WorktreeError::Strayed { path: self.path.clone(), expected, found });
        }
        let stdout = place.git("rev-parse").args(["--verify", "--quiet", "HEAD^{commit}"]).run()?;
        Ok(object_id("rev-parse", &stdout)?)
    }

    /// Where calls about this worktree happen: with its entry and its folder named, so that nothing in the folder can
    /// lead git elsewhere.
    fn place(&self) -> Result<Place, GitError> {
        place_of(&self.repository, &self.admin, &self.path)
    }

    /// Before any change: the permit fits, no git of a crashed service is still at work here, and what a crash cut
    /// short is finished.
    fn begin(&self, permit: &Permit<WriteWorktree>) -> Result<(Lock, Place), WorktreeError> {
        covers(permit, &self.path)?;
        let lock = Lock::take(&self.path)?;
        let place = self.begin_locked(&lock)?;
        Ok((lock, place))
    }

    fn begin_locked(&self, lock: &Lock) -> Result<Place, WorktreeError> {
        entry::clear_index_lock(&self.admin)?;
        entry::restore_link(&self.path, &self.admin)?;
        let place = self.place()?;
        advance::finish_move(self, &place, lock.file())?;
        Ok(place)
    }
}

fn place_of(repository: &Repository, admin: &Path, path: &Path) -> Result<Place, GitError> {
    let mut place = repository.place_without_hooks()?;
    place.folder = path.to_owned();
    place.git_dir = Some(admin.to_owned());
    place.work_tree = Some(path.to_owned());
    place.overrides.push(("core.sparseCheckout".to_owned(), "false".to_owned()));
    Ok(place)
}

/// A permit is for a folder and everything below it.
fn covers(permit: &Permit<WriteWorktree>, path: &Path) -> Result<(), WorktreeError> {
    let subject = Path::new(permit.subject());
    let subject = subject.canonicalize().ok().or_else(|| entry::settled(subject));
    if subject.is_some_and(|subject| path.starts_with(subject)) {
        Ok(())
    } else {
        Err(WorktreeError::NotPermitted { path: path.to_owned(), subject: permit.subject().to_owned() })
    }
}

/// Names the path for an error of the file system's.
fn files(path: &Path) -> impl Fn(std::io::Error) -> WorktreeError {
    move |source| WorktreeError::Files { path: path.to_owned(), source }
}

/// Makes everything written to the file system of `path` outlive a power cut.
///
/// Without it a power cut leaves files empty that the index, synced on its own, calls checked out, and the next commit
/// would take them for the bot's work. One call for the file system is far cheaper than one for each file.
fn sync_files(path: &Path) -> Result<(), WorktreeError> {
    let folder = File::open(path).map_err(files(path))?;
    rustix::fs::syncfs(&folder).map_err(|errno| files(path)(errno.into()))
}
