//! `LockActor`: which admitted run goes on now and which waits. It decides nothing that lasts: the one active run for each key
//! is the writer's rule, and this queue is rebuilt from the capsule.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use windlass_domain::id::{RunId, WorkspaceId};

use super::run_manager::RunManagerMessage;
use crate::shared::{Activity, Shared};

/// How often headless runs may be passed over by newer interactive ones before the oldest of them goes first: a person at a
/// terminal waits little, and nothing waits for ever.
const PASSED_OVER_AT_MOST: u32 = 3;

/// The actor that owns the queue.
pub(crate) struct LockActor;

/// What it is told and asked.
pub(crate) enum LockMessage {
    /// The manager that starts runs is there.
    Serve(ActorRef<RunManagerMessage>),
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

/// A run that waits for its turn.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) run_id: RunId,
    pub(crate) workspace_id: WorkspaceId,
    /// Nobody sits and waits for it.
    pub(crate) headless: bool,
    /// It goes on whatever the limits say: it was going on before, or is only to write its log.
    pub(crate) urgent: bool,
}

/// How many runs may go on at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunLimits {
    pub(crate) all: u32,
    pub(crate) per_workspace: u32,
}

/// The queue.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    limits: RunLimits,
    manager: Option<ActorRef<RunManagerMessage>>,
    running: BTreeMap<RunId, WorkspaceId>,
    /// Those that wait for a person.
    resting: BTreeMap<RunId, WorkspaceId>,
    waiting: Vec<Waiting>,
    passed_over: u32,
}

impl Actor for LockActor {
    type Msg = LockMessage;
    type State = Queue;
    type Arguments = (Arc<Shared>, RunLimits);

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (shared, limits): Self::Arguments,
    ) -> Result<Queue, ActorProcessingErr> {
        let (running, resting, waiting) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Ok(Queue { shared, limits, manager: None, running, resting, waiting, passed_over: 0 })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: LockMessage,
        queue: &mut Queue,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LockMessage::Serve(manager) => queue.manager = Some(manager),
            LockMessage::Place { waiting, reply } => {
                let run_id = waiting.run_id;
                if !queue.knows(run_id) {
                    queue.waiting.push(waiting);
                }
                queue.advance()?;
                if let Some(reply) = reply {
                    // The one who asked may have given up.
                    let _ = reply.send(queue.place_of(run_id).unwrap_or(0));
                }
            }
            LockMessage::Expedite(run_id) => {
                for waiting in queue.waiting.iter_mut().filter(|waiting| waiting.run_id == run_id) {
                    waiting.urgent = true;
                }
            }
            LockMessage::Rests(run_id) => {
                let place = queue.running.remove(&run_id);
                queue.resting.extend(place.map(|workspace_id| (run_id, workspace_id)));
            }
            LockMessage::GoesOn(run_id) => {
                let place = queue.resting.remove(&run_id);
                queue.running.extend(place.map(|workspace_id| (run_id, workspace_id)));
            }
            LockMessage::Done(run_id) => {
                queue.running.remove(&run_id);
                queue.resting.remove(&run_id);
            }
            LockMessage::PlaceOf { run_id, reply } => {
                // The one who asked may have given up.
                let _ = reply.send(queue.place_of(run_id));
                return Ok(());
            }
        }
        queue.advance()
    }
}

impl Queue {
    fn knows(&self, run_id: RunId) -> bool {
        self.running.contains_key(&run_id)
            || self.resting.contains_key(&run_id)
            || self.waiting.iter().any(|waiting| waiting.run_id == run_id)
    }

    /// Starts all that may start now.
    fn advance(&mut self) -> Result<(), ActorProcessingErr> {
        if let Some(manager) = self.manager.clone().filter(|_| !self.shared.paused()) {
            while let Some(at) = self.next() {
                let waiting = self.waiting.remove(at);
                self.running.insert(waiting.run_id, waiting.workspace_id);
                manager.cast(RunManagerMessage::Start { run_id: waiting.run_id })?;
            }
        }
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let going_on = self.running.len() + self.resting.len();
        let activity = Activity { running: count(going_on), queued: count(self.waiting.len()) };
        self.shared.activity.send_if_modified(|known| std::mem::replace(known, activity) != activity);
        Ok(())
    }

    /// The one to start next: urgent ones first, then interactive ones, but a headless one that was passed over often
    /// enough goes before them.
    fn next(&mut self) -> Option<usize> {
        if let Some(urgent) = self.waiting.iter().position(|waiting| waiting.urgent) {
            return Some(urgent);
        }
        let fits = |waiting: &&Waiting| self.fits(waiting.workspace_id);
        let first_of = |headless: bool| {
            self.waiting.iter().position(|waiting| waiting.headless == headless && fits(&waiting))
        };
        let (interactive, headless) = (first_of(false), first_of(true));
        match (interactive, headless) {
            (Some(_), Some(headless)) if self.passed_over >= PASSED_OVER_AT_MOST => {
                self.passed_over = 0;
                Some(headless)
            }
            (Some(interactive), Some(headless)) => {
                if headless < interactive {
                    self.passed_over += 1;
                }
                Some(interactive)
            }
            (interactive, headless) => interactive.or(headless),
        }
    }

    fn fits(&self, workspace_id: WorkspaceId) -> bool {
        let fewer = |count: usize, limit: u32| count < usize::try_from(limit).unwrap_or(usize::MAX);
        let here = self.running.values().filter(|running| **running == workspace_id).count();
        fewer(self.running.len(), self.limits.all) && fewer(here, self.limits.per_workspace)
    }

    fn place_of(&self, run_id: RunId) -> Option<u32> {
        let before = self.waiting.iter().position(|waiting| waiting.run_id == run_id)?;
        u32::try_from(before + 1).ok()
    }
}
