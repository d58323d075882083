//! Writing files for people: the bytes of stored artifacts, at the place that policy gave leave for.
//!
//! A file is written under another name, synced, and put in its place at once, so that nobody ever reads half of it. Folders are
//! walked one by one from a descriptor of the place's anchor, and no link below it is followed, whoever swaps one in meanwhile.
//!
//! **Invariant:** nothing outside of the run's folder is written, nothing is deleted but what a crash left under our own name, and
//! among the user's files nothing is replaced that the record does not prove to be ours.

mod file;
mod folder;
mod strangers;

use std::collections::BTreeSet;
use std::io;

use rustix::io::Errno;
use windlass_domain::digest::Digest;
use windlass_policy::{Permit, ProjectionPlace, WriteProjection};

use folder::RunFolder;

pub use strangers::{MAX_STRANGERS, strangers};

/// A file as it should stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Where, relative to the run's folder, in parts divided by `/`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How a file stands that need not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// With the bytes that it should have.
    AsWanted,
    /// With others, or not at all: it would be written.
    Otherwise,
}

/// What writing a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Written,
    /// It stood there with these bytes already, and was left alone.
    Unchanged,
}

/// Why a file was not written. What stood in its place stands there still.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// The permit is for another folder.
    #[error("the permit is for `{subject}`, and this is another folder")]
    NotPermitted {
        /// What the permit is for.
        subject: String,
    },
    /// The folder that everything stands in is not there.
    #[error("`{anchor}` is not there; was it moved or unmounted?")]
    NoAnchor {
        /// Which.
        anchor: String,
    },
    /// A link stands in its way, and no link is followed.
    #[error("`{name}` in its path is a link, and no link is followed; move it away")]
    Link {
        /// Which part of the path.
        name: String,
    },
    /// Something else stands in its way.
    #[error("`{name}` in its path is {found}; move it away")]
    InTheWay {
        /// Which part of the path.
        name: String,
        /// What stands there.
        found: &'static str,
    },
    /// Another repository stands in its way.
    #[error(
        "`{name}` in its path is the top of another repository, which is not this workspace's to write to"
    )]
    OtherRepository {
        /// Which part of the path.
        name: String,
    },
    /// A file of the user's stands in its place.
    #[error(
        "a file that windlass did not write, or that was changed since, stands there and is not replaced; move it away"
    )]
    NotOurs,
    /// The system refused something.
    #[error("it cannot be {doing}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl NotWritten {
    fn io(doing: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Io { doing, source: errno.into() }
    }
}

/// Writes the files of a run, each for itself: one that cannot be written does not keep the others from it. `ours` are the digests of
/// what the record says was written there before. Blocks.
#[must_use]
pub fn write(
    permit: &Permit<WriteProjection>,
    place: &ProjectionPlace,
    files: &[WantedFile],
    ours: &BTreeSet<Digest>,
) -> Vec<Result<Written, NotWritten>> {
    let each = |file: &WantedFile| {
        if permit.subject() != place.path() {
            return Err(NotWritten::NotPermitted { subject: permit.subject().to_owned() });
        }
        RunFolder::make(place)?.write(file, ours)
    };
    files.iter().map(each).collect()
}

/// How the files of a run stand. Changes nothing. Blocks.
#[must_use]
pub fn look(
    place: &ProjectionPlace,
    files: &[WantedFile],
    ours: &BTreeSet<Digest>,
) -> Vec<Result<Standing, NotWritten>> {
    let each = |file: &WantedFile| match RunFolder::find(place)? {
        Some(folder) => folder.look(file, ours),
        None => Ok(Standing::Otherwise),
    };
    files.iter().map(each).collect()
}
