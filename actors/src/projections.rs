//! The files for people of a run: where policy puts them, and writing them there.

use std::collections::BTreeSet;
use std::sync::Arc;

use windlass_capsule::{Op, ReadError};
use windlass_domain::digest::Digest;
use windlass_domain::item::ItemCommand;
use windlass_domain::projection::{ProjectedFile, Projection, UnwrittenFile};
use windlass_domain::run::Run;
use windlass_policy::{Denied, Policy, ProjectionPlace, ProjectionPlaces};
use windlass_projection::{NotWritten, WantedFile, Written};

use crate::control::with_sources;
use crate::shared::Shared;
use crate::store::blocking;

/// Where the files of a run stand.
///
/// # Errors
/// The record cannot be read.
pub(crate) async fn place_of(
    shared: &Shared,
    policy: &Policy,
    run: &Run,
) -> Result<ProjectionPlace, ReadError> {
    let workspace_id = run.request.workspace_id;
    let workspace = shared.store.read(move |reader| reader.workspace(workspace_id)).await?;
    let tree = workspace.map(|workspace| workspace.root).unwrap_or_default();
    Ok(policy.projection_place(&ProjectionPlaces {
        state: &shared.folders.state().to_string_lossy(),
        tree: &tree,
        workspace_id,
        work_item_id: &run.request.work_item_id,
        run_id: run.run_id,
    }))
}

/// What writing came to.
pub(crate) struct Wrote {
    pub(crate) projection: Projection,
    /// The files that did not stand there before with these bytes.
    pub(crate) fresh: BTreeSet<String>,
}

/// Writes the files of a run as policy allows. `ours` are the digests of what the record says was written before.
pub(crate) async fn write(
    shared: &Arc<Shared>,
    policy: &Policy,
    run: &Run,
    place: ProjectionPlace,
    mut wanted: Vec<WantedFile>,
    mut ours: BTreeSet<Digest>,
) -> Wrote {
    let nothing = |projection| Wrote { projection, fresh: BTreeSet::new() };
    // The record says the same of the same files, whoever gathered them.
    wanted.sort_by(|one, other| one.path.cmp(&other.path));
    let files = projected(&place, &wanted);
    let permit = match policy.permit_projection(&place) {
        Ok(permit) => permit,
        Err(denied) => {
            return nothing(nothing_of(&files, denied.judgement.rule.clone(), &no_leave(&denied)));
        }
    };
    let rule = permit.rule().to_owned();
    if place.in_tree() && files.iter().any(|file| !ours.contains(&file.digest)) {
        if let Err(why) = intend(shared, run, files.clone()).await {
            return nothing(nothing_of(&files, rule, &why));
        }
        ours.extend(files.iter().map(|file| file.digest));
    }
    let written = blocking(move || windlass_projection::write(&permit, &place, &wanted, &ours)).await;
    let mut wrote = nothing(Projection { rule, ..Projection::default() });
    for (file, written) in files.into_iter().zip(written) {
        match written {
            Ok(written) => {
                if written == Written::Written {
                    wrote.fresh.insert(file.path.clone());
                }
                wrote.projection.files.push(file);
            }
            Err(error) => wrote.projection.unwritten.push(unwritten(file, &error)),
        }
    }
    wrote
}

/// The files with their whole paths and digests.
pub(crate) fn projected(place: &ProjectionPlace, wanted: &[WantedFile]) -> Vec<ProjectedFile> {
    let folder = place.path();
    let file = |wanted: &WantedFile| ProjectedFile {
        path: format!("{folder}/{}", wanted.path),
        digest: Digest::of(&wanted.bytes),
    };
    wanted.iter().map(file).collect()
}

/// A file that stands otherwise than it should, and why it is left so.
pub(crate) fn unwritten(file: ProjectedFile, error: &NotWritten) -> UnwrittenFile {
    UnwrittenFile { path: file.path, why: with_sources(error) }
}

/// Why none of the files of a run is written.
pub(crate) fn no_leave(denied: &Denied) -> String {
    format!("{denied}, and nobody is asked for a projection; see `windlass policy explain`")
}

/// What came of it where none of the files could be written.
fn nothing_of(files: &[ProjectedFile], rule: String, why: &str) -> Projection {
    let unwritten = |file: &ProjectedFile| UnwrittenFile { path: file.path.clone(), why: why.to_owned() };
    Projection { rule, files: Vec::new(), unwritten: files.iter().map(unwritten).collect() }
}

/// Records which files are about to stand among the user's own, so that a crash behind it leaves none that cannot be told from theirs.
async fn intend(shared: &Shared, run: &Run, files: Vec<ProjectedFile>) -> Result<(), String> {
    let command = ItemCommand::IntendProjection { run_id: run.run_id, files };
    let (workspace_id, work_item_id) = (run.request.workspace_id, run.request.work_item_id.clone());
    let written = shared.store.write(Op::Item { workspace_id, work_item_id, command }).await;
    written
        .map(drop)
        .map_err(|error| format!("what is about to be written cannot be recorded: {}", with_sources(&error)))
}
