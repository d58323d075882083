//! `RunActor`: one attempt at one run. It starts, reads its run from the capsule, replays the journal and goes on; there is no
//! other recovery.

use std::collections::BTreeSet;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio_util::sync::CancellationToken;
use windlass_capsule::Op;
use windlass_contract::document::TOOL_VERSION;
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::RunId;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::{AttemptLoss, RunEvent};
use windlass_domain::run::{Run, RunState};
use windlass_engine::drive;
use windlass_engine::ports::RecordError;
use windlass_failpoint::{Place, pass};
use windlass_policy::Policy;

use super::lock::LockMessage;
use super::policy::PolicyMessage;
use super::worktree::WorktreeMessage;
use crate::attempt::{self, Attempt};
use crate::shared::Shared;
use crate::store::events_of;

/// The actor of one attempt.
pub(crate) struct RunActor;

/// What it is told.
pub(crate) enum RunMessage {
    /// Go on to the end.
    Go,
}

/// What to do with the run.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// Go on where the record ends.
    GoOn,
    /// End it as failed.
    GiveUp {
        /// Why.
        reason: String,
    },
}

/// What it needs.
pub(crate) struct RunArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: ActorRef<PolicyMessage>,
    pub(crate) lock: ActorRef<LockMessage>,
    pub(crate) worktrees: ActorRef<WorktreeMessage>,
    pub(crate) run_id: RunId,
    pub(crate) task: Task,
    /// Why the attempt before ended, as far as its starter knows.
    pub(crate) loss: AttemptLoss,
    /// Says that a cancel was committed.
    pub(crate) cancel: CancellationToken,
}

impl Actor for RunActor {
    type Msg = RunMessage;
    type State = RunArguments;
    type Arguments = RunArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<RunMessage>,
        arguments: RunArguments,
    ) -> Result<RunArguments, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        myself: ActorRef<RunMessage>,
        _message: RunMessage,
        state: &mut RunArguments,
    ) -> Result<(), ActorProcessingErr> {
        let run = begin(state).await?;
        if run.cancel().is_some() {
            state.cancel.cancel();
        }
        let attempt = Attempt {
            shared: Arc::clone(&state.shared),
            worktrees: state.worktrees.clone(),
            lock: state.lock.clone(),
            work_time: Arc::new(attempt::work_time(&state.shared, &run).await?),
            run: Arc::new(run),
            cancel: state.cancel.clone(),
        };
        match &state.task {
            Task::GoOn => {
                let policy = attempt::policy_for(&attempt, &state.policy).await;
                match policy {
                    Ok(policy) => {
                        let ports = attempt.ports(&policy).await?;
                        drive::drive(ports, &attempt.run, Arc::new(policy)).await?
                    }
                    Err(reason) => give_up(&attempt, reason).await?,
                }
            }
            Task::GiveUp { reason } => {
                give_up(&attempt, reason.clone()).await?;
            }
        }
        myself.stop(None);
        Ok(())
    }
}

/// Ends the run as failed.
async fn give_up(attempt: &Attempt, reason: String) -> Result<(), RecordError> {
    attempt::tidy(&attempt.shared, attempt.run.run_id).await;
    // Without a policy that can be read, nothing is written into a tree.
    let projections = attempt.projections(Policy::merge(Vec::new(), BTreeSet::new()));
    drive::give_up(&attempt.record(), &projections, &attempt.run, reason).await
}

/// Commits the start of the attempt, which fences every earlier one.
async fn begin(state: &RunArguments) -> Result<Run, ActorProcessingErr> {
    let run_id = state.run_id;
    let store = &state.shared.store;
    let gone = || format!("run {run_id} is not in the capsule");
    let run = store.read(move |reader| reader.run(run_id)).await?.ok_or_else(gone)?;
    let command = RunCommand::StartAttempt {
        epoch: run.epoch.next(),
        boot_id: state.shared.boot_id.clone(),
        tool_version: TOOL_VERSION.to_owned(),
        loss: loss(state, &run).await?,
    };
    store.write(Op::Run { run_id, commands: vec![command], blobs: Vec::new() }).await?;
    pass(Place::AttemptStarted);
    store.read(move |reader| reader.run(run_id)).await?.ok_or_else(|| gone().into())
}

/// Why the attempt before ended: another boot since then is a better reason than what the starter can know.
async fn loss(state: &RunArguments, run: &Run) -> Result<AttemptLoss, ActorProcessingErr> {
    if !matches!(run.state, RunState::Running(_)) {
        return Ok(state.loss.clone());
    }
    let stream = Stream::Run { run_id: run.run_id };
    let epoch = run.epoch;
    let events = state.shared.store.read(move |reader| events_of(reader, &stream)).await?;
    let other_boot = events.iter().any(|event| {
        matches!(
            &event.data,
            EventData::Run(RunEvent::AttemptStarted { epoch: at, boot_id, .. })
                if *at == epoch && *boot_id != state.shared.boot_id
        )
    });
    Ok(if other_boot { AttemptLoss::MachineRestarted } else { state.loss.clone() })
}
