//! The full verification that an unclean stop asks for. It is due from the next opening on until the whole record was looked at,
//! however often its process ends before: a small file beside the store says so, and how far it came.
//!
//! **Invariant:** a store in which damage was found is not opened for writing until a full verification finds none.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::OpenError;
use crate::folder::{read_sidecar, remove_sidecar, write_sidecar};
use crate::verify::VerifyProgress;

const DUE_FILE: &str = "verification.json";

/// The full verification of a capsule, as long as it is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Due {
    /// The whole record is still to be looked at.
    Pending {
        /// How far it came.
        progress: Option<VerifyProgress>,
    },
    /// It found damage.
    Damaged {
        /// What.
        what: String,
    },
}

/// The full verification that is due; none where nothing asks for one.
///
/// # Errors
/// The file cannot be read, or is not what it should be.
pub fn due(folder: &Path) -> Result<Option<Due>, OpenError> {
    read_sidecar(folder, DUE_FILE)
}

/// Notes how far a full verification came, or what it found. It ends with [`settle_due`] where it found nothing.
///
/// # Errors
/// The file cannot be written.
pub fn note_due(folder: &Path, due: &Due) -> Result<(), OpenError> {
    write_sidecar(folder, DUE_FILE, due)
}

/// A full verification came to its end and found nothing.
///
/// # Errors
/// The file cannot be removed.
pub fn settle_due(folder: &Path) -> Result<(), OpenError> {
    remove_sidecar(folder, DUE_FILE)
}
