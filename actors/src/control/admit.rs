//! Admission as every way of asking shares it: policy is merged and judged, and the writer's transaction decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;
use windlass_capsule::{Op, Submission, Written};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::view::Accepted;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::id::RunId;
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::event::{Admission, PolicyVerdict};
use windlass_domain::run::request::{RunRequest, WriteMode};
use windlass_engine::drive::ENGINE_VERSION;
use windlass_failpoint::{Place, pass};
use windlass_policy::{Ask, Capability, Policy};

use super::{faults, places};
use crate::attempt::merged;
use crate::shared::Shared;
use crate::tree::policy::WorkspaceLayer;
use crate::tree::root::place;

/// What a request leads to.
pub(super) enum Found {
    /// An equal request was accepted before: its run.
    Known(RunId),
    /// It may be admitted, as far as can be told without the policy.
    Admissible(Box<Admissible>),
}

/// What belongs to a request that may be admitted.
pub(super) struct Admissible {
    pub(super) request: RunRequest,
    pub(super) request_digest: Digest,
    /// The folder that was named, for the judgement.
    pub(super) folder: String,
    /// Answers that come with the request.
    pub(super) context: Option<MaieuticContext>,
    pub(super) context_digest: Digest,
    /// Who moves the item into its holding state, if it is to be moved.
    pub(super) hold: Option<String>,
    /// Whose worktree the run takes over; its own without one.
    pub(super) worktree_of: Option<RunId>,
    /// The workspace's policy, as a trusted commit has it.
    pub(super) layer: Result<Option<WorkspaceLayer>, String>,
}

/// Admits what was found. The reply means that it is on disk.
pub(super) async fn admit(shared: &Arc<Shared>, found: Found) -> Result<Accepted, Fault> {
    let found = match found {
        Found::Known(run_id) => {
            let queue_place = queue(shared, run_id).await?;
            return Ok(Accepted { run_id, new: false, queue_place, warnings: Vec::new() });
        }
        Found::Admissible(found) => *found,
    };
    let policy = policy(shared, found.layer, grants(&found.request)?).await?;
    judge(&policy, &found.folder, &found.request)?;
    let policy = canonical_json(&policy).map_err(|error| Fault::new(ErrorCode::Io, error.to_string()))?;
    let run_id = RunId::from_uuid(Uuid::now_v7());
    let admission = Admission {
        policy_digest: Digest::of(policy.as_bytes()),
        context_digest: found.context_digest,
        engine_version: ENGINE_VERSION,
        worktree_of: found.worktree_of.unwrap_or(run_id),
        request_digest: found.request_digest,
    };
    let blob = shared.store.stage(DataClass::Metadata, CaptureMode::PromptsOnly, policy.into_bytes());
    let submission = Submission {
        run_id,
        hold: found.hold,
        context: found.context,
        expected_item_version: None,
        policy: blob.await.map_err(faults::write)?,
        request: found.request,
        admission,
    };
    let written = shared.store.write(Op::Submit(Box::new(submission))).await.map_err(faults::write)?;
    pass(Place::RunSubmitted);
    let Written::Submitted { run_id, new, .. } = written else {
        return Err(Fault::new(ErrorCode::Io, format!("the writer answered {written:?} to a submission")));
    };
    let queue_place = queue(shared, run_id).await?;
    Ok(Accepted { run_id, new, queue_place, warnings: Vec::new() })
}

fn grants(request: &RunRequest) -> Result<BTreeSet<Capability>, Fault> {
    let parsed = request.capabilities.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, windlass_policy::UnknownCapability>>()
        .map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()).hint("windlass bot run --help"))
}

async fn policy(
    shared: &Arc<Shared>,
    layer: Result<Option<WorkspaceLayer>, String>,
    grants: BTreeSet<Capability>,
) -> Result<Policy, Fault> {
    let broken = |why| Fault::new(ErrorCode::BadRequest, why).hint("windlass policy check");
    let layer = layer.map_err(broken)?;
    let tree = shared.tree().await.ok_or_else(|| places::no_tree(shared))?;
    merged(&tree.policy, layer, grants).await.map_err(broken)
}

/// What the run cannot do without is judged before it exists.
fn judge(policy: &Policy, folder: &str, request: &RunRequest) -> Result<(), Fault> {
    let mut needed = vec![Capability::FsRead];
    if request.write_mode == WriteMode::Worktree {
        needed.push(Capability::FsWrite);
    }
    for capability in needed {
        let judgement = policy.judge(&Ask { capability, subject: folder, origin: None });
        let text = |says: &str| format!("policy says {says} to {capability} (rule {})", judgement.rule);
        let hint = "windlass policy show";
        match judgement.verdict {
            PolicyVerdict::Allow => {}
            // The run asks a person when it comes to that step. Reading cannot wait: the submission itself reads.
            PolicyVerdict::Ask if capability == Capability::FsWrite && !request.headless => {}
            PolicyVerdict::Ask => {
                let allow = format!("--allow {capability}");
                return Err(Fault::new(ErrorCode::NeedsApproval, text("ask")).hint(allow).hint(hint));
            }
            PolicyVerdict::Deny => return Err(Fault::new(ErrorCode::PolicyDenied, text("deny")).hint(hint)),
        }
    }
    Ok(())
}

/// Has the run go on here, if it has not ended: a new one, or a known one that nobody drives because its process is gone.
async fn queue(shared: &Arc<Shared>, run_id: RunId) -> Result<u32, Fault> {
    let run = shared.store.read(move |reader| reader.run(run_id)).await.map_err(faults::read)?;
    let Some(run) = run.filter(|run| run.status().is_active()) else { return Ok(0) };
    shared.take_up(run_id);
    let Some(tree) = shared.tree().await else { return Ok(0) };
    // A tree that is being built anew places the run itself, from the capsule.
    Ok(place(&tree, &run).await.unwrap_or(0))
}
