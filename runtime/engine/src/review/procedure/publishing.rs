//! What a review leaves: the report in three forms, and the proposed change with its index.

use windlass_contract::document::{CommandRan, Header, PatchBundle, PatchFile, PatchHunk, RebaseState};
use windlass_domain::artifact::{Artifact, ArtifactPath, ArtifactUri};
use windlass_domain::capture::DataClass;
use windlass_domain::diff::{FileChange, FileContent, Rebase};
use windlass_domain::digest::canonical_json;
use windlass_domain::run::BlockedReason;

use super::Review;
use super::checking::Checked;
use super::fixing::Finalized;
use super::inputs::Prepared;
use super::patch::{self, Kept};
use crate::review::{render, report};
use crate::stop::Stop;

/// Stores everything, and says in a sentence what was found.
pub(super) async fn publish(
    review: &Review<'_>,
    prepared: &Prepared,
    checked: Checked,
    fixers: Vec<CommandRan>,
    finalized: Option<&Finalized>,
) -> Result<String, Stop> {
    let bundle_uri = match finalized {
        Some(finalized) => Some(publish_patch(review, prepared, finalized).await?),
        None => None,
    };
    let request = review.context.request();
    let mut commands = checked.commands;
    commands.extend(fixers);
    let report = report::assemble(report::Material {
        tool_version: prepared.inputs.tool_version.clone(),
        base: prepared.inputs.base.clone(),
        head: prepared.inputs.head.clone(),
        preset: request.preset,
        scopes: request.scopes.clone(),
        findings: checked.findings,
        commands,
        dropped: checked.dropped,
        patch_bundle_uri: bundle_uri,
        item: prepared.inputs.item_type,
    });
    let json = canonical_json(&report).map_err(|error| Stop::failed(error.to_string()))?;
    store(review, "review/review_report.json", "application/json", json.into_bytes()).await?;
    store(review, "review/review_report.md", "text/markdown", render::markdown(&report).into_bytes()).await?;
    store(review, "review/review.sarif", "application/sarif+json", render::sarif(&report).into_bytes())
        .await?;
    Ok(report.summary)
}

async fn store(review: &Review<'_>, path: &str, media_type: &str, bytes: Vec<u8>) -> Result<Artifact, Stop> {
    let path = ArtifactPath::new(path).map_err(|error| Stop::failed(error.to_string()))?;
    review.context.store(path, media_type, DataClass::Output, bytes).await
}

/// Stores the patch and its bundle. A patch that holds a secret is not stored, and ends the run.
async fn publish_patch(
    review: &Review<'_>,
    prepared: &Prepared,
    finalized: &Finalized,
) -> Result<ArtifactUri, Stop> {
    let (from, to) = (&finalized.from, &finalized.to);
    let (patch, diff) = match patch::keep(review, review.context, "review/patch.diff", from, to).await? {
        Kept::Patch { artifact, diff } => (artifact, diff),
        Kept::Secret { file, rule } => {
            return Err(Stop::Blocked {
                reason: BlockedReason::CaptureBlocked,
                message: format!(
                    "the patch holds a secret ({rule}) in `{file}` and is not stored; the bot worktree has it"
                ),
            });
        }
    };
    let worktrees = &prepared.inputs.worktrees;
    let (rebase, rebase_target_commit, conflicts) = match &finalized.rebase {
        Rebase::NotNeeded => (RebaseState::NotNeeded, None, Vec::new()),
        Rebase::Clean { target, .. } => (RebaseState::Clean, Some(target.clone()), Vec::new()),
        Rebase::Conflict { target, conflicts } => {
            (RebaseState::Conflict, Some(target.clone()), conflicts.clone())
        }
    };
    let diff_uri = uri(review, patch.path);
    let apply_instructions = instructions(&finalized.rebase, &diff_uri, &worktrees.branch);
    let bundle = PatchBundle {
        header: Header::by(&prepared.inputs.tool_version, PatchBundle::SCHEMA),
        worktree_path: worktrees.bot.clone(),
        branch_name: worktrees.branch.clone(),
        analysis_base_commit: prepared.inputs.head.clone(),
        rebase_target_commit,
        rebase,
        diff_uri,
        diff_digest: patch.digest,
        files: diff.files.iter().map(patch_file).collect(),
        conflicts,
        apply_instructions,
    };
    let json = canonical_json(&bundle).map_err(|error| Stop::failed(error.to_string()))?;
    let stored = store(review, "review/patch_bundle.json", "application/json", json.into_bytes()).await?;
    Ok(uri(review, stored.path))
}

fn uri(review: &Review<'_>, path: ArtifactPath) -> ArtifactUri {
    let request = review.context.request();
    ArtifactUri {
        workspace_id: request.workspace_id,
        work_item_id: request.work_item_id.clone(),
        run_id: review.context.run_id(),
        path,
    }
}

fn instructions(rebase: &Rebase, diff: &ArtifactUri, branch: &str) -> Vec<String> {
    let fetch = format!("windlass capsule get {diff} --out patch.diff");
    match rebase {
        Rebase::NotNeeded | Rebase::Clean { .. } => {
            vec![fetch, "git apply --check patch.diff".to_owned(), "git apply --index patch.diff".to_owned()]
        }
        Rebase::Conflict { target, .. } => {
            vec![fetch, format!("git rebase --onto {target} {branch}~1 {branch}")]
        }
    }
}

fn patch_file(file: &FileChange) -> PatchFile {
    let hunks: &[windlass_domain::diff::Hunk] = match &file.content {
        FileContent::Text { hunks } => hunks,
        FileContent::Binary | FileContent::Submodule => &[],
    };
    PatchFile {
        id: file.id.clone(),
        path: file.path.clone(),
        old_path: file.old_path.clone(),
        status: file.status,
        binary: matches!(file.content, FileContent::Binary),
        hunks: hunks
            .iter()
            .map(|hunk| PatchHunk {
                id: hunk.id.clone(),
                old_start: hunk.old_start,
                old_lines: hunk.old_lines,
                new_start: hunk.new_start,
                new_lines: hunk.new_lines,
            })
            .collect(),
    }
}
