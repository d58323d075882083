//! Reading: each call is one short transaction on one consistent state, and gives owned values.

mod census;
mod lists;
mod projections;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use projections::RecordedProjection;

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::{Cursor, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{Run, RunStatus};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;

use crate::blob::{self, StagedBlob};
use crate::error::{ReadError, StageError};
use crate::folder;
use crate::keys;
use crate::page::MAX_PAGE;
use crate::rows::{CapsuleHead, RunRow, StreamHead};
use crate::tables::{self, HEAD_KEY, ReadTxn, Store, Tables};

/// A way to read the capsule. Cheap to clone; every thread may have one.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

/// The opened store. Closed when the last reader and the writer are gone.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) tables: Tables,
    pub(crate) folder: PathBuf,
    pub(crate) writable: bool,
}

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleStats {
    /// Where it ends.
    pub head: CapsuleHead,
    /// Runs that have not ended.
    pub active_runs: u64,
    /// How many runs stand where, without the statuses that no run has.
    pub runs: Vec<(RunStatus, u64)>,
    /// When the oldest run was submitted.
    pub oldest_run_at: Option<Timestamp>,
    /// When the newest run was submitted.
    pub newest_run_at: Option<Timestamp>,
    /// Artifacts of all runs.
    pub artifacts: u64,
    /// Blobs that stand in the store.
    pub inline_blobs: u64,
    /// Blobs that are files.
    pub file_blobs: u64,
    /// The bytes of those files.
    pub file_blob_bytes: u64,
    /// The size of the store's file, in bytes.
    pub store_bytes: u64,
    /// The size up to which it can grow, in bytes.
    pub map_bytes: u64,
}

/// What a transaction of this crate sees.
pub(crate) struct View<'txn> {
    pub(crate) txn: &'txn ReadTxn<'txn>,
    pub(crate) tables: &'txn Tables,
    pub(crate) folder: &'txn Path,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Reads in one transaction. The closure is synchronous, so that no transaction crosses an await.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let txn = self.inner.store.read_txn()?;
        read(&View { txn: &txn, tables: &self.inner.tables, folder: &self.inner.folder })
    }

    /// Where the capsule is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Makes bytes ready to be named by an event. Up to [`crate::MAX_INLINE_BLOB_BYTES`] they travel with the write;
    /// larger ones are written to a file and synced here, by the calling thread.
    ///
    /// # Errors
    /// [`StageError`]; what the mode forbids is refused before anything touches the disk.
    pub fn stage(
        &self,
        class: DataClass,
        mode: CaptureMode,
        bytes: Vec<u8>,
    ) -> Result<StagedBlob, StageError> {
        if !self.inner.writable {
            return Err(StageError::ReadOnly);
        }
        blob::stage(&self.inner.folder, class, mode, bytes)
    }

    /// Where the capsule ends.
    ///
    /// # Errors
    /// [`ReadError`] when the record cannot be read. The same holds for every other read.
    pub fn head(&self) -> Result<CapsuleHead, ReadError> {
        self.read(|view| view.head())
    }

    /// Every known workspace, in the order of their ids.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn workspaces(&self) -> Result<Vec<Workspace>, ReadError> {
        self.read(|view| {
            let table = view.tables.workspaces;
            table
                .from(view.txn, &[])?
                .map(|entry| entry.and_then(|(key, bytes)| table.decode(key, bytes)))
                .collect()
        })
    }

    /// The workspace of this id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn workspace(&self, workspace_id: WorkspaceId) -> Result<Option<Workspace>, ReadError> {
        self.read(|view| view.workspace(workspace_id))
    }

    /// The workspace whose shared `.git` folder has this canonical path.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn workspace_by_common_dir(&self, common_dir: &str) -> Result<Option<Workspace>, ReadError> {
        self.read(|view| view.workspace_by_common_dir(common_dir))
    }

    /// A work item.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn item(&self, workspace_id: WorkspaceId, id: &ItemId) -> Result<Option<WorkItem>, ReadError> {
        self.read(|view| view.item(workspace_id, id))
    }

    /// A run, as its events make it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn run(&self, run_id: RunId) -> Result<Option<Run>, ReadError> {
        self.read(|view| Ok(view.run(run_id)?.map(|row| row.run)))
    }

    /// The active run of a work item and kind.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn active_run(
        &self,
        workspace_id: WorkspaceId,
        id: &ItemId,
        kind: RunKind,
    ) -> Result<Option<RunId>, ReadError> {
        self.read(|view| view.active(workspace_id, id, kind))
    }

    /// Every run that has not ended, in the order of submission.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn active_runs(&self) -> Result<Vec<Run>, ReadError> {
        let mut rows = self.read(|view| {
            let mut rows: Vec<RunRow> = Vec::new();
            for entry in view.tables.active.from(view.txn, &[])? {
                let (key, value) = entry?;
                let id: [u8; 16] = view.tables.active.width(key, value)?;
                rows.push(view.tables.runs.demand(view.txn, &id)?);
            }
            Ok(rows)
        })?;
        rows.sort_unstable_by_key(|row| row.submitted);
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// The run that continues this one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn continued_by(&self, run_id: RunId) -> Result<Option<RunId>, ReadError> {
        self.read(|view| view.continued_by(run_id))
    }

    /// Events of a stream from a place on, at most `limit` and never more than [`MAX_PAGE`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn events(&self, stream: &Stream, from: Seq, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.read(|view| view.events(stream, from, limit.min(MAX_PAGE)))
    }

    /// The place of a stream's newest event; 0 before the first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn last_seq(&self, stream: &Stream) -> Result<Seq, ReadError> {
        self.read(|view| {
            let head: Option<StreamHead> = view.tables.heads.read(view.txn, &keys::stream(stream))?;
            Ok(head.unwrap_or(StreamHead::EMPTY).seq)
        })
    }

    /// What a dedupe key was used for.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn deduped(&self, key: &str) -> Result<Option<Deduped>, ReadError> {
        self.read(|view| view.tables.dedupe.read(view.txn, &keys::text(key)))
    }

    /// Events of the whole capsule after a place, at most `limit` and never more than [`MAX_PAGE`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn events_after(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.read(|view| {
            let table = view.tables.events;
            let entries = table.from(view.txn, &keys::cursor(after.next()))?;
            entries
                .take(limit.min(MAX_PAGE))
                .map(|entry| entry.and_then(|(key, bytes)| table.decode(key, bytes)))
                .collect()
        })
    }

    /// The artifacts of a run, in the order of their paths.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn artifacts(&self, run_id: RunId) -> Result<Vec<Artifact>, ReadError> {
        self.read(|view| {
            let (table, key) = (view.tables.artifacts, run_id.as_bytes());
            let entries = table.prefixed(view.txn, key, key)?;
            entries.map(|entry| entry.and_then(|(key, bytes)| table.decode(key, bytes))).collect()
        })
    }

    /// One artifact of a run, without its bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn artifact(&self, run_id: RunId, path: &ArtifactPath) -> Result<Option<Artifact>, ReadError> {
        self.read(|view| view.tables.artifacts.read(view.txn, &keys::artifact(run_id, path)))
    }

    /// The bytes of a blob, checked against its digest.
    ///
    /// # Errors
    /// [`ReadError::NoBlob`], [`ReadError::BlobChanged`], and what the store says.
    pub fn blob(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        self.read(|view| view.blob(digest))
    }

    /// The maieutic context of this digest.
    ///
    /// # Errors
    /// As [`Reader::blob`], and [`ReadError::NotAContext`].
    pub fn context(&self, digest: Digest) -> Result<MaieuticContext, ReadError> {
        self.read(|view| view.context(digest))
    }

    /// Whether the store's file is shorter than the pages that its newest state counts. A sound one may be, by pages that were
    /// taken and given back in one transaction.
    pub(crate) fn is_cut_short(&self) -> Result<bool, ReadError> {
        Ok(self.inner.store.real_disk_size()? < self.grown_bytes())
    }

    /// How far the store has grown, in bytes.
    pub(crate) fn grown_bytes(&self) -> u64 {
        let store = &self.inner.store;
        (store.info().last_page_number as u64 + 1) * u64::from(store.unnamed_database_stat().page_size)
    }

    /// Writes the store as one transaction sees it into an empty file.
    pub(crate) fn copy_store(&self, file: &mut std::fs::File) -> Result<(), ReadError> {
        tables::copy(&self.inner.store, file)
    }

    /// Whether a blob stands in the store itself.
    pub(crate) fn holds_inline(&self, digest: Digest) -> Result<bool, ReadError> {
        self.read(|view| Ok(view.tables.blobs.get(view.txn, digest.as_bytes())?.is_some()))
    }

    /// How much there is. Counts the blob files one by one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn stats(&self) -> Result<CapsuleStats, ReadError> {
        let (file_blobs, file_blob_bytes) = folder::count_blobs(&self.inner.folder)?;
        let store = &self.inner.store;
        let (store_bytes, map_bytes) = (store.real_disk_size()?, store.info().map_size as u64);
        self.read(|view| {
            let census = view.census()?;
            Ok(CapsuleStats {
                head: view.head()?,
                runs: census.runs,
                oldest_run_at: census.oldest,
                newest_run_at: census.newest,
                active_runs: view.tables.active.len(view.txn)?,
                artifacts: view.tables.artifacts.len(view.txn)?,
                inline_blobs: view.tables.blobs.len(view.txn)?,
                file_blobs,
                file_blob_bytes,
                store_bytes,
                map_bytes,
            })
        })
    }
}

impl View<'_> {
    pub(crate) fn head(&self) -> Result<CapsuleHead, ReadError> {
        self.tables.meta.demand(self.txn, HEAD_KEY)
    }

    pub(crate) fn workspace(&self, workspace_id: WorkspaceId) -> Result<Option<Workspace>, ReadError> {
        self.tables.workspaces.read(self.txn, workspace_id.as_bytes())
    }

    pub(crate) fn workspace_by_common_dir(&self, common_dir: &str) -> Result<Option<Workspace>, ReadError> {
        let found = self.tables.common_dirs.fixed(self.txn, &keys::text(common_dir))?;
        found.map(|id: [u8; 16]| self.tables.workspaces.demand(self.txn, &id)).transpose()
    }

    pub(crate) fn item(&self, workspace_id: WorkspaceId, id: &ItemId) -> Result<Option<WorkItem>, ReadError> {
        self.tables.items.read(self.txn, &keys::item(workspace_id, id))
    }

    pub(crate) fn run(&self, run_id: RunId) -> Result<Option<RunRow>, ReadError> {
        self.tables.runs.read(self.txn, run_id.as_bytes())
    }

    pub(crate) fn active(
        &self,
        workspace_id: WorkspaceId,
        id: &ItemId,
        kind: RunKind,
    ) -> Result<Option<RunId>, ReadError> {
        let found = self.tables.active.fixed(self.txn, &keys::active(workspace_id, id, kind))?;
        Ok(found.map(RunId::from_bytes))
    }

    /// Events of a stream from a place on.
    pub(crate) fn events(&self, stream: &Stream, from: Seq, limit: usize) -> Result<Vec<Event>, ReadError> {
        let key = keys::stream(stream);
        let start = keys::stream_event(&key, from);
        let places = self.tables.streams.prefixed(self.txn, &key, &start)?;
        places
            .take(limit)
            .map(|entry| {
                let (key, cursor) = entry?;
                let cursor: [u8; 8] = self.tables.streams.width(key, cursor)?;
                self.tables.events.demand(self.txn, &cursor)
            })
            .collect()
    }

    pub(crate) fn continued_by(&self, run_id: RunId) -> Result<Option<RunId>, ReadError> {
        Ok(self.tables.continued.fixed(self.txn, run_id.as_bytes())?.map(RunId::from_bytes))
    }

    pub(crate) fn blob(&self, digest: Digest) -> Result<Vec<u8>, ReadError> {
        blob::read(self.folder, self.tables, self.txn, digest)
    }

    pub(crate) fn context(&self, digest: Digest) -> Result<MaieuticContext, ReadError> {
        let bytes = self.blob(digest)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ReadError::NotAContext { digest, why: error.to_string() })
    }
}
