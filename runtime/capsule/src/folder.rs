//! The capsule's folder: which files it has, its format's sidecar, and how it was left.
//!
//! ```text
//! data.mdb  lock.mdb   the store
//! lock                 held by the writer; its text says who
//! format.json          what is needed to read it; written last when a capsule is made
//! clean.json           the head and the store's file at the last clean stop; gone while a writer has it
//! verification.json    what is still to be verified after an unclean stop, or the damage that was found
//! blobs/ab/<digest>    blobs too large for the store
//! ```
//!
//! **Invariant:** a file is replaced whole: written under another name, synced, renamed, and its folder synced.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use windlass_failpoint::{Breakage, Place, breaks, pass};

use crate::error::{OpenError, ReadError};
use crate::record::FORMAT;
use crate::rows::CapsuleHead;

const FORMAT_FILE: &str = "format.json";
const CLEAN_FILE: &str = "clean.json";
pub(crate) const DATA_FILE: &str = "data.mdb";
pub(crate) const BLOBS_FOLDER: &str = "blobs";

/// LMDB's table of readers, which whoever opens the store makes.
pub(crate) const LOCK_TABLE_FILE: &str = "lock.mdb";

/// Largest sidecar that is read, in bytes: both have a few short fields.
const MAX_SIDECAR_BYTES: u64 = 4096;

/// The smallest page that LMDB uses, in bytes. A store has at least two, and its file is whole pages.
const PAGE_BYTES: u64 = 4096;

/// How a capsule was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastStop {
    /// There is none yet.
    Nothing,
    /// Its writer was closed.
    Clean(CapsuleHead),
    /// Its writer crashed or is still there: verify before opening.
    Unclean,
}

/// The mark of a clean stop.
#[derive(Debug, Serialize, Deserialize)]
struct CleanMark {
    #[serde(flatten)]
    head: CapsuleHead,
    data: DataFile,
}

/// What tells a store's file from one that somebody else wrote or put there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DataFile {
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl DataFile {
    fn of(folder: &Path) -> io::Result<Self> {
        let found = fs::metadata(folder.join(DATA_FILE))?;
        Ok(Self { bytes: found.len(), modified_s: found.mtime(), modified_ns: found.mtime_nsec() })
    }
}

/// The sidecar that says what is needed to read a capsule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FormatSidecar {
    /// The format of its newest records.
    pub(crate) format: u16,
    /// The oldest reader that can read them all.
    pub(crate) readable_by: u16,
}

/// How a capsule was left, without opening its store: the files alone are read.
///
/// # Errors
/// The folder cannot be read, or a file in it is not what it should be.
pub fn last_stop(folder: &Path) -> Result<LastStop, OpenError> {
    if read_format(folder)?.is_none() {
        return Ok(LastStop::Nothing);
    }
    let clean: Option<CleanMark> = read_sidecar(folder, CLEAN_FILE)?;
    Ok(clean.map_or(LastStop::Unclean, |mark| LastStop::Clean(mark.head)))
}

/// Whether the store's file is the very one that a clean stop left. Damage that came from outside changes its time or its size;
/// what a failing disk does without telling is found when it is read.
///
/// # Errors
/// The mark cannot be read.
pub fn is_as_it_was_left(folder: &Path) -> Result<bool, OpenError> {
    let clean: Option<CleanMark> = read_sidecar(folder, CLEAN_FILE)?;
    let found = DataFile::of(folder);
    // One that is not there or cannot be looked at is told by the opening.
    Ok(clean.is_some_and(|mark| found.is_ok_and(|found| found == mark.data)))
}

/// The size of the store's file; 0 where it cannot be told.
#[must_use]
pub fn data_bytes(folder: &Path) -> u64 {
    fs::metadata(folder.join(DATA_FILE)).map_or(0, |found| found.len())
}

pub(crate) fn read_format(folder: &Path) -> Result<Option<FormatSidecar>, OpenError> {
    read_sidecar(folder, FORMAT_FILE)
}

pub(crate) fn write_format(folder: &Path) -> Result<(), OpenError> {
    write_sidecar(folder, FORMAT_FILE, &FormatSidecar { format: FORMAT, readable_by: FORMAT })
}

/// Marks a clean stop.
pub(crate) fn write_clean(folder: &Path, head: &CapsuleHead) -> Result<(), OpenError> {
    let data = DataFile::of(folder).map_err(|source| io_error(&folder.join(DATA_FILE), "read", source))?;
    write_sidecar(folder, CLEAN_FILE, &CleanMark { head: *head, data })
}

/// Takes the mark of a clean stop away, for good, before anything is written.
pub(crate) fn remove_clean(folder: &Path) -> Result<(), OpenError> {
    remove_sidecar(folder, CLEAN_FILE)
}

/// Removes a sidecar, for good; one that is not there is removed already.
pub(crate) fn remove_sidecar(folder: &Path, name: &str) -> Result<(), OpenError> {
    let path = folder.join(name);
    match fs::remove_file(&path) {
        Ok(()) => sync_folder(folder).map_err(|source| io_error(folder, "synced", source)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error(&path, "removed", source)),
    }
}

/// Makes the folders of a capsule. A new one is not begun before the way to it is durable too: a power cut would take all that
/// it had acknowledged, together with the name of a folder above it.
pub(crate) fn make(folder: &Path) -> Result<(), OpenError> {
    let blobs = folder.join(BLOBS_FOLDER);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&blobs)
        .map_err(|source| io_error(&blobs, "created", source))?;
    sync_folder(folder).map_err(|source| io_error(folder, "synced", source))?;
    match read_format(folder)? {
        Some(_) => Ok(()),
        None => sync_way(folder).map_err(|source| io_error(folder, "made to stay", source)),
    }
}

/// Syncs the folders above, as far as the same user owns them: who made them, and whether it came to its sync, nobody knows.
fn sync_way(folder: &Path) -> io::Result<()> {
    let owner = fs::metadata(folder)?.uid();
    for above in folder.canonicalize()?.ancestors().skip(1) {
        if fs::metadata(above)?.uid() != owner {
            break;
        }
        sync_folder(above)?;
    }
    Ok(())
}

/// Whether there is a store file; checks what can be told from its size by whoever wants to write it.
pub(crate) fn check_data(folder: &Path, format_known: bool) -> Result<bool, OpenError> {
    Ok(sized(folder, format_known)?.is_some())
}

/// The size of the store's file, where that does not end with a page. A power cut may leave a part of a page behind the last one
/// that counts.
pub(crate) fn ends_in_a_page(folder: &Path) -> Result<Option<u64>, ReadError> {
    let path = folder.join(DATA_FILE);
    let found = fs::metadata(&path).map_err(|source| ReadError::Io { path, source })?;
    Ok(Some(found.len()).filter(|bytes| bytes % PAGE_BYTES != 0))
}

/// Checks that there is a store file with the pages that begin one: the rest may still be read for what is sound.
pub(crate) fn check_readable(folder: &Path) -> Result<(), OpenError> {
    sized(folder, true).map(|_| ())
}

/// The size of the store's file, which must be there and have its first pages once the format is known.
fn sized(folder: &Path, format_known: bool) -> Result<Option<u64>, OpenError> {
    let path = folder.join(DATA_FILE);
    match fs::metadata(&path) {
        Ok(found) if format_known && found.len() < 2 * PAGE_BYTES => Err(cut(folder, found.len())),
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == ErrorKind::NotFound && !format_known => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::Damaged {
            path: folder.to_owned(),
            what: format!("{FORMAT_FILE} is there and {DATA_FILE} is not"),
        }),
        Err(source) => Err(io_error(&path, "read", source)),
    }
}

fn cut(folder: &Path, bytes: u64) -> OpenError {
    OpenError::Damaged { path: folder.to_owned(), what: format!("{DATA_FILE} was cut to {bytes} bytes") }
}

/// Where a blob file of this digest stands.
pub(crate) fn blob_path(folder: &Path, digest: &str) -> PathBuf {
    folder.join(BLOBS_FOLDER).join(&digest[..2]).join(digest)
}

/// How many blob files there are, and their bytes. Unfinished ones, whose names begin with a dot, do not count.
pub(crate) fn count_blobs(folder: &Path) -> Result<(u64, u64), ReadError> {
    let blobs = folder.join(BLOBS_FOLDER);
    let (mut files, mut bytes) = (0, 0);
    let fails = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError::Io { path, source }
    };
    for shelf in fs::read_dir(&blobs).map_err(fails(&blobs))? {
        let shelf = shelf.map_err(fails(&blobs))?.path();
        for file in fs::read_dir(&shelf).map_err(fails(&shelf))? {
            let file = file.map_err(fails(&shelf))?;
            if !file.file_name().as_encoded_bytes().starts_with(b".") {
                files += 1;
                bytes += file.metadata().map_err(fails(&file.path()))?.len();
            }
        }
    }
    Ok((files, bytes))
}

/// An error of the system as what it means for a capsule.
pub(crate) fn io_error(path: &Path, doing: &'static str, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::DiskFull { path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly { path, source },
        _ => OpenError::Io { path, doing, source },
    }
}

/// Writes a file under its final name, whole and synced or not at all.
pub(crate) fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| sync_file(&file))
        .inspect(|()| pass(Place::FileWritten))
        .and_then(|()| fs::rename(temporary, path));
    if let Err(error) = written {
        // The first error is the one to tell; the leftover has a name that nothing reads.
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    pass(Place::FileRenamed);
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_file(file: &File) -> io::Result<()> {
    if breaks(Breakage::NoFileSync) { Ok(()) } else { file.sync_all() }
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if breaks(Breakage::NoFolderSync) {
        return Ok(());
    }
    File::open(folder)?.sync_all()
}

pub(crate) fn read_sidecar<T: for<'de> Deserialize<'de>>(
    folder: &Path,
    name: &str,
) -> Result<Option<T>, OpenError> {
    let path = folder.join(name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_SIDECAR_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(&path, "read", source)),
    }
    serde_json::from_str(&text).map(Some).map_err(|error| OpenError::Damaged {
        path: folder.to_owned(),
        what: format!("{name} cannot be read: {error}"),
    })
}

pub(crate) fn write_sidecar(
    folder: &Path,
    name: &'static str,
    value: &impl Serialize,
) -> Result<(), OpenError> {
    let path = folder.join(name);
    let temporary = folder.join(format!("{name}.new"));
    let mut text = serde_json::to_string(value).expect("a sidecar holds numbers and texts only");
    text.push('\n');
    // A leftover of a crash in the middle of the same act; only the holder of the lock comes here.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(io_error(&temporary, "removed", error));
        }
        _ => {}
    }
    replace(&path, &temporary, text.as_bytes()).map_err(|source| io_error(&path, "written", source))
}
