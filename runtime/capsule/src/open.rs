//! Opening: the only place where a store is mapped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use heed::{EnvFlags, EnvOpenOptions};
use windlass_domain::event::Event;
use windlass_domain::id::Cursor;
use windlass_domain::time::Timestamp;
use windlass_failpoint::{Breakage, Place, breaks, pass};

use crate::due::{self, Due};
use crate::error::{FaultClass, OpenError, ReadError, StoreFault};
use crate::folder;
use crate::lock::{Lock, LockText};
use crate::reader::{Inner, Reader};
use crate::record::{self, FORMAT};
use crate::rows::CapsuleHead;
use crate::tables::{HEAD_KEY, MAX_TABLES, Store, Tables};
use crate::writer::{Options, Writer};

/// Most read transactions at once, over all processes. Each costs 64 bytes of the lock file; each is short.
const MAX_READERS: u32 = 1024;

/// LMDB wants the map to be whole pages; this is a multiple of every page size in use.
const MAP_STEP_BYTES: usize = 64 * 1024;

/// Tells what was committed, after each transaction and before its writes are answered: the new head and the events.
/// It runs on the writer's thread and must not wait.
pub type Observer = Box<dyn Fn(Cursor, &[Event]) + Send>;

/// Where the writer reads the time of a transaction.
pub type Clock = Box<dyn FnMut() -> Timestamp + Send>;

/// The right to write the capsule of a folder: its lock is held, and nothing of its store was mapped yet. In between,
/// whoever holds it has the store looked at by a child process where that is in [`Doubt`].
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    lock: Lock,
    format: Option<folder::FormatSidecar>,
}

/// Why a store must be looked at by another process before this one maps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It was not left cleanly: look as [`crate::Depth::AT_START`] says.
    Unproven,
    /// It was left cleanly, and its file is not the one that was left: look at [`crate::Depth::Records`].
    Altered,
    /// Damage was found in it earlier: look at everything.
    Damaged,
}

impl Claim {
    /// Takes the lock at once, making the folder where there is none.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is then as it was, but for the lock's text.
    pub fn take(folder: &Path, holder: &LockText) -> Result<Self, OpenError> {
        folder::make(folder)?;
        pass(Place::CapsuleMade);
        let lock = Lock::take(folder, holder)?;
        let format = writable_format(folder)?;
        folder::check_data(folder, format.is_some())?;
        Ok(Self { folder: folder.to_owned(), lock, format })
    }

    /// Whether the store must be looked at first: one that was damaged ends the process that reads it with a signal.
    ///
    /// # Errors
    /// A file that says so cannot be read.
    pub fn doubt(&self) -> Result<Option<Doubt>, OpenError> {
        Ok(match (due::due(&self.folder)?, folder::last_stop(&self.folder)?) {
            (Some(Due::Damaged { .. }), _) => Some(Doubt::Damaged),
            (_, folder::LastStop::Nothing) => None,
            (_, folder::LastStop::Clean(_)) if folder::is_as_it_was_left(&self.folder)? => None,
            (_, folder::LastStop::Clean(_)) => Some(Doubt::Altered),
            (_, folder::LastStop::Unclean) => Some(Doubt::Unproven),
        })
    }

    /// Opens the capsule, making it when there is none. A store that was in doubt is from now on due to be verified in full.
    ///
    /// # Errors
    /// [`OpenError`]; nothing in the store was changed.
    pub fn open(self, options: Options, observer: Observer) -> Result<(Writer, Reader), OpenError> {
        let doubt = self.doubt()?;
        let Self { folder, lock, format } = self;
        let found = due::due(&folder)?;
        if let Some(Due::Damaged { what }) = found {
            return Err(OpenError::Damaged { path: folder, what });
        }
        let map_bytes = options.map_bytes.next_multiple_of(MAP_STEP_BYTES);
        let flags = if breaks(Breakage::NoSync) { EnvFlags::NO_SYNC } else { EnvFlags::empty() };
        let store = map(&folder, Some(map_bytes), flags)?;
        pass(Place::CapsuleMapped);
        store.clear_stale_readers().map_err(|error| store_error(&folder, error))?;
        let tables = Tables::create(&store).map_err(|error| store_error(&folder, error))?;
        let head = settle(&folder, &store, &tables, format.is_some())?;
        pass(Place::CapsuleSettled);
        if doubt.is_some() && found.is_none() {
            due::note_due(&folder, &Due::Pending { progress: None })?;
        }
        folder::remove_clean(&folder)?;
        pass(Place::CapsuleUnmarked);
        let inner = Inner { store, tables, folder: folder.clone(), writable: true };
        let reader = Reader::new(Arc::new(inner));
        let writer = Writer::start(reader.clone(), lock, head, options, map_bytes, observer)
            .map_err(|source| folder::io_error(&folder, "given a writer thread", source))?;
        Ok((writer, reader))
    }
}

/// Opens the capsule in this folder for writing, making it when there is none: for whoever knows that the store is sound, or
/// may be ended by a signal. See [`Claim`].
///
/// # Errors
/// [`OpenError`]; the folder is then as it was, but for the lock's text.
pub fn create_or_open(
    folder: &Path,
    options: Options,
    holder: &LockText,
    observer: Observer,
) -> Result<(Writer, Reader), OpenError> {
    Claim::take(folder, holder)?.open(options, observer)
}

/// Checks by its format alone that this version may write the capsule in this folder. One that is not there may be made.
///
/// # Errors
/// [`OpenError::Newer`], and what keeps the format from being read.
pub fn check_format(folder: &Path) -> Result<(), OpenError> {
    writable_format(folder).map(|_| ())
}

fn writable_format(folder: &Path) -> Result<Option<folder::FormatSidecar>, OpenError> {
    let format = folder::read_format(folder)?;
    match &format {
        Some(found) if found.format > FORMAT => Err(newer(folder, found)),
        Some(_) | None => Ok(format),
    }
}

/// Opens the capsule in this folder for reading, beside a writer or without one.
///
/// # Errors
/// [`OpenError`]; nothing was changed.
pub fn open_read_only(folder: &Path) -> Result<Reader, OpenError> {
    let Some(format) = folder::read_format(folder)? else {
        return Err(OpenError::NotThere { path: folder.to_owned() });
    };
    if format.readable_by > FORMAT {
        return Err(newer(folder, &format));
    }
    folder::check_readable(folder)?;
    let store = map(folder, None, EnvFlags::READ_ONLY)?;
    let tables = Tables::open(&store).map_err(|error| store_error(folder, error))?;
    Ok(Reader::new(Arc::new(Inner { store, tables, folder: folder.to_owned(), writable: false })))
}

/// Waits until nothing in this process has the capsule of this folder open any more, and says whether that came about in
/// time: a store can be open once in a process, and the last reader may end a moment after the writer.
#[must_use]
pub fn wait_until_closed(folder: &Path, patience: Duration) -> bool {
    // A folder that cannot be found is open nowhere.
    let Ok(folder) = folder.canonicalize() else { return true };
    heed::env_closing_event(folder).is_none_or(|closing| closing.wait_timeout(patience))
}

/// Checks the head against the mark of the last clean stop, or writes what a new capsule needs. Returns the head.
fn settle(
    folder: &Path,
    store: &Store,
    tables: &Tables,
    made_before: bool,
) -> Result<CapsuleHead, OpenError> {
    let damaged = |what: String| OpenError::Damaged { path: folder.to_owned(), what };
    let fails = |error: heed::Error| store_error(folder, error);
    let read = |error: ReadError| damaged(error.to_string());
    let txn = store.read_txn().map_err(fails)?;
    let found: Option<CapsuleHead> = tables.meta.read(&txn, HEAD_KEY).map_err(read)?;
    let events = tables.events.len(&txn).map_err(read)?;
    drop(txn);
    let head = match found {
        Some(head) => head,
        None if made_before || events > 0 => return Err(damaged("it has no head".to_owned())),
        None => {
            let head = CapsuleHead::EMPTY;
            let bytes = record::encode(&head).map_err(|error| damaged(error.to_string()))?;
            let mut txn = store.write_txn().map_err(fails)?;
            tables.meta.put(&mut txn, HEAD_KEY, &bytes).map_err(read)?;
            txn.commit().map_err(fails)?;
            pass(Place::CapsuleHeaded);
            head
        }
    };
    if !made_before {
        if events > 0 {
            return Err(damaged("format.json is missing".to_owned()));
        }
        folder::write_format(folder)?;
    }
    match folder::last_stop(folder)? {
        folder::LastStop::Clean(left) if left != head => Err(damaged(format!(
            "it was left at event {} and link {}, and now ends at event {} and link {}",
            left.cursor.0, left.hash, head.cursor.0, head.hash
        ))),
        _ => Ok(head),
    }
}

fn newer(folder: &Path, format: &folder::FormatSidecar) -> OpenError {
    let readable = format.readable_by <= FORMAT;
    OpenError::Newer { path: folder.to_owned(), found: format.format, readable }
}

#[expect(
    unsafe_code,
    reason = "mapping a file is unsafe for any caller; the contract is kept as the comment says"
)]
fn map(folder: &Path, map_bytes: Option<usize>, flags: EnvFlags) -> Result<Store, OpenError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(MAX_TABLES).max_readers(MAX_READERS);
    if let Some(bytes) = map_bytes {
        options.map_size(bytes);
    }
    // SAFETY: the flags are none or READ_ONLY, so locking and syncing stay on; `no-sync` is a breakage that only tests have. The file is changed only through LMDB:
    // writers are kept apart by the capsule's lock, and the folder is private to the user. A file that is cut short
    // from outside raises a signal, which is why a child process verifies after an unclean stop.
    unsafe { options.flags(flags).open(folder) }.map_err(|error| store_error(folder, error))
}

fn store_error(folder: &Path, error: heed::Error) -> OpenError {
    use heed::MdbError::{Corrupted, Invalid, NotFound, PageNotFound, VersionMismatch};
    let path = folder.to_owned();
    match error {
        heed::Error::EnvAlreadyOpened => OpenError::Locked { text: "this process has it open".to_owned() },
        heed::Error::Mdb(found @ (Corrupted | Invalid | NotFound | PageNotFound | VersionMismatch)) => {
            OpenError::Damaged { path, what: format!("the store says: {found}") }
        }
        heed::Error::Io(source) => folder::io_error(folder, "mapped", source),
        error => {
            let source = StoreFault::from(error);
            match source.class() {
                FaultClass::DiskFull => OpenError::DiskFull { path },
                FaultClass::MapFull | FaultClass::Other => OpenError::Store { path, source },
            }
        }
    }
}
