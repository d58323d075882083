//! The writer's lock. The kernel holds it and lets go when the process ends, however that happens; its text is
//! information for people.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::OpenError;
use crate::folder::io_error;

const LOCK_FILE: &str = "lock";

/// Longest text of a lock that is shown, in bytes.
const MAX_TEXT_BYTES: u64 = 1024;

/// Who holds the lock. Written as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockText {
    /// Its process id.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// When it took the lock, for people.
    pub start: String,
    /// Its version.
    pub version: String,
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at once, or says who has it.
    pub(crate) fn take(folder: &Path, text: &LockText) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut held_by = String::new();
                // The text is only information: one that cannot be read is no reason to hide that it is locked.
                let _ = file.take(MAX_TEXT_BYTES).read_to_string(&mut held_by);
                return Err(OpenError::Locked { text: held_by.trim_end().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(&path, "locked", source)),
        }
        let line = serde_json::to_string(text).expect("a lock's text holds texts and a number only");
        // The text is only information: a full disk is told by what must be written.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{line}"));
        Ok(Self { _file: file })
    }
}

/// Waits, without polling, until no writer holds the capsule. Another one may take it before the caller does.
///
/// # Errors
/// The lock's file cannot be opened or locked.
pub fn wait_until_unlocked(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(LOCK_FILE);
    open(&path)?.lock().map_err(|source| io_error(&path, "locked", source))
}

fn open(path: &Path) -> Result<File, OpenError> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| io_error(path, "opened", source))
}
