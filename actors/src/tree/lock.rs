//! `LockActor`: which admitted run goes on now and which waits. It decides nothing that lasts: the one active run for each key
//! is the writer's rule, and this queue is rebuilt from the capsule.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use windlass_domain::id::{RunId, WorkspaceId};

use super::queue::{Queue, Waiting};
use super::run_manager::RunManagerMessage;
use crate::shared::{Activity, Shared};

/// The actor that owns the queue.
pub(crate) struct LockActor;

/// What it is told and asked.
pub(crate) enum LockMessage {
    /// The manager that starts runs is there.
    Serve(ActorRef<RunManagerMessage>),
    /// The user's limits, which may have changed.
    Limits(RunLimits),
    /// A run is admitted, or was found on start.
    Place {
        /// The run.
        waiting: Waiting,
        /// Its place in the queue, from 1; 0 when it goes on at once.
        reply: Option<oneshot::Sender<u32>>,
    },
    /// A waiting run was cancelled: it goes on at once, only to write its log.
    Expedite(RunId),
    /// A run waits for a person, and gives its place to others.
    Rests(RunId),
    /// A run that rested goes on, whatever the limits say: a person answered and is not to wait once more.
    GoesOn(RunId),
    /// A run has ended.
    Done(RunId),
    /// Where a run stands in the queue.
    PlaceOf {
        /// The run.
        run_id: RunId,
        /// Its place from 1; none when it does not wait.
        reply: oneshot::Sender<Option<u32>>,
    },
}

/// How many runs may go on at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunLimits {
    pub(crate) all: u32,
    pub(crate) per_workspace: u32,
}

/// Who goes on, who waits for a person, and who waits for a turn.
pub(crate) struct Places {
    shared: Arc<Shared>,
    limits: RunLimits,
    manager: Option<ActorRef<RunManagerMessage>>,
    running: BTreeMap<RunId, WorkspaceId>,
    /// Those that wait for a person.
    resting: BTreeMap<RunId, WorkspaceId>,
    queue: Queue,
}

impl Actor for LockActor {
    type Msg = LockMessage;
    type State = Places;
    type Arguments = (Arc<Shared>, RunLimits);

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (shared, limits): Self::Arguments,
    ) -> Result<Places, ActorProcessingErr> {
        let (running, resting) = (BTreeMap::new(), BTreeMap::new());
        Ok(Places { shared, limits, manager: None, running, resting, queue: Queue::default() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: LockMessage,
        places: &mut Places,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LockMessage::Serve(manager) => places.manager = Some(manager),
            LockMessage::Limits(limits) => places.limits = limits,
            LockMessage::Place { waiting, reply } => {
                let run_id = waiting.run_id;
                if !places.knows(run_id) {
                    places.queue.add(waiting);
                }
                places.advance()?;
                if let Some(reply) = reply {
                    // The one who asked may have given up.
                    let _ = reply.send(places.queue.place_of(run_id).unwrap_or(0));
                }
            }
            LockMessage::Expedite(run_id) => places.queue.expedite(run_id),
            LockMessage::Rests(run_id) => {
                let place = places.running.remove(&run_id);
                places.resting.extend(place.map(|workspace_id| (run_id, workspace_id)));
            }
            LockMessage::GoesOn(run_id) => {
                let place = places.resting.remove(&run_id);
                places.running.extend(place.map(|workspace_id| (run_id, workspace_id)));
            }
            LockMessage::Done(run_id) => {
                places.running.remove(&run_id);
                places.resting.remove(&run_id);
            }
            LockMessage::PlaceOf { run_id, reply } => {
                // The one who asked may have given up.
                let _ = reply.send(places.queue.place_of(run_id));
                return Ok(());
            }
        }
        places.advance()
    }
}

impl Places {
    fn knows(&self, run_id: RunId) -> bool {
        self.running.contains_key(&run_id)
            || self.resting.contains_key(&run_id)
            || self.queue.contains(run_id)
    }

    /// Starts all that may start now.
    fn advance(&mut self) -> Result<(), ActorProcessingErr> {
        if let Some(manager) = self.manager.clone().filter(|_| !self.shared.paused()) {
            let (limits, running) = (self.limits, &mut self.running);
            while let Some(next) = self.queue.take_next(|workspace_id| limits.leave(running, workspace_id)) {
                running.insert(next.run_id, next.workspace_id);
                manager.cast(RunManagerMessage::Start { run_id: next.run_id })?;
            }
        }
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let going_on = self.running.len() + self.resting.len();
        let activity = Activity { running: count(going_on), queued: count(self.queue.len()) };
        self.shared.activity.send_if_modified(|known| std::mem::replace(known, activity) != activity);
        Ok(())
    }
}

impl RunLimits {
    /// Whether these that go on leave a place for another one of the workspace.
    fn leave(self, running: &BTreeMap<RunId, WorkspaceId>, workspace_id: WorkspaceId) -> bool {
        let fewer = |count: usize, limit: u32| count < usize::try_from(limit).unwrap_or(usize::MAX);
        let here = running.values().filter(|running| **running == workspace_id).count();
        fewer(running.len(), self.all) && fewer(here, self.per_workspace)
    }
}
