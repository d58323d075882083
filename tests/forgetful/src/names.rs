//! The names of the disk's folders: as a reader sees them, and as the disk has them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// What stands in one folder: names, and the numbers of their nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) current: BTreeMap<OsString, u64>,
    pub(crate) durable: BTreeMap<OsString, u64>,
}

/// A name, and the node it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) folder: u64,
    pub(crate) name: OsString,
    pub(crate) node: u64,
}

/// One change of names that was not synced. Making puts, removing takes, renaming does both at once.
#[derive(Debug, Clone)]
pub(crate) struct NameChange {
    /// Its place in the order of all changes of the disk.
    pub(crate) at: u64,
    pub(crate) taken: Option<Place>,
    pub(crate) put: Option<Place>,
}

impl NameChange {
    /// The folders that it changes.
    pub(crate) fn folders(&self) -> impl Iterator<Item = u64> {
        self.taken.iter().chain(&self.put).map(|place| place.folder)
    }
}

/// Takes those changes out of `unsynced` that a sync of `folder` makes durable, in their order: all that touched it, and
/// for each rename between two folders what had happened in the other one before, since a journal keeps that order.
pub(crate) fn settled_by(folder: u64, unsynced: &mut Vec<NameChange>) -> Vec<NameChange> {
    let mut folders = BTreeSet::from([folder]);
    let (mut settled, mut left) = (Vec::new(), Vec::new());
    for change in unsynced.drain(..).rev() {
        if change.folders().any(|touched| folders.contains(&touched)) {
            folders.extend(change.folders());
            settled.push(change);
        } else {
            left.push(change);
        }
    }
    settled.reverse();
    left.reverse();
    *unsynced = left;
    settled
}
