//! Exporting a run, and what exports look like to callers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;
use windlass_capsule::{BadExport, ExportError, Manifest, export_run};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::ExportRun;
use windlass_contract::view::{ExportView, ExportedRun};
use windlass_domain::id::RunId;

use super::import;
use crate::control::{faults, with_sources};
use crate::shared::Shared;
use crate::store::blocking;

/// Writes an ended run into a file that has no name: it is gone when whoever asked for it is.
pub(crate) async fn export(shared: &Arc<Shared>, request: ExportRun) -> Result<ExportedRun, Fault> {
    let ExportRun { run_id, capture_mode } = request;
    let (store, state) = (shared.store.clone(), shared.folders.state().to_owned());
    let exported = blocking(move || {
        let mut file = unnamed(&state)?;
        let exported = export_run(store.reader(), run_id, capture_mode, &mut file)?;
        Ok(ExportedRun { export: view(&exported.report.manifest), file: file.into() })
    });
    match exported.await {
        Ok(exported) => Ok(exported),
        Err(ExportError::UnknownRun { .. }) => Err(import::refusal(shared, run_id).await?),
        Err(error) => Err(refused(run_id, &error)),
    }
}

/// A file in this folder that has no name any more.
fn unnamed(folder: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!(".export-{}", Uuid::now_v7()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn refused(run_id: RunId, error: &ExportError) -> Fault {
    let text = with_sources(error);
    match error {
        ExportError::UnknownRun { .. } => faults::unknown_run(run_id),
        ExportError::NotEnded { .. } => Fault::new(ErrorCode::BadRequest, text)
            .hint(format!("windlass bot watch --run {run_id}"))
            .hint(format!("windlass bot cancel --run {run_id}")),
        ExportError::CaptureNone => {
            Fault::new(ErrorCode::CaptureNone, text).hint("use --capture prompts_only or --capture full_io")
        }
        ExportError::Read(_) | ExportError::Unsound { .. } => {
            Fault::new(ErrorCode::CapsuleDamaged, text).hint("windlass capsule verify")
        }
        ExportError::Io(error)
            if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
        {
            Fault::new(ErrorCode::DiskFull, text).hint("df -h")
        }
        ExportError::Io(_) => faults::io(text),
    }
}

/// What an export holds, as callers see it.
pub(crate) fn view(manifest: &Manifest) -> ExportView {
    ExportView {
        run_id: manifest.run_id,
        workspace_id: manifest.workspace_id,
        workspace_name: manifest.workspace_name.clone(),
        work_item_id: manifest.work_item_id.clone(),
        kind: manifest.kind,
        status: manifest.status,
        exported_as: manifest.exported_as,
        events: manifest.events,
        links: manifest.last_link - manifest.first_link + 1,
        blobs: manifest.blobs,
        left_out: manifest.left_out.len() as u64,
        capsule_head: manifest.capsule_head,
    }
}

/// A file that is no sound export.
pub(crate) fn bad(error: &BadExport) -> Fault {
    let text = with_sources(error);
    match error {
        BadExport::NotAnExport => Fault::new(ErrorCode::BadRequest, text)
            .hint("windlass capsule export --run RUN --out FILE makes one")
            .hint("an encrypted export needs --passphrase-file"),
        BadExport::Newer { .. } => {
            Fault::new(ErrorCode::CapsuleNewer, text).hint("use the newer windlass that wrote it")
        }
        BadExport::Damaged { .. } | BadExport::HeadNotFound { .. } => {
            Fault::new(ErrorCode::CapsuleDamaged, format!("the export is damaged: {text}"))
                .hint("export the run again where it is from")
        }
        BadExport::Io(_) => faults::io(text),
    }
}
