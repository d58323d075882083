//! What the record says of the files that were made of runs: notes on the stream of their item.

use std::collections::{BTreeMap, BTreeSet};

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::ItemEvent;
use windlass_domain::projection::Projection;

use super::{Reader, View};
use crate::error::ReadError;
use crate::keys;
use crate::page::MAX_PAGE;
use crate::rows::StreamHead;

/// What the record says of a run's files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedProjection {
    /// What writing them came to the last time; none before the first.
    pub newest: Option<Projection>,
    /// The digests of all files that were ever written or about to be: what proves that a file among the user's own is ours.
    pub ours: BTreeSet<Digest>,
}

impl Reader {
    /// What the record says of a run's files. Costs what happened to its item since it was submitted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn projection(&self, run_id: RunId) -> Result<RecordedProjection, ReadError> {
        self.read(|view| {
            let Some(row) = view.run(run_id)? else { return Ok(RecordedProjection::default()) };
            let request = &row.run.request;
            let mut found = recorded(view, request.workspace_id, &request.work_item_id, row.submitted)?;
            Ok(found.remove(&run_id).unwrap_or_default())
        })
    }

    /// What the record says of the files of all runs of an item.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn projections(
        &self,
        workspace_id: WorkspaceId,
        id: &ItemId,
    ) -> Result<BTreeMap<RunId, RecordedProjection>, ReadError> {
        self.read(|view| recorded(view, workspace_id, id, Cursor(0)))
    }
}

/// What an item's stream says behind a place, read from its end.
fn recorded(
    view: &View<'_>,
    workspace_id: WorkspaceId,
    id: &ItemId,
    behind: Cursor,
) -> Result<BTreeMap<RunId, RecordedProjection>, ReadError> {
    let stream = Stream::Item { workspace_id, work_item_id: id.clone() };
    let head: Option<StreamHead> = view.tables.heads.read(view.txn, &keys::stream(&stream))?;
    let (mut found, mut end) = (BTreeMap::new(), head.unwrap_or(StreamHead::EMPTY).seq.0);
    while end > 0 {
        let page = u64::try_from(MAX_PAGE).unwrap_or(u64::MAX).min(end);
        let events = view.events(&stream, Seq(end - page + 1), MAX_PAGE)?;
        for event in events.iter().rev().filter(|event| event.seq.0 <= end) {
            if event.cursor <= behind {
                return Ok(found);
            }
            take(&mut found, event);
        }
        end -= page;
    }
    Ok(found)
}

/// Takes in an event that is older than all before it.
fn take(found: &mut BTreeMap<RunId, RecordedProjection>, event: &Event) {
    match &event.data {
        EventData::Item(ItemEvent::ProjectionWritten { run_id, rule, files, unwritten }) => {
            let of_run = found.entry(*run_id).or_default();
            of_run.ours.extend(files.iter().map(|file| file.digest));
            of_run.newest.get_or_insert_with(|| Projection {
                rule: rule.clone(),
                files: files.clone(),
                unwritten: unwritten.clone(),
            });
        }
        EventData::Item(ItemEvent::ProjectionIntended { run_id, files }) => {
            found.entry(*run_id).or_default().ours.extend(files.iter().map(|file| file.digest));
        }
        EventData::Item(_) | EventData::Run(_) | EventData::Workspace(_) => {}
    }
}
