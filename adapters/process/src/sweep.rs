//! Looking for hold folders that nobody knows.
//!
//! It fails closed: it ends nothing, and deletes only what [`Hold::remove`](crate::Hold::remove) had begun to delete.
//! What it finds is for the caller to judge.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use windlass_domain::id::HoldId;

use crate::folder::{Folder, FolderError};
use crate::hold::REMOVING;

/// A folder among the holds that was not in the caller's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub state: LeftoverState,
}

/// What an unknown folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftoverState {
    /// A hold that was never claimed: nothing was started.
    NeverClaimed {
        /// Whose.
        hold_id: HoldId,
    },
    /// A hold whose holder lives.
    Active {
        /// Whose.
        hold_id: HoldId,
    },
    /// A hold that has ended and has an exit record.
    Ended {
        /// Whose.
        hold_id: HoldId,
    },
    /// A hold whose holder died without a word. What it started may still run.
    Lost {
        /// Whose.
        hold_id: HoldId,
    },
    /// Not a hold, or one that cannot be read: leave it alone.
    Foreign {
        /// Why.
        reason: String,
    },
}

/// Lists the folders of `holds` that are not `known`, in the order of their names. A missing `holds` has none.
///
/// # Errors
/// [`FolderError`] if the folder of all holds cannot be listed.
pub fn sweep(holds: &Path, known: &BTreeSet<HoldId>) -> Result<Vec<Leftover>, FolderError> {
    let entries = match fs::read_dir(holds) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FolderError::io("list", holds)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(FolderError::io("list", holds))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(begun) = name.strip_prefix(REMOVING)
            && begun.parse::<HoldId>().is_ok()
        {
            fs::remove_dir_all(&path).map_err(FolderError::io("delete", &path))?;
            continue;
        }
        let state = match name.parse::<HoldId>() {
            Ok(hold_id) if hold_id.to_string() != name => {
                LeftoverState::Foreign { reason: "its name is not written like that of a hold".to_owned() }
            }
            Ok(hold_id) if known.contains(&hold_id) => continue,
            Ok(hold_id) => state(&path, hold_id)
                .unwrap_or_else(|error| LeftoverState::Foreign { reason: error.to_string() }),
            Err(_) => LeftoverState::Foreign { reason: "its name is not that of a hold".to_owned() },
        };
        found.push(Leftover { path, state });
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn state(path: &Path, hold_id: HoldId) -> Result<LeftoverState, FolderError> {
    let folder = Folder::open(path)?;
    // In this order: an exit record is written last, and a claim follows the socket.
    if folder.read_exit()?.is_some() {
        return Ok(LeftoverState::Ended { hold_id });
    }
    if folder.read_claim()?.is_none() {
        return Ok(LeftoverState::NeverClaimed { hold_id });
    }
    if UnixStream::connect(folder.socket_address()).is_ok() {
        return Ok(LeftoverState::Active { hold_id });
    }
    // It may have ended between the first look and the last.
    Ok(match folder.read_exit()? {
        Some(_) => LeftoverState::Ended { hold_id },
        None => LeftoverState::Lost { hold_id },
    })
}
