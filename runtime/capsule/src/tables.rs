//! The tables of the store. The only module that names their keys and values together, and with `open` the only one
//! that names heed's types.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{Database, Env, RoTxn, RwTxn, WithoutTls};

use crate::error::ReadError;
use crate::record::{self, Stored};

pub(crate) type Store = Env<WithoutTls>;
pub(crate) type ReadTxn<'a> = RoTxn<'a>;
pub(crate) type WriteTxn<'a> = RwTxn<'a>;

/// A key and a value of a table, as iteration gives them.
pub(crate) type Entry<'txn> = Result<(&'txn [u8], &'txn [u8]), ReadError>;

/// One table: bytes to bytes, in the order of the keys' bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    database: Database<'static, Bytes, Bytes>,
}

/// All of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    /// Cursor → event. Append-only.
    pub(crate) events: Table,
    /// Stream key, seq → cursor. Append-only within a stream.
    pub(crate) streams: Table,
    /// Stream key → newest seq and hash.
    pub(crate) heads: Table,
    /// Link seq → link. Append-only.
    pub(crate) links: Table,
    /// `head` → the capsule's head.
    pub(crate) meta: Table,
    /// Workspace id → workspace.
    pub(crate) workspaces: Table,
    /// Digest of `common_dir` → workspace id.
    pub(crate) common_dirs: Table,
    /// Workspace id, item id → work item.
    pub(crate) items: Table,
    /// Run id → run.
    pub(crate) runs: Table,
    /// Scope, kind, status, cursor → run id.
    pub(crate) run_index: Table,
    /// Workspace id, item id, kind → the active run's id.
    pub(crate) active: Table,
    /// Digest of the dedupe key → the run that it made.
    pub(crate) dedupe: Table,
    /// Run id → the run that continues it.
    pub(crate) continued: Table,
    /// Run id, path → artifact.
    pub(crate) artifacts: Table,
    /// Digest → bytes, for blobs small enough to stand inside.
    pub(crate) blobs: Table,
    /// Approval id → workspace id and run id, while the question is open.
    pub(crate) approvals: Table,
}

/// The key of the capsule's head in the table `meta`.
pub(crate) const HEAD_KEY: &[u8] = b"head";

/// How many tables a store may have; LMDB wants to know beforehand.
pub(crate) const MAX_TABLES: u32 = 24;

const NAMES: [&str; 16] = [
    "events",
    "streams",
    "heads",
    "links",
    "meta",
    "workspaces",
    "common_dirs",
    "items",
    "runs",
    "run_index",
    "active",
    "dedupe",
    "continued",
    "artifacts",
    "blobs",
    "approvals",
];

impl Tables {
    fn of(databases: [Database<'static, Bytes, Bytes>; NAMES.len()]) -> Self {
        let table = |place: usize| Table { name: NAMES[place], database: databases[place] };
        Self {
            events: table(0),
            streams: table(1),
            heads: table(2),
            links: table(3),
            meta: table(4),
            workspaces: table(5),
            common_dirs: table(6),
            items: table(7),
            runs: table(8),
            run_index: table(9),
            active: table(10),
            dedupe: table(11),
            continued: table(12),
            artifacts: table(13),
            blobs: table(14),
            approvals: table(15),
        }
    }

    /// Opens the tables, making those that are missing.
    pub(crate) fn create(store: &Store) -> Result<Self, heed::Error> {
        let txn = store.write_txn()?;
        let databases = store.create_databases_and_commit(txn, |opener, txn| {
            let mut databases = Vec::with_capacity(NAMES.len());
            for name in NAMES {
                databases.push(opener.create_database::<Bytes, Bytes>(txn, Some(name))?);
            }
            let databases = <[_; NAMES.len()]>::try_from(databases).map_err(|_| missing())?;
            Ok::<_, heed::Error>(heed::CommitOrAbort::<_, ()>::Commit(databases))
        })?;
        databases.commit().map(Self::of).ok_or_else(missing)
    }

    /// Opens the tables of a store that has them all.
    pub(crate) fn open(store: &Store) -> Result<Self, heed::Error> {
        let txn = store.read_txn()?;
        let databases = store.open_databases_and_commit(txn, |opener, txn| {
            let mut databases = Vec::with_capacity(NAMES.len());
            for name in NAMES {
                databases.push(opener.open_database::<Bytes, Bytes>(txn, Some(name))?.ok_or_else(missing)?);
            }
            let databases = <[_; NAMES.len()]>::try_from(databases).map_err(|_| missing())?;
            Ok::<_, heed::Error>(heed::CommitOrAbort::<_, ()>::Commit(databases))
        })?;
        databases.commit().map(Self::of).ok_or_else(missing)
    }
}

/// Writes the store as one read transaction of LMDB's own sees it into an empty file.
pub(crate) fn copy(store: &Store, file: &mut std::fs::File) -> Result<(), ReadError> {
    Ok(store.copy_to_file(file, heed::CompactionOption::Disabled)?)
}

fn missing() -> heed::Error {
    heed::Error::Mdb(heed::MdbError::NotFound)
}

impl Table {
    /// The bytes under a key.
    pub(crate) fn get<'txn>(
        &self,
        txn: &'txn ReadTxn<'_>,
        key: &[u8],
    ) -> Result<Option<&'txn [u8]>, ReadError> {
        Ok(self.database.get(txn, key)?)
    }

    /// The record under a key.
    pub(crate) fn read<T: Stored>(&self, txn: &ReadTxn<'_>, key: &[u8]) -> Result<Option<T>, ReadError> {
        self.get(txn, key)?.map(|bytes| self.decode(key, bytes)).transpose()
    }

    /// The record under a key that another table names.
    pub(crate) fn demand<T: Stored>(&self, txn: &ReadTxn<'_>, key: &[u8]) -> Result<T, ReadError> {
        self.read(txn, key)?.ok_or_else(|| ReadError::Missing { table: self.name, key: hex::encode(key) })
    }

    /// A value of fixed width under a key.
    pub(crate) fn fixed<const WIDTH: usize>(
        &self,
        txn: &ReadTxn<'_>,
        key: &[u8],
    ) -> Result<Option<[u8; WIDTH]>, ReadError> {
        self.get(txn, key)?.map(|bytes| self.width(key, bytes)).transpose()
    }

    /// Bytes that must have this width.
    pub(crate) fn width<const WIDTH: usize>(
        &self,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<[u8; WIDTH], ReadError> {
        bytes.try_into().map_err(|_| self.damaged(key, record::BadRecord::CutShort))
    }

    /// The record that these bytes of the table hold.
    pub(crate) fn decode<T: Stored>(&self, key: &[u8], bytes: &[u8]) -> Result<T, ReadError> {
        record::decode(bytes).map_err(|why| self.damaged(key, why))
    }

    fn damaged(&self, key: &[u8], why: record::BadRecord) -> ReadError {
        ReadError::Damaged { table: self.name, key: hex::encode(key), why }
    }

    /// Entries from a key on, in order.
    pub(crate) fn from<'txn>(
        &self,
        txn: &'txn ReadTxn<'_>,
        start: &[u8],
    ) -> Result<impl Iterator<Item = Entry<'txn>> + use<'txn>, ReadError> {
        // LMDB takes no empty key; every key comes after it.
        let start = if start.is_empty() { Bound::Unbounded } else { Bound::Included(start) };
        let range = (start, Bound::Unbounded);
        Ok(self.database.range(txn, &range)?.map(|entry| entry.map_err(ReadError::from)))
    }

    /// Entries whose keys begin with a prefix, in order, from a key on.
    pub(crate) fn prefixed<'txn>(
        &self,
        txn: &'txn ReadTxn<'_>,
        prefix: &[u8],
        start: &[u8],
    ) -> Result<impl Iterator<Item = Entry<'txn>> + use<'txn>, ReadError> {
        let prefix = prefix.to_vec();
        Ok(self.from(txn, start)?.take_while(move |entry| match entry {
            Ok((key, _)) => key.starts_with(&prefix),
            Err(_) => true,
        }))
    }

    /// Entries between two keys, the second excluded, backwards.
    pub(crate) fn backwards<'txn>(
        &self,
        txn: &'txn ReadTxn<'_>,
        start: &[u8],
        end: &[u8],
    ) -> Result<impl Iterator<Item = Entry<'txn>> + use<'txn>, ReadError> {
        let range = (Bound::Included(start), Bound::Excluded(end));
        Ok(self.database.rev_range(txn, &range)?.map(|entry| entry.map_err(ReadError::from)))
    }

    /// How many entries there are.
    pub(crate) fn len(&self, txn: &ReadTxn<'_>) -> Result<u64, ReadError> {
        Ok(self.database.len(txn)?)
    }

    /// Puts or replaces.
    pub(crate) fn put(&self, txn: &mut WriteTxn<'_>, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        Ok(self.database.put(txn, key, value)?)
    }

    /// Puts after all others; an entry that does not sort last is an error of the store.
    pub(crate) fn append(&self, txn: &mut WriteTxn<'_>, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        Ok(self.database.put_with_flags(txn, heed::PutFlags::APPEND, key, value)?)
    }

    /// Takes away.
    pub(crate) fn delete(&self, txn: &mut WriteTxn<'_>, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.database.delete(txn, key)?)
    }
}
