//! Blobs: bytes under their digest. Small ones stand in the store and commit with the event that names them; larger
//! ones are files, synced by the caller's thread before the event that names them is queued.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_failpoint::{Place, pass};

use crate::error::{ReadError, StageError};
use crate::folder;
use crate::tables::{ReadTxn, Tables};

/// Largest blob that stands in the store, in bytes. Larger values would meet long searches of LMDB's free list.
pub const MAX_INLINE_BLOB_BYTES: usize = 16 * 1024;

/// Bytes that are ready to be named by an event. Only [`crate::Reader::stage`] and [`crate::Writer::stage`] make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedBlob {
    digest: Digest,
    bytes: u64,
    class: DataClass,
    inline: Option<Vec<u8>>,
}

impl StagedBlob {
    /// The digest that an event names it by.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What kind of data it holds.
    #[must_use]
    pub const fn class(&self) -> DataClass {
        self.class
    }

    /// The bytes that still have to be put into the store.
    pub(crate) fn inline(&self) -> Option<&[u8]> {
        self.inline.as_deref()
    }

    /// The digest with the bytes that still have to be put into the store.
    pub(crate) fn into_inline(self) -> Option<(Digest, Vec<u8>)> {
        self.inline.map(|bytes| (self.digest, bytes))
    }
}

/// Makes bytes ready: refuses what the mode forbids before anything touches the disk.
pub(crate) fn stage(
    capsule: &Path,
    class: DataClass,
    mode: CaptureMode,
    bytes: Vec<u8>,
) -> Result<StagedBlob, StageError> {
    if !mode.keeps(class) {
        return Err(StageError::Forbidden { class, mode });
    }
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    let inline = if bytes.len() > MAX_INLINE_BLOB_BYTES {
        write_file(capsule, digest, &bytes)?;
        pass(Place::BlobStored);
        None
    } else {
        Some(bytes)
    };
    Ok(StagedBlob { digest, bytes: size, class, inline })
}

/// The bytes of a blob, checked against its digest.
pub(crate) fn read(
    capsule: &Path,
    tables: &Tables,
    txn: &ReadTxn<'_>,
    digest: Digest,
) -> Result<Vec<u8>, ReadError> {
    let bytes = match tables.blobs.get(txn, digest.as_bytes())? {
        Some(bytes) => bytes.to_vec(),
        None => read_file(capsule, digest)?,
    };
    match Digest::of(&bytes) {
        found if found == digest => Ok(bytes),
        found => Err(ReadError::BlobChanged { digest, found }),
    }
}

/// The size of a stored blob, without reading it.
pub(crate) fn size(
    capsule: &Path,
    tables: &Tables,
    txn: &ReadTxn<'_>,
    digest: Digest,
) -> Result<Option<u64>, ReadError> {
    if let Some(bytes) = tables.blobs.get(txn, digest.as_bytes())? {
        return Ok(Some(bytes.len() as u64));
    }
    let path = folder::blob_path(capsule, &digest.to_string());
    match fs::metadata(&path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::Io { path, source }),
    }
}

fn read_file(capsule: &Path, digest: Digest) -> Result<Vec<u8>, ReadError> {
    let path = folder::blob_path(capsule, &digest.to_string());
    fs::read(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => ReadError::NoBlob { digest },
        _ => ReadError::Io { path, source },
    })
}

/// Written anew even where a file of this name is there: only its own sync tells that it will survive.
fn write_file(capsule: &Path, digest: Digest, bytes: &[u8]) -> Result<(), StageError> {
    let name = digest.to_string();
    let path = folder::blob_path(capsule, &name);
    let fails = |source: std::io::Error| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StageError::DiskFull { path: path.clone(), needed_bytes: bytes.len() as u64 }
        }
        _ => StageError::Io { path: path.clone(), source },
    };
    let parent = path.parent().expect("a blob's path has a folder");
    match fs::DirBuilder::new().mode(0o700).create(parent) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fails(error)),
    }
    // Of a shelf that is there already too: whoever made it may not have come to its sync, or have died before.
    parent.parent().map_or(Ok(()), folder::sync_folder).map_err(fails)?;
    let temporary = parent.join(format!(".{name}.{:016x}", RandomState::new().build_hasher().finish()));
    folder::replace(&path, &temporary, bytes).map_err(fails)
}
