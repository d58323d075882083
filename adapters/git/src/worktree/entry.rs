//! A worktree's entry in the repository, our mark on it, and the lock around work on it.
//!
//! The layout (`worktrees/<name>/{gitdir,locked,index}`) is documented in gitrepository-layout(5).

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{Stand, WorktreeError, files};
use crate::branch::BotBranch;
use crate::repository::Repository;

/// What a reason that makes a worktree ours begins with.
const MARK: &str = "windlass: ";

/// How a mark names a worktree without a branch.
const NO_BRANCH: &str = "no branch";

/// One entry below `worktrees/`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) admin: PathBuf,
    /// The reason of its lock.
    reason: Option<String>,
    /// The folder that it is for; none while git has not written it yet.
    pub(super) path: Option<PathBuf>,
}

impl Entry {
    /// All entries of a repository.
    pub(super) fn all(repository: &Repository) -> Result<Vec<Self>, WorktreeError> {
        let folder = repository.common_dir().join("worktrees");
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(files(&folder)(error)),
        };
        let mut entries = Vec::new();
        for admin in listed {
            let admin = admin.map_err(files(&folder))?.path();
            let link = read_trimmed(&admin.join("gitdir"))?;
            let path = link.filter(|link| !link.is_empty()).and_then(|link| {
                // The text ends in `/.git`; it may be relative to the entry.
                let link = admin.join(std::ffi::OsStr::from_bytes(&link));
                settled(link.parent()?)
            });
            let reason = read_trimmed(&admin.join("locked"))?;
            let reason = reason.map(|reason| String::from_utf8_lossy(&reason).into_owned());
            entries.push(Self { admin, reason, path });
        }
        Ok(entries)
    }

    /// The entry for a folder.
    pub(super) fn find(repository: &Repository, path: &Path) -> Result<Option<Self>, WorktreeError> {
        Ok(Self::all(repository)?.into_iter().find(|entry| entry.path.as_deref() == Some(path)))
    }

    /// Removes entries of ours that git was killed in the middle of making. Until then no git, the user's included,
    /// can list the worktrees. Only with the [`RepositoryLock`] held: then no git of ours is making one.
    pub(super) fn sweep(repository: &Repository) -> Result<(), WorktreeError> {
        for entry in Self::all(repository)? {
            let ours = entry.reason.as_deref().is_some_and(|reason| reason.starts_with(MARK));
            let mut whole = entry.path.is_some();
            for name in ["commondir", "HEAD"] {
                whole &= read_trimmed(&entry.admin.join(name))?.is_some_and(|text| !text.is_empty());
            }
            if ours && !whole && !entry.is_checked_out() {
                std::fs::remove_dir_all(&entry.admin).map_err(files(&entry.admin))?;
            }
        }
        Ok(())
    }

    /// Whether it bears the mark of this stand and folder.
    pub(super) fn is_marked(&self, stand: &Stand, path: &Path) -> bool {
        self.reason.as_deref() == Some(&mark(stand, path))
    }

    /// What our mark says that it is checked out at; none without our mark for this folder.
    pub(super) fn stand(&self, path: &Path) -> Option<Stand> {
        let rest = self.reason.as_deref()?.strip_prefix(MARK)?;
        let stand = rest.strip_suffix(&format!(" at {}", path.display()))?;
        match stand {
            NO_BRANCH => Some(Stand::Detached),
            branch => branch.parse::<BotBranch>().ok().map(Stand::Branch),
        }
    }

    /// Whether the checkout was finished: git writes the index last.
    pub(super) fn is_checked_out(&self) -> bool {
        self.admin.join("index").exists()
    }
}

/// The reason of the lock on a worktree of ours.
pub(super) fn mark(stand: &Stand, path: &Path) -> String {
    let stand = match stand {
        Stand::Branch(branch) => branch.to_string(),
        Stand::Detached => NO_BRANCH.to_owned(),
    };
    format!("{MARK}{stand} at {}", path.display())
}

/// The path with its folder free of symbolic links, as far as that folder is there; none for a path without a name.
pub(super) fn settled(path: &Path) -> Option<PathBuf> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    Some(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name))
}

/// The content without trailing line feeds; none where there is no such file.
pub(super) fn read_trimmed(path: &Path) -> Result<Option<Vec<u8>>, WorktreeError> {
    match std::fs::read(path) {
        Ok(mut bytes) => {
            while bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Ok(Some(bytes))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(files(path)(error)),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove_if_there(path: &Path) -> Result<(), WorktreeError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(files(path)(error)),
        _ => Ok(()),
    }
}

/// Removes what a killed git left in our entry. Only with the [`Lock`] held: then no git of ours is alive there.
pub(super) fn clear_index_lock(admin: &Path) -> Result<(), WorktreeError> {
    remove_if_there(&admin.join("index.lock"))?;
    remove_if_there(&admin.join("HEAD.lock"))
}

/// Makes the folder's `.git` file name its entry again, whatever an agent wrote there.
pub(super) fn restore_link(path: &Path, admin: &Path) -> Result<(), WorktreeError> {
    let link = path.join(".git");
    let wanted = [b"gitdir: ", admin.as_os_str().as_bytes(), b"\n"].concat();
    match std::fs::symlink_metadata(&link) {
        Ok(found) if found.is_dir() => {
            return Err(WorktreeError::NestedRepository { inner: ".git".to_owned() });
        }
        Ok(found) if found.is_file() && std::fs::read(&link).map_err(files(&link))? == wanted => {
            return Ok(());
        }
        Ok(_) => std::fs::remove_file(&link).map_err(files(&link))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(files(&link)(error)),
    }
    std::fs::write(&link, wanted).map_err(files(&link))
}

/// Held while a worktree is worked on, by this process and by every git that it starts there.
///
/// A git that outlives a killed service goes on holding it, so the next service waits for it here instead of working
/// beside it.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock on the worktree in this (settled) folder.
    pub(super) fn take(worktree: &Path) -> Result<Self, WorktreeError> {
        let name = worktree.file_name().unwrap_or_default().to_string_lossy();
        let path = worktree.with_file_name(format!(".{name}.lock"));
        loop {
            let file =
                File::options().read(true).append(true).create(true).open(&path).map_err(files(&path))?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(|errno| files(&path)(errno.into()))?;
            // Whoever removed the worktree removed the file that we waited on, too.
            if file.metadata().map_err(files(&path))?.nlink() > 0 {
                return Ok(Self { file, path });
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives up the lock and its file, once there is no worktree any more.
    pub(super) fn remove(self) -> Result<(), WorktreeError> {
        remove_if_there(&self.path)
    }
}

/// Held while git makes, removes or lists worktrees of a repository: it fails over entries that another git has half
/// made. It is a lock on the repository's folder itself, so nothing is written there; a git that outlives a killed
/// service goes on holding it.
#[derive(Debug)]
pub(super) struct RepositoryLock(File);

impl RepositoryLock {
    /// Waits for the lock.
    pub(super) fn take(repository: &Repository) -> Result<Self, WorktreeError> {
        let folder = repository.common_dir();
        let file = File::open(folder).map_err(files(folder))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| files(folder)(errno.into()))?;
        Ok(Self(file))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }
}
