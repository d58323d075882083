//! The same events in SQLite: a write-ahead log, `synchronous=FULL`, one table with an index over streams, and the hash
//! of each event computed as the capsule does. It keeps no read models, no heads and no links, and checks no rule: it is
//! what one would write in an afternoon, and so a hard thing to be faster than.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, TransactionBehavior, params};
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::event::EventData;
use windlass_domain::id::{Cursor, RunId, Seq};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::{OnInterrupt, StepIntent, StepKey, StepResult};
use windlass_domain::time::Timestamp;

/// How long a connection waits for its turn: longer than any round.
const TURN: Duration = Duration::from_secs(120);

const TABLE: &str = "
    CREATE TABLE events (
        cursor INTEGER PRIMARY KEY,
        stream BLOB NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        type TEXT NOT NULL,
        data TEXT NOT NULL,
        prev_hash BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX streams ON events (stream, seq);";

const NEWEST: &str = "SELECT coalesce(max(cursor), 0) FROM events";

const INSERT: &str = "
    INSERT INTO events (cursor, stream, seq, at, type, data, prev_hash, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// One connection.
pub(crate) struct Sqlite {
    connection: Connection,
}

/// Where a stream ends; its only writer remembers it.
#[derive(Debug, Clone)]
pub(crate) struct StreamEnd {
    run_id: RunId,
    seq: Seq,
    hash: Digest,
}

impl StreamEnd {
    /// Of a stream without events.
    pub(crate) const fn of(run_id: RunId) -> Self {
        Self { run_id, seq: Seq(0), hash: Digest::ZERO }
    }
}

impl Sqlite {
    /// Makes the table.
    pub(crate) fn create(folder: &Path) -> anyhow::Result<Self> {
        let sqlite = Self::open(folder)?;
        sqlite.connection.execute_batch(TABLE).context("the table cannot be made")?;
        Ok(sqlite)
    }

    /// Another connection to the same table.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let connection =
            Connection::open(folder.join("events.sqlite")).context("SQLite cannot open its file")?;
        connection.busy_timeout(TURN)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).context("no WAL")?;
        anyhow::ensure!(mode == "wal", "SQLite keeps its journal in mode {mode}");
        connection.execute_batch("PRAGMA synchronous = FULL")?;
        Ok(Self { connection })
    }

    /// Writes events of one stream in one transaction, and syncs.
    pub(crate) fn write(&mut self, end: &mut StreamEnd, events: Vec<RunEvent>) -> anyhow::Result<()> {
        let at = Timestamp::from_millis(i64::try_from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis(),
        )?);
        let at_text = at.to_string();
        let txn = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut after = end.clone();
        {
            let newest: i64 = txn.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?;
            let mut cursor = Cursor(u64::try_from(newest)?);
            let mut insert = txn.prepare_cached(INSERT)?;
            for event in events {
                cursor = cursor.next();
                let kind = event.type_name();
                let data = payload(event)?;
                let seq = after.seq.next();
                let hash = hash(&at_text, cursor, &after, &data);
                insert.execute(params![
                    i64::try_from(cursor.0)?,
                    after.run_id.as_bytes(),
                    i64::try_from(seq.0)?,
                    at.as_millis(),
                    kind,
                    data,
                    after.hash.as_bytes(),
                    hash.as_bytes(),
                ])?;
                after = StreamEnd { seq, hash, ..after };
            }
        }
        txn.commit()?;
        *end = after;
        Ok(())
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> anyhow::Result<u64> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
        Ok(u64::try_from(count)?)
    }
}

/// The canonical JSON of an event's payload. The two types that the measures write are put together by hand: SQLite shall
/// not be held up by a general serializer.
fn payload(event: RunEvent) -> anyhow::Result<String> {
    Ok(match event {
        RunEvent::StepStarted(StepIntent { key, input_digest, on_interrupt: OnInterrupt::Redo }) => format!(
            r#"{{"data":{{"input_digest":"{input_digest}","key":{},"on_interrupt":{{"kind":"redo"}}}},"type":"step.started"}}"#,
            key_text(&key)?
        ),
        RunEvent::StepFinished { key, result: StepResult::Inline { value }, duration_ms } => format!(
            r#"{{"data":{{"duration_ms":{duration_ms},"key":{},"result":{{"kind":"inline","value":{}}}}},"type":"step.finished"}}"#,
            key_text(&key)?,
            value.as_str()
        ),
        other => canonical_json(&EventData::Run(other))?,
    })
}

fn key_text(key: &StepKey) -> anyhow::Result<String> {
    let name = serde_json::to_string(key.name.as_str())?;
    Ok(format!(r#"{{"name":{name},"occurrence":{}}}"#, key.occurrence))
}

/// The hash that the capsule would give the event, from the payload's canonical text, which SQLite stores and so needs
/// only once.
fn hash(at: &str, cursor: Cursor, end: &StreamEnd, data: &str) -> Digest {
    let StreamEnd { run_id, seq, hash } = end;
    let (cursor, seq, data_digest) = (cursor.0, seq.next().0, Digest::of(data.as_bytes()));
    let header = format!(
        r#"{{"at":"{at}","attempt":1,"cursor":{cursor},"data_digest":"{data_digest}","prev_hash":"{hash}","run_id":"{run_id}","seq":{seq}}}"#
    );
    Digest::of(header.as_bytes())
}

#[cfg(test)]
mod tests {
    use windlass_domain::event::{Event, Stream};
    use windlass_domain::id::Epoch;

    use super::*;
    use crate::fixture::{Steps, run_id};

    #[test]
    fn the_hashes_are_the_capsules_and_the_stream_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut sqlite = Sqlite::create(folder.path()).unwrap();
        // An event of another stream comes first, so that no cursor is a place in the stream.
        let mut other = StreamEnd::of(run_id(2));
        sqlite.write(&mut other, vec![RunEvent::Queued {}]).unwrap();
        let (mut end, mut steps) = (StreamEnd::of(run_id(3)), Steps::new());
        let events = steps.next_events();
        for (place, data) in (1..).zip(&events) {
            let before = end.hash;
            sqlite.write(&mut end, vec![data.clone()]).unwrap();
            let at = "SELECT at FROM events WHERE cursor = ?1 + 1";
            let at: i64 = sqlite.connection.query_row(at, [place], |row| row.get(0)).unwrap();
            let event = Event {
                cursor: Cursor(u64::try_from(place).unwrap() + 1),
                seq: Seq(u64::try_from(place).unwrap()),
                at: Timestamp::from_millis(at),
                stream: Stream::Run { run_id: run_id(3) },
                attempt: Some(Epoch(1)),
                data: EventData::Run(data.clone()),
                prev_hash: before,
                hash: Digest::ZERO,
            };
            assert_eq!(end.hash, event.hash_of().unwrap(), "{data:?}");
        }
        assert_eq!(sqlite.events().unwrap(), 3);
    }

    #[test]
    fn a_commit_is_synced_and_goes_to_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::create(folder.path()).unwrap();
        let pragma = |name: &str| -> String {
            let text = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            sqlite.connection.query_row(&text, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((pragma("journal_mode").as_str(), pragma("synchronous").as_str()), ("wal", "2"));
    }
}
