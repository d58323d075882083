//! Moving a bot branch to another commit, its worktree with it.
//!
//! A note in the worktree's entry says from where to where, before anything moves. With the note there, whatever
//! state a crash left is gone on with; without it, a worktree with uncommitted changes is never touched.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use windlass_domain::diff::ObjectId;
use windlass_policy::{Permit, WriteWorktree};

use super::entry::{self, Entry, RepositoryLock};
use super::{Stand, Worktree, WorktreeError, files, sync_files};
use crate::branch::BotBranch;
use crate::program::{GitError, Place};
use crate::repository::Repository;

/// The note's name in the worktree's entry.
const NOTE: &str = "windlass-move";

/// A lock file on a branch whose age differs less than this from this process's is not taken for a crash's: file
/// times are coarser than the clock.
const CLOCK_MARGIN: std::time::Duration = std::time::Duration::from_millis(20);

/// Why a bot branch was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such branch.
    #[error("there is no branch `{branch}`")]
    NoBranch {
        /// The branch.
        branch: BotBranch,
    },
    /// It is not where the caller thinks.
    #[error("the branch `{branch}` is at {found}, not at {expected}; look at it and decide anew")]
    Elsewhere {
        /// The branch.
        branch: BotBranch,
        /// Where the caller thinks that it is.
        expected: ObjectId,
        /// Where it is.
        found: ObjectId,
    },
    /// Its worktree has changes that no commit has.
    #[error("the worktree of `{branch}` has uncommitted changes ({}); commit them first", paths.join(", "))]
    Uncommitted {
        /// The branch.
        branch: BotBranch,
        /// The changed paths.
        paths: Vec<String>,
    },
    /// Somebody has it checked out.
    #[error("the branch `{branch}` is checked out in `{path}`; switch that to another branch", path = path.display())]
    CheckedOut {
        /// The branch.
        branch: BotBranch,
        /// The checkout.
        path: PathBuf,
    },
    /// Anything that can go wrong with a worktree.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

impl From<GitError> for MoveError {
    fn from(error: GitError) -> Self {
        Self::Worktree(error.into())
    }
}

impl Repository {
    /// Moves a bot branch from one commit to another, and its worktree, if there is one, with it.
    ///
    /// Done already counts as done, so that it can be called again after a crash at any point. Other branches cannot
    /// be named. The permit is for the worktree's folder; where there is no worktree any permit will do.
    ///
    /// # Errors
    /// The branch is elsewhere or in use, or its worktree has uncommitted changes; then nothing was moved.
    pub fn move_bot_branch(
        &self,
        permit: &Permit<WriteWorktree>,
        branch: &BotBranch,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<(), MoveError> {
        let worktree = self.worktree_of(branch)?;
        let own = worktree.as_ref().map(|worktree| worktree.path.clone());
        if let Some(path) = self.checkouts_of(branch)?.into_iter().find(|path| Some(path) != own.as_ref()) {
            return Err(MoveError::CheckedOut { branch: branch.clone(), path });
        }
        let Some(worktree) = worktree else {
            return self.move_reference(&self.place_without_hooks()?, None, branch, from, to);
        };
        // Beginning finishes a move that a crash cut short.
        let (lock, place) = worktree.begin(permit)?;
        worktree.head()?;
        if self.expect_at(branch, from, to)? == Moved::Already {
            return Ok(());
        }
        let paths = worktree.uncommitted(&place)?;
        if !paths.is_empty() {
            return Err(MoveError::Uncommitted { branch: branch.clone(), paths });
        }
        write_note(&worktree.admin, from, to)?;
        finish_move(&worktree, &place, lock.file())?;
        Ok(())
    }

    /// Where a bot branch is.
    ///
    /// # Errors
    /// The program failed.
    pub fn bot_branch(&self, branch: &BotBranch) -> Result<Option<ObjectId>, GitError> {
        self.reference(&branch.reference())
    }

    /// The worktree that bears this branch's mark.
    fn worktree_of(&self, branch: &BotBranch) -> Result<Option<Worktree>, WorktreeError> {
        let stand = Stand::Branch(branch.clone());
        for entry in Entry::all(self)? {
            if let Some(path) = entry.path.as_deref().filter(|path| entry.is_marked(&stand, path)) {
                return Worktree::find(self, path);
            }
        }
        Ok(None)
    }

    /// The folders that have this branch checked out.
    pub(super) fn checkouts_of(&self, branch: &BotBranch) -> Result<Vec<PathBuf>, WorktreeError> {
        let _lock = RepositoryLock::take(self)?;
        let listed = self.place().git("worktree").args(["list", "--porcelain"]).run()?;
        let listed = String::from_utf8_lossy(&listed);
        let wanted = branch.reference();
        let mut folder = PathBuf::new();
        let mut found = Vec::new();
        for line in listed.lines() {
            if let Some(path) = line.strip_prefix("worktree ") {
                folder = PathBuf::from(path);
            } else if line.strip_prefix("branch ") == Some(&wanted) {
                found.push(folder.clone());
            }
        }
        Ok(found)
    }

    fn expect_at(&self, branch: &BotBranch, from: &ObjectId, to: &ObjectId) -> Result<Moved, MoveError> {
        match self.bot_branch(branch)? {
            None => Err(MoveError::NoBranch { branch: branch.clone() }),
            Some(found) if found == *to => Ok(Moved::Already),
            Some(found) if found == *from => Ok(Moved::NotYet),
            Some(found) => {
                Err(MoveError::Elsewhere { branch: branch.clone(), expected: from.clone(), found })
            }
        }
    }

    fn move_reference(
        &self,
        place: &Place,
        lock: Option<&File>,
        branch: &BotBranch,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<(), MoveError> {
        if self.expect_at(branch, from, to)? == Moved::Already {
            return Ok(());
        }
        self.clear_stale_branch_lock(branch)?;
        let name = branch.reference();
        let call = place.git("update-ref").args(["-m", "windlass: moved", &name, to.as_str(), from.as_str()]);
        match lock {
            Some(lock) => call.holding(lock).run()?,
            None => call.run()?,
        };
        Ok(())
    }

    /// Removes the lock file that a git of an earlier process, killed in the middle of a write, left on a branch of
    /// ours. One that is younger than this process may be at work and stays.
    pub(super) fn clear_stale_branch_lock(&self, branch: &BotBranch) -> Result<(), WorktreeError> {
        if !self.refs_are_files() {
            return Ok(());
        }
        let lock = self.common_dir().join(format!("{}.lock", branch.reference()));
        let stale = std::fs::metadata(&lock)
            .and_then(|found| found.modified())
            .is_ok_and(|modified| modified + CLOCK_MARGIN < self.process_began());
        if stale { entry::remove_if_there(&lock) } else { Ok(()) }
    }
}

#[derive(PartialEq, Eq)]
enum Moved {
    Already,
    NotYet,
}

/// Goes on with the move that the entry has a note of, if any.
pub(super) fn finish_move(worktree: &Worktree, place: &Place, lock: &File) -> Result<(), WorktreeError> {
    let path = worktree.admin.join(NOTE);
    let Some(note) = entry::read_trimmed(&path)? else { return Ok(()) };
    let parsed = std::str::from_utf8(&note).ok().and_then(|note| {
        let (from, to) = note.split_once(' ')?;
        Some((ObjectId::new(from).ok()?, ObjectId::new(to).ok()?))
    });
    // A note that a power cut emptied was never acted on: it is synced first.
    if let (Some((from, to)), Some(branch)) = (parsed, worktree.branch()) {
        match worktree.repository.move_reference(place, Some(lock), branch, &from, &to) {
            Ok(()) => {
                place.git("reset").args(["--hard", "--quiet"]).holding(lock).run()?;
                sync_files(&worktree.path)?;
            }
            Err(MoveError::Worktree(error)) => return Err(error),
            // The branch went elsewhere meanwhile; whoever moved it decides about the files.
            Err(error) => tracing::warn!(%branch, %error, "a move that was cut short is given up"),
        }
    }
    entry::remove_if_there(&path)
}

fn write_note(admin: &Path, from: &ObjectId, to: &ObjectId) -> Result<(), WorktreeError> {
    let path = admin.join(NOTE);
    let mut file = File::create(&path).map_err(files(&path))?;
    file.write_all(format!("{from} {to}\n").as_bytes()).map_err(files(&path))?;
    file.sync_all().map_err(files(&path))?;
    File::open(admin).and_then(|folder| folder.sync_all()).map_err(files(admin))
}
