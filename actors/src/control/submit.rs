//! Submitting a run: everything that must be known is looked up here, and decided again inside the writer's transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;
use windlass_capsule::{Op, Submission, Written};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{Caller, SubmitRun};
use windlass_contract::view::Accepted;
use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::run::event::{Admission, PolicyVerdict};
use windlass_domain::run::request::{Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};
use windlass_engine::drive::ENGINE_VERSION;
use windlass_git::{Head, Repository};
use windlass_policy::{Ask, Capability, Policy};

use super::{faults, places};
use crate::attempt::{merged, workspace_layer};
use crate::clock;
use crate::shared::Shared;
use crate::store::blocking;
use crate::tree::root::place;

/// Submits a run. The reply means that it is on disk.
pub(super) async fn submit(
    shared: &Arc<Shared>,
    caller: Caller,
    request: SubmitRun,
) -> Result<Accepted, Fault> {
    let (repository, workspace) = places::workspace(shared, &request.folder).await?;
    let workspace_id = workspace.workspace_id;
    let request_digest = digest_of(&request, &workspace.root)?;
    if let Some(run_id) = known_run(shared, &request, request_digest).await? {
        let queue_place = queue(shared, run_id).await?;
        return Ok(Accepted { run_id, new: false, queue_place, warnings: Vec::new() });
    }
    check_offered(&request)?;
    let item = item(shared, workspace_id, &request).await?;
    let context_digest = check_context(shared, &item, &request).await?;
    let grants = grants(&request)?;
    let (repository, range) = resolve(repository, &request).await?;
    let policy = policy(shared, repository, range.trusted(), grants).await?;
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

/// The run that an equal request made before.
async fn known_run(
    shared: &Shared,
    request: &SubmitRun,
    request_digest: Digest,
) -> Result<Option<RunId>, Fault> {
    let Some(key) = request.dedupe_key.clone() else { return Ok(None) };
    let known = shared.store.read(move |reader| reader.deduped(&key)).await;
    Ok(known
        .map_err(faults::read)?
        .filter(|known| known.request_digest == request_digest)
        .map(|known| known.run_id))
}

async fn item(shared: &Shared, workspace_id: WorkspaceId, request: &SubmitRun) -> Result<WorkItem, Fault> {
    let id = request.id.clone();
    let item = shared.store.read(move |reader| reader.item(workspace_id, &id)).await.map_err(faults::read)?;
    item.ok_or_else(|| faults::unknown_item(request.id.as_str()))
}

/// The digest of a context that is complete: the one that comes with the request, or the item's.
async fn check_context(shared: &Shared, item: &WorkItem, request: &SubmitRun) -> Result<Digest, Fault> {
    let id = item.id.as_str();
    let (context, digest) = match (&request.context, item.context) {
        (Some(context), _) => {
            let digest = Digest::of_json(context);
            (context.clone(), digest.map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))?)
        }
        (None, Some(digest)) => {
            let context = shared.store.read(move |reader| reader.context(digest)).await;
            (context.map_err(faults::read)?, digest)
        }
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

/// The commits that the request names.
struct Range {
    /// To compare with; none for the whole tree.
    base: Option<ObjectId>,
    /// To look at: a branch by its full name, so that its later movement is seen, or a commit.
    head: String,
    head_commit: ObjectId,
    /// The whole default branch is looked at, on its surface.
    whole_tree: bool,
}

impl Range {
    /// The commit whose policy and checks are trusted.
    const fn trusted(&self) -> &ObjectId {
        match &self.base {
            Some(base) => base,
            None => &self.head_commit,
        }
    }
}

async fn resolve(repository: Repository, request: &SubmitRun) -> Result<(Repository, Range), Fault> {
    let (base, head) = (request.base.clone(), request.head.clone());
    blocking(move || {
        let range = resolve_range(&repository, base.as_deref(), head.as_deref())?;
        Ok((repository, range))
    })
    .await
}

fn resolve_range(repository: &Repository, base: Option<&str>, head: Option<&str>) -> Result<Range, Fault> {
    let bad = |error: &dyn std::error::Error| {
        Fault::new(ErrorCode::BadRequest, super::with_sources(error)).hint("git log --oneline --all")
    };
    let (head, head_commit) = match head {
        Some(named) => {
            let commit = repository.resolve(named).map_err(|error| bad(&error))?;
            let branch = format!("refs/heads/{named}");
            let is_branch = repository.resolve(&branch).is_ok_and(|tip| tip == commit);
            (if is_branch { branch } else { commit.to_string() }, commit)
        }
        None => match repository.head().map_err(|error| bad(&error))? {
            Head::Branch { name, commit } => (format!("refs/heads/{name}"), commit),
            Head::Detached { commit } => (commit.to_string(), commit),
            Head::Unborn { branch } => {
                let text = format!("branch `{branch}` has no commit yet, so there is nothing to look at");
                return Err(Fault::new(ErrorCode::BadRequest, text).hint("git add -A && git commit"));
            }
        },
    };
    if let Some(named) = base {
        let base = Some(repository.resolve(named).map_err(|error| bad(&error))?);
        return Ok(Range { base, head, head_commit, whole_tree: false });
    }
    let default = repository.default_branch().map_err(|error| bad(&error))?;
    let base = match default {
        Some(default) if head != format!("refs/heads/{}", default.name) => {
            repository.merge_base(&default.commit, &head_commit).map_err(|error| bad(&error))?
        }
        _ => None,
    };
    let base = base.filter(|base| *base != head_commit);
    Ok(Range { whole_tree: base.is_none(), base, head, head_commit })
}

async fn policy(
    shared: &Arc<Shared>,
    repository: Repository,
    trusted: &ObjectId,
    grants: BTreeSet<Capability>,
) -> Result<Policy, Fault> {
    let trusted = trusted.clone();
    let broken = |why| Fault::new(ErrorCode::BadRequest, why).hint("windlass policy check");
    let layer = blocking(move || workspace_layer(&repository, &trusted)).await.map_err(broken)?;
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
