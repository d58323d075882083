//! Making worktrees, so that a call after a crash at any point ends in the same state.
//!
//! The order is: branch, entry with its mark, folder with its `.git` file, files, index. What a crash left of it is
//! recognised by the mark and gone on with; anything else in the way is somebody else's and refused.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use windlass_domain::diff::ObjectId;
use windlass_policy::{Permit, WriteWorktree};

use super::entry::{self, Entry, Lock, RepositoryLock, mark};
use super::{Stand, Worktree, WorktreeError, covers, files, place_of, sync_files};
use crate::branch::BotBranch;
use crate::commit::BOT_ADDRESS;
use crate::program::{GitError, Place};
use crate::repository::Repository;

/// A reference that does not exist yet, as `git update-ref` takes it.
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// The worktree of a run that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeSpec {
    /// Its folder: absolute, outside the user's checkout.
    pub path: PathBuf,
    /// Its branch; made where it is missing.
    pub branch: BotBranch,
    /// The commit that the branch begins at.
    pub at: ObjectId,
}

/// Why a worktree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The commit is not here.
    #[error("{commit} is no commit of this repository")]
    NoCommit {
        /// The commit.
        commit: ObjectId,
    },
    /// Something that is not ours is in the way.
    #[error("`{path}` is in use by something else; nothing there was touched", path = path.display())]
    PathTaken {
        /// The folder.
        path: PathBuf,
    },
    /// The branch exists with commits that are not the bot's.
    #[error(
        "the branch `{branch}` is at {found} with commits that Windlass did not make; nothing was touched"
    )]
    BranchTaken {
        /// The branch.
        branch: BotBranch,
        /// Where it is.
        found: ObjectId,
    },
    /// Anything that can go wrong with a worktree.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

impl From<GitError> for CreateError {
    fn from(error: GitError) -> Self {
        Self::Worktree(error.into())
    }
}

impl Worktree {
    /// Makes the worktree and its branch, or finds them as they are, work in progress included.
    ///
    /// When it returns, everything is synced to disk. Callable again after a crash at any point.
    ///
    /// # Errors
    /// [`CreateError`]; where something is in the way it is not ours, and it stays as it was.
    pub fn create(
        permit: &Permit<WriteWorktree>,
        repository: &Repository,
        spec: &WorktreeSpec,
    ) -> Result<Self, CreateError> {
        make(permit, repository, &spec.path, &Stand::Branch(spec.branch.clone()), &spec.at)
    }

    /// Makes an analysis worktree, at a commit and on no branch, or finds it as it is.
    ///
    /// # Errors
    /// As [`Worktree::create`].
    pub fn create_detached(
        permit: &Permit<WriteWorktree>,
        repository: &Repository,
        path: &Path,
        at: &ObjectId,
    ) -> Result<Self, CreateError> {
        make(permit, repository, path, &Stand::Detached, at)
    }
}

fn make(
    permit: &Permit<WriteWorktree>,
    repository: &Repository,
    path: &Path,
    stand: &Stand,
    at: &ObjectId,
) -> Result<Worktree, CreateError> {
    let path = allowed_path(repository, path)?;
    covers(permit, &path)?;
    if repository.reference(&format!("{at}^{{commit}}"))?.is_none() {
        return Err(CreateError::NoCommit { commit: at.clone() });
    }
    let lock = Lock::take(&path)?;
    let maker = Maker { repository, path: &path, stand, at, lock: &lock };
    let (admin, checked_out) = maker.entry()?;
    if !checked_out {
        maker.check_out(&admin)?;
    }
    Ok(Worktree { repository: repository.clone(), path, admin, stand: stand.clone() })
}

/// The path with its folder made and free of symbolic links, if a worktree may be there.
fn allowed_path(repository: &Repository, path: &Path) -> Result<PathBuf, WorktreeError> {
    let bad = |why| WorktreeError::BadPath { path: path.to_owned(), why };
    let text = path.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
    if !path.is_absolute() || text.contains(char::is_control) {
        return Err(bad("it is not absolute, or has control characters"));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(bad("it names no folder"));
    };
    // What exists of the path already decides where it lies; only then may folders be made.
    let existing = folder.ancestors().find_map(|folder| folder.canonicalize().ok()).unwrap_or_default();
    let inside =
        |path: &Path| path.starts_with(repository.root()) || path.starts_with(repository.common_dir());
    if inside(&existing) {
        return Err(bad("it lies inside the user's checkout or repository"));
    }
    std::fs::create_dir_all(folder).map_err(files(folder))?;
    let path = folder.canonicalize().map_err(files(folder))?.join(name);
    if inside(&path) || path.is_symlink() {
        return Err(bad("it lies inside the user's checkout or repository, or is a symbolic link"));
    }
    Ok(path)
}

struct Maker<'a> {
    repository: &'a Repository,
    path: &'a Path,
    stand: &'a Stand,
    at: &'a ObjectId,
    lock: &'a Lock,
}

impl Maker<'_> {
    /// The worktree's entry, found or made, and whether its files are checked out already.
    fn entry(&self) -> Result<(PathBuf, bool), CreateError> {
        let repository_lock = RepositoryLock::take(self.repository)?;
        Entry::sweep(self.repository)?;
        if let Some(entry) = Entry::find(self.repository, self.path)?
            && let Some(checked_out) = self.go_on(&entry)?
        {
            return Ok((entry.admin, checked_out));
        }
        Ok((self.begin(&repository_lock)?, false))
    }

    /// From an entry for the folder: whether its files are checked out; none where all that there was had to go.
    fn go_on(&self, entry: &Entry) -> Result<Option<bool>, CreateError> {
        if !entry.is_marked(self.stand, self.path) {
            return Err(CreateError::PathTaken { path: self.path.to_owned() });
        }
        entry::clear_index_lock(&entry.admin)?;
        let linked = self.path.join(".git").exists();
        if !(has_files(self.path)? || (entry.is_checked_out() && linked)) {
            // The folder is gone, or git was killed before it checked anything out.
            self.clear_link()?;
            std::fs::remove_dir_all(&entry.admin).map_err(files(&entry.admin))?;
            return Ok(None);
        }
        entry::restore_link(self.path, &entry.admin)?;
        if !entry.is_checked_out() {
            self.ready_branch(&self.repository.place_without_hooks()?)?;
            return Ok(Some(false));
        }
        let worktree = Worktree {
            repository: self.repository.clone(),
            path: self.path.to_owned(),
            admin: entry.admin.clone(),
            stand: self.stand.clone(),
        };
        let head = worktree.head()?;
        if *self.stand == Stand::Detached && head != *self.at {
            return Err(CreateError::PathTaken { path: self.path.to_owned() });
        }
        Ok(Some(true))
    }

    /// From nothing: an entry and a folder with nothing in it but the link.
    fn begin(&self, repository_lock: &RepositoryLock) -> Result<PathBuf, CreateError> {
        self.clear_folder()?;
        let place = self.repository.place_without_hooks()?;
        self.ready_branch(&place)?;
        let mut call = place.git("worktree").args(["add", "--quiet", "--no-checkout", "--no-guess-remote"]);
        call = call.args(["--lock", "--reason", &mark(self.stand, self.path)]);
        call = match self.stand {
            Stand::Branch(branch) => call.arg(self.path).arg(branch.to_string()),
            Stand::Detached => call.arg("--detach").arg(self.path).arg(self.at.as_str()),
        };
        call.holding(repository_lock.file()).run()?;
        let entry = Entry::find(self.repository, self.path)?;
        entry.map(|entry| entry.admin).ok_or_else(|| CreateError::PathTaken { path: self.path.to_owned() })
    }

    /// Makes the branch, or sees that what is there is the bot's own.
    fn ready_branch(&self, place: &Place) -> Result<(), CreateError> {
        let Stand::Branch(branch) = self.stand else { return Ok(()) };
        self.repository.clear_stale_branch_lock(branch)?;
        let name = branch.reference();
        let Some(found) = self.repository.reference(&name)? else {
            let arguments = ["-m", "windlass: begun", &name, self.at.as_str(), NOTHING];
            place.git("update-ref").args(arguments).holding(self.lock.file()).run()?;
            return Ok(());
        };
        let ours = found == *self.at
            || self.repository.is_ancestor(self.at, &found)? && {
                let range = format!("{}..{found}", self.at);
                let committers = place.git("log").args(["--format=%ce", &range]).line()?;
                committers.lines().all(|address| address == BOT_ADDRESS)
            };
        if ours { Ok(()) } else { Err(CreateError::BranchTaken { branch: branch.clone(), found }) }
    }

    /// Checks the files out, the index last, and syncs all of it.
    fn check_out(&self, admin: &Path) -> Result<(), WorktreeError> {
        // Git copies a sparse user checkout's choice into the new entry; a run needs all files.
        let sparse = admin.join("info/sparse-checkout");
        if sparse.exists() {
            std::fs::write(&sparse, "/*\n").map_err(files(&sparse))?;
        }
        let place = place_of(self.repository, admin, self.path)?;
        if let Stand::Branch(branch) = self.stand {
            let arguments = ["HEAD", &branch.reference()];
            place.git("symbolic-ref").args(arguments).holding(self.lock.file()).run()?;
        }
        place.git("reset").args(["--hard", "--quiet"]).holding(self.lock.file()).run()?;
        sync_files(self.path)?;
        let device = |path: &Path| path.metadata().map(|found| found.dev()).map_err(files(path));
        if device(self.path)? == device(admin)? { Ok(()) } else { sync_files(admin) }
    }

    /// The folder must be missing, empty, or have nothing but a `.git` file that is empty (git was killed before it
    /// wrote it) or leads to an entry which is gone.
    fn clear_folder(&self) -> Result<(), CreateError> {
        let taken = || CreateError::PathTaken { path: self.path.to_owned() };
        if has_files(self.path)? {
            return Err(taken());
        }
        let link = self.path.join(".git");
        let Some(text) = entry::read_trimmed(&link)? else {
            return if link.exists() { Err(taken()) } else { Ok(()) };
        };
        let ours = text.is_empty()
            || String::from_utf8_lossy(&text).strip_prefix("gitdir: ").is_some_and(|admin| {
                let admin = Path::new(admin);
                admin.parent() == Some(&self.repository.common_dir().join("worktrees")) && !admin.exists()
            });
        if ours { Ok(self.clear_link()?) } else { Err(taken()) }
    }

    fn clear_link(&self) -> Result<(), WorktreeError> {
        let link = self.path.join(".git");
        if link.is_file() { entry::remove_if_there(&link) } else { Ok(()) }
    }
}

/// Whether the folder is there and has anything but a `.git`.
fn has_files(path: &Path) -> Result<bool, WorktreeError> {
    let listed = match std::fs::read_dir(path) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(files(path)(error)),
    };
    for item in listed {
        if item.map_err(files(path))?.file_name() != ".git" {
            return Ok(true);
        }
    }
    Ok(false)
}
