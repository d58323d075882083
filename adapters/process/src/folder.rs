//! The private folder of one hold, `<holds>/<hold_id>/`: its files, their formats, and how they are written.
//!
//! | file | written by | when |
//! |---|---|---|
//! | `spec.json` | service | before any start |
//! | `starting` | holder | empty; locked by a holder between its look at `claim` and the claim itself |
//! | `socket` | holder | before `claim`, so that whoever sees a claim can connect |
//! | `claim` | holder | before the child is started; exists means: a child may have been started |
//! | `inside` | holder | before a sandboxed program runs: the first process of its sandbox |
//! | `out.NNNNNN` | holder | the spool, see [`crate::spool`] |
//! | `failure` | holder | text for people: why it gave up; not synced, may be missing |
//! | `exit` | holder | when no process of the hold is left |
//!
//! **Invariant:** `spec.json`, `claim` and `exit` appear whole or not at all, and are on disk before anything follows
//! from them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use windlass_domain::child::{ChildEnd, ChildSpec};
use windlass_domain::id::HoldId;

use crate::processes::ProcessIdentity;
use crate::spool::SpoolCursor;

/// Version of `spec.json`. 1: the first. 2: `call`.
pub const SPEC_FORMAT: u32 = 2;
/// Version of `claim`. 1: the first.
pub(crate) const CLAIM_FORMAT: u32 = 1;
/// Version of `inside`. 1: the first.
pub(crate) const INSIDE_FORMAT: u32 = 1;
/// Version of `exit`. 1: the first.
pub const EXIT_FORMAT: u32 = 1;

/// Largest accepted record file, in bytes. An argument list of the kernel's largest size fits.
const RECORD_LIMIT: u64 = 8 * 1024 * 1024;

/// What is wrong with a hold's folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refused an operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record of a newer version than this program knows.
    #[error(
        "{path} has format {found}, this program knows up to {known}; use the newer windlass that wrote it"
    )]
    Newer {
        /// The record.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// A record that does not follow its format.
    #[error("{path} is damaged ({reason}); the hold cannot be taken up, keep the folder for a look at it")]
    Damaged {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others may enter the folder, or own it.
    #[error(
        "{path} is owned by user {owner} with mode {mode:o}; a hold's folder must be one's own and have mode 700"
    )]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
}

impl FolderError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

/// `spec.json`: what the holder is to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpecRecord {
    pub(crate) version: u32,
    pub(crate) hold_id: HoldId,
    pub(crate) spec: ChildSpec,
}

/// `claim`: who started the child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimRecord {
    pub(crate) version: u32,
    pub(crate) boot_id: String,
    pub(crate) holder: ProcessIdentity,
}

/// `inside`: the process whose end is the end of everything in the sandbox (pid_namespaces(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InsideRecord {
    pub(crate) version: u32,
    pub(crate) first: ProcessIdentity,
}

/// `exit`: how a child ended, as its holder wrote it down when no process of the hold was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// [`EXIT_FORMAT`] of the writer.
    pub version: u32,
    /// How it ended.
    pub end: ChildEnd,
    /// When the child was started, in milliseconds of the boot clock.
    pub started_boot_ms: u64,
    /// When its last descendant was gone, in milliseconds of the boot clock.
    pub ended_boot_ms: u64,
    /// Bytes kept of its standard output.
    pub stdout_bytes: u64,
    /// Bytes kept of its standard error.
    pub stderr_bytes: u64,
    /// The end of its spool. A spool that is shorter has lost its tail.
    pub spool_end: SpoolCursor,
}

/// The folder of one hold, opened.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    directory: OwnedFd,
}

impl Folder {
    /// Creates the folder, readable by its owner alone, and syncs its entry. An existing one is opened.
    pub(crate) fn create(path: &Path) -> Result<Self, FolderError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync_folder(path.parent().unwrap_or(Path::new("/")))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FolderError::io("create", path)(error)),
        }
        Self::open(path)
    }

    /// Opens the folder and refuses one that others may enter.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| FolderError::io("open", path)(error.into()))?;
        let metadata = fs::metadata(path).map_err(FolderError::io("look at", path))?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
        if owner != rustix::process::geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(FolderError::Exposed { path: path.to_path_buf(), owner, mode });
        }
        Ok(Self { path: path.to_path_buf(), directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The socket under a name that always fits into a socket address (108 bytes, unix(7)), however deep the folder
    /// lies. Valid while `self` lives.
    pub(crate) fn socket_address(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/socket", self.directory.as_raw_fd()))
    }

    /// Syncs the folder's entries.
    pub(crate) fn sync(&self) -> Result<(), FolderError> {
        rustix::fs::fsync(&self.directory).map_err(|error| FolderError::io("sync", &self.path)(error.into()))
    }

    pub(crate) fn write_spec(&self, record: &SpecRecord) -> Result<(), FolderError> {
        self.write_durably("spec.json", record, |temporary, target| fs::rename(temporary, target))
    }

    pub(crate) fn read_spec(&self) -> Result<Option<SpecRecord>, FolderError> {
        self.read_record("spec.json", SPEC_FORMAT)
    }

    /// Creates the claim. False if there is one already.
    pub(crate) fn create_claim(&self, record: &ClaimRecord) -> Result<bool, FolderError> {
        // A link fails if its name is taken, and appears with the whole, synced content behind it.
        let made = self.write_durably("claim", record, |temporary, target| {
            fs::hard_link(temporary, target)?;
            fs::remove_file(temporary)
        });
        match made {
            Ok(()) => Ok(true),
            Err(FolderError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn is_claimed(&self) -> Result<bool, FolderError> {
        let path = self.file("claim");
        path.try_exists().map_err(FolderError::io("look for", &path))
    }

    pub(crate) fn read_claim(&self) -> Result<Option<ClaimRecord>, FolderError> {
        self.read_record("claim", CLAIM_FORMAT)
    }

    /// Not synced: it is about a process of this boot, and outlives any of them in the page cache.
    pub(crate) fn write_inside(&self, record: &InsideRecord) -> io::Result<()> {
        let bytes = serde_json::to_vec(record).expect("the record holds only numbers");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.file("inside"))?
            .write_all(&bytes)
    }

    pub(crate) fn read_inside(&self) -> Result<Option<InsideRecord>, FolderError> {
        self.read_record("inside", INSIDE_FORMAT)
    }

    pub(crate) fn write_exit(&self, record: &ExitRecord) -> Result<(), FolderError> {
        self.write_durably("exit", record, |temporary, target| fs::rename(temporary, target))
    }

    pub(crate) fn read_exit(&self) -> Result<Option<ExitRecord>, FolderError> {
        self.read_record("exit", EXIT_FORMAT)
    }

    /// Notes for people why the holder gave up. The disk may be full, so its own failure is no further news.
    pub(crate) fn note_failure(&self, text: &str) {
        if let Err(error) = fs::write(self.file("failure"), text) {
            tracing::warn!(folder = %self.path.display(), %error, "the holder's failure could not be noted");
        }
    }

    pub(crate) fn read_failure(&self) -> Option<String> {
        fs::read_to_string(self.file("failure")).ok().filter(|text| !text.is_empty())
    }

    fn write_durably<T: Serialize>(
        &self,
        name: &str,
        record: &T,
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), FolderError> {
        let target = self.file(name);
        let temporary = self.file(&format!(".{name}.{}", rustix::process::getpid().as_raw_nonzero()));
        let bytes = serde_json::to_vec(record)
            .expect("the records hold only strings, numbers and maps with text keys");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        let published = write().and_then(|()| publish(&temporary, &target));
        if published.is_err() {
            // Best effort: the name is this process's own, and the next write truncates it.
            let _ = fs::remove_file(&temporary);
        }
        published.map_err(FolderError::io("write", &target))?;
        self.sync()
    }

    fn read_record<T: DeserializeOwned>(&self, name: &str, known: u32) -> Result<Option<T>, FolderError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let path = self.file(name);
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FolderError::io("look at", &path)(error)),
        };
        let damaged = |reason: String| FolderError::Damaged { path: path.clone(), reason };
        if length > RECORD_LIMIT {
            return Err(damaged(format!("{length} bytes, more than {RECORD_LIMIT}")));
        }
        let bytes = fs::read(&path).map_err(FolderError::io("read", &path))?;
        let Version { version } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if version > known {
            return Err(FolderError::Newer { path, found: version, known });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
    }
}

/// Creates the folder of all holds, with its missing parents, readable by its owner alone.
pub(crate) fn create_root(root: &Path) -> Result<(), FolderError> {
    DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(FolderError::io("create", root))?;
    sync_folder(root.parent().unwrap_or(Path::new("/")))
}

/// Syncs the entries of a folder.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FolderError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(FolderError::io("sync", path))
}
