//! Removing worktrees and bot branches. It fails closed: what is not provably ours, or holds work that is not known
//! to be recorded, stays.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use windlass_domain::diff::ObjectId;
use windlass_policy::{Permit, WriteWorktree};

use super::entry::{self, Entry, Lock, RepositoryLock};
use super::{Worktree, WorktreeError, covers, files};
use crate::branch::BotBranch;
use crate::program::GitError;
use crate::repository::{Repository, object_id};

/// Most commits named in a refusal.
const NAMED_COMMITS: &str = "--max-count=10";

/// Why a worktree was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It does not bear our mark.
    #[error("`{path}` is not a worktree that Windlass made; remove it by hand if it is not needed", path = path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// A crash left it half made.
    #[error("the worktree `{path}` was never completely made; make it again, then remove it", path = path.display())]
    HalfMade {
        /// The folder.
        path: PathBuf,
    },
    /// It has changes that no commit has.
    #[error("the worktree `{path}` has uncommitted changes ({}); commit or discard them first", changed.join(", "),
        path = path.display())]
    Uncommitted {
        /// The folder.
        path: PathBuf,
        /// The changed paths.
        changed: Vec<String>,
    },
    /// It has commits that are recorded nowhere else.
    #[error("the worktree `{path}` has commits that are not recorded, beginning with {first}; record them first",
        path = path.display())]
    UnknownCommits {
        /// The folder.
        path: PathBuf,
        /// The newest of them.
        first: ObjectId,
    },
    /// Something is in the place where it would be put aside.
    #[error("`{quarantine}` is in the way; remove it by hand", quarantine = quarantine.display())]
    QuarantineTaken {
        /// The place.
        quarantine: PathBuf,
    },
    /// Anything that can go wrong with a worktree.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

impl From<GitError> for RemoveError {
    fn from(error: GitError) -> Self {
        Self::Worktree(error.into())
    }
}

/// Why a bot branch was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteBranchError {
    /// It is at another commit.
    #[error("the branch `{branch}` is at {found}, not at {expected}, and was not deleted")]
    Elsewhere {
        /// The branch.
        branch: BotBranch,
        /// Where the caller thinks that it is.
        expected: ObjectId,
        /// Where it is.
        found: ObjectId,
    },
    /// A checkout stands on it.
    #[error("the branch `{branch}` is checked out in `{path}` and was not deleted", path = path.display())]
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

impl From<GitError> for DeleteBranchError {
    fn from(error: GitError) -> Self {
        Self::Worktree(error.into())
    }
}

impl Repository {
    /// Removes the worktree of ours in `path`: moves the folder to `quarantine`, removes its entry (and no other), then
    /// deletes what is in quarantine. Gone already counts as removed, so that it can be called again after a crash at
    /// any point with the same arguments. Files that git ignores go with it. Its branch stays.
    ///
    /// `known` are the commits whose work is recorded; what lies behind them is recorded too, and so is what the
    /// user's own branches and tags have. `quarantine` is a path of this worktree's own on the same file system.
    ///
    /// # Errors
    /// [`RemoveError`]; before the folder is moved nothing has changed.
    pub fn remove_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        path: &Path,
        known: &[ObjectId],
        quarantine: &Path,
    ) -> Result<(), RemoveError> {
        let Some(path) = entry::settled(path) else { return Ok(()) };
        covers(permit, &path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(files(folder))?;
        }
        let lock = Lock::take(&path)?;
        if let Some(entry) = Entry::find(self, &path)? {
            self.put_aside(&path, &entry, known, quarantine, &lock)?;
            let place = self.place_without_hooks()?;
            let repository_lock = RepositoryLock::take(self)?;
            let call = place.git("worktree").args(["remove", "--force", "--force"]).arg(&path);
            call.holding(repository_lock.file()).run()?;
        } else if path.symlink_metadata().is_ok() {
            return Err(RemoveError::NotOurs { path });
        }
        delete_folder(quarantine)?;
        lock.remove()?;
        Ok(())
    }

    /// Checks that nothing would be lost, and moves the folder away.
    fn put_aside(
        &self,
        path: &Path,
        entry: &Entry,
        known: &[ObjectId],
        quarantine: &Path,
        lock: &Lock,
    ) -> Result<(), RemoveError> {
        let stand = entry.stand(path).ok_or_else(|| RemoveError::NotOurs { path: path.to_owned() })?;
        let worktree =
            Worktree { repository: self.clone(), path: path.to_owned(), admin: entry.admin.clone(), stand };
        if path.symlink_metadata().is_err() {
            // It was put aside before a crash, or somebody removed it; its commits are still looked at.
            return self.recorded(&worktree, known);
        }
        if !entry.is_checked_out() {
            return Err(RemoveError::HalfMade { path: path.to_owned() });
        }
        let place = worktree.begin_locked(lock)?;
        let changed = worktree.uncommitted(&place)?;
        if !changed.is_empty() {
            return Err(RemoveError::Uncommitted { path: path.to_owned(), changed });
        }
        self.recorded(&worktree, known)?;
        if quarantine.symlink_metadata().is_ok() {
            return Err(RemoveError::QuarantineTaken { quarantine: quarantine.to_owned() });
        }
        if let Some(folder) = quarantine.parent() {
            std::fs::create_dir_all(folder).map_err(files(folder))?;
        }
        std::fs::rename(path, quarantine).map_err(files(quarantine))?;
        Ok(())
    }

    /// Every commit of the worktree is known, or the user's own references have it.
    fn recorded(&self, worktree: &Worktree, known: &[ObjectId]) -> Result<(), RemoveError> {
        let mut place = self.place_without_hooks()?;
        place.git_dir = Some(worktree.admin.clone());
        let listed = place
            .git("rev-list")
            .args([NAMED_COMMITS, "--ignore-missing", "HEAD", "--not"])
            .args(known.iter().map(ObjectId::as_str))
            .args(["--exclude=refs/heads/bot/*", "--exclude=refs/stash", "--glob=refs/*"])
            .run()?;
        match listed.split(|&byte| byte == b'\n').next() {
            Some(first) if !first.is_empty() => Err(RemoveError::UnknownCommits {
                path: worktree.path.clone(),
                first: object_id("rev-list", first)?,
            }),
            _ => Ok(()),
        }
    }

    /// Deletes a bot branch if it still points at `at`. Gone already counts as deleted. Any permit will do: it says
    /// that the run may write worktrees, and the branch is a worktree's.
    ///
    /// # Errors
    /// It is elsewhere, or checked out anywhere.
    pub fn delete_bot_branch(
        &self,
        _permit: &Permit<WriteWorktree>,
        branch: &BotBranch,
        at: &ObjectId,
    ) -> Result<(), DeleteBranchError> {
        let Some(found) = self.bot_branch(branch)? else { return Ok(()) };
        if found != *at {
            return Err(DeleteBranchError::Elsewhere { branch: branch.clone(), expected: at.clone(), found });
        }
        if let Some(path) = self.checkouts_of(branch)?.into_iter().next() {
            return Err(DeleteBranchError::CheckedOut { branch: branch.clone(), path });
        }
        self.clear_stale_branch_lock(branch)?;
        let place = self.place_without_hooks()?;
        place.git("update-ref").args(["-d", &branch.reference(), at.as_str()]).run()?;
        Ok(())
    }
}

/// Deletes a folder and all that is in it, folders without write permission included. Symbolic links are not followed.
fn delete_folder(folder: &Path) -> Result<(), WorktreeError> {
    let outcome = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(folder).map_err(files(folder))?;
            std::fs::remove_dir_all(folder)
        }
        outcome => outcome,
    };
    match outcome {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(files(folder)(error)),
        _ => Ok(()),
    }
}

fn make_writable(folder: &Path) -> std::io::Result<()> {
    let mode = folder.symlink_metadata()?.permissions().mode();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o700))?;
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            make_writable(&item.path())?;
        }
    }
    Ok(())
}
