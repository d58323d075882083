//! `Root`: the top of the tree.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{oneshot, watch};
use windlass_capsule::Writer;
use windlass_domain::id::RunId;
use windlass_domain::run::{Run, RunState};

use super::Tree;
use super::capsule_writer::CapsuleWriter;
use super::lock::{LockActor, LockMessage, RunLimits};
use super::policy::{PolicyActor, PolicyMessage};
use super::queue::Waiting;
use super::run_manager::RunManager;
use crate::shared::Shared;

/// The top of the tree.
pub(crate) struct Root;

/// Root is told nothing; it only sees its children end.
pub(crate) enum RootMessage {}

/// What it needs.
pub(crate) struct RootArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    /// Says why the process must leave.
    pub(crate) fatal: watch::Sender<Option<String>>,
}

/// What it holds.
pub(crate) struct RootState {
    arguments: RootArguments,
    writer: ActorCell,
    /// PolicyActor, LockActor and RunManager, which live and end together.
    trio: Vec<ActorCell>,
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<RootMessage>,
        arguments: RootArguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let writer = arguments.writer.clone();
        let (writer, _) = Actor::spawn_linked(None, CapsuleWriter, writer, myself.get_cell()).await?;
        crate::attempt::sweep(&arguments.shared).await;
        crate::control::capsule::import::sweep(&arguments.shared).await;
        let trio = grow(&myself.get_cell(), &arguments.shared).await?;
        Ok(RootState { arguments, writer: writer.get_cell(), trio })
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (child, why) = match event {
            SupervisionEvent::ActorFailed(child, error) => (child, error.to_string()),
            SupervisionEvent::ActorTerminated(child, _, reason) => {
                (child, reason.unwrap_or_else(|| "it was stopped".to_owned()))
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        if child.get_id() == state.writer.get_id() {
            state.arguments.fatal.send_replace(Some(format!("the capsule's writer has ended: {why}")));
            return Ok(());
        }
        if !state.trio.iter().any(|actor| actor.get_id() == child.get_id()) {
            return Ok(());
        }
        tracing::error!(%why, "an actor failed; the queue and the runs start anew from the capsule");
        state.arguments.shared.tree.send_replace(None);
        for actor in state.trio.drain(..) {
            actor.stop_and_wait(Some("its sibling failed".to_owned()), None).await.unwrap_or_default();
        }
        state.trio = grow(&myself.get_cell(), &state.arguments.shared).await?;
        Ok(())
    }
}

/// Starts the trio and places what the capsule says has not ended and what goes on here.
async fn grow(root: &ActorCell, shared: &Arc<Shared>) -> Result<Vec<ActorCell>, ActorProcessingErr> {
    let file = shared.folders.policy_file();
    let (policy, _) = Actor::spawn_linked(None, PolicyActor, file, root.clone()).await?;
    let limits = run_limits(&policy).await?;
    let (lock, _) = Actor::spawn_linked(None, LockActor, (Arc::clone(shared), limits), root.clone()).await?;
    let manager = (Arc::clone(shared), lock.clone(), policy.clone());
    let (runs, _) = Actor::spawn_linked(None, RunManager, manager, root.clone()).await?;
    lock.cast(LockMessage::Serve(runs.clone()))?;
    let active = shared.store.read(windlass_capsule::Reader::active_runs).await?;
    for run in active.iter().filter(|run| shared.takes_up(run.run_id)) {
        lock.cast(LockMessage::Place { waiting: waiting(run), reply: None })?;
    }
    let trio = vec![policy.get_cell(), lock.get_cell(), runs.get_cell()];
    shared.tree.send_replace(Some(Tree { policy, lock, runs }));
    Ok(trio)
}

/// How a run that has not ended takes its place: one that was going on goes on, whatever the limits are today.
pub(crate) fn waiting(run: &Run) -> Waiting {
    Waiting {
        run_id: run.run_id,
        workspace_id: run.request.workspace_id,
        headless: run.request.headless,
        urgent: run.cancel().is_some() || matches!(run.state, RunState::Running(_)),
    }
}

/// The user's limits as they are now. A broken policy file must not stop the tree: the defaults hold, and each
/// submission says what is wrong with the file.
async fn run_limits(policy: &ActorRef<PolicyMessage>) -> Result<RunLimits, ActorProcessingErr> {
    let (reply, answer) = oneshot::channel();
    policy.cast(PolicyMessage::Merge { workspace: None, grants: Default::default(), reply })?;
    Ok(match answer.await? {
        Ok(policy) => RunLimits { all: policy.runs(), per_workspace: policy.runs_per_workspace() },
        Err(error) => {
            tracing::warn!(%error, "the default limits hold until the policy can be read");
            RunLimits {
                all: windlass_policy::Policy::DEFAULT_RUNS,
                per_workspace: windlass_policy::Policy::DEFAULT_RUNS_PER_WORKSPACE,
            }
        }
    })
}

/// Places one run by the limits as they are now, and says where.
pub(crate) async fn place(tree: &Tree, run: &Run) -> Option<u32> {
    let limits = run_limits(&tree.policy).await.ok()?;
    tree.lock.cast(LockMessage::Limits(limits)).ok()?;
    let (reply, answer) = oneshot::channel();
    tree.lock.cast(LockMessage::Place { waiting: waiting(run), reply: Some(reply) }).ok()?;
    answer.await.ok()
}

/// Where a run stands in the queue.
pub(crate) async fn place_of(tree: &Tree, run_id: RunId) -> Option<u32> {
    let (reply, answer) = oneshot::channel();
    tree.lock.cast(LockMessage::PlaceOf { run_id, reply }).ok()?;
    answer.await.ok().flatten()
}
