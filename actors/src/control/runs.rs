//! Runs: showing, listing, cancelling.

use std::sync::Arc;

use windlass_capsule::{Op, OpenApproval, Page, PageKey, RunFilter, RunScope};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{Caller, CancelRun, ListRuns};
use windlass_contract::view::{ArtifactView, RunPage, RunView};
use windlass_domain::artifact::{Artifact, ArtifactUri};
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::CancelRequest;
use windlass_domain::run::request::WriteMode;
use windlass_domain::run::{Run, RunState};
use windlass_failpoint::{Place, pass};

use super::{capsule, faults, places, views};
use crate::shared::Shared;
use crate::tree::root::place_of;
use crate::tree::run_manager::RunManagerMessage;
use crate::tree::worktree::{WorktreeNames, worktree_names};

/// Runs on a page when the caller does not say.
const DEFAULT_PAGE: u32 = 50;

/// Everything about one run.
pub(super) async fn show(shared: &Arc<Shared>, run_id: RunId) -> Result<RunView, Fault> {
    let read = shared.store.read(move |reader| {
        let Some(run) = reader.run(run_id)? else { return Ok(None) };
        let artifacts = reader.artifacts(run_id)?;
        let last_seq = reader.last_seq(&Stream::Run { run_id })?;
        let projection = reader.projection(run_id)?.newest.unwrap_or_default();
        Ok(Some((run, artifacts, last_seq, reader.head()?, projection)))
    });
    let Some((run, artifacts, last_seq, head, projection)) = read.await.map_err(faults::read)? else {
        return capsule::import::show(shared, run_id).await;
    };
    let tree = shared.tree.borrow().clone();
    let queue_place = match (&run.state, tree) {
        (RunState::Queued { .. }, Some(tree)) => place_of(&tree, run_id).await,
        _ => None,
    };
    let names = bot_names(shared, &run);
    Ok(RunView {
        queue_place,
        worktree_path: names.as_ref().map(|names| names.bot.to_string_lossy().into_owned()),
        branch_name: names.map(|names| names.branch),
        projection_paths: projection.files.into_iter().map(|file| file.path).collect(),
        unwritten_projections: projection.unwritten,
        ..view(run, artifacts, last_seq, head.hash)
    })
}

/// A run as its record alone shows it.
pub(super) fn view(run: Run, artifacts: Vec<Artifact>, last_seq: Seq, capsule_head: Digest) -> RunView {
    let address = |path| ArtifactUri {
        workspace_id: run.request.workspace_id,
        work_item_id: run.request.work_item_id.clone(),
        run_id: run.run_id,
        path,
    };
    let artifacts = artifacts
        .into_iter()
        .map(|artifact| ArtifactView { uri: address(artifact.path.clone()), artifact })
        .collect();
    RunView {
        row: views::row(&run),
        queue_place: None,
        open_steps: open_steps(&run),
        cancelling: run.cancel().is_some(),
        waiting_for: OpenApproval::of(&run).map(views::approval),
        ended: match &run.state {
            RunState::Ended(ended) => Some(ended.clone()),
            RunState::Queued { .. } | RunState::Running(_) => None,
        },
        artifacts,
        projection_paths: Vec::new(),
        unwritten_projections: Vec::new(),
        worktree_path: None,
        branch_name: None,
        last_seq,
        capsule_head,
        origin: None,
        request: run.request,
    }
}

fn bot_names(shared: &Shared, run: &Run) -> Option<WorktreeNames> {
    (run.request.write_mode == WriteMode::Worktree).then(|| worktree_names(&shared.folders, run))
}

fn open_steps(run: &Run) -> Vec<String> {
    match &run.state {
        RunState::Running(progress) => progress.open.keys().map(ToString::to_string).collect(),
        RunState::Queued { .. } | RunState::Ended(_) => Vec::new(),
    }
}

/// A page of runs, the newest first.
pub(super) async fn list(shared: &Shared, request: ListRuns) -> Result<RunPage, Fault> {
    let workspace = match &request.folder {
        Some(folder) => Some(places::workspace(shared, folder).await?.1.workspace_id),
        None => None,
    };
    if request.id.is_some() && workspace.is_none() {
        return Err(Fault::new(ErrorCode::BadRequest, "an item is named, but no folder of its repository")
            .hint("name the folder as well"));
    }
    let after = request.after.as_deref().map(str::parse::<u64>).transpose();
    let no_page = |_| {
        Fault::new(ErrorCode::BadRequest, "`after` is not what a page gave as its `next`")
            .hint("windlass bot runs")
    };
    let after = after.map_err(no_page)?.map(PageKey::from_u64);
    let filter = RunFilter {
        scope: match (workspace, request.id) {
            (Some(workspace), Some(id)) => RunScope::Item(workspace, id),
            (Some(workspace), None) => RunScope::Workspace(workspace),
            (None, _) => RunScope::All,
        },
        kind: request.kind,
        statuses: request.statuses,
        active_only: false,
    };
    let limit = if request.limit == 0 { DEFAULT_PAGE } else { request.limit };
    let page = Page { after, limit: usize::try_from(limit).unwrap_or(usize::MAX) };
    let page = shared.store.read(move |reader| reader.runs(&filter, page)).await.map_err(faults::read)?;
    if !shared.rescue && !page.unreadable.is_empty() {
        return Err(faults::unreadable(&page.unreadable));
    }
    Ok(RunPage {
        unreadable: page.unreadable,
        runs: page.runs.into_iter().map(views::stored_row).collect(),
        next: page.next.map(|next| next.to_u64().to_string()),
    })
}

/// Commits the request to stop, then tells the run. The order at the writer decides races.
pub(super) async fn cancel(
    shared: &Arc<Shared>,
    caller: Caller,
    request: CancelRun,
) -> Result<RunView, Fault> {
    let run_id = request.run_id;
    let cancel = CancelRequest { by: caller.name, door: caller.door, reason: request.reason };
    let commands = vec![RunCommand::RequestCancel(cancel)];
    if let Err(error) = shared.store.write(Op::Run { run_id, commands, blobs: Vec::new() }).await {
        let fault = faults::write(error);
        return match fault.code() {
            ErrorCode::UnknownRun => Err(capsule::import::refusal(shared, run_id).await?),
            _ => Err(fault),
        };
    }
    pass(Place::CancelRequested);
    if let Some(tree) = shared.tree.borrow().clone() {
        // A tree that is being built anew reads the cancel from the capsule.
        let _ = tree.runs.cast(RunManagerMessage::Cancel { run_id });
    }
    show(shared, run_id).await
}
