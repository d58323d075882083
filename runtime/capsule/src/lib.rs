//! The record: an append-only log of events with a chain of hashes, the blobs that events name, and the read models that
//! the log makes, all in one LMDB store with one writer and many readers.
//!
//! It is not a place for rules: what may happen to a run or an item is decided by `windlass-domain`, inside the writer's
//! transaction. It starts no process, knows no async runtime and draws no ids.
//!
//! **Invariant:** one thread owns every write transaction, and log, indexes and read models change in the same one.
//! **Invariant:** no transaction leaves this crate; reads are short closures, so none can cross an await.
//! **Invariant:** an acknowledged durable write is on disk, synced, before its answer is given.
//! **Invariant:** nothing here deletes or moves what it cannot read.

mod backup;
mod blob;
mod canonical;
mod due;
mod error;
mod export;
mod folder;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod import;
mod keys;
mod lock;
mod open;
mod page;
mod reader;
mod record;
mod rows;
mod snapshot;
mod tables;
mod verify;
mod writer;

pub use backup::{Backup, BackupError, RestoreError, back_up, restore};
pub use blob::{MAX_INLINE_BLOB_BYTES, StagedBlob};
pub use due::{Due, due, note_due, settle_due};
pub use error::{
    ContinuationRefusal, NoRoom, OpenError, Overloaded, ReadError, StageError, StoreFault, WriteError,
};
pub use export::{EXPORT_FORMAT, ExportError, Exported, LeftOut, LeftOutKind, Manifest, export_run};
pub use folder::{LastStop, data_bytes, is_as_it_was_left, last_stop};
pub use import::{BadExport, ExportReport, Import, ImportError, ImportedRun, Imports, verify_export};
pub use lock::{LockText, wait_until_unlocked};
pub use open::{
    Claim, Clock, Doubt, Observer, check_format, create_or_open, open_read_only, wait_until_closed,
};
pub use page::{
    ItemFilter, ItemPage, MAX_PAGE, OpenApproval, Page, PageKey, RunFilter, RunPage, RunScope, RunSummary,
};
pub use reader::{CapsuleStats, Reader, RecordedProjection};
pub use record::{BadRecord, FORMAT};
pub use rows::CapsuleHead;
pub use snapshot::snapshot;
pub use verify::{
    Depth, Fault, FaultKind, VerifyMark, VerifyOptions, VerifyProgress, VerifyReport, check_read_models,
    verify,
};
pub use writer::{Class, Op, Options, Reply, Submission, WaitsForRoom, Writer, Written};
