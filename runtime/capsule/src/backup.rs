//! Backup and restore of a whole capsule: a copy of one consistent state, taken beside a writer, and the way back into a
//! place that has no capsule.
//!
//! A backup is a capsule's folder that was left cleanly; `verify` reads it like any other. Both ways write into a folder with
//! another name, verify what was written, and give it its name last.
//!
//! **Invariant:** neither way changes what it reads, and a failure leaves nothing under the final name.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass_domain::digest::{Digest, Digester};
use windlass_domain::id::Cursor;

use crate::error::{OpenError, ReadError};
use crate::folder::{self, sync_folder};
use crate::open::{open_read_only, wait_until_closed};
use crate::page::MAX_PAGE;
use crate::reader::Reader;
use crate::record::FORMAT;
use crate::rows::CapsuleHead;
use crate::verify::{VerifyOptions, VerifyReport, verify};
use crate::writer::named_blobs;

/// The sidecar by which a backup is known, and by which a change of its store is found before the store is mapped: one that
/// was cut short ends the process that reads it with a signal.
const BACKUP_FILE: &str = "backup.json";

/// What the sidecar says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sidecar {
    /// The digest of the store's file.
    data_digest: Digest,
    /// Its size.
    data_bytes: u64,
    /// Where the capsule ended.
    head: CapsuleHead,
}

/// How long the reader of a copy that was verified may take to close; it does nothing any more.
const CLOSING: Duration = Duration::from_secs(10);

/// A capsule that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where the copy ends.
    pub head: CapsuleHead,
    /// How many blob files it has.
    pub blob_files: u64,
    /// The bytes of the store and of all blob files.
    pub bytes: u64,
    /// What was verified of it.
    pub report: VerifyReport,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{path} exists already; a backup makes its folder itself")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It would be a part of the capsule itself.
    #[error("{path} lies in the capsule itself")]
    Inside {
        /// Which.
        path: PathBuf,
    },
    /// The copy does not verify.
    #[error("the copy is not sound: {what}")]
    Unsound {
        /// What does not fit.
        what: String,
    },
    /// The disk is full.
    #[error("the disk that holds {path} is full")]
    DiskFull {
        /// Where it was to be written.
        path: PathBuf,
    },
    /// The capsule cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be read or written.
    #[error("{path} cannot be {doing}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a capsule already.
    #[error("{path} is there already; restoring never replaces anything")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It is no backup.
    #[error("{path} is no backup: {why}")]
    NotABackup {
        /// Which.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// It could not be copied, or what was copied does not verify.
    #[error(transparent)]
    Copy(#[from] BackupError),
}

/// Copies the state that the capsule has now into a new folder, and verifies the copy. A writer may go on meanwhile; what it
/// commits after the beginning is not in the copy.
///
/// # Errors
/// [`BackupError`]; the folder is then not there.
pub fn back_up(reader: &Reader, folder: &Path) -> Result<Backup, BackupError> {
    let place = Place::beside(folder)?;
    if place.is_inside(reader.folder()) {
        return Err(BackupError::Inside { path: folder.to_owned() });
    }
    place.fill(|into| {
        copy_store(reader, into)?;
        // The copy says which files belong to it: the capsule may name more by now.
        let (blob_files, blob_bytes) = reading(into, |copy| copy_named_blobs(copy, reader.folder(), into))?;
        let done = finish(into, blob_files, blob_bytes)?;
        let (data_digest, data_bytes) = digest_of(&into.join(folder::DATA_FILE))?;
        folder::write_sidecar(into, BACKUP_FILE, &Sidecar { data_digest, data_bytes, head: done.head })?;
        Ok(done)
    })
}

/// Puts a backup into a place that has no capsule, after verifying what was copied.
///
/// # Errors
/// [`RestoreError`]; the place is then as it was.
pub fn restore(backup: &Path, folder: &Path) -> Result<Backup, RestoreError> {
    let stated = sidecar(backup)?;
    let place = match Place::beside(folder) {
        Err(BackupError::Exists { path }) => return Err(RestoreError::Exists { path }),
        place => place?,
    };
    let restored = place.fill(|into| {
        let (data_digest, data_bytes) =
            copy_file(&backup.join(folder::DATA_FILE), &into.join(folder::DATA_FILE))?;
        if (data_digest, data_bytes) != (stated.data_digest, stated.data_bytes) {
            let what = format!("{} is not the file that {BACKUP_FILE} names", folder::DATA_FILE);
            return Err(BackupError::Unsound { what });
        }
        let (blob_files, blob_bytes) = reading(into, |copy| copy_named_blobs(copy, backup, into))?;
        let done = finish(into, blob_files, blob_bytes)?;
        if done.head != stated.head {
            let what =
                format!("it ends with {}, and {BACKUP_FILE} says {}", done.head.hash, stated.head.hash);
            return Err(BackupError::Unsound { what });
        }
        Ok(done)
    });
    match restored {
        Err(BackupError::Exists { path }) => Err(RestoreError::Exists { path }),
        restored => Ok(restored?),
    }
}

/// What a backup says of itself, if this version can read it.
fn sidecar(backup: &Path) -> Result<Sidecar, RestoreError> {
    let not = |why: String| RestoreError::NotABackup { path: backup.to_owned(), why };
    let format = folder::read_format(backup).map_err(BackupError::from)?;
    let format = format.ok_or_else(|| not("it has no format.json".to_owned()))?;
    if format.readable_by > FORMAT || format.format > FORMAT {
        let (path, found) = (backup.to_owned(), format.format);
        return Err(BackupError::from(OpenError::Newer { path, found, readable: false }).into());
    }
    let stated = folder::read_sidecar(backup, BACKUP_FILE).map_err(BackupError::from)?;
    stated.ok_or_else(|| not(format!("it has no {BACKUP_FILE}")))
}

/// A folder that is to come about whole or not at all.
struct Place {
    wanted: PathBuf,
    partial: PathBuf,
}

impl Place {
    fn beside(wanted: &Path) -> Result<Self, BackupError> {
        if !is_free(wanted)? {
            return Err(BackupError::Exists { path: wanted.to_owned() });
        }
        let mut name = wanted.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{:016x}", RandomState::new().build_hasher().finish()));
        Ok(Self { wanted: wanted.to_owned(), partial: wanted.with_file_name(name) })
    }

    fn is_inside(&self, capsule: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let parent = self.wanted.parent().map(real);
        parent.is_some_and(|parent| parent.starts_with(real(capsule)))
    }

    /// Has the folder filled under another name, and gives it its own.
    fn fill(&self, fill: impl FnOnce(&Path) -> Result<Backup, BackupError>) -> Result<Backup, BackupError> {
        let filled = self.filled(fill);
        if filled.is_err() {
            // The first error is the one to tell; the leftover has a name that nothing reads.
            let _ = fs::remove_dir_all(&self.partial);
        }
        filled
    }

    fn filled(&self, fill: impl FnOnce(&Path) -> Result<Backup, BackupError>) -> Result<Backup, BackupError> {
        let parent = self.wanted.parent().unwrap_or(Path::new("/"));
        make_folder(parent)?;
        make_folder(&self.partial.join(folder::BLOBS_FOLDER))?;
        let done = fill(&self.partial)?;
        sync(&self.partial.join(folder::BLOBS_FOLDER))?;
        sync(&self.partial)?;
        match fs::rename(&self.partial, &self.wanted) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                return Err(BackupError::Exists { path: self.wanted.clone() });
            }
            Err(source) => return Err(failed(&self.wanted, "renamed", source)),
        }
        sync(parent)?;
        Ok(done)
    }
}

/// Whether a folder can be put there: nothing is, or an empty folder.
fn is_free(path: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        // It is a file, or something above it is one.
        Err(error) if error.kind() == ErrorKind::NotADirectory => match fs::symlink_metadata(path) {
            Ok(_) => Ok(false),
            Err(source) => Err(failed(path, "made", source)),
        },
        Err(source) => Err(failed(path, "read", source)),
    }
}

/// The store's file, as one transaction sees it.
fn copy_store(reader: &Reader, into: &Path) -> Result<(), BackupError> {
    let path = into.join(folder::DATA_FILE);
    let mut file = new_file(&path)?;
    reader
        .copy_store(&mut file)
        .and_then(|()| file.sync_all().map_err(|source| ReadError::Io { path: path.clone(), source }))
        .map_err(|error| match error {
            ReadError::Io { source, .. } => failed(&path, "written", source),
            error => BackupError::Read(error),
        })
}

/// Reads a copy, and waits until it is closed: a store is open once in a process.
fn reading<T>(copy: &Path, read: impl FnOnce(&Reader) -> Result<T, BackupError>) -> Result<T, BackupError> {
    folder::write_format(copy)?;
    let reader = open_read_only(copy)?;
    let result = read(&reader);
    drop(reader);
    if !wait_until_closed(copy, CLOSING) {
        tracing::warn!(copy = %copy.display(), "the copy of the capsule is still open");
    }
    result
}

/// Copies the blob files that the events of a copy name and that it does not hold inside. Gives their number and bytes.
fn copy_named_blobs(copy: &Reader, from: &Path, into: &Path) -> Result<(u64, u64), BackupError> {
    let (mut done, mut bytes, mut after) = (BTreeSet::new(), 0, Cursor(0));
    loop {
        let events = copy.events_after(after, MAX_PAGE)?;
        let Some(last) = events.last() else { break };
        after = last.cursor;
        for named in events.iter().flat_map(|event| named_blobs(&event.data)) {
            if !done.contains(&named.digest) && !copy.holds_inline(named.digest)? {
                bytes += copy_blob(named.digest, from, into)?;
                done.insert(named.digest);
            }
        }
    }
    for shelf in done.iter().map(|digest| digest.to_string()[..2].to_owned()).collect::<BTreeSet<_>>() {
        sync(&into.join(folder::BLOBS_FOLDER).join(shelf))?;
    }
    Ok((done.len() as u64, bytes))
}

fn copy_blob(digest: Digest, from: &Path, into: &Path) -> Result<u64, BackupError> {
    let name = digest.to_string();
    let (from, into) = (folder::blob_path(from, &name), folder::blob_path(into, &name));
    make_folder(into.parent().unwrap_or(Path::new("/")))?;
    let (found, bytes) = copy_file(&from, &into)?;
    if found != digest {
        let what = format!("blob {digest} was changed: its bytes have the digest {found}");
        return Err(BackupError::Unsound { what });
    }
    Ok(bytes)
}

/// Copies a file piece by piece, synced; gives the digest of what was written and its size.
fn copy_file(from: &Path, into: &Path) -> Result<(Digest, u64), BackupError> {
    let mut source = File::open(from).map_err(|source| failed(from, "read", source))?;
    let mut target = new_file(into)?;
    let (mut digester, mut bytes, mut piece) = (Digester::default(), 0, vec![0; 1 << 18]);
    loop {
        let read = source.read(&mut piece).map_err(|source| failed(from, "read", source))?;
        if read == 0 {
            break;
        }
        digester.update(&piece[..read]);
        bytes += read as u64;
        target.write_all(&piece[..read]).map_err(|source| failed(into, "written", source))?;
    }
    target.sync_all().map_err(|source| failed(into, "synced", source))?;
    Ok((digester.finish(), bytes))
}

fn digest_of(path: &Path) -> Result<(Digest, u64), BackupError> {
    let (mut digester, mut bytes, mut piece) = (Digester::default(), 0, vec![0; 1 << 18]);
    let mut file = File::open(path).map_err(|source| failed(path, "read", source))?;
    loop {
        match file.read(&mut piece).map_err(|source| failed(path, "read", source))? {
            0 => return Ok((digester.finish(), bytes)),
            read => {
                digester.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Verifies a copy wholly, and marks it as cleanly left.
fn finish(copy: &Path, blob_files: u64, blob_bytes: u64) -> Result<Backup, BackupError> {
    let report = reading(copy, |reader| Ok(verify(reader, VerifyOptions::default())?))?;
    if let Some(fault) = report.first() {
        return Err(BackupError::Unsound { what: fault.to_string() });
    }
    folder::write_clean(copy, &report.head)?;
    // Reading made it; whoever opens the copy makes a new one.
    match fs::remove_file(copy.join(folder::LOCK_TABLE_FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(failed(copy, "tidied up", error));
        }
        _ => {}
    }
    let data = copy.join(folder::DATA_FILE);
    let store = fs::metadata(&data).map_err(|source| failed(&data, "read", source))?.len();
    Ok(Backup { head: report.head, blob_files, bytes: store + blob_bytes, report })
}

fn new_file(path: &Path) -> Result<File, BackupError> {
    let created = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|source| failed(path, "created", source))
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| failed(path, "created", source))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    sync_folder(path).map_err(|source| failed(path, "synced", source))
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> BackupError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BackupError::DiskFull { path },
        _ => BackupError::Io { path, doing, source },
    }
}
