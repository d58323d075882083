//! A repository of the user's, opened: where it is, and what it can do with us.
//!
//! It holds no lock, no open file and no cache, so it may be kept for days and shared among threads. **Invariant:**
//! nothing here or below reads or writes the user's index, and nothing writes their HEAD, branches or configuration.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use windlass_domain::diff::ObjectId;

use crate::names::{Checkout, Names};
use crate::objects::{Objects, ObjectsError};
use crate::program::{self, Answer, GitError, Place};

/// A repository, seen from one checkout of the user's.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    refs: RefStore,
    began: SystemTime,
}

/// When this process first opened a repository. Lock files of git's that are older were left by an earlier process.
static BEGAN: OnceLock<SystemTime> = OnceLock::new();

/// How a repository stores its branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefStore {
    Files,
    Other,
}

/// Why a folder is no repository that Windlass can work with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not there, or it is not a folder.
    #[error("`{path}` cannot be entered; give a folder inside a checkout", path = path.display())]
    NoFolder {
        /// What was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Neither the folder nor one above it is a repository.
    #[error("`{path}` is not inside a git repository; run `git init` there or go to one", path = path.display())]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// It has no checkout.
    #[error(
        "`{path}` is a bare repository or the inside of a `.git` folder; give a folder inside a checkout",
        path = path.display()
    )]
    NoCheckout {
        /// What was given.
        path: PathBuf,
    },
    /// Git does not trust the folder's owner.
    #[error(
        "`{path}` belongs to another user and git refuses it; if you trust it, run \
         `git config --global --add safe.directory <its top folder>`",
        path = path.display()
    )]
    DubiousOwnership {
        /// What was given.
        path: PathBuf,
    },
    /// The `git` program in PATH does not know the repository's format.
    #[error("`{path}` has a format that this git does not know ({what}); install a newer git", path = path.display())]
    UnknownFormat {
        /// What was given.
        path: PathBuf,
        /// What git said.
        what: String,
    },
    /// Its objects are named by a hash other than SHA-1.
    #[error(
        "`{path}` names its objects by {format}, which the built-in library cannot read; Windlass works with SHA-1 \
         repositories only",
        path = path.display()
    )]
    ObjectFormat {
        /// What was given.
        path: PathBuf,
        /// The format, for instance `sha256`.
        format: String,
    },
    /// A path that cannot be written down as text.
    #[error("the path `{path}` is not UTF-8, and records name it as text; move the repository", path = path.display())]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
    /// The program failed in another way.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Repository {
    /// Opens the repository that `path` lies in.
    ///
    /// Works for a main checkout, a linked worktree, a submodule's checkout, a sparse checkout, a shallow or partial
    /// clone, and (with a git that knows it) for reference storage in reftables.
    ///
    /// # Errors
    /// [`OpenError`] names what it is instead.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path =
            &path.canonicalize().map_err(|source| OpenError::NoFolder { path: path.to_owned(), source })?;
        if !path.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(OpenError::NoFolder { path: path.clone(), source });
        }
        program::check_version(path)?;
        let began = *BEGAN.get_or_init(SystemTime::now);
        if let Some(found) = Names::discover(path).and_then(|names| names.checkout(path)) {
            // libgit2 opens no repository with another reference storage than files.
            let Checkout { root, git_dir, common_dir } = found;
            return Ok(Self { root, git_dir, common_dir, refs: RefStore::Files, began });
        }
        Self::open_by_program(path, began)
    }

    /// As [`Self::open`], for what libgit2 does not open, and for the reason where nothing can be opened.
    fn open_by_program(path: &Path, began: SystemTime) -> Result<Self, OpenError> {
        let place = Place::discover(path);
        let first = ["--is-bare-repository", "--is-inside-work-tree", "--show-object-format"];
        let answer = place.git("rev-parse").args(first).ask()?;
        if answer.code != 0 {
            return Err(why_not(path, answer));
        }
        let facts = answer.line("rev-parse")?;
        let mut facts = facts.lines();
        let (bare, inside, format) = (facts.next(), facts.next(), facts.next().unwrap_or_default());
        if format != "sha1" {
            return Err(OpenError::ObjectFormat { path: path.to_owned(), format: format.to_owned() });
        }
        if bare != Some("false") || inside != Some("true") {
            return Err(OpenError::NoCheckout { path: path.to_owned() });
        }
        let root = folder(&place, "--show-toplevel")?;
        let git_dir = folder(&place, "--absolute-git-dir")?;
        let common_dir = folder(&place, "--git-common-dir")?;
        let refs = place.git("config").args(["--get", "extensions.refstorage"]).ask()?;
        let refs = match refs.line("config")?.as_str() {
            "" | "files" => RefStore::Files,
            _ => RefStore::Other,
        };
        Ok(Self { root, git_dir, common_dir, refs, began })
    }

    /// The top folder of the checkout, without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository folder of this checkout: `.git`, or its place below `.git/worktrees`.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The repository folder that all checkouts share. It is what makes two checkouts one workspace.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Where calls about the user's checkout happen.
    pub(crate) fn place(&self) -> Place {
        Place {
            folder: self.root.clone(),
            git_dir: Some(self.git_dir.clone()),
            work_tree: None,
            overrides: Vec::new(),
        }
    }

    /// As [`Self::place`], with the hooks off that configuration files define (`hook.<name>.command`, git 2.54 and
    /// later); `core.hooksPath` does not reach those. For every call that may run a hook.
    pub(crate) fn place_without_hooks(&self) -> Result<Place, GitError> {
        let mut place = self.place();
        let names = ["--name-only", "-z", "--get-regexp", r"^hook\..*\.(command|event)$"];
        let answer = place.git("config").args(names).ask()?;
        // Status 1 says that there is none.
        if !matches!(answer.code, 0 | 1) {
            return Err(answer.refused("config"));
        }
        for key in answer.stdout.split(|&byte| byte == 0).filter(|key| !key.is_empty()) {
            let key = String::from_utf8_lossy(key);
            if let Some((hook, _)) = key.rsplit_once('.') {
                place.overrides.push((format!("{hook}.enabled"), "false".to_owned()));
            }
        }
        Ok(place)
    }

    /// Whether references are single files below the common folder, which a crash can leave locked.
    pub(crate) fn refs_are_files(&self) -> bool {
        self.refs == RefStore::Files
    }

    /// When this process began its work with repositories.
    pub(crate) fn process_began(&self) -> SystemTime {
        self.began
    }

    /// The object database, for one operation.
    pub(crate) fn objects(&self) -> Result<Objects, ObjectsError> {
        Objects::open(&self.common_dir.join("objects"))
    }

    /// What a full reference name points at.
    pub(crate) fn reference(&self, name: &str) -> Result<Option<ObjectId>, GitError> {
        let answer = self.place().git("rev-parse").args(["--verify", "--quiet", name]).ask()?;
        match answer.code {
            0 => object_id("rev-parse", &answer.stdout).map(Some),
            1 => Ok(None),
            _ => Err(answer.refused("rev-parse")),
        }
    }
}

/// An object id that the program printed.
pub(crate) fn object_id(call: &str, stdout: &[u8]) -> Result<ObjectId, GitError> {
    std::str::from_utf8(stdout)
        .ok()
        .and_then(|text| ObjectId::new(text.trim_end()).ok())
        .ok_or_else(|| program::unexpected(call, stdout))
}

fn folder(place: &Place, which: &str) -> Result<PathBuf, OpenError> {
    let mut stdout = place.git("rev-parse").arg(which).run()?;
    if stdout.last() == Some(&b'\n') {
        stdout.pop();
    }
    let path = place.folder.join(std::ffi::OsStr::from_bytes(&stdout));
    let path = path.canonicalize().map_err(|source| OpenError::NoFolder { path: path.clone(), source })?;
    if path.to_str().is_none() {
        return Err(OpenError::PathNotText { path });
    }
    Ok(path)
}

/// Git says why only in words. They are stable in the C locale since 2.36, and what is not recognised is passed on.
fn why_not(path: &Path, answer: Answer) -> OpenError {
    let path = path.to_owned();
    let complaint = &answer.complaint;
    if complaint.contains("dubious ownership") {
        OpenError::DubiousOwnership { path }
    } else if complaint.contains("not a git repository") {
        OpenError::NotARepository { path }
    } else if complaint.contains("cannot use bare repository") {
        OpenError::NoCheckout { path }
    } else if complaint.contains("unknown repository extension")
        || complaint.contains("Expected git repo version")
        || complaint.contains("invalid value for 'extensions.")
    {
        let what = complaint.trim_start_matches("fatal:").split_whitespace().collect::<Vec<_>>().join(" ");
        OpenError::UnknownFormat { path, what }
    } else {
        OpenError::Git(answer.refused("rev-parse"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_about_an_owner_that_it_does_not_trust_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::discover(folder.path());
        place.git("init").arg("-q").run().unwrap();
        // Git's own tests pretend in this way to be somebody else; making a foreign folder would need root.
        let answer = place
            .git("rev-parse")
            .arg("--show-toplevel")
            .variable("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
            .ask()
            .unwrap();
        let error = why_not(folder.path(), answer);
        assert!(matches!(error, OpenError::DubiousOwnership { .. }), "{error:?}");
    }
}
