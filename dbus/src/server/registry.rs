//! What the bus shows and who listens: the one owner of the runs' objects, of the tasks that follow runs, and of subscriptions.
//!
//! Shown are the active runs and the [`MAX_ENDED`] last ended ones. Other parts talk to the owner through [`Registry`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use windlass_contract::request::{ListRuns, RunRef};
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_domain::id::RunId;
use windlass_domain::run::RunStatus;
use zbus::fdo::DBusProxy;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, MessageStream};

use super::activity::Meter;
use super::desk::Desk;
use super::follow::Follower;
use super::run_object::{RunFacts, RunObject};
use super::subscriptions::Subscriptions;
use crate::bus::owner_changes;
use crate::names::run_path;

/// Most ended runs that are shown as objects; older ones are read through the manager.
const MAX_ENDED: usize = 64;

/// Most requests that wait for the owner. Each comes from a call, and calls are bounded; beyond this they wait in their tasks.
const MAX_WAITING: usize = 64;

/// Runs read at a time when all are placed: the longest page that the contract allows.
const PAGE: u32 = 500;

/// What is asked of the owner.
#[derive(Debug)]
enum Request {
    Place(RunId, oneshot::Sender<Result<(), Fault>>),
    Follow(RunId, oneshot::Sender<Result<(), Fault>>),
    PlaceAll(oneshot::Sender<Result<(), Fault>>),
    Subscribe(OwnedUniqueName, RunId, oneshot::Sender<Result<(), Fault>>),
    Unsubscribe(OwnedUniqueName, RunId, oneshot::Sender<Result<(), Fault>>),
}

/// Talks to the owner.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    requests: mpsc::Sender<Request>,
}

/// What the owner will start from.
pub(crate) struct Start {
    requests: mpsc::Receiver<Request>,
}

impl Registry {
    /// A way to talk to an owner that is yet to start.
    pub(crate) fn new() -> (Self, Start) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self { requests: sender }, Start { requests: receiver })
    }

    /// Shows a run; an ended one counts as ended just now.
    pub(crate) async fn place(&self, run_id: RunId) -> Result<(), Fault> {
        self.ask(|reply| Request::Place(run_id, reply)).await
    }

    /// Sees to it that a run is followed, unless it has ended.
    pub(crate) async fn follow(&self, run_id: RunId) -> Result<(), Fault> {
        self.ask(|reply| Request::Follow(run_id, reply)).await
    }

    /// Shows every active run and the newest ended ones.
    pub(crate) async fn place_all(&self) -> Result<(), Fault> {
        self.ask(Request::PlaceAll).await
    }

    /// Sends a run's events to a caller from now on.
    pub(crate) async fn subscribe(&self, caller: OwnedUniqueName, run_id: RunId) -> Result<(), Fault> {
        self.ask(|reply| Request::Subscribe(caller, run_id, reply)).await
    }

    /// Takes one subscription back.
    pub(crate) async fn unsubscribe(&self, caller: OwnedUniqueName, run_id: RunId) -> Result<(), Fault> {
        self.ask(|reply| Request::Unsubscribe(caller, run_id, reply)).await
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), Fault>>) -> Request,
    ) -> Result<(), Fault> {
        let leaving = || Fault::new(ErrorCode::BusUnavailable, "the service is leaving the bus; ask again");
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| leaving())?;
        answer.await.map_err(|_| leaving())?
    }
}

impl Start {
    /// Runs the owner until it is aborted. It ends by itself only where a task of its own failed, which is a bug.
    pub(crate) async fn run(mut self, desk: Desk, connection: Connection) {
        let mut owner = Owner {
            control: desk.control.clone(),
            meter: desk.meter.clone(),
            subscriptions: watch::Sender::default(),
            active: BTreeSet::new(),
            ended: VecDeque::new(),
            followers: JoinSet::new(),
            callers: JoinSet::new(),
            watched: BTreeSet::new(),
            desk,
            connection,
        };
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => owner.handle(request).await,
                    None => return,
                },
                Some(followed) = owner.followers.join_next() => match followed {
                    Ok(run_id) => owner.over(run_id).await,
                    Err(error) => return tracing::error!(%error, "a task that follows a run failed"),
                },
                Some(left) = owner.callers.join_next() => match left {
                    Ok(caller) => owner.forget(&caller),
                    Err(error) => return tracing::error!(%error, "a task that watches a subscriber failed"),
                },
            }
        }
    }
}

/// The owner's state.
struct Owner {
    desk: Desk,
    control: Arc<dyn Control>,
    meter: Meter,
    connection: Connection,
    subscriptions: watch::Sender<Subscriptions>,
    active: BTreeSet<RunId>,
    ended: VecDeque<RunId>,
    followers: JoinSet<RunId>,
    callers: JoinSet<OwnedUniqueName>,
    /// The callers that `callers` waits for: everybody who subscribed and has not left.
    watched: BTreeSet<OwnedUniqueName>,
}

impl Owner {
    async fn handle(&mut self, request: Request) {
        // A caller that no longer waits for its answer needs none.
        let _unheard = match request {
            Request::Place(run_id, reply) => reply.send(self.place(run_id, true).await),
            Request::Follow(run_id, reply) => reply.send(self.place(run_id, false).await),
            Request::PlaceAll(reply) => reply.send(self.place_all().await),
            Request::Subscribe(caller, run_id, reply) => reply.send(self.subscribe(caller, run_id)),
            Request::Unsubscribe(caller, run_id, reply) => {
                self.subscriptions.send_modify(|table| table.remove(&caller, run_id));
                self.count();
                reply.send(Ok(()))
            }
        };
    }

    async fn place_all(&mut self) -> Result<(), Fault> {
        let mut request = ListRuns {
            statuses: vec![RunStatus::Queued, RunStatus::Running],
            limit: PAGE,
            ..ListRuns::default()
        };
        loop {
            let page = self.control.list_runs(request.clone()).await?;
            for run in &page.runs {
                self.place(run.run_id, true).await?;
            }
            if page.next.is_none() {
                break;
            }
            request.after = page.next;
        }
        let ended = [
            RunStatus::Succeeded,
            RunStatus::Failed,
            RunStatus::Blocked,
            RunStatus::NeedsAttention,
            RunStatus::Cancelled,
        ];
        let limit = u32::try_from(MAX_ENDED).unwrap_or(PAGE);
        let request = ListRuns { statuses: ended.to_vec(), limit, ..ListRuns::default() };
        let page = self.control.list_runs(request).await?;
        // The newest comes first and is to be dropped last.
        for run in page.runs.iter().rev() {
            self.place(run.run_id, true).await?;
        }
        Ok(())
    }

    async fn place(&mut self, run_id: RunId, ended_too: bool) -> Result<(), Fault> {
        if self.active.contains(&run_id) || self.ended.contains(&run_id) {
            return Ok(());
        }
        let facts = RunFacts::of(&self.control.show_run(RunRef { run_id }).await?);
        let over = facts.ended;
        if over && !ended_too {
            return Ok(());
        }
        let (writer, reader) = watch::channel(facts);
        let object = RunObject { desk: self.desk.clone(), facts: reader };
        if let Err(error) = self.connection.object_server().at(run_path(run_id), object).await {
            return Err(Fault::new(
                ErrorCode::Io,
                format!("run {run_id} cannot be shown on the bus: {error}"),
            ));
        }
        if over {
            self.keep_ended(run_id).await;
            return Ok(());
        }
        self.active.insert(run_id);
        let follower = Follower {
            control: self.control.clone(),
            connection: self.connection.clone(),
            subscriptions: self.subscriptions.subscribe(),
            facts: writer,
        };
        self.followers.spawn(follower.follow());
        Ok(())
    }

    async fn over(&mut self, run_id: RunId) {
        self.active.remove(&run_id);
        self.keep_ended(run_id).await;
    }

    async fn keep_ended(&mut self, run_id: RunId) {
        self.ended.push_back(run_id);
        while self.ended.len() > MAX_ENDED {
            let Some(oldest) = self.ended.pop_front() else { return };
            if let Err(error) = self.connection.object_server().remove::<RunObject, _>(run_path(oldest)).await
            {
                tracing::warn!(run_id = %oldest, %error, "an ended run stays on the bus");
            }
        }
    }

    fn subscribe(&mut self, caller: OwnedUniqueName, run_id: RunId) -> Result<(), Fault> {
        let mut added = Ok(());
        self.subscriptions.send_modify(|table| added = table.add(caller.clone(), run_id));
        added?;
        if self.watched.insert(caller.clone()) {
            self.callers.spawn(until_gone(self.connection.clone(), caller));
        }
        self.count();
        Ok(())
    }

    fn forget(&mut self, caller: &OwnedUniqueName) {
        self.watched.remove(caller);
        self.subscriptions.send_modify(|table| table.forget(caller));
        self.count();
    }

    fn count(&self) {
        self.meter.subscribers(self.subscriptions.borrow().callers());
    }
}

/// Waits until a caller has left the bus. An error counts as gone only where the bus itself is gone, and then nothing matters.
async fn until_gone(connection: Connection, caller: OwnedUniqueName) -> OwnedUniqueName {
    let waited = async {
        let mut changes =
            MessageStream::for_match_rule(owner_changes(caller.as_str())?, &connection, None).await?;
        // It may have left before the rule was in force.
        let bus = DBusProxy::new(&connection).await?;
        if bus.name_has_owner(BusName::Unique(caller.as_ref())).await? {
            // A unique name changes its owner once: to nobody.
            changes.next().await;
        }
        zbus::Result::Ok(())
    };
    if let Err(error) = waited.await {
        tracing::warn!(caller = %caller, %error, "a subscriber can no longer be watched; its subscriptions are dropped");
    }
    caller
}
