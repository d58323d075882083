//! Submitting a run: everything that must be known is looked up here, and decided again inside the writer's transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;
use windlass_capsule::{Op, Reader, Submission, Written};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{Caller, SubmitRun};
use windlass_contract::view::Accepted;
use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::run::event::{Admission, PolicyVerdict};
use windlass_domain::run::request::{Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};
use windlass_engine::drive::ENGINE_VERSION;
use windlass_policy::{Ask, Capability, Policy};

use super::range::{self, Range};
use super::{faults, places};
use crate::attempt::{merged, workspace_layer};
use crate::clock;
use crate::shared::Shared;
use crate::store::blocking;
use crate::tree::policy::WorkspaceLayer;
use crate::tree::root::place;

/// Submits a run. The reply means that it is on disk.
pub(super) async fn submit(
    shared: &Arc<Shared>,
    caller: Caller,
    request: SubmitRun,
) -> Result<Accepted, Fault> {
    let (asked, store) = (request.clone(), shared.store.clone());
    // All in one visit to a blocking thread: the visits would take longer than what is done there.
    let found = match blocking(move || look_up(store.reader(), &asked)).await? {
        Found::Known(run_id) => {
            let queue_place = queue(shared, run_id).await?;
            return Ok(Accepted { run_id, new: false, queue_place, warnings: Vec::new() });
        }
        Found::Admissible(found) => *found,
    };
    let Admissible { workspace_id, request_digest, context_digest, grants, range, layer } = found;
    let policy = policy(shared, layer, grants).await?;
    judge(&policy, &request)?;

    let run_id = RunId::from_uuid(Uuid::now_v7());
    let policy_json =
        canonical_json(&policy).map_err(|error| Fault::new(ErrorCode::Io, error.to_string()))?;
    let admission = Admission {
        policy_digest: Digest::of(policy_json.as_bytes()),
        context_digest,
        engine_version: ENGINE_VERSION,
        worktree_of: run_id,
        request_digest,
    };
    let blob = shared.store.stage(DataClass::Metadata, CaptureMode::PromptsOnly, policy_json.into_bytes());
    let submission = Submission {
        run_id,
        hold: request.hold.then(|| caller.name.clone()),
        context: request.context.clone(),
        expected_item_version: None,
        policy: blob.await.map_err(faults::write)?,
        request: run_request(caller, request, workspace_id, range),
        admission,
    };
    let written = shared.store.write(Op::Submit(Box::new(submission))).await.map_err(faults::write)?;
    let Written::Submitted { run_id, new, .. } = written else {
        return Err(Fault::new(ErrorCode::Io, format!("the writer answered {written:?} to a submission")));
    };
    let queue_place = queue(shared, run_id).await?;
    Ok(Accepted { run_id, new, queue_place, warnings: Vec::new() })
}

/// Whether this version can do what is asked. A run that could only fail is refused before it exists.
fn check_offered(request: &SubmitRun) -> Result<(), Fault> {
    match (request.kind, request.write_mode, &request.agent_profile) {
        (RunKind::Research, WriteMode::Worktree, _) => {
            Err(faults::admission(AdmissionRefusal::ResearchWrites))
        }
        (RunKind::Research, WriteMode::None, _) => {
            let text = "this version of windlass has no research engine; it runs reviews";
            Err(Fault::new(ErrorCode::BadRequest, text).hint("--kind review"))
        }
        (RunKind::Review, _, Some(profile)) => {
            let text = format!("there is no agent profile `{}`", profile.escape_debug());
            Err(Fault::new(ErrorCode::UnknownProfile, text)
                .hint("leave --agent out; a review needs no agent"))
        }
        (RunKind::Review, _, None) => Ok(()),
    }
}

/// What makes a repeated request the same: all that was asked for, without when, by whom, and from which
/// folder of the repository.
fn digest_of(request: &SubmitRun, root: &str) -> Result<Digest, Fault> {
    let mut asked = SubmitRun { folder: root.to_owned(), ..request.clone() };
    if let Some(context) = &mut asked.context {
        context.answered_at = windlass_domain::time::Timestamp::from_millis(0);
    }
    Digest::of_json(&asked).map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))
}

/// What a request leads to.
enum Found {
    /// An equal request was accepted before: its run.
    Known(RunId),
    /// It may be admitted, as far as can be told without the policy.
    Admissible(Box<Admissible>),
}

/// What belongs to a request that may be admitted.
struct Admissible {
    workspace_id: WorkspaceId,
    request_digest: Digest,
    context_digest: Digest,
    grants: BTreeSet<Capability>,
    range: Range,
    layer: Result<Option<WorkspaceLayer>, String>,
}

/// Looks up all that a submission needs, in the order in which refusals are told. Blocks.
fn look_up(reader: &Reader, request: &SubmitRun) -> Result<Found, Fault> {
    let repository = places::open_here(&request.folder)?;
    let workspace = places::workspace_of(reader, &repository)?;
    let request_digest = digest_of(request, &workspace.root)?;
    if let Some(run_id) = known_run(reader, request, request_digest)? {
        return Ok(Found::Known(run_id));
    }
    check_offered(request)?;
    let workspace_id = workspace.workspace_id;
    let item = reader.item(workspace_id, &request.id).map_err(faults::read)?;
    let item = item.ok_or_else(|| faults::unknown_item(request.id.as_str()))?;
    let context_digest = check_context(reader, &item, request)?;
    let grants = grants(request)?;
    let range = range::resolve(&repository, request.base.as_deref(), request.head.as_deref())?;
    let layer = workspace_layer(&repository, range.trusted());
    let found = Admissible { workspace_id, request_digest, context_digest, grants, range, layer };
    Ok(Found::Admissible(Box::new(found)))
}

/// The run that an equal request made before.
fn known_run(reader: &Reader, request: &SubmitRun, request_digest: Digest) -> Result<Option<RunId>, Fault> {
    let Some(key) = &request.dedupe_key else { return Ok(None) };
    let known = reader.deduped(key).map_err(faults::read)?;
    Ok(known.filter(|known| known.request_digest == request_digest).map(|known| known.run_id))
}

/// The digest of a context that is complete: the one that comes with the request, or the item's.
fn check_context(reader: &Reader, item: &WorkItem, request: &SubmitRun) -> Result<Digest, Fault> {
    let id = item.id.as_str();
    let (context, digest) = match (&request.context, item.context) {
        (Some(context), _) => {
            let digest = Digest::of_json(context);
            (context.clone(), digest.map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))?)
        }
        (None, Some(digest)) => (reader.context(digest).map_err(faults::read)?, digest),
        (None, None) => return Err(faults::missing_context(id, &[])),
    };
    let missing = context.missing();
    if missing.is_empty() { Ok(digest) } else { Err(faults::missing_context(id, &missing)) }
}

fn grants(request: &SubmitRun) -> Result<BTreeSet<Capability>, Fault> {
    let parsed = request.allow.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, windlass_policy::UnknownCapability>>()
        .map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))
}

async fn policy(
    shared: &Arc<Shared>,
    layer: Result<Option<WorkspaceLayer>, String>,
    grants: BTreeSet<Capability>,
) -> Result<Policy, Fault> {
    let broken = |why| Fault::new(ErrorCode::BadRequest, why).hint("windlass policy check");
    let layer = layer.map_err(broken)?;
    let tree = shared.tree().await.ok_or_else(places::leaving)?;
    merged(&tree.policy, layer, grants).await.map_err(broken)
}

/// What the run cannot do without is judged before it exists.
fn judge(policy: &Policy, request: &SubmitRun) -> Result<(), Fault> {
    let mut needed = vec![Capability::FsRead];
    if request.write_mode == WriteMode::Worktree {
        needed.push(Capability::FsWrite);
    }
    for capability in needed {
        let judgement = policy.judge(&Ask { capability, subject: &request.folder, origin: None });
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

fn run_request(caller: Caller, request: SubmitRun, workspace_id: WorkspaceId, range: Range) -> RunRequest {
    let mut scopes = if request.scopes.is_empty() { Scope::ALL.to_vec() } else { request.scopes };
    scopes.sort_unstable();
    scopes.dedup();
    RunRequest {
        workspace_id,
        work_item_id: request.id,
        kind: request.kind,
        capture_mode: request.capture_mode,
        write_mode: request.write_mode,
        preset: if range.whole_tree { Preset::Quick } else { request.preset },
        scopes,
        base: range.base.map(|base| base.to_string()),
        head: Some(range.head),
        agent_profile: request.agent_profile,
        capabilities: request.allow,
        budget: request.budget,
        headless: request.headless,
        continues: None,
        requested_at: clock::now(),
        trigger: Trigger { source: caller.door, dedupe_key: request.dedupe_key, url: request.url },
    }
}

/// Has the run go on here, if it has not ended: a new one, or a known one that nobody drives because its process is gone.
async fn queue(shared: &Arc<Shared>, run_id: RunId) -> Result<u32, Fault> {
    let run = shared.store.read(move |reader| reader.run(run_id)).await.map_err(faults::read)?;
    let Some(run) = run.filter(|run| run.status().is_active()) else { return Ok(0) };
    let Some(tree) = shared.tree().await else { return Ok(0) };
    // A tree that is being built anew places the run itself, from the capsule.
    Ok(place(&tree, &run).await.unwrap_or(0))
}
