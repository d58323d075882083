//! Waiting for room. What a running step has come to cannot be refused because the disk is full: it waits here, in its order,
//! and is committed once there is room. Whatever would begin something new is refused meanwhile.
//!
//! Nothing tells when a disk has room again. So each new write tries, and one deadline is armed while something waits, after one
//! second first and then ever later; nothing is armed while nothing waits.
//!
//! **Invariant:** what waits is committed before what came after it, and in the order in which it came.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windlass_domain::run::command::RunCommand;

use super::{Entry, Op};
use crate::error::NoRoom;

/// What a transaction adds beside its entries, in bytes: the way from the root to a leaf of each table, written anew.
const TRANSACTION_BYTES: u64 = 256 * 1024;

/// With less room than this, in bytes, entries are kept until they are committed, so that they can wait; copying each entry of
/// each transaction would cost more than it is worth where there is plenty.
const SCARCE_BYTES: u64 = 256 * 1024 * 1024;

/// Most entries that wait. Each branch of each run waits for its own answer before it goes on, so there are few.
const MAX_WAITING: usize = 4096;

/// Most bytes of entries that wait, by estimate.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// How long the first try waits, and how long each later one at most: a person frees space within minutes, not milliseconds.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is called once there is room for this many bytes.
pub(super) type RoomWanted = (u64, Box<dyn FnOnce() + Send>);

/// Where the store grows.
pub(super) struct Room {
    folder: PathBuf,
    /// None where the folder cannot be opened: then only a failed commit tells.
    opened: Option<File>,
    map_bytes: usize,
    /// Whether a commit failed for want of room that nobody saw coming, as a quota does.
    surprised: bool,
}

impl Room {
    pub(super) fn of(folder: &Path, map_bytes: usize) -> Self {
        Self { folder: folder.to_owned(), opened: File::open(folder).ok(), map_bytes, surprised: false }
    }

    /// What is missing on the disk for a transaction with entries of this size.
    pub(super) fn lacks(&self, entry_bytes: u64) -> Option<NoRoom> {
        let (free_bytes, needed_bytes) = (self.free_bytes()?, needed(entry_bytes));
        (free_bytes < needed_bytes).then(|| NoRoom::Disk {
            path: self.folder.clone(),
            free_bytes,
            needed_bytes,
        })
    }

    /// What a transaction with entries of this size did not find on the disk.
    pub(super) fn disk_full(&self, entry_bytes: u64) -> NoRoom {
        let free_bytes = self.free_bytes().unwrap_or(0);
        NoRoom::Disk { path: self.folder.clone(), free_bytes, needed_bytes: needed(entry_bytes) }
    }

    /// The store takes no more.
    pub(super) fn map_full(&self) -> NoRoom {
        NoRoom::Map { path: self.folder.clone(), map_bytes: self.map_bytes }
    }

    /// Whether entries must be kept until they are committed. `used_bytes` is how far the store has grown.
    pub(super) fn is_scarce(&self, used_bytes: u64) -> bool {
        let left_in_map = (self.map_bytes as u64).saturating_sub(used_bytes);
        self.surprised || left_in_map.min(self.free_bytes().unwrap_or(0)) < SCARCE_BYTES
    }

    /// A commit failed for want of room, and nothing was kept.
    pub(super) fn surprise(&mut self) {
        self.surprised = true;
    }

    fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(self.opened.as_ref()?).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

fn needed(entry_bytes: u64) -> u64 {
    TRANSACTION_BYTES + entry_bytes.saturating_mul(2)
}

/// What waits for room.
#[derive(Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    rooms: Vec<RoomWanted>,
    /// Armed while something waits.
    next_try: Option<Instant>,
    pause: Duration,
}

impl Waiting {
    /// When to try again, while something waits.
    pub(super) const fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What waits, before what came new.
    pub(super) fn join(&mut self, new: Vec<Entry>) -> Vec<Entry> {
        if self.entries.is_empty() {
            return new;
        }
        self.bytes = 0;
        self.entries.drain(..).chain(new).collect()
    }

    /// Lets an entry wait, if it may: gives it back where it is to be refused.
    pub(super) fn keep(&mut self, entry: Entry, bytes: usize) -> Option<Entry> {
        let full = self.entries.len() >= MAX_WAITING || self.bytes + bytes > MAX_WAITING_BYTES;
        if full || !is_of_a_running_step(&entry.op) {
            return Some(entry);
        }
        self.bytes += bytes;
        self.entries.push_back(entry);
        self.arm();
        None
    }

    /// Lets somebody wait who wants to write files beside the store.
    pub(super) fn want_room(&mut self, wanted: Vec<RoomWanted>) {
        if !wanted.is_empty() {
            self.rooms.extend(wanted);
            self.arm();
        }
    }

    /// The deadline came: tells those that there is room for, and arms the next one.
    pub(super) fn try_again(&mut self, room: &Room) {
        let (still, there): (Vec<_>, Vec<_>) =
            self.rooms.drain(..).partition(|(bytes, _)| room.lacks(*bytes).is_some());
        self.rooms = still;
        for (_, tell) in there {
            tell();
        }
        self.pause = (self.pause * 2).min(LONGEST_WAIT);
        self.next_try = Some(Instant::now() + self.pause);
    }

    /// Disarms the deadline when nothing waits any more.
    pub(super) fn settle(&mut self) {
        if self.entries.is_empty() && self.rooms.is_empty() {
            self.next_try = None;
        }
    }

    fn arm(&mut self) {
        if self.next_try.is_none() {
            self.pause = FIRST_WAIT;
            self.next_try = Some(Instant::now() + FIRST_WAIT);
        }
    }
}

/// Whether an entry is what an attempt does. What a person or a program asks for is refused at once: they can ask again.
fn is_of_a_running_step(op: &Op) -> bool {
    let (Op::Run { commands, .. } | Op::EndRun { commands, .. }) = op else { return false };
    commands.iter().all(|command| matches!(command, RunCommand::Act { .. } | RunCommand::StartAttempt { .. }))
}
