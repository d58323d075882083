//! The read models from their own side: no record that the log did not make.

use windlass_domain::admission::Deduped;
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::run::request::RunRequest;
use windlass_domain::workspace::Workspace;

use super::report::{Fault, FaultKind};
use super::{CHUNK, Work};
use crate::error::ReadError;
use crate::keys;
use crate::reader::View;
use crate::rows::RunRow;
use crate::tables::{Table, Tables};

/// Whether a record of a table belongs there.
type Belongs = fn(&View<'_>, &[u8], &[u8]) -> Result<bool, ReadError>;

impl Work<'_> {
    pub(super) fn all_tables(&mut self) -> Result<(), ReadError> {
        let Tables {
            workspaces,
            common_dirs,
            items,
            runs,
            run_index,
            active,
            dedupe,
            continued,
            artifacts,
            approvals,
            ..
        } = self.reader.inner().tables;
        let checks: [(Table, Belongs); 10] = [
            (workspaces, workspace_belongs),
            (common_dirs, common_dir_belongs),
            (items, item_belongs),
            (runs, run_belongs),
            (run_index, index_belongs),
            (active, active_belongs),
            (dedupe, dedupe_belongs),
            (continued, continued_belongs),
            (artifacts, artifact_belongs),
            (approvals, approval_belongs),
        ];
        for (table, belongs) in checks {
            self.table(table, belongs)?;
        }
        self.counts()
    }

    /// The head's counts against the tables.
    pub(super) fn counts(&mut self) -> Result<(), ReadError> {
        let fault = self.reader.read(|view| {
            let head = view.head()?;
            let (tables, txn) = (view.tables, view.txn);
            let stated = [head.cursor.0, head.link_seq, head.runs, head.items, head.workspaces];
            let found = [
                tables.events.len(txn)?,
                tables.links.len(txn)?,
                tables.runs.len(txn)?,
                tables.items.len(txn)?,
                tables.workspaces.len(txn)?,
            ];
            Ok((stated != found).then(|| {
                let why = format!(
                    "it counts events, links, runs, items and workspaces as {stated:?}, and there are {found:?}"
                );
                Fault::alone(FaultKind::CapsuleHead { why })
            }))
        });
        match fault {
            Ok(fault) => fault.into_iter().for_each(|fault| self.fault(fault)),
            Err(error) => {
                let fault = Fault::of_read(error)?;
                self.fault(fault);
            }
        }
        Ok(())
    }

    fn table(&mut self, table: Table, belongs: Belongs) -> Result<(), ReadError> {
        let mut start = Vec::new();
        loop {
            let (last, faults) = self.reader.read(|view| {
                let (mut last, mut faults) = (None, Vec::new());
                for entry in table.from(view.txn, &start)?.take(CHUNK) {
                    let (key, value) = entry?;
                    last = Some(key.to_vec());
                    match belongs(view, key, value) {
                        Ok(true) => {}
                        Ok(false) => faults.push(Fault::model(table.name, key, "the log does not make it")),
                        Err(error) => faults.push(Fault::of_read(error)?),
                    }
                }
                Ok((last, faults))
            })?;
            for fault in faults {
                self.fault(fault);
            }
            let Some(mut last) = last else { return Ok(()) };
            last.push(0);
            start = last;
        }
    }
}

fn has_stream(view: &View<'_>, stream: &Stream) -> Result<bool, ReadError> {
    Ok(view.tables.heads.get(view.txn, &keys::stream(stream))?.is_some())
}

fn row(view: &View<'_>, table: Table, key: &[u8], value: &[u8]) -> Result<Option<RunRow>, ReadError> {
    view.run(RunId::from_bytes(table.width(key, value)?))
}

fn active_key(request: &RunRequest) -> Vec<u8> {
    keys::active(request.workspace_id, &request.work_item_id, request.kind)
}

fn workspace_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let workspace_id = view.tables.workspaces.decode::<Workspace>(key, value)?.workspace_id;
    Ok(workspace_id.as_bytes() == key && has_stream(view, &Stream::Workspace { workspace_id })?)
}

fn common_dir_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let id = WorkspaceId::from_bytes(view.tables.common_dirs.width(key, value)?);
    Ok(view.workspace(id)?.is_some_and(|workspace| keys::text(&workspace.common_dir) == key))
}

fn item_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let item: WorkItem = view.tables.items.decode(key, value)?;
    let own_key = keys::item(item.workspace_id, &item.id);
    let stream = Stream::Item { workspace_id: item.workspace_id, work_item_id: item.id };
    Ok(own_key == key && has_stream(view, &stream)?)
}

fn run_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let run_id = view.tables.runs.decode::<RunRow>(key, value)?.run.run_id;
    Ok(run_id.as_bytes() == key && has_stream(view, &Stream::Run { run_id })?)
}

fn index_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let row = row(view, view.tables.run_index, key, value)?;
    Ok(row.is_some_and(|row| {
        keys::run_index(&row.run.request, row.submitted, row.run.status()).iter().any(|own| own == key)
    }))
}

fn active_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let row = row(view, view.tables.active, key, value)?;
    Ok(row.is_some_and(|row| row.run.status().is_active() && active_key(&row.run.request) == key))
}

fn dedupe_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let deduped: Deduped = view.tables.dedupe.decode(key, value)?;
    Ok(view.run(deduped.run_id)?.is_some_and(|row| {
        let own = row.run.request.trigger.dedupe_key.as_deref().map(keys::text);
        own.is_some_and(|own| own == key) && row.run.admission.request_digest == deduped.request_digest
    }))
}

fn continued_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let row = row(view, view.tables.continued, key, value)?;
    Ok(row.and_then(|row| row.run.request.continues).is_some_and(|before| before.as_bytes() == key))
}

fn approval_belongs(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<bool, ReadError> {
    let asking: [u8; 32] = view.tables.approvals.width(key, value)?;
    let Some(run_id) = asking.last_chunk::<16>() else { return Ok(false) };
    Ok(view.run(RunId::from_bytes(*run_id))?.is_some_and(|row| {
        let waits = row.run.waiting().is_some_and(|question| question.approval_id.as_bytes() == key);
        waits && keys::asking(row.run.request.workspace_id, row.run.run_id) == asking
    }))
}

/// That a run has no artifact too many is seen where its stream is counted; here, that the run exists.
fn artifact_belongs(view: &View<'_>, key: &[u8], _: &[u8]) -> Result<bool, ReadError> {
    let Some(run_id) = key.first_chunk::<16>() else { return Ok(false) };
    Ok(view.run(RunId::from_bytes(*run_id))?.is_some())
}
