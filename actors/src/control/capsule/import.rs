//! Runs that were imported: read like any other run, changed by nobody.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use windlass_capsule::{Import, ImportError, ImportedRun, Imports};
use windlass_contract::control::EventStream;
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::view::{ArtifactBytes, ImportList, Imported, RunOrigin, RunView};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::event::Event;
use windlass_domain::id::{RunId, Seq};

use super::export::{bad, view};
use crate::control::{faults, runs, with_sources};
use crate::shared::Shared;
use crate::store::blocking;

/// Checks an exported run and keeps it, unless it is a run of this capsule.
pub(crate) async fn import(shared: &Arc<Shared>, file: OwnedFd) -> Result<Imported, Fault> {
    let (imports, store) = (imports(shared), shared.store.clone());
    blocking(move || {
        let mut file = File::from(file);
        let kind = file.metadata().map_err(|error| Fault::new(ErrorCode::Io, error.to_string()))?;
        if !kind.is_file() {
            // Reading anything else could wait for ever.
            return Err(Fault::new(ErrorCode::BadRequest, "only a plain file can be imported")
                .hint("windlass capsule import --help"));
        }
        let own = |run_id| store.reader().run(run_id).map(|run| run.is_some());
        match imports.add(&mut file, own) {
            Ok(Import::Kept { report, new }) => Ok(Imported { import: view(&report.manifest), new }),
            Ok(Import::Own { run_id }) => {
                let text = format!("run {run_id} is a run of this capsule itself");
                Err(Fault::new(ErrorCode::BadRequest, text).hint(format!("windlass bot show --run {run_id}")))
            }
            Err(error) => Err(refused(&error)),
        }
    })
    .await
}

/// Removes what a crash left of imports. For the start of the capsule's writer.
pub(crate) async fn sweep(shared: &Shared) {
    let imports = imports(shared);
    match blocking(move || imports.sweep()).await {
        Ok(0) => {}
        Ok(swept) => tracing::info!(swept, "imports that a crash cut short were removed"),
        Err(error) => {
            tracing::warn!(error = %with_sources(&error), "an import that was cut short stays behind")
        }
    }
}

/// What is imported.
pub(crate) async fn list(shared: &Arc<Shared>) -> Result<ImportList, Fault> {
    let imports = imports(shared);
    let found = blocking(move || imports.list()).await.map_err(|error| refused(&error))?;
    Ok(ImportList { imports: found.iter().map(view).collect() })
}

/// An imported run; `unknown_run` where there is none.
pub(crate) async fn show(shared: &Arc<Shared>, run_id: RunId) -> Result<RunView, Fault> {
    reading(shared, run_id, |import| {
        let (run, artifacts) = import.run()?;
        let manifest = &import.manifest;
        let origin =
            RunOrigin { workspace_name: manifest.workspace_name.clone(), exported_as: manifest.exported_as };
        let view = runs::view(run, artifacts, Seq(manifest.events), manifest.capsule_head);
        Ok(RunView { origin: Some(origin), ..view })
    })
    .await
}

/// Events of an imported run; `unknown_run` where there is none.
pub(crate) async fn events(
    shared: &Shared,
    run_id: RunId,
    from: Seq,
    limit: usize,
) -> Result<Vec<Event>, Fault> {
    reading(shared, run_id, move |import| import.events(from, limit)).await
}

/// All events of an imported run from one on: it has ended.
pub(crate) async fn watch(shared: &Arc<Shared>, run_id: RunId, from: Seq) -> Result<EventStream, Fault> {
    let events = events(shared, run_id, from, usize::MAX).await?;
    Ok(stream::iter(events.into_iter().map(Ok)).boxed())
}

/// An artifact of an imported run; none where there is no such run or no such artifact.
pub(crate) async fn artifact(shared: &Shared, uri: ArtifactUri) -> Result<Option<ArtifactBytes>, Fault> {
    let imports = imports(shared);
    blocking(move || {
        let Some(import) = imports.open(uri.run_id).map_err(|error| refused(&error))? else {
            return Ok(None);
        };
        let manifest = &import.manifest;
        if (manifest.workspace_id, &manifest.work_item_id) != (uri.workspace_id, &uri.work_item_id) {
            return Ok(None);
        }
        let Some(artifact) = manifest.artifacts.iter().find(|artifact| artifact.path == uri.path) else {
            return Ok(None);
        };
        let bytes = import.blob(artifact.digest).map_err(|error| refused(&error))?;
        let bytes = bytes.ok_or_else(|| {
            let text = format!(
                "the bytes of {uri} were left out of the export and can only be had where it is from; it has the digest {}",
                artifact.digest
            );
            Fault::new(ErrorCode::UnknownArtifact, text).hint(format!(
                "windlass capsule export --run {} --capture full_io --out FILE",
                uri.run_id
            ))
        })?;
        Ok(Some(ArtifactBytes { media_type: artifact.media_type.clone(), bytes }))
    })
    .await
}

/// Why nothing can be done with a run that the capsule does not have: it was imported, or is known nowhere.
pub(crate) async fn refusal(shared: &Shared, run_id: RunId) -> Result<Fault, Fault> {
    let imports = imports(shared);
    let found = blocking(move || imports.open(run_id)).await.map_err(|error| refused(&error))?;
    Ok(match found {
        None => faults::unknown_run(run_id),
        Some(_) => {
            let text = format!("run {run_id} was imported; it has ended and can only be read here");
            Fault::new(ErrorCode::RunEnded, text).hint(format!("windlass bot show --run {run_id}"))
        }
    })
}

async fn reading<T: Send + 'static>(
    shared: &Shared,
    run_id: RunId,
    read: impl FnOnce(&ImportedRun) -> Result<T, ImportError> + Send + 'static,
) -> Result<T, Fault> {
    let imports = imports(shared);
    let found = blocking(move || imports.open(run_id)?.map(|import| read(&import)).transpose());
    found.await.map_err(|error| refused(&error))?.ok_or_else(|| faults::unknown_run(run_id))
}

fn imports(shared: &Shared) -> Imports {
    Imports::at(shared.folders.imports())
}

fn refused(error: &ImportError) -> Fault {
    let text = with_sources(error);
    match error {
        ImportError::Bad(error) => bad(error),
        ImportError::Other { run_id, .. } => {
            Fault::new(ErrorCode::BadRequest, text).hint(format!("windlass bot show --run {run_id}"))
        }
        ImportError::TooLarge => {
            Fault::new(ErrorCode::BadRequest, text).hint("export the run again where it is from")
        }
        ImportError::Read(error) => {
            Fault::new(ErrorCode::CapsuleDamaged, with_sources(error)).hint("windlass capsule verify")
        }
        ImportError::Io { source, .. }
            if matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ) =>
        {
            Fault::new(ErrorCode::DiskFull, text).hint("df -h")
        }
        ImportError::Io { .. } => faults::io(text),
    }
}
