//! Streams one by one: places, hashes, rules, blobs, and the rows that the stream makes.

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::Artifact;
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, RunId, Seq};
use windlass_domain::item::{self, WorkItem};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{self};
use windlass_domain::workspace::{Workspace, WorkspaceEvent};

use super::report::{Fault, FaultKind};
use super::{CHUNK, VerifyMark, Work};
use crate::blob;
use crate::canonical::Scratch;
use crate::error::ReadError;
use crate::keys;
use crate::reader::View;
use crate::rows::{RunRow, StreamHead};
use crate::writer::{NamedBlob, named_blobs};

/// What was counted on the way.
#[derive(Default)]
struct Counts {
    events: u64,
    blobs: u64,
}

/// What the events of a stream have made so far.
enum Made {
    Nothing,
    Run { row: Box<RunRow>, artifacts: u64 },
    Item(Box<WorkItem>),
    Workspace(Box<Workspace>),
}

impl Work<'_> {
    /// Every stream after a key. Gives the place from which the links are to be looked at: all of them.
    pub(super) fn all_streams(&mut self, after: Option<Vec<u8>>) -> Result<u64, ReadError> {
        let mut start = after.map_or_else(Vec::new, next_key);
        loop {
            let found = self.reader.read(|view| {
                let heads = view.tables.heads.from(view.txn, &start)?.take(CHUNK);
                heads.map(|entry| entry.map(|(key, _)| key.to_vec())).collect::<Result<Vec<_>, _>>()
            })?;
            let Some(last) = found.last().cloned() else { return Ok(0) };
            for key in found {
                self.stream(&key)?;
            }
            self.mark(VerifyMark::Streams { after: hex::encode(&last) });
            start = next_key(last);
        }
    }

    pub(super) fn run_stream(&mut self, run_id: RunId) -> Result<(), ReadError> {
        self.stream(&keys::stream(&Stream::Run { run_id }))
    }

    fn stream(&mut self, key: &[u8]) -> Result<(), ReadError> {
        let read_blobs = self.read_blobs;
        let mut counts = Counts::default();
        let outcome = self.reader.read(|view| {
            let mut walk = Walk { view, read_blobs, counts: &mut counts, scratch: Scratch::default() };
            walk.stream(key)
        });
        self.report.events += counts.events;
        self.report.blobs += counts.blobs;
        match outcome {
            Ok(faults) => {
                for fault in faults {
                    self.fault(fault);
                }
            }
            Err(error) => {
                let fault = Fault::of_read(error)?;
                self.fault(fault);
            }
        }
        Ok(())
    }
}

fn next_key(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// One stream, in one transaction.
struct Walk<'a> {
    view: &'a View<'a>,
    read_blobs: bool,
    counts: &'a mut Counts,
    scratch: Scratch,
}

impl Walk<'_> {
    fn stream(&mut self, key: &[u8]) -> Result<Vec<Fault>, ReadError> {
        let (tables, txn) = (self.view.tables, self.view.txn);
        let stated: StreamHead = tables.heads.demand(txn, key)?;
        let (mut head, mut made) = (StreamHead::EMPTY, Made::Nothing);
        let fault = |seq, kind| Fault { stream: keys::stream_of(key), seq: Some(seq), cursor: None, kind };
        for entry in tables.streams.prefixed(txn, key, key)? {
            let (place, cursor) = entry?;
            if place.len() != key.len() + size_of::<u64>() {
                // A longer key belongs to another stream of the same beginning, which only damage can make.
                return Ok(vec![Fault::model("streams", place, "it is no place in a stream")]);
            }
            let seq = Seq(u64::from_be_bytes(tables.streams.width(place, &place[key.len()..])?));
            let cursor = Cursor(u64::from_be_bytes(tables.streams.width(place, cursor)?));
            if seq != head.seq.next() {
                return Ok(vec![fault(head.seq.next(), FaultKind::Missing)]);
            }
            match self.event(key, seq, cursor, &head, &mut made)? {
                Ok(hash) => head = StreamHead { seq, hash },
                Err(fault) => return Ok(vec![fault]),
            }
        }
        if stated.seq > head.seq {
            return Ok(vec![fault(head.seq.next(), FaultKind::Missing)]);
        }
        if stated != head {
            return Ok(vec![fault(head.seq, FaultKind::StreamHead { stated: stated.seq })]);
        }
        self.rows(&made)
    }

    /// Checks one event, applies it and gives its hash.
    fn event(
        &mut self,
        key: &[u8],
        seq: Seq,
        cursor: Cursor,
        before: &StreamHead,
        made: &mut Made,
    ) -> Result<Result<Digest, Fault>, ReadError> {
        let stream = || keys::stream_of(key);
        let place = |kind| Fault { stream: stream(), seq: Some(seq), cursor: Some(cursor), kind };
        let found: Option<Event> = match self.view.tables.events.read(self.view.txn, &keys::cursor(cursor)) {
            Ok(found) => found,
            Err(ReadError::Damaged { why, .. }) => {
                return Ok(Err(place(FaultKind::Unreadable { why: why.to_string() })));
            }
            Err(error) => return Err(error),
        };
        let Some(event) = found else { return Ok(Err(place(FaultKind::Missing))) };
        if event.cursor != cursor || event.seq != seq || keys::stream(&event.stream) != key {
            let kind = FaultKind::OutOfOrder { cursor: event.cursor, stream: event.stream, seq: event.seq };
            return Ok(Err(place(kind)));
        }
        self.counts.events += 1;
        let computed = match self.scratch.event_hash(&event) {
            Ok(computed) => computed,
            Err(error) => {
                return Ok(Err(place(FaultKind::Unreadable { why: error.to_string() })));
            }
        };
        if computed != event.hash {
            let kind = FaultKind::Hash { stated: event.hash, computed };
            return Ok(Err(Fault::at(&event, kind)));
        }
        if event.prev_hash != before.hash {
            let kind = FaultKind::PrevHash { stated: event.prev_hash, before: before.hash };
            return Ok(Err(Fault::at(&event, kind)));
        }
        if let Err(why) = made.apply(&event) {
            return Ok(Err(Fault::at(&event, FaultKind::Refused { why })));
        }
        for NamedBlob { digest, bytes } in named_blobs(&event.data) {
            if let Some(kind) = self.blob(digest, bytes)? {
                return Ok(Err(Fault::at(&event, kind)));
            }
        }
        Ok(self.projected(&event)?.map_or(Ok(event.hash), Err))
    }

    fn blob(&mut self, digest: Digest, bytes: Option<u64>) -> Result<Option<FaultKind>, ReadError> {
        self.counts.blobs += 1;
        let found = if self.read_blobs {
            match self.view.blob(digest) {
                Ok(content) => Some(content.len() as u64),
                Err(ReadError::NoBlob { .. }) => None,
                Err(ReadError::BlobChanged { found, .. }) => {
                    let why = format!("its bytes now have the digest {found}");
                    return Ok(Some(FaultKind::BlobChanged { digest, why }));
                }
                Err(error) => return Err(error),
            }
        } else {
            blob::size(self.view.folder, self.view.tables, self.view.txn, digest)?
        };
        Ok(match (found, bytes) {
            (None, _) => Some(FaultKind::BlobMissing { digest }),
            (Some(found), Some(stated)) if found != stated => {
                let why = format!("it has {found} bytes instead of {stated}");
                Some(FaultKind::BlobChanged { digest, why })
            }
            _ => None,
        })
    }

    /// Compares the records that one event of a run makes by itself.
    fn projected(&self, event: &Event) -> Result<Option<Fault>, ReadError> {
        let (EventData::Run(data), Stream::Run { run_id }) = (&event.data, &event.stream) else {
            return Ok(None);
        };
        let (tables, txn) = (self.view.tables, self.view.txn);
        match data {
            RunEvent::ArtifactStored(artifact) => {
                let key = keys::artifact(*run_id, &artifact.path);
                let found: Option<Artifact> = tables.artifacts.read(txn, &key)?;
                Ok((found.as_ref() != Some(artifact))
                    .then(|| Fault::model("artifacts", &key, "it is not the artifact that was stored")))
            }
            RunEvent::Submitted { request, admission } => {
                if let Some(text) = &request.trigger.dedupe_key {
                    let key = keys::text(text);
                    let expected = Deduped { run_id: *run_id, request_digest: admission.request_digest };
                    if tables.dedupe.read(txn, &key)? != Some(expected) {
                        return Ok(Some(Fault::model("dedupe", &key, "it does not name the run it made")));
                    }
                }
                if let Some(before) = request.continues
                    && self.view.continued_by(before)? != Some(*run_id)
                {
                    let key = before.as_bytes();
                    return Ok(Some(Fault::model(
                        "continued",
                        key,
                        "it does not name the run that continues",
                    )));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Compares the rows that the whole stream makes.
    fn rows(&self, made: &Made) -> Result<Vec<Fault>, ReadError> {
        match made {
            Made::Nothing => Ok(Vec::new()),
            Made::Run { row, artifacts } => self.run_rows(row, *artifacts),
            Made::Item(item) => {
                let found = self.view.item(item.workspace_id, &item.id)?;
                let key = keys::item(item.workspace_id, &item.id);
                Ok(differs("items", &key, found.as_ref() != Some(item)))
            }
            Made::Workspace(workspace) => {
                let (id, dir) = (workspace.workspace_id, keys::text(&workspace.common_dir));
                let mut faults = differs(
                    "workspaces",
                    id.as_bytes(),
                    self.view.workspace(id)?.as_ref() != Some(workspace),
                );
                let found = self.view.tables.common_dirs.get(self.view.txn, &dir)?;
                faults.extend(differs("common_dirs", &dir, found != Some(id.as_bytes())));
                Ok(faults)
            }
        }
    }

    fn run_rows(&self, row: &RunRow, artifacts: u64) -> Result<Vec<Fault>, ReadError> {
        let (tables, txn, run) = (self.view.tables, self.view.txn, &row.run);
        let id = run.run_id.as_bytes();
        let mut faults = differs("runs", id, self.view.run(run.run_id)?.as_ref() != Some(row));
        for key in keys::run_index(&run.request, row.submitted, run.status()) {
            faults.extend(differs("run_index", &key, tables.run_index.get(txn, &key)? != Some(id)));
        }
        let request = &run.request;
        let active = self.view.active(request.workspace_id, &request.work_item_id, request.kind)?;
        if (active == Some(run.run_id)) != run.status().is_active() {
            let key = keys::active(request.workspace_id, &request.work_item_id, request.kind);
            faults.extend(differs("active", &key, true));
        }
        if let Some(question) = run.waiting() {
            let key = question.approval_id.as_bytes();
            let asking = keys::asking(request.workspace_id, run.run_id);
            let found = tables.approvals.get(txn, key)?;
            faults.extend(differs("approvals", key, found != Some(asking.as_slice())));
        }
        let found = tables.artifacts.prefixed(txn, id, id)?.count() as u64;
        if found != artifacts {
            let why = format!("the run stored {artifacts} artifacts and the table has {found}");
            faults.push(Fault::model("artifacts", id, why));
        }
        Ok(faults)
    }
}

fn differs(table: &'static str, key: &[u8], differs: bool) -> Vec<Fault> {
    if differs { vec![Fault::model(table, key, "it is not what the log makes")] } else { Vec::new() }
}

impl Made {
    /// Replays an event; the error says which rule it breaks.
    fn apply(&mut self, event: &Event) -> Result<(), String> {
        let made = match (std::mem::replace(self, Self::Nothing), &event.data, &event.stream) {
            (made, EventData::Run(data), Stream::Run { run_id }) => {
                let (before, submitted, artifacts) = match made {
                    Self::Run { row, artifacts } => (Some(row.run), row.submitted, artifacts),
                    _ => (None, event.cursor, 0),
                };
                let stored = u64::from(matches!(data, RunEvent::ArtifactStored(_)));
                let run = run::apply(before, *run_id, data, event.at).map_err(|error| error.to_string())?;
                Self::Run { row: Box::new(RunRow { submitted, run }), artifacts: artifacts + stored }
            }
            (made, EventData::Item(data), Stream::Item { workspace_id, work_item_id }) => {
                let before = if let Self::Item(item) = made { Some(*item) } else { None };
                let after = item::apply(before, data, event.at).map_err(|error| error.to_string())?;
                if after.workspace_id != *workspace_id || after.id != *work_item_id {
                    return Err("it is about another work item than its stream".to_owned());
                }
                Self::Item(Box::new(after))
            }
            (
                Self::Nothing,
                EventData::Workspace(WorkspaceEvent::Registered(workspace)),
                Stream::Workspace { workspace_id },
            ) if workspace.workspace_id == *workspace_id => Self::Workspace(Box::new(workspace.clone())),
            _ => return Err(format!("{} does not belong into its stream", event.data.type_name())),
        };
        *self = made;
        Ok(())
    }
}
