//! What one attempt gives its engine: the ports, made of the capsule and the adapters.

mod approvals;
mod cache;
mod children;
mod projections;
mod record;
mod repository;
mod web;
mod work_time;

use std::collections::BTreeSet;
use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use windlass_capsule::ReadError;
use windlass_domain::diff::ObjectId;
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{HoldId, RunId};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::OnInterrupt;
use windlass_domain::run::{Run, RunState};
use windlass_engine::ports::Ports;
use windlass_git::Repository;
use windlass_policy::{Capability, Policy};
use windlass_process::{Hold, HoldError, LeftoverState};

use crate::clock;
use crate::control::with_sources;
use crate::shared::Shared;
use crate::store::{blocking, events_of};
use crate::tree::lock::LockMessage;
use crate::tree::policy::{PolicyMessage, WorkspaceLayer};
use crate::tree::worktree::WorktreeMessage;

use approvals::RunApprovals;
use cache::CacheFiles;
use children::HeldChildren;
use projections::RunProjections;
use record::RunRecord;
use repository::RunRepository;
use web::WebPages;
use work_time::WorkTime;

/// The path of a workspace's policy inside its repository.
const WORKSPACE_POLICY: &str = ".windlass/policy.toml";

/// Largest workspace policy that is read, in bytes; its parser has the same limit.
const WORKSPACE_POLICY_BYTES: u64 = 256 * 1024;

/// One attempt at one run.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worktrees: ActorRef<WorktreeMessage>,
    pub(crate) run: Arc<Run>,
    pub(crate) cancel: CancellationToken,
    pub(crate) lock: ActorRef<LockMessage>,
    /// The time that the run may still work.
    pub(crate) work_time: Arc<WorkTime>,
}

impl Attempt {
    /// The run's record, fenced by this attempt's epoch.
    pub(crate) fn record(&self) -> RunRecord {
        RunRecord {
            shared: Arc::clone(&self.shared),
            run: Arc::clone(&self.run),
            work_time: Arc::clone(&self.work_time),
        }
    }

    /// Everything that the engine may reach.
    ///
    /// # Errors
    /// The workspace's repository cannot be opened.
    pub(crate) async fn ports(&self, policy: &Policy) -> Result<Ports, windlass_git::OpenError> {
        let repository = RunRepository::open(self).await?;
        Ok(Ports {
            record: Arc::new(self.record()),
            repository: Arc::new(repository),
            children: Arc::new(HeldChildren {
                shared: Arc::clone(&self.shared),
                run: Arc::clone(&self.run),
                cancel: self.cancel.clone(),
                work_time: Arc::clone(&self.work_time),
            }),
            web: Arc::new(WebPages { cancel: self.cancel.clone() }),
            approvals: Arc::new(RunApprovals {
                shared: Arc::clone(&self.shared),
                run: Arc::clone(&self.run),
                cancel: self.cancel.clone(),
                work_time: Arc::clone(&self.work_time),
                lock: self.lock.clone(),
                time_ms: policy.approval_time_ms(),
            }),
            cache: Arc::new(CacheFiles { folder: self.shared.folders.check_cache() }),
            projections: Arc::new(self.projections(policy.clone())),
        })
    }

    /// The files for people, where this policy puts them.
    pub(crate) fn projections(&self, policy: Policy) -> RunProjections {
        RunProjections { shared: Arc::clone(&self.shared), run: Arc::clone(&self.run), policy }
    }
}

/// The time that a run may still work: its budget, and the bounds of its context, less what the steps of earlier attempts
/// took. Waiting for a person takes none of it.
///
/// # Errors
/// The record cannot be read.
pub(crate) async fn work_time(shared: &Shared, run: &Run) -> Result<WorkTime, ReadError> {
    let (digest, run_id) = (run.admission.context_digest, run.run_id);
    let budget = run.request.budget.max_duration_ms;
    let read = shared.store.read(move |reader| {
        let bounds = reader.context(digest)?.delegation_bounds.max_duration_ms;
        let Some(limit) = budget.into_iter().chain(bounds).min() else { return Ok(None) };
        let events = events_of(reader, &Stream::Run { run_id })?;
        let spent: u64 = events
            .iter()
            .filter_map(|event| match &event.data {
                EventData::Run(RunEvent::StepFinished { duration_ms, .. }) => Some(*duration_ms),
                _ => None,
            })
            .sum();
        Ok(Some(limit.saturating_sub(spent)))
    });
    Ok(WorkTime::until(read.await?.map(|left| clock::boot_clock_ms().saturating_add(left))))
}

/// Today's policy within the snapshot of the run's admission.
///
/// # Errors
/// Why there is none, in words: the run cannot go on without.
pub(crate) async fn policy_for(attempt: &Attempt, actor: &ActorRef<PolicyMessage>) -> Result<Policy, String> {
    let digest = attempt.run.admission.policy_digest;
    let snapshot = attempt.shared.store.read(move |reader| reader.blob(digest)).await;
    let snapshot =
        snapshot.map_err(|error| format!("the policy of the run's admission cannot be read: {error}"))?;
    let snapshot: Policy = serde_json::from_slice(&snapshot)
        .map_err(|error| format!("the policy of the run's admission cannot be read: {error}"))?;
    let layer = workspace_layer_of(attempt).await?;
    let request = &attempt.run.request;
    let grants = request.capabilities.iter().filter_map(|text| text.parse().ok()).collect();
    Ok(merged(actor, layer, grants).await?.within(snapshot))
}

/// Asks the policy actor for the layers together.
///
/// # Errors
/// What is wrong with them, in words.
pub(crate) async fn merged(
    actor: &ActorRef<PolicyMessage>,
    workspace: Option<WorkspaceLayer>,
    grants: BTreeSet<Capability>,
) -> Result<Policy, String> {
    let (reply, answer) = oneshot::channel();
    let gone = || "the policy actor is being started anew; try again".to_owned();
    actor.cast(PolicyMessage::Merge { workspace, grants, reply }).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?.map_err(|error| with_sources(&error))
}

async fn workspace_layer_of(attempt: &Attempt) -> Result<Option<WorkspaceLayer>, String> {
    let workspace_id = attempt.run.request.workspace_id;
    let workspace = attempt.shared.store.read(move |reader| reader.workspace(workspace_id)).await;
    let workspace = workspace.map_err(|error| error.to_string())?;
    let root = workspace.ok_or("the run's workspace is not known any more")?.root;
    let trusted = attempt.run.request.base.clone().or_else(|| attempt.run.request.head.clone());
    blocking(move || {
        let repository = Repository::open(root.as_ref()).map_err(|error| error.to_string())?;
        let Some(trusted) = trusted else { return Ok(None) };
        let commit = repository.resolve(&trusted).map_err(|error| error.to_string())?;
        workspace_layer(&repository, &commit)
    })
    .await
}

/// The workspace's policy, as it stands in a commit that is trusted.
///
/// # Errors
/// It is there and cannot be read.
pub(crate) fn workspace_layer(
    repository: &Repository,
    trusted: &ObjectId,
) -> Result<Option<WorkspaceLayer>, String> {
    let origin = format!("{WORKSPACE_POLICY} at {trusted}");
    let bytes = repository
        .read_blob_at(trusted, WORKSPACE_POLICY.as_ref(), WORKSPACE_POLICY_BYTES)
        .map_err(|error| format!("{origin}: {error}"))?;
    bytes
        .map(|bytes| String::from_utf8(bytes).map_err(|_| format!("{origin} is not UTF-8")))
        .transpose()
        .map(|text| text.map(|text| WorkspaceLayer { origin, text }))
}

/// Removes the holds of steps and the scratch folders of runs that have ended: a crash came between their end and the tidying up.
pub(crate) async fn sweep(shared: &Shared) {
    let active = shared.store.read(windlass_capsule::Reader::active_runs).await;
    let Ok(active) = active else { return };
    sweep_holds(shared, &active).await;
    let keep: BTreeSet<String> = active.iter().map(|run| run.run_id.to_string()).collect();
    let root = shared.folders.scratch_root();
    let swept = blocking(move || {
        let entries = match std::fs::read_dir(&root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Only what is named like a run is ours.
            if name.parse::<RunId>().is_ok() && !keep.contains(&name) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok::<(), std::io::Error>(())
    });
    if let Err(error) = swept.await {
        tracing::warn!(%error, "scratch folders of ended runs stay behind");
    }
}

/// Removes holds, and with them what children said, that no open step waits for. One whose child may still run is left alone.
async fn sweep_holds(shared: &Shared, active: &[Run]) {
    let known: BTreeSet<HoldId> = active.iter().flat_map(open_holds).collect();
    let holds = shared.folders.holds();
    let swept = blocking(move || {
        for left in windlass_process::sweep(&holds, &known)? {
            match left.state {
                LeftoverState::NeverClaimed { hold_id } | LeftoverState::Ended { hold_id } => {
                    Hold::open(&holds, hold_id)?.remove()?;
                }
                LeftoverState::Active { .. } | LeftoverState::Lost { .. } | LeftoverState::Foreign { .. } => {
                    tracing::warn!(path = %left.path.display(), state = ?left.state, "no step waits for this hold");
                }
            }
        }
        Ok::<(), HoldError>(())
    });
    if let Err(error) = swept.await {
        tracing::warn!(error = %with_sources(&error), "holds of finished steps stay behind");
    }
}

/// The holds that a run's open steps wait for.
fn open_holds(run: &Run) -> impl Iterator<Item = HoldId> + use<> {
    let open = match &run.state {
        RunState::Running(progress) => progress.open.values().map(|step| step.on_interrupt).collect(),
        RunState::Queued { .. } | RunState::Ended(_) => Vec::new(),
    };
    open.into_iter().filter_map(|on_interrupt| match on_interrupt {
        OnInterrupt::Held { hold_id, .. } => Some(hold_id),
        OnInterrupt::Redo | OnInterrupt::Ask => None,
    })
}

/// Removes what a run that is about to end leaves outside the record. Worktrees with its branch stay until somebody cleans up.
pub(crate) async fn tidy(shared: &Shared, run_id: RunId) {
    let scratch = shared.folders.scratch(run_id);
    let removed = blocking(move || match std::fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    if let Err(error) = removed.await {
        tracing::warn!(%run_id, %error, "the run's scratch folder could not be removed");
    }
}
