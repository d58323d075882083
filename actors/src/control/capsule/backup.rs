//! Copying the capsule while it is in use, and what copies look like to callers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_capsule::{Backup, BackupError, OpenError, back_up};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::BackupCapsule;
use windlass_contract::view::CapsuleCopy;

use crate::control::{faults, with_sources};
use crate::shared::Shared;
use crate::store::blocking;

/// Copies the capsule as it is now into a new folder.
pub(crate) async fn backup(shared: &Arc<Shared>, request: BackupCapsule) -> Result<CapsuleCopy, Fault> {
    let folder = PathBuf::from(request.folder);
    if !folder.is_absolute() || folder.file_name().is_none() {
        let text = format!("`{}` is no absolute path of a folder to make", folder.display());
        return Err(Fault::new(ErrorCode::BadRequest, text).hint("give the folder from / on"));
    }
    let store = shared.store.clone();
    blocking(move || {
        let done = back_up(store.reader(), &folder).map_err(|error| refused(&error))?;
        Ok(copy(&folder, &done))
    })
    .await
}

/// A copy, as callers see it.
pub(crate) fn copy(folder: &Path, done: &Backup) -> CapsuleCopy {
    CapsuleCopy {
        folder: folder.to_string_lossy().into_owned(),
        events: done.head.cursor.0,
        links: done.head.link_seq,
        file_blobs: done.blob_files,
        bytes: done.bytes,
        capsule_head: done.head.hash,
    }
}

/// Why there is no copy.
pub(crate) fn refused(error: &BackupError) -> Fault {
    let text = with_sources(error);
    match error {
        BackupError::Exists { .. } => {
            Fault::new(ErrorCode::BadRequest, text).hint("windlass capsule backup --out NEW-FOLDER")
        }
        BackupError::Inside { .. } => {
            Fault::new(ErrorCode::BadRequest, text).hint("windlass capsule backup --out FOLDER")
        }
        BackupError::Unsound { .. } | BackupError::Read(_) => {
            Fault::new(ErrorCode::CapsuleDamaged, text).hint("windlass capsule verify")
        }
        BackupError::Open(OpenError::Newer { .. }) => {
            Fault::new(ErrorCode::CapsuleNewer, text).hint("use the newer windlass that wrote it")
        }
        BackupError::Open(OpenError::Damaged { .. }) => {
            Fault::new(ErrorCode::CapsuleDamaged, text).hint("windlass capsule verify")
        }
        BackupError::DiskFull { .. } => Fault::new(ErrorCode::DiskFull, text).hint("df -h"),
        BackupError::Open(_) | BackupError::Io { .. } => faults::io(text),
    }
}
