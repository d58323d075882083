//! Continuing an ended run: a fresh admission of a new run that asks for the same, begins with what was done, and takes over the
//! first run's worktree and branch.

use std::sync::Arc;

use windlass_capsule::{ContinuationRefusal, Reader};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{Caller, ResumeRun};
use windlass_contract::view::Accepted;
use windlass_domain::digest::Digest;
use windlass_domain::run::request::{RunRequest, Settlement, Trigger};
use windlass_domain::run::{AttentionReason, NotContinuable, Outcome, Run, RunState, continuable};
use windlass_git::Repository;

use super::admit::{Admissible, Found, admit};
use super::submit::known_run;
use super::{faults, places};
use crate::attempt::workspace_layer;
use crate::clock;
use crate::shared::Shared;
use crate::store::blocking;

/// Continues a run. The reply means that it is on disk.
pub(super) async fn resume(
    shared: &Arc<Shared>,
    caller: Caller,
    request: ResumeRun,
) -> Result<Accepted, Fault> {
    let store = shared.store.clone();
    let found = blocking(move || look_up(store.reader(), caller, request)).await?;
    admit(shared, found).await
}

/// Looks up all that a continuation needs, in the order in which refusals are told. Blocks.
fn look_up(reader: &Reader, caller: Caller, request: ResumeRun) -> Result<Found, Fault> {
    let run = reader.run(request.run_id).map_err(faults::read)?;
    let run = run.ok_or_else(|| faults::unknown_run(request.run_id))?;
    let request_digest =
        Digest::of_json(&request).map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))?;
    if let Some(run_id) = known_run(reader, request.dedupe_key.as_deref(), request_digest)? {
        return Ok(Found::Known(run_id));
    }
    let settlement = settlement(&run, &request)?;
    check_context(reader, &run)?;
    let workspace = reader.workspace(run.request.workspace_id).map_err(faults::read)?;
    let folder = workspace.map(|workspace| workspace.root).unwrap_or_default();
    let repository = places::open_here(&folder)?;
    let layer = trusted_layer(&repository, &run.request)?;
    Ok(Found::Admissible(Box::new(Admissible {
        request_digest,
        folder,
        context: None,
        context_digest: run.admission.context_digest,
        hold: request.hold.then(|| caller.name.clone()),
        worktree_of: Some(run.admission.worktree_of),
        layer,
        request: RunRequest {
            headless: request.headless,
            continues: Some(run.run_id),
            settlement,
            requested_at: clock::now(),
            trigger: Trigger {
                source: caller.door,
                dedupe_key: request.dedupe_key,
                url: run.request.trigger.url.clone(),
            },
            ..run.request
        },
    })))
}

/// What was said about the step in doubt, if the run can be continued with that.
fn settlement(run: &Run, request: &ResumeRun) -> Result<Option<Settlement>, Fault> {
    let run_id = run.run_id;
    let refuse = |refusal| Err(faults::continuation(&refusal));
    let RunState::Ended(ended) = &run.state else { return refuse(ContinuationRefusal::Active { run_id }) };
    let settlement = match (&ended.outcome, request.step) {
        (Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step } }, Some(decision)) => {
            Some(Settlement { step: step.clone(), decision })
        }
        (_, None) => None,
        (outcome, Some(_)) => {
            let why = continuable(outcome, None).err().unwrap_or(NotContinuable::NothingInDoubt);
            return refuse(ContinuationRefusal::Outcome { run_id, why });
        }
    };
    match continuable(&ended.outcome, settlement.as_ref()) {
        Ok(()) => Ok(settlement),
        Err(why) => refuse(ContinuationRefusal::Outcome { run_id, why }),
    }
}

/// The answers that the run was admitted with must still be there and complete. Nothing is asked and nothing is skipped.
fn check_context(reader: &Reader, run: &Run) -> Result<(), Fault> {
    let context = reader.context(run.admission.context_digest).map_err(faults::read)?;
    let missing = context.missing();
    if missing.is_empty() {
        return Ok(());
    }
    Err(faults::missing_context(run.request.work_item_id.as_str(), &missing))
}

/// The workspace's policy in the commit that the first run trusted.
fn trusted_layer(
    repository: &Repository,
    request: &RunRequest,
) -> Result<Result<Option<crate::tree::policy::WorkspaceLayer>, String>, Fault> {
    let Some(trusted) = request.base.as_deref().or(request.head.as_deref()) else { return Ok(Ok(None)) };
    let commit = repository.resolve(trusted).map_err(|error| {
        Fault::new(ErrorCode::BadRequest, super::with_sources(&error)).hint("git log --oneline --all")
    })?;
    Ok(workspace_layer(repository, &commit))
}
