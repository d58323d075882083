//! The keys of the tables. Numbers are big-endian, so that byte order is their order.
//!
//! **Invariant:** no key is longer than LMDB's 511 bytes: an item id has at most 128, an artifact path at most 255.

use windlass_domain::artifact::ArtifactPath;
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::{Cursor, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::run::RunStatus;
use windlass_domain::run::request::{RunKind, RunRequest};

use crate::page::{RunFilter, RunScope};

/// The key of a stream: a letter, then its ids. Item ids hold no NUL, so no stream key starts another.
pub(crate) fn stream(stream: &Stream) -> Vec<u8> {
    match stream {
        Stream::Run { run_id } => pieces(&[b"r", run_id.as_bytes()]),
        Stream::Item { workspace_id, work_item_id } => {
            pieces(&[b"i", workspace_id.as_bytes(), work_item_id.as_str().as_bytes(), &[0]])
        }
        Stream::Workspace { workspace_id } => pieces(&[b"w", workspace_id.as_bytes()]),
    }
}

/// The stream that a key is of; none for bytes that are no such key.
pub(crate) fn stream_of(key: &[u8]) -> Option<Stream> {
    let (letter, ids) = key.split_first()?;
    let (first, rest) = ids.split_first_chunk::<16>()?;
    match (letter, rest) {
        (b'r', []) => Some(Stream::Run { run_id: RunId::from_bytes(*first) }),
        (b'w', []) => Some(Stream::Workspace { workspace_id: WorkspaceId::from_bytes(*first) }),
        (b'i', [id @ .., 0]) => {
            let work_item_id = ItemId::new(std::str::from_utf8(id).ok()?).ok()?;
            Some(Stream::Item { workspace_id: WorkspaceId::from_bytes(*first), work_item_id })
        }
        _ => None,
    }
}

/// The key of an event in the table of streams.
pub(crate) fn stream_event(stream_key: &[u8], seq: Seq) -> Vec<u8> {
    pieces(&[stream_key, &seq.0.to_be_bytes()])
}

pub(crate) fn cursor(cursor: Cursor) -> [u8; 8] {
    cursor.0.to_be_bytes()
}

pub(crate) fn link(seq: u64) -> [u8; 8] {
    seq.to_be_bytes()
}

pub(crate) fn item(workspace_id: WorkspaceId, id: &ItemId) -> Vec<u8> {
    pieces(&[workspace_id.as_bytes(), id.as_str().as_bytes()])
}

pub(crate) fn artifact(run_id: RunId, path: &ArtifactPath) -> Vec<u8> {
    pieces(&[run_id.as_bytes(), path.as_str().as_bytes()])
}

/// What stands under an open approval: its workspace and its run.
pub(crate) fn asking(workspace_id: WorkspaceId, run_id: RunId) -> [u8; 32] {
    let mut asking = [0; 32];
    let (workspace, run) = asking.split_at_mut(16);
    workspace.copy_from_slice(workspace_id.as_bytes());
    run.copy_from_slice(run_id.as_bytes());
    asking
}

/// A text of any length, as the 32 bytes of its digest: for `common_dir`s and dedupe keys.
pub(crate) fn text(text: &str) -> [u8; 32] {
    *Digest::of(text.as_bytes()).as_bytes()
}

/// The key under which a run is the active one.
pub(crate) fn active(workspace_id: WorkspaceId, id: &ItemId, kind: RunKind) -> Vec<u8> {
    pieces(&[workspace_id.as_bytes(), id.as_str().as_bytes(), &[0, kind_number(kind)]])
}

/// The three keys under which a run stands in the index: among all, in its workspace, at its item. Each goes on with
/// kind, status and the submission's cursor, so that every filter is a few ranges and none is a scan.
pub(crate) fn run_index(request: &RunRequest, submitted: Cursor, status: RunStatus) -> [Vec<u8>; 3] {
    [
        RunScope::All,
        RunScope::Workspace(request.workspace_id),
        RunScope::Item(request.workspace_id, request.work_item_id.clone()),
    ]
    .map(|among| {
        let mut key = index_range(scope(&among), request.kind, status);
        key.extend_from_slice(&cursor(submitted));
        key
    })
}

/// The index ranges that together hold every run once, with the status that the runs of each have.
pub(crate) fn index_by_status() -> impl Iterator<Item = (RunStatus, Vec<u8>)> {
    STATUSES.into_iter().flat_map(|status| {
        KINDS.into_iter().map(move |kind| (status, index_range(scope(&RunScope::All), kind, status)))
    })
}

/// The index ranges that hold exactly the runs of a filter.
pub(crate) fn index_ranges(filter: &RunFilter) -> Vec<Vec<u8>> {
    let kinds = filter.kind.map_or_else(|| KINDS.to_vec(), |kind| vec![kind]);
    let status_fits = |status: &RunStatus| {
        (filter.statuses.is_empty() || filter.statuses.contains(status))
            && (!filter.active_only || status.is_active())
    };
    let statuses: Vec<_> = STATUSES.into_iter().filter(status_fits).collect();
    let scope = scope(&filter.scope);
    kinds
        .into_iter()
        .flat_map(|kind| statuses.iter().map(move |status| (kind, *status)))
        .map(|(kind, status)| index_range(scope.clone(), kind, status))
        .collect()
}

fn scope(scope: &RunScope) -> Vec<u8> {
    match scope {
        RunScope::All => b"a".to_vec(),
        RunScope::Workspace(workspace_id) => pieces(&[b"w", workspace_id.as_bytes()]),
        RunScope::Item(workspace_id, id) => {
            pieces(&[b"i", workspace_id.as_bytes(), id.as_str().as_bytes(), &[0]])
        }
    }
}

fn index_range(mut scope: Vec<u8>, kind: RunKind, status: RunStatus) -> Vec<u8> {
    scope.extend_from_slice(&[kind_number(kind), status_number(status)]);
    scope
}

const KINDS: [RunKind; 2] = [RunKind::Research, RunKind::Review];

const STATUSES: [RunStatus; 7] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Blocked,
    RunStatus::NeedsAttention,
    RunStatus::Cancelled,
];

/// Stored: the numbers never change.
const fn kind_number(kind: RunKind) -> u8 {
    match kind {
        RunKind::Research => 1,
        RunKind::Review => 2,
    }
}

/// Stored: the numbers never change.
const fn status_number(status: RunStatus) -> u8 {
    match status {
        RunStatus::Queued => 1,
        RunStatus::Running => 2,
        RunStatus::Succeeded => 3,
        RunStatus::Failed => 4,
        RunStatus::Blocked => 5,
        RunStatus::NeedsAttention => 6,
        RunStatus::Cancelled => 7,
    }
}

fn pieces(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}
