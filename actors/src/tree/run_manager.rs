//! `RunManager`: starts a `RunActor` for each run whose turn came, and starts it anew when it fails.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio_util::sync::CancellationToken;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::run::Run;
use windlass_domain::run::event::{AttemptLoss, RunEvent};

use super::lock::LockMessage;
use super::policy::PolicyMessage;
use super::run::{RunActor, RunArguments, RunMessage, Task};
use super::worktree::{WorktreeActor, WorktreeMessage};
use crate::shared::Shared;
use crate::store::events_of;

/// Attempts that may fail one after the other without a step done between them, before the run is ended as failed: what fails
/// five times at the same place will fail a sixth time.
const FAILURES_WITHOUT_PROGRESS: u32 = 5;

/// The actor that supervises runs.
pub(crate) struct RunManager;

/// What it is told.
pub(crate) enum RunManagerMessage {
    /// A run's turn came.
    Start {
        /// Which.
        run_id: RunId,
    },
    /// A cancel of this run was committed.
    Cancel {
        /// Which.
        run_id: RunId,
    },
}

/// What it holds.
pub(crate) struct Manager {
    shared: Arc<Shared>,
    lock: ActorRef<LockMessage>,
    policy: ActorRef<PolicyMessage>,
    live: HashMap<ActorId, Live>,
    worktrees: BTreeMap<WorkspaceId, ActorRef<WorktreeMessage>>,
    failures: BTreeMap<RunId, Failures>,
}

struct Live {
    run_id: RunId,
    cancel: CancellationToken,
}

/// Failed attempts in a row.
#[derive(Default)]
struct Failures {
    count: u32,
    /// The steps done before the last of them.
    done: usize,
}

impl Actor for RunManager {
    type Msg = RunManagerMessage;
    type State = Manager;
    type Arguments = (Arc<Shared>, ActorRef<LockMessage>, ActorRef<PolicyMessage>);

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (shared, lock, policy): Self::Arguments,
    ) -> Result<Manager, ActorProcessingErr> {
        let (live, worktrees, failures) = (HashMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Manager { shared, lock, policy, live, worktrees, failures })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: RunManagerMessage,
        manager: &mut Manager,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RunManagerMessage::Start { run_id } => {
                manager.start(&myself.get_cell(), run_id, Task::GoOn, AttemptLoss::ProcessGone).await
            }
            RunManagerMessage::Cancel { run_id } => {
                match manager.live.values().find(|live| live.run_id == run_id) {
                    Some(live) => live.cancel.cancel(),
                    None => manager.lock.cast(LockMessage::Expedite(run_id))?,
                }
                Ok(())
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        manager: &mut Manager,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(child, error) => {
                manager.ended(&myself.get_cell(), &child, Some(error.to_string())).await
            }
            SupervisionEvent::ActorTerminated(child, _, reason) => {
                manager.ended(&myself.get_cell(), &child, reason).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl Manager {
    async fn start(
        &mut self,
        myself: &ActorCell,
        run_id: RunId,
        task: Task,
        loss: AttemptLoss,
    ) -> Result<(), ActorProcessingErr> {
        let run = self.shared.store.read(move |reader| reader.run(run_id)).await?;
        let Some(run) = run.filter(|run| run.status().is_active()) else {
            self.lock.cast(LockMessage::Done(run_id))?;
            return Ok(());
        };
        let worktrees = self.worktrees_of(myself, &run).await?;
        let cancel = CancellationToken::new();
        let arguments = RunArguments {
            shared: Arc::clone(&self.shared),
            policy: self.policy.clone(),
            lock: self.lock.clone(),
            worktrees,
            run_id,
            task,
            loss,
            cancel: cancel.clone(),
        };
        let (actor, _) = Actor::spawn_linked(None, RunActor, arguments, myself.clone()).await?;
        self.live.insert(actor.get_id(), Live { run_id, cancel });
        actor.cast(RunMessage::Go)?;
        Ok(())
    }

    async fn worktrees_of(
        &mut self,
        myself: &ActorCell,
        run: &Run,
    ) -> Result<ActorRef<WorktreeMessage>, ActorProcessingErr> {
        let workspace_id = run.request.workspace_id;
        if let Some(actor) = self.worktrees.get(&workspace_id) {
            return Ok(actor.clone());
        }
        let (actor, _) = Actor::spawn_linked(None, WorktreeActor, (), myself.clone()).await?;
        self.worktrees.insert(workspace_id, actor.clone());
        Ok(actor)
    }

    /// A child is gone. A run that has not ended goes on as its next attempt.
    async fn ended(
        &mut self,
        myself: &ActorCell,
        child: &ActorCell,
        why: Option<String>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(live) = self.live.remove(&child.get_id()) else {
            self.worktrees.retain(|_, actor| actor.get_id() != child.get_id());
            return Ok(());
        };
        let run_id = live.run_id;
        let stream = Stream::Run { run_id };
        let (run, done) = self
            .shared
            .store
            .read(move |reader| Ok((reader.run(run_id)?, steps_done(&events_of(reader, &stream)?))))
            .await?;
        if run.is_none_or(|run| !run.status().is_active()) {
            self.failures.remove(&run_id);
            self.lock.cast(LockMessage::Done(run_id))?;
            return Ok(());
        }
        let message = why.unwrap_or_else(|| "it was stopped".to_owned());
        tracing::warn!(%run_id, why = %message, "an attempt failed; the run goes on as its next attempt");
        let task = match self.count_failure(run_id, done) {
            count if count < FAILURES_WITHOUT_PROGRESS => Task::GoOn,
            count => Task::GiveUp {
                reason: format!("{count} attempts failed at the same place, the last with: {message}"),
            },
        };
        self.start(myself, run_id, task, AttemptLoss::ActorFailed { message }).await
    }

    /// How many attempts in a row failed without a step done between them.
    fn count_failure(&mut self, run_id: RunId, done: usize) -> u32 {
        let failures = self.failures.entry(run_id).or_default();
        failures.count = if done > failures.done { 1 } else { failures.count + 1 };
        failures.done = done;
        failures.count
    }
}

fn steps_done(events: &[Event]) -> usize {
    let done = |event: &&Event| matches!(&event.data, EventData::Run(RunEvent::StepFinished { .. }));
    events.iter().filter(done).count()
}
