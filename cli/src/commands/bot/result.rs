//! The result document of a run, from what the service says of it.

use windlass_contract::document::{Header, PatchBundle, ResultDocument};
use windlass_contract::error::{ErrorBody, blocked_word};
use windlass_contract::view::{ArtifactView, RunView};
use windlass_contract::{ErrorCode, ExitCode};
use windlass_domain::projection::UnwrittenFile;
use windlass_domain::run::{NotContinuable, Outcome, continuable};

/// The result of a command that leaves with this code and says this.
pub(crate) fn of(view: &RunView, code: ExitCode, summary: String) -> ResultDocument {
    let outcome = view.ended.as_ref().map(|ended| &ended.outcome);
    ResultDocument {
        header: Header::of(ResultDocument::SCHEMA),
        work_item_id: Some(view.row.work_item_id.clone()),
        kind: Some(view.row.kind),
        run_id: Some(view.row.run_id),
        status: Some(view.row.status),
        exit_code: code as u8,
        summary,
        queue_place: view.queue_place,
        artifact_uris: view.artifacts.iter().map(|artifact| artifact.uri.clone()).collect(),
        projection_paths: view.projection_paths.clone(),
        errors: outcome
            .into_iter()
            .flat_map(|outcome| errors(view, outcome))
            .chain(view.unwritten_projections.iter().map(unwritten))
            .collect(),
        blocked_reason: outcome.and_then(blocked_word).map(str::to_owned),
        patch_bundle_uri: patch_bundle(view).map(|artifact| artifact.uri.clone()),
        worktree_path: view.worktree_path.clone(),
        branch_name: view.branch_name.clone(),
        capsule_head: Some(view.capsule_head),
    }
}

/// A failed run names what failed; every other outcome is said by its status and reason.
fn errors(view: &RunView, outcome: &Outcome) -> Option<ErrorBody> {
    match outcome {
        Outcome::Failed { reason } => Some(ErrorBody {
            code: ErrorCode::Io,
            message: reason.clone(),
            hints: vec![format!("windlass bot show --run {}", view.row.run_id)],
        }),
        Outcome::Succeeded
        | Outcome::Blocked { .. }
        | Outcome::NeedsAttention { .. }
        | Outcome::Cancelled => None,
    }
}

/// A file for people that is not there takes nothing from the run, and is told beside it.
fn unwritten(file: &UnwrittenFile) -> ErrorBody {
    ErrorBody {
        code: ErrorCode::Io,
        message: format!("the projection `{}` was not written: {}", file.path, file.why),
        hints: vec!["windlass project rebuild".to_owned()],
    }
}

/// The artifact that is a patch bundle: the file is named after its schema.
pub(crate) fn patch_bundle(view: &RunView) -> Option<&ArtifactView> {
    let name = PatchBundle::SCHEMA.split('@').next()?;
    view.artifacts.iter().find(|artifact| {
        let path = artifact.artifact.path.as_str();
        path.rsplit('/').next().and_then(|file| file.strip_suffix(".json")) == Some(name)
    })
}

/// The artifact that is a report for people.
pub(crate) fn markdown_report(view: &RunView) -> Option<&ArtifactView> {
    let markdown =
        || view.artifacts.iter().filter(|artifact| artifact.artifact.path.as_str().ends_with(".md"));
    markdown()
        .find(|artifact| artifact.artifact.path.as_str().ends_with("report.md"))
        .or_else(|| markdown().next())
}

/// The commands that continue a run which left something to do.
pub(crate) fn ways_on(view: &RunView) -> Vec<String> {
    let resume = format!("windlass bot resume --run {}", view.row.run_id);
    let Some(ended) = &view.ended else { return Vec::new() };
    match continuable(&ended.outcome, None) {
        Ok(()) => vec![resume],
        Err(NotContinuable::InDoubt { .. }) => {
            vec![format!("{resume} --step-done"), format!("{resume} --step-redo")]
        }
        Err(_) => Vec::new(),
    }
}
