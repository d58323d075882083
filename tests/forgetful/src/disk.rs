//! The disk itself: nodes, their bytes and names, and what a power cut leaves of them. Knows nothing of FUSE.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::{Errno, FileType};

use crate::bytes::{Bytes, MAX_FILE_BYTES};
use crate::names::{NameChange, Names, Place, settled_by};

/// The number of the topmost folder, as FUSE has it.
pub(crate) const ROOT: u64 = 1;

/// Longest name, in bytes, as on other file systems.
const MAX_NAME_BYTES: usize = 255;

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// What was changed first, up to a chance moment; the change of that moment is torn at a sector. A disk that writes
    /// in order.
    Ordered {
        /// Decides the moment and the sector.
        seed: u64,
    },
    /// Any of it: each sector of a write and each change of a name is there or is not. A disk that writes as it likes.
    Scattered {
        /// Decides which.
        seed: u64,
    },
}

/// A disk that is not mounted: all that it holds is durable.
#[derive(Debug, Clone)]
pub struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// How many changes there were.
    changes: u64,
    unsynced_names: Vec<NameChange>,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) attributes: Attributes,
    /// How many names it has.
    pub(crate) links: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File(Bytes),
    Folder(Names),
    Link(PathBuf),
    /// A socket or a pipe: the kernel does the rest.
    Special(FileType),
}

/// What is durable at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) accessed: SystemTime,
    pub(crate) modified: SystemTime,
    pub(crate) changed: SystemTime,
}

impl Attributes {
    pub(crate) fn new(mode: u16, uid: u32, gid: u32) -> Self {
        let now = SystemTime::now();
        Self { mode: mode & 0o7777, uid, gid, accessed: now, modified: now, changed: now }
    }
}

impl Default for Disk {
    /// An empty disk, which anybody may write.
    fn default() -> Self {
        let root =
            Node { kind: Kind::Folder(Names::default()), attributes: Attributes::new(0o777, 0, 0), links: 1 };
        Self { nodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1, changes: 0, unsynced_names: Vec::new() }
    }
}

impl Disk {
    pub(crate) fn node(&self, number: u64) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    pub(crate) fn attributes(&mut self, number: u64) -> Result<&mut Attributes, Errno> {
        self.nodes.get_mut(&number).map(|node| &mut node.attributes).ok_or(Errno::ENOENT)
    }

    pub(crate) fn names(&self, folder: u64) -> Result<&BTreeMap<OsString, u64>, Errno> {
        match &self.node(folder)?.kind {
            Kind::Folder(names) => Ok(&names.current),
            Kind::File(_) | Kind::Link(_) | Kind::Special(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(crate) fn look_up(&self, folder: u64, name: &OsStr) -> Result<u64, Errno> {
        self.names(folder)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(crate) fn bytes(&self, file: u64) -> Result<&Bytes, Errno> {
        match &self.node(file)?.kind {
            Kind::File(bytes) => Ok(bytes),
            Kind::Folder(_) => Err(Errno::EISDIR),
            Kind::Link(_) | Kind::Special(_) => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn target(&self, link: u64) -> Result<&Path, Errno> {
        match &self.node(link)?.kind {
            Kind::Link(target) => Ok(target),
            Kind::File(_) | Kind::Folder(_) | Kind::Special(_) => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        if offset.saturating_add(bytes.len() as u64) > MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        let offset = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        self.edit(file, |content, at| content.write(at, offset, bytes))
    }

    pub(crate) fn resize(&mut self, file: u64, size: u64) -> Result<(), Errno> {
        let size = usize::try_from(size.min(MAX_FILE_BYTES + 1)).map_err(|_| Errno::EFBIG)?;
        if size as u64 > MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        self.edit(file, |content, at| content.resize(at, size))
    }

    fn edit(&mut self, file: u64, change: impl FnOnce(&mut Bytes, u64)) -> Result<(), Errno> {
        let at = self.count();
        change(self.bytes_mut(file)?, at);
        let attributes = self.attributes(file)?;
        attributes.modified = SystemTime::now();
        attributes.changed = attributes.modified;
        Ok(())
    }

    fn bytes_mut(&mut self, file: u64) -> Result<&mut Bytes, Errno> {
        match &mut self.nodes.get_mut(&file).ok_or(Errno::ENOENT)?.kind {
            Kind::File(bytes) => Ok(bytes),
            Kind::Folder(_) => Err(Errno::EISDIR),
            Kind::Link(_) | Kind::Special(_) => Err(Errno::EINVAL),
        }
    }

    const fn count(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// Makes the bytes of a file durable.
    pub(crate) fn sync(&mut self, file: u64) -> Result<(), Errno> {
        self.bytes_mut(file).map(Bytes::sync)
    }

    /// A sync that fails and drops what it should have written.
    pub(crate) fn sync_and_drop(&mut self, file: u64) -> Result<(), Errno> {
        self.bytes_mut(file).map(Bytes::forget_unsynced)
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_folder(&mut self, folder: u64) -> Result<(), Errno> {
        self.names(folder)?;
        for change in settled_by(folder, &mut self.unsynced_names) {
            self.settle(&change);
        }
        Ok(())
    }

    fn settle(&mut self, change: &NameChange) {
        if let Some(Place { folder, name, node }) = &change.taken
            && let Some(names) = self.durable_names(*folder)
            && names.get(name) == Some(node)
        {
            names.remove(name);
        }
        if let Some(Place { folder, name, node }) = &change.put
            && let Some(names) = self.durable_names(*folder)
        {
            names.insert(name.clone(), *node);
        }
    }

    fn durable_names(&mut self, folder: u64) -> Option<&mut BTreeMap<OsString, u64>> {
        match &mut self.nodes.get_mut(&folder)?.kind {
            Kind::Folder(names) => Some(&mut names.durable),
            Kind::File(_) | Kind::Link(_) | Kind::Special(_) => None,
        }
    }

    /// Makes a node under a new name.
    pub(crate) fn make(
        &mut self,
        folder: u64,
        name: &OsStr,
        kind: Kind,
        attributes: Attributes,
    ) -> Result<u64, Errno> {
        self.check_new(folder, name)?;
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, Node { kind, attributes, links: 0 });
        self.rename_places(None, Some(Place { folder, name: name.to_owned(), node }))?;
        Ok(node)
    }

    /// Gives a node another name.
    pub(crate) fn link(&mut self, node: u64, folder: u64, name: &OsStr) -> Result<(), Errno> {
        self.check_new(folder, name)?;
        self.rename_places(None, Some(Place { folder, name: name.to_owned(), node }))
    }

    fn check_new(&self, folder: u64, name: &OsStr) -> Result<(), Errno> {
        if name.len() > MAX_NAME_BYTES {
            return Err(Errno::ENAMETOOLONG);
        }
        match self.names(folder)?.contains_key(name) {
            true => Err(Errno::EEXIST),
            false => Ok(()),
        }
    }

    /// Removes a name; `folders` says whether it must be that of a folder, which must then be empty.
    pub(crate) fn remove(&mut self, folder: u64, name: &OsStr, folders: bool) -> Result<(), Errno> {
        let node = self.look_up(folder, name)?;
        match &self.node(node)?.kind {
            Kind::Folder(_) if !folders => return Err(Errno::EISDIR),
            Kind::Folder(names) if !names.current.is_empty() => return Err(Errno::ENOTEMPTY),
            Kind::File(_) | Kind::Link(_) | Kind::Special(_) if folders => return Err(Errno::ENOTDIR),
            Kind::Folder(_) | Kind::File(_) | Kind::Link(_) | Kind::Special(_) => {}
        }
        self.rename_places(Some(Place { folder, name: name.to_owned(), node }), None)
    }

    /// Renames over what stands there, unless `keep` says that nothing may.
    pub(crate) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), keep: bool) -> Result<(), Errno> {
        let node = self.look_up(from.0, from.1)?;
        if to.1.len() > MAX_NAME_BYTES {
            return Err(Errno::ENAMETOOLONG);
        }
        if let Some(over) = self.names(to.0)?.get(to.1).copied() {
            if keep {
                return Err(Errno::EEXIST);
            }
            if over == node {
                return Ok(());
            }
            let is_folder = matches!(self.node(node)?.kind, Kind::Folder(_));
            match &self.node(over)?.kind {
                Kind::Folder(_) if !is_folder => return Err(Errno::EISDIR),
                Kind::Folder(names) if !names.current.is_empty() => return Err(Errno::ENOTEMPTY),
                Kind::File(_) | Kind::Link(_) | Kind::Special(_) if is_folder => return Err(Errno::ENOTDIR),
                Kind::Folder(_) | Kind::File(_) | Kind::Link(_) | Kind::Special(_) => {}
            }
        }
        let taken = Place { folder: from.0, name: from.1.to_owned(), node };
        self.rename_places(Some(taken), Some(Place { folder: to.0, name: to.1.to_owned(), node }))
    }

    fn rename_places(&mut self, taken: Option<Place>, put: Option<Place>) -> Result<(), Errno> {
        let at = self.count();
        if let Some(place) = &taken {
            self.names_mut(place.folder)?.remove(&place.name);
            self.relink(place.node, -1);
        }
        if let Some(place) = &put {
            let over = self.names_mut(place.folder)?.insert(place.name.clone(), place.node);
            self.relink(place.node, 1);
            if let Some(over) = over {
                self.relink(over, -1);
            }
        }
        self.unsynced_names.push(NameChange { at, taken, put });
        Ok(())
    }

    fn names_mut(&mut self, folder: u64) -> Result<&mut BTreeMap<OsString, u64>, Errno> {
        let node = self.nodes.get_mut(&folder).ok_or(Errno::ENOENT)?;
        node.attributes.modified = SystemTime::now();
        node.attributes.changed = node.attributes.modified;
        match &mut node.kind {
            Kind::Folder(names) => Ok(&mut names.current),
            Kind::File(_) | Kind::Link(_) | Kind::Special(_) => Err(Errno::ENOTDIR),
        }
    }

    fn relink(&mut self, node: u64, by: i32) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.links = node.links.saturating_add_signed(by);
        }
    }

    /// Everything as if all of it had been synced: what a file system does when it is unmounted.
    pub(crate) fn sync_all(&mut self) {
        for change in std::mem::take(&mut self.unsynced_names) {
            self.settle(&change);
        }
        for node in self.nodes.values_mut() {
            if let Kind::File(bytes) = &mut node.kind {
                bytes.sync();
            }
        }
        self.keep_what_has_a_name();
    }

    /// Becomes what the disk holds after a power cut.
    pub(crate) fn lose(&mut self, survival: Survival) {
        match survival {
            Survival::Nothing => self.lose_all_but(|_| false),
            Survival::Scattered { seed } => {
                let mut dice = fastrand::Rng::with_seed(seed);
                self.lose_all_but(|_| dice.bool());
            }
            Survival::Ordered { seed } => {
                let mut pieces = self.unsynced_pieces();
                pieces.truncate(fastrand::Rng::with_seed(seed).usize(..=pieces.len()));
                let last = pieces.last().copied().unwrap_or_default();
                let mut of_last = pieces.iter().filter(|at| **at == last).count();
                self.lose_all_but(|at| {
                    let torn_off = at > last || (at == last && of_last == 0);
                    of_last -= usize::from(at == last && !torn_off);
                    !torn_off
                });
            }
        }
    }

    /// What was not synced, as pieces that a disk writes whole: for each the place of its change, in order.
    fn unsynced_pieces(&self) -> Vec<u64> {
        let mut pieces: Vec<u64> = self.unsynced_names.iter().map(|change| change.at).collect();
        for node in self.nodes.values() {
            if let Kind::File(bytes) = &node.kind {
                pieces.extend(bytes.pieces());
            }
        }
        pieces.sort_unstable();
        pieces
    }

    fn lose_all_but(&mut self, mut survives: impl FnMut(u64) -> bool) {
        for change in std::mem::take(&mut self.unsynced_names) {
            if survives(change.at) {
                self.settle(&change);
            }
        }
        for node in self.nodes.values_mut() {
            match &mut node.kind {
                Kind::File(bytes) => bytes.lose(&mut survives),
                Kind::Folder(names) => names.current.clone_from(&names.durable),
                Kind::Link(_) | Kind::Special(_) => {}
            }
        }
        self.keep_what_has_a_name();
    }

    /// Drops what no name leads to, and counts the names anew.
    fn keep_what_has_a_name(&mut self) {
        let mut links = BTreeMap::from([(ROOT, 1)]);
        let mut folders = BTreeSet::from([ROOT]);
        while let Some(folder) = folders.pop_first() {
            for node in self.names(folder).into_iter().flat_map(BTreeMap::values) {
                let named = links.entry(*node).or_insert(0);
                *named += 1;
                if *named == 1 && self.names(*node).is_ok() {
                    folders.insert(*node);
                }
            }
        }
        self.nodes.retain(|number, node| {
            node.links = links.get(number).copied().unwrap_or_default();
            node.links > 0
        });
    }
}
