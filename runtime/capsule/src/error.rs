//! What can go wrong, one small enum for each operation.

use std::path::PathBuf;

use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_domain::item::{CorruptItem, ItemRefusal, ItemType};
use windlass_domain::run::{CorruptHistory, NotContinuable, Refusal};

use crate::record::{BadRecord, FORMAT};

/// What the store underneath said.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFault(#[from] heed::Error);

/// Why a fault of the store happened, as far as it matters to what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    /// The file may not grow further.
    MapFull,
    /// The disk is full.
    DiskFull,
    /// Anything else.
    Other,
}

impl StoreFault {
    /// Whether pages of the store are not what they were.
    pub(crate) const fn is_damage(&self) -> bool {
        use heed::MdbError::{
            BadTxn, BadValSize, Corrupted, CursorFull, Incompatible, Invalid, NotFound, PageNotFound,
        };
        let heed::Error::Mdb(fault) = &self.0 else { return false };
        matches!(
            fault,
            BadTxn | BadValSize | Corrupted | CursorFull | Incompatible | Invalid | NotFound | PageNotFound
        )
    }

    pub(crate) fn class(&self) -> FaultClass {
        match &self.0 {
            heed::Error::Mdb(heed::MdbError::MapFull) => FaultClass::MapFull,
            heed::Error::Io(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                ) =>
            {
                FaultClass::DiskFull
            }
            _ => FaultClass::Other,
        }
    }
}

/// Why a capsule cannot be opened. Nothing was moved, deleted or begun anew.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("the capsule is held by another writer: {text}")]
    Locked {
        /// What the holder said of itself; information only.
        text: String,
    },
    /// There is no capsule to read.
    #[error("there is no capsule in {path}")]
    NotThere {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The folder cannot be written.
    #[error("the capsule's folder {path} cannot be written; check its owner, its mode and the mount")]
    ReadOnly {
        /// Which folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds the capsule in {path} is full; free some space and try again")]
    DiskFull {
        /// Where the capsule is.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "the capsule in {path} has format {found} and this version knows {FORMAT}; use the newer version{}",
        if *.readable { " to write it; it can still be read" } else { "" }
    )]
    Newer {
        /// Where the capsule is.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// Whether [`crate::open_read_only`] can still read it.
        readable: bool,
    },
    /// What is there is not a sound capsule.
    #[error(
        "the capsule in {path} is damaged: {what}; keep the folder as it is and restore a backup elsewhere"
    )]
    Damaged {
        /// Where the capsule is.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The system refused something else.
    #[error("{path} cannot be {doing}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store underneath cannot be opened.
    #[error("the store in {path} cannot be opened")]
    Store {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        source: StoreFault,
    },
}

/// Too many writes wait already. Nothing was taken; try again later or say so to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the capsule's writer has {waiting} writes waiting and takes no more; try again")]
pub struct Overloaded {
    /// The limit that is reached.
    pub waiting: usize,
}

/// What a write needs and does not find.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The disk is full.
    #[error(
        "the disk that holds {path} has {free_bytes} bytes free, and {needed_bytes} are needed; free some space and try again"
    )]
    Disk {
        /// The capsule's folder.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// About how much is needed.
        needed_bytes: u64,
    },
    /// The store reached its largest size.
    #[error(
        "the store in {path} has reached its largest size of {map_bytes} bytes; keep it for reading and begin another state folder"
    )]
    Map {
        /// The capsule's folder.
        path: PathBuf,
        /// The size.
        map_bytes: usize,
    },
}

/// Why a write changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The submission may not become a run.
    #[error(transparent)]
    Admission(#[from] AdmissionRefusal),
    /// The run that a submission continues does not allow it.
    #[error(transparent)]
    Continuation(#[from] ContinuationRefusal),
    /// The run's rules refuse the command.
    #[error(transparent)]
    Run(#[from] Refusal),
    /// The item's rules refuse the command.
    #[error(transparent)]
    Item(#[from] ItemRefusal),
    /// An event would contradict the record. The record is damaged or two versions disagree.
    #[error(transparent)]
    CorruptRun(#[from] CorruptHistory),
    /// An event would contradict the record. The record is damaged or two versions disagree.
    #[error(transparent)]
    CorruptItem(#[from] CorruptItem),
    /// There is no such run.
    #[error("there is no run {run_id}")]
    UnknownRun {
        /// Which.
        run_id: RunId,
    },
    /// What was to end the run does not end it.
    #[error("run {run_id} has not ended, and what is noted with its end cannot be noted before")]
    NotEnded {
        /// Which.
        run_id: RunId,
    },
    /// There is no such item.
    #[error("there is no work item `{id}` in workspace {workspace_id}")]
    UnknownItem {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// Which.
        id: ItemId,
    },
    /// There is no such workspace.
    #[error("workspace {workspace_id} is not known")]
    UnknownWorkspace {
        /// Which.
        workspace_id: WorkspaceId,
    },
    /// The id is taken by another workspace.
    #[error("workspace id {workspace_id} is taken by {common_dir}")]
    WorkspaceExists {
        /// The id.
        workspace_id: WorkspaceId,
        /// What has it.
        common_dir: String,
    },
    /// The id is taken.
    #[error("there is a run {run_id} already")]
    RunExists {
        /// Which.
        run_id: RunId,
    },
    /// The id is taken.
    #[error("there is a work item `{id}` already")]
    ItemExists {
        /// Which.
        id: ItemId,
    },
    /// The parent cannot hold such an item.
    #[error("a {} cannot belong to `{parent_id}`, which is a {}; the order is project, feature, spec, task", child.word(), parent.word())]
    BadParent {
        /// The parent.
        parent_id: ItemId,
        /// Its type.
        parent: ItemType,
        /// The new item's type.
        child: ItemType,
    },
    /// The item changed since the caller looked.
    #[error("`{id}` is at version {found}, not {expected}; look again")]
    ItemChanged {
        /// Which.
        id: ItemId,
        /// The version that the caller saw.
        expected: u64,
        /// The version that it has.
        found: u64,
    },
    /// An event names bytes that are not stored, or of another size.
    #[error("blob {digest} of {bytes} bytes is not stored; stage it before the event that names it")]
    BlobMissing {
        /// Its digest.
        digest: Digest,
        /// The size that the event states.
        bytes: u64,
    },
    /// The run's capture mode forbids staged bytes.
    #[error("capture mode {mode:?} does not store {class:?} data")]
    CaptureForbids {
        /// What kind of data it is.
        class: DataClass,
        /// The run's mode.
        mode: CaptureMode,
    },
    /// The record would be too large.
    #[error("a record of {bytes} bytes is too large; put the content into a blob")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// There is no room. Nothing was written; what is there is sound.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// A stored record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The writer was closed.
    #[error("the capsule's writer is closed")]
    Closed,
    /// A commit failed and the writer has ended. The process must leave, and the capsule be verified.
    #[error("the capsule's writer has ended: {why}; leave, start again and verify")]
    Fatal {
        /// What failed.
        why: String,
    },
}

/// Why a run cannot be continued by a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContinuationRefusal {
    /// There is no such run.
    #[error("there is no run {run_id} to continue")]
    Unknown {
        /// Which.
        run_id: RunId,
    },
    /// It has not ended; it goes on by itself.
    #[error("run {run_id} has not ended, and goes on by itself")]
    Active {
        /// Which.
        run_id: RunId,
    },
    /// It ended in a way that leaves nothing to continue, or a step in doubt is not settled.
    #[error("run {run_id} cannot be continued: {why}")]
    Outcome {
        /// Which.
        run_id: RunId,
        /// Why not.
        why: NotContinuable,
    },
    /// It is about something else.
    #[error("run {run_id} is of another work item or another kind")]
    OtherWork {
        /// Which.
        run_id: RunId,
    },
    /// It is continued already.
    #[error("run {run_id} is continued by run {by} already")]
    Continued {
        /// Which.
        run_id: RunId,
        /// The run that continues it.
        by: RunId,
    },
    /// The admission names the wrong worktree.
    #[error("the new run must use the worktree of run {expected}, not of run {given}")]
    Worktree {
        /// What follows from the request.
        expected: RunId,
        /// What the admission says.
        given: RunId,
    },
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A record is not what it should be.
    #[error("the record {key} of table `{table}` is damaged: {why}; run `windlass capsule verify`")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key, in hexadecimal.
        key: String,
        /// What is wrong.
        why: BadRecord,
    },
    /// An index points to nothing.
    #[error("table `{table}` has no record {key}, which another table names; run `windlass capsule verify`")]
    Missing {
        /// The table.
        table: &'static str,
        /// The key, in hexadecimal.
        key: String,
    },
    /// There is no such blob.
    #[error("blob {digest} is not stored")]
    NoBlob {
        /// Its digest.
        digest: Digest,
    },
    /// A blob's bytes are not those that were stored.
    #[error("blob {digest} was changed: its bytes now have the digest {found}")]
    BlobChanged {
        /// The digest that it was stored under.
        digest: Digest,
        /// The digest of what is there.
        found: Digest,
    },
    /// A blob is not what its name says.
    #[error("blob {digest} is not a maieutic context: {why}")]
    NotAContext {
        /// Its digest.
        digest: Digest,
        /// What the parser said.
        why: String,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store underneath failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreFault),
}

impl ReadError {
    /// Whether it says that what was stored is not there any more as it was, and not that reading failed.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::NoBlob { .. }
            | Self::BlobChanged { .. }
            | Self::NotAContext { .. } => true,
            Self::Store(fault) => fault.is_damage(),
            Self::Io { .. } => false,
        }
    }
}

impl From<heed::Error> for ReadError {
    fn from(error: heed::Error) -> Self {
        Self::Store(StoreFault::from(error))
    }
}

/// Why bytes were not staged. Nothing of them is on the disk, but for the last variant, where a temporary file may be.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The capture mode forbids it.
    #[error("capture mode {mode:?} does not store {class:?} data")]
    Forbidden {
        /// What kind of data it is.
        class: DataClass,
        /// The mode.
        mode: CaptureMode,
    },
    /// The disk is full.
    #[error(
        "the disk that holds {path} is full, and {needed_bytes} bytes are needed; free some space and try again"
    )]
    DiskFull {
        /// The blob's file.
        path: PathBuf,
        /// Its size.
        needed_bytes: u64,
    },
    /// The capsule was opened for reading only.
    #[error("the capsule is open for reading only")]
    ReadOnly,
    /// The system refused.
    #[error("blob file {path} cannot be written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
