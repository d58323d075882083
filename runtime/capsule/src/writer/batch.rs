//! One write transaction: entries are drafted against what it sees, then written into it, and all commit together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::RunId;
use windlass_domain::run::RunState;
use windlass_domain::time::Timestamp;

use super::draft::{Draft, DraftedEvent, Plan};
use super::room::Room;
use super::{Op, Written};
use crate::canonical::Scratch;
use crate::error::{FaultClass, NoRoom, ReadError, StoreFault, WriteError};
use crate::keys;
use crate::reader::{Inner, View};
use crate::record::{self, TooLarge};
use crate::rows::{CapsuleHead, Link, LinkHead, RunRow, StreamHead};
use crate::tables::{HEAD_KEY, WriteTxn};

/// Most decoded runs that are kept between transactions: far more than can make progress at once.
const MAX_CACHED_RUNS: usize = 4096;

/// Decoded rows of runs that are being written, so that an event does not decode its run anew.
///
/// **Invariant:** between transactions every row equals the stored one.
#[derive(Default)]
pub(super) struct RunCache {
    rows: HashMap<RunId, RunRow>,
    changed: BTreeSet<RunId>,
}

impl RunCache {
    pub(super) fn get(&self, run_id: RunId) -> Option<&RunRow> {
        self.rows.get(&run_id)
    }

    fn set(&mut self, row: RunRow) {
        self.changed.insert(row.run.run_id);
        self.rows.insert(row.run.run_id, row);
    }

    /// After an abort: what the transaction changed is not what is stored.
    pub(super) fn forget_changed(&mut self) {
        for run_id in std::mem::take(&mut self.changed) {
            self.rows.remove(&run_id);
        }
    }

    /// After a commit: nothing more is written to a run that has ended.
    pub(super) fn forget_ended(&mut self) {
        for run_id in std::mem::take(&mut self.changed) {
            if self.rows.get(&run_id).is_some_and(|row| matches!(row.run.state, RunState::Ended(_))) {
                self.rows.remove(&run_id);
            }
        }
        if self.rows.len() > MAX_CACHED_RUNS {
            self.rows.clear();
        }
    }
}

/// Why a whole transaction came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchFault {
    #[error("the transaction cannot be written")]
    Write(#[from] ReadError),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("the transaction cannot be committed")]
    Commit(#[source] StoreFault),
}

/// Why a transaction changed nothing, where the writer can go on.
#[derive(Debug, Clone)]
pub(super) enum Refused {
    /// A record would be too large.
    TooLarge { bytes: usize },
    /// There is no room.
    NoRoom(NoRoom),
}

impl From<Refused> for WriteError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge { bytes } => Self::TooLarge { bytes },
            Refused::NoRoom(no_room) => Self::NoRoom(no_room),
        }
    }
}

impl BatchFault {
    /// Why every entry is refused, where the writer can go on; none where it cannot. `bytes` is the size of the entries.
    pub(super) fn refusal(&self, room: &Room, bytes: u64) -> Option<Refused> {
        let fault = match self {
            Self::TooLarge(too_large) => return Some(Refused::TooLarge { bytes: too_large.bytes }),
            Self::Commit(fault) | Self::Write(ReadError::Store(fault)) => fault,
            Self::Write(_) => return None,
        };
        match fault.class() {
            FaultClass::MapFull => Some(Refused::NoRoom(room.map_full())),
            FaultClass::DiskFull => Some(Refused::NoRoom(room.disk_full(bytes))),
            FaultClass::Other => None,
        }
    }

    /// The whole chain of causes in one line.
    pub(super) fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

/// An open transaction.
pub(super) struct Batch<'a> {
    pub(super) inner: &'a Inner,
    pub(super) txn: WriteTxn<'a>,
    pub(super) at: Timestamp,
    pub(super) head: CapsuleHead,
    pub(super) runs: &'a mut RunCache,
    /// The streams that were changed, by key.
    heads: BTreeMap<Vec<u8>, (Stream, StreamHead)>,
    events: Vec<Event>,
}

/// The events of one entry, ready to be put.
#[derive(Default)]
struct Sealed {
    /// Each with its stream's place below, and its record's place in `bytes`.
    events: Vec<(Event, usize, Range<usize>)>,
    bytes: Vec<u8>,
    /// The streams that the entry adds to: key, name, head after it.
    streams: Vec<(Vec<u8>, Stream, StreamHead)>,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(
        inner: &'a Inner,
        head: CapsuleHead,
        at: Timestamp,
        runs: &'a mut RunCache,
    ) -> Result<Self, BatchFault> {
        let txn = inner.store.write_txn().map_err(ReadError::from)?;
        Ok(Self { inner, txn, at, head, runs, heads: BTreeMap::new(), events: Vec::new() })
    }

    pub(super) fn view(&self) -> View<'_> {
        View { txn: &self.txn, tables: &self.inner.tables, folder: &self.inner.folder }
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Drafts one entry and writes it. The inner error is a refusal, which changed nothing.
    pub(super) fn entry(&mut self, op: Op) -> Result<Result<Written, WriteError>, BatchFault> {
        let planned = Draft::of(self, op).and_then(|(written, mut plan)| {
            let events = std::mem::take(&mut plan.events);
            Ok((written, self.seal(events)?, plan))
        });
        match planned {
            Err(refusal) => Ok(Err(refusal)),
            Ok((written, sealed, plan)) => {
                self.write(sealed, plan)?;
                Ok(Ok(written))
            }
        }
    }

    /// Gives the drafted events their places and hashes, and checks that they can be stored.
    fn seal(&self, events: Vec<DraftedEvent>) -> Result<Sealed, WriteError> {
        let mut sealed = Sealed::default();
        let (mut cursor, mut scratch) = (self.head.cursor, Scratch::default());
        for DraftedEvent { stream, attempt, data } in events {
            let place = match sealed.streams.iter().rposition(|(_, known, _)| *known == stream) {
                Some(place) => place,
                None => {
                    let key = keys::stream(&stream);
                    let head = self.stream_head(&key)?;
                    sealed.streams.push((key, stream.clone(), head));
                    sealed.streams.len() - 1
                }
            };
            let before = &mut sealed.streams[place].2;
            cursor = cursor.next();
            let mut event = Event {
                cursor,
                seq: before.seq.next(),
                at: self.at,
                stream,
                attempt,
                data,
                prev_hash: before.hash,
                hash: Digest::ZERO,
            };
            event.hash = scratch
                .event_hash(&event)
                .expect("an event that was decided holds only what JSON can express");
            *before = StreamHead { seq: event.seq, hash: event.hash };
            let start = sealed.bytes.len();
            record::append(&mut sealed.bytes, &event)
                .map_err(|error| WriteError::TooLarge { bytes: error.bytes })?;
            sealed.events.push((event, place, start..sealed.bytes.len()));
        }
        Ok(sealed)
    }

    fn stream_head(&self, stream_key: &[u8]) -> Result<StreamHead, ReadError> {
        match self.heads.get(stream_key) {
            Some((_, head)) => Ok(*head),
            None => Ok(self.inner.tables.heads.read(&self.txn, stream_key)?.unwrap_or(StreamHead::EMPTY)),
        }
    }

    fn write(&mut self, sealed: Sealed, plan: Plan) -> Result<(), BatchFault> {
        let tables = self.inner.tables;
        for (digest, bytes) in plan.blobs {
            tables.blobs.put(&mut self.txn, digest.as_bytes(), &bytes)?;
        }
        for (event, stream, record) in sealed.events {
            let cursor = keys::cursor(event.cursor);
            tables.events.append(&mut self.txn, &cursor, &sealed.bytes[record])?;
            let place = keys::stream_event(&sealed.streams[stream].0, event.seq);
            tables.streams.put(&mut self.txn, &place, &cursor)?;
            self.head.cursor = event.cursor;
            self.project(&event)?;
            self.events.push(event);
        }
        self.heads.extend(sealed.streams.into_iter().map(|(key, stream, head)| (key, (stream, head))));
        for item in plan.items.values() {
            let key = keys::item(item.workspace_id, &item.id);
            tables.items.put(&mut self.txn, &key, &record::encode(item)?)?;
        }
        for (_, drafted) in plan.runs {
            if drafted.changed {
                self.place_run(&drafted)?;
                self.runs.set(drafted.row);
            }
        }
        Ok(())
    }

    /// Writes what is written once a transaction, adds the link, and commits. Without events nothing is written.
    pub(super) fn commit(mut self) -> Result<(CapsuleHead, Vec<Event>), BatchFault> {
        if self.events.is_empty() {
            self.txn.abort();
            return Ok((self.head, self.events));
        }
        let tables = self.inner.tables;
        for run_id in &self.runs.changed {
            let row = self.runs.rows.get(run_id).expect("a changed row is cached");
            tables.runs.put(&mut self.txn, run_id.as_bytes(), &record::encode(row)?)?;
        }
        for (key, (_, head)) in &self.heads {
            tables.heads.put(&mut self.txn, key, &record::encode(head)?)?;
        }
        let heads = self.heads.into_values();
        let link = Link {
            prev: self.head.hash,
            seq: self.head.link_seq + 1,
            heads: heads.map(|(stream, head)| LinkHead { stream, seq: head.seq, hash: head.hash }).collect(),
        };
        tables.links.append(&mut self.txn, &keys::link(link.seq), &record::encode(&link)?)?;
        self.head.link_seq = link.seq;
        self.head.hash = link.hash();
        tables.meta.put(&mut self.txn, HEAD_KEY, &record::encode(&self.head)?)?;
        self.txn.commit().map_err(|error| BatchFault::Commit(StoreFault::from(error)))?;
        Ok((self.head, self.events))
    }
}
