//! Lists in pages. The page of runs merges the few index ranges that its filter covers, newest first, so that its cost
//! follows the page and not the capsule.

use std::collections::BinaryHeap;

use windlass_domain::id::{ApprovalId, Cursor, RunId, WorkspaceId};
use windlass_domain::item::WorkItem;

use super::{Reader, View};
use crate::error::ReadError;
use crate::keys;
use crate::page::{
    ItemFilter, ItemPage, MAX_PAGE, OpenApproval, Page, PageKey, RunFilter, RunPage, RunSummary,
};
use crate::rows::RunRow;
use crate::tables::{Entry, Table};

impl Reader {
    /// Runs of a filter, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn runs(&self, filter: &RunFilter, page: Page) -> Result<RunPage, ReadError> {
        let limit = page.limit.min(MAX_PAGE);
        self.read(|view| {
            let mut newest = newest(view, filter, page.after, limit + 1)?;
            let more = newest.len() > limit;
            newest.truncate(limit);
            let next = newest.last().filter(|_| more).map(|(cursor, _)| PageKey(*cursor));
            let (mut runs, mut unreadable) = (Vec::with_capacity(newest.len()), Vec::new());
            for (_, run_id) in newest {
                let row = view.tables.runs.demand(view.txn, run_id.as_bytes());
                let summary = row.map(|row: RunRow| RunSummary::of(&row.run, row.submitted));
                runs.extend(readable(summary, &mut unreadable)?);
            }
            Ok(RunPage { runs, unreadable, next })
        })
    }

    /// Questions that runs wait on, the oldest first, and whether there are more: of one workspace, or of all.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open_approvals(
        &self,
        workspace_id: Option<WorkspaceId>,
        limit: usize,
    ) -> Result<(Vec<OpenApproval>, bool), ReadError> {
        self.read(|view| {
            let table = view.tables.approvals;
            let mut open = Vec::new();
            for entry in table.from(view.txn, &[])? {
                let (key, value) = entry?;
                let (workspace, run) = asking(&table, key, value)?;
                if workspace_id.is_some_and(|wanted| wanted != workspace) {
                    continue;
                }
                if open.len() >= limit.min(MAX_PAGE) {
                    return Ok((open, true));
                }
                let row: RunRow = view.tables.runs.demand(view.txn, run.as_bytes())?;
                open.extend(OpenApproval::of(&row.run));
            }
            Ok((open, false))
        })
    }

    /// The run that waits on this question.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn waiting_on(&self, approval_id: ApprovalId) -> Result<Option<RunId>, ReadError> {
        self.read(|view| {
            let (table, key) = (view.tables.approvals, approval_id.as_bytes());
            let found = table.get(view.txn, key)?;
            found.map(|value| asking(&table, key, value).map(|(_, run_id)| run_id)).transpose()
        })
    }

    /// A run as lists show it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn run_summary(&self, run_id: RunId) -> Result<Option<RunSummary>, ReadError> {
        self.read(|view| Ok(view.run(run_id)?.map(|row| RunSummary::of(&row.run, row.submitted))))
    }

    /// Work items of a filter, in the order of workspaces and ids.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn items(&self, filter: &ItemFilter) -> Result<ItemPage, ReadError> {
        let prefix = filter.workspace_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
        // The key after another is the same with a zero byte behind it.
        let after = filter.after.as_ref().map(|(workspace_id, id)| {
            let mut key = keys::item(*workspace_id, id);
            key.push(0);
            key
        });
        let start = after.map_or_else(|| prefix.clone(), |after| after.max(prefix.clone()));
        self.read(|view| {
            let table = view.tables.items;
            let (mut items, mut unreadable, mut next) = (Vec::new(), Vec::new(), None);
            for entry in table.prefixed(view.txn, &prefix, &start)? {
                let (key, bytes) = entry?;
                let item: Option<WorkItem> = readable(table.decode(key, bytes), &mut unreadable)?;
                items.extend(item.filter(|item| fits(filter, item)));
                if items.len() >= filter.limit.min(MAX_PAGE) {
                    next = items.last().map(|item| (item.workspace_id, item.id.clone()));
                    break;
                }
            }
            Ok(ItemPage { items, unreadable, next })
        })
    }
}

/// What can be read. A record that cannot is named and left out; a store that cannot be read is an error.
fn readable<T>(read: Result<T, ReadError>, unreadable: &mut Vec<String>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ (ReadError::Damaged { .. } | ReadError::Missing { .. })) => {
            unreadable.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The workspace and the run of an open question.
fn asking(table: &Table, key: &[u8], value: &[u8]) -> Result<(WorkspaceId, RunId), ReadError> {
    let bytes: [u8; 32] = table.width(key, value)?;
    let half = |from: usize| std::array::from_fn(|at| bytes[from + at]);
    Ok((WorkspaceId::from_bytes(half(0)), RunId::from_bytes(half(16))))
}

fn fits(filter: &ItemFilter, item: &WorkItem) -> bool {
    filter.item_type.is_none_or(|item_type| item.item_type() == item_type)
        && filter.state.is_none_or(|state| item.state_name() == Some(state))
        && filter.parent_id.as_ref().is_none_or(|parent| item.parent_id.as_ref() == Some(parent))
}

/// The newest entries before a place, over all ranges of the filter.
fn newest(
    view: &View<'_>,
    filter: &RunFilter,
    after: Option<PageKey>,
    limit: usize,
) -> Result<Vec<(Cursor, RunId)>, ReadError> {
    let table = view.tables.run_index;
    let before = keys::cursor(after.map_or(Cursor(u64::MAX), |key| key.0));
    let mut ranges = Vec::new();
    let mut heap = BinaryHeap::new();
    for range in keys::index_ranges(filter) {
        let end = [range.as_slice(), &before].concat();
        ranges.push(table.backwards(view.txn, &range, &end)?);
    }
    let step = |range: Option<Entry<'_>>| {
        let Some((key, value)) = range.transpose()? else { return Ok(None) };
        let place: [u8; 8] = table.width(key, &key[key.len().saturating_sub(8)..])?;
        let run_id = RunId::from_bytes(table.width(key, value)?);
        Ok::<_, ReadError>(Some((Cursor(u64::from_be_bytes(place)), run_id)))
    };
    for (number, range) in ranges.iter_mut().enumerate() {
        heap.extend(step(range.next())?.map(|(cursor, run_id)| (cursor, run_id, number)));
    }
    let mut newest = Vec::with_capacity(limit);
    while newest.len() < limit {
        let Some((cursor, run_id, number)) = heap.pop() else { break };
        newest.push((cursor, run_id));
        heap.extend(step(ranges[number].next())?.map(|(cursor, run_id)| (cursor, run_id, number)));
    }
    Ok(newest)
}
