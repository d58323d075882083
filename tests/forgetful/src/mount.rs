//! The disk on a folder, with power.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use rustix::mount::{UnmountFlags, unmount};
use thiserror::Error;

use crate::disk::{Disk, Survival};
use crate::fault::{Call, Fault};
use crate::server::{Powered, Server};

/// Why a disk cannot be put on a folder, or taken off it.
#[derive(Debug, Error)]
pub enum MountError {
    /// The folder cannot be used.
    #[error("{} cannot carry a mount; give an empty folder that is there: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system refuses to mount.
    #[error("{} cannot be mounted on; this needs /dev/fuse and root: {source}", path.display())]
    Mount {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system said that it mounted, and the folder is the bare one.
    #[error("{} is not mounted on: a test there would run on the bare folder", path.display())]
    NotMounted {
        /// The folder.
        path: PathBuf,
    },
    /// The disk is still in use.
    #[error("{} cannot be unmounted; end every process that has a file open there: {source}", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A mounted disk. Dropping it unmounts it and loses the disk.
#[derive(Debug)]
pub struct Mount {
    folder: PathBuf,
    session: Option<BackgroundSession>,
    powered: Arc<Mutex<Powered>>,
}

impl Mount {
    /// Puts a disk on an empty folder. The bare folder's mode becomes 0, so that nobody but root uses it by mistake, and
    /// the mount is asserted, since root would.
    ///
    /// # Errors
    /// [`MountError`].
    pub fn new(disk: Disk, folder: &Path) -> Result<Self, MountError> {
        let fails = |source| MountError::Folder { path: folder.to_owned(), source };
        fs::set_permissions(folder, fs::Permissions::from_mode(0o000)).map_err(fails)?;
        let bare = fs::metadata(folder).map_err(fails)?;
        let powered = Arc::new(Mutex::new(Powered::new(disk)));
        let mut config = Config::default();
        config.acl = SessionACL::All;
        config.mount_options =
            vec![MountOption::FSName("forgetful".to_owned()), MountOption::DefaultPermissions];
        let session = Session::new(Server::new(Arc::clone(&powered)), folder, &config)
            .and_then(Session::spawn)
            .map_err(|source| MountError::Mount { path: folder.to_owned(), source })?;
        let mounted = fs::metadata(folder).map_err(fails)?;
        if mounted.dev() == bare.dev() {
            return Err(MountError::NotMounted { path: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), session: Some(session), powered })
    }

    /// Where it stands.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets the power go at the `nth` change from now, counted from 1 over all kinds of calls that change something: that
    /// change does not happen. `end` is called then, on the disk's thread and while the call waits: it kills whoever runs
    /// on the machine, so that nobody lives to see the error that the call gets afterwards.
    pub fn cut_power_at(&self, nth: u64, end: impl FnOnce() + Send + 'static) {
        self.lock().cut_at(nth, Box::new(end));
    }

    /// Whether the power is out.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.lock().is_dark()
    }

    /// Plans failures of calls, in place of those that were planned before. They are counted from here.
    pub fn plan(&self, faults: &[Fault]) {
        self.lock().plan(faults);
    }

    /// How many calls of this kind there were since the mount.
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        self.lock().count(call)
    }

    /// How many calls of all kinds that change something there were since the mount.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes()
    }

    /// Lets the power go, if it has not gone, and gives back what the disk holds now. Every process that used the disk
    /// must have ended.
    ///
    /// # Errors
    /// [`MountError::Busy`]; the disk stays mounted then, without power.
    pub fn cut_power(mut self, survival: Survival) -> Result<Disk, MountError> {
        self.lock().go_dark();
        let mut disk = self.take_off()?;
        disk.lose(survival);
        Ok(disk)
    }

    /// Takes the disk off in order: all that was written is durable.
    ///
    /// # Errors
    /// [`MountError::Busy`].
    pub fn unmount(mut self) -> Result<Disk, MountError> {
        let mut disk = self.take_off()?;
        disk.sync_all();
        Ok(disk)
    }

    fn take_off(&mut self) -> Result<Disk, MountError> {
        unmount(&self.folder, UnmountFlags::empty())
            .map_err(|error| MountError::Busy { path: self.folder.clone(), source: error.into() })?;
        // Its thread is not waited for: a mount namespace that somebody made meanwhile has a copy of the mount, and keeps the
        // thread for as long as it likes. It has no power.
        self.session = None;
        let mut powered = self.lock();
        powered.go_dark();
        Ok(powered.take_disk())
    }

    fn lock(&self) -> MutexGuard<'_, Powered> {
        self.powered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
