//! Following one run: its events go to its subscribers, and what they change goes into its properties.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;
use windlass_contract::request::{RunRef, WatchRun};
use windlass_contract::{Control, ErrorCode, EventStream, Fault};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::{ApprovalAnswer, RunEvent};
use zbus::Connection;
use zbus::fdo::Properties;
use zbus::message::Message;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;

use super::manager::Manager;
use super::pace::Pace;
use super::run_object::RunFacts;
use super::subscriptions::Subscriptions;
use crate::convert::to_fields;
use crate::fault::carried_text;
use crate::names::{MANAGER_INTERFACE, MANAGER_PATH, RUN_INTERFACE, run_path};

/// Most events that are put into one write to the bus.
const MAX_BATCH: usize = 64;

/// How long to wait before following a run again whose stream broke: doubles from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Follows one run to its end.
pub(crate) struct Follower {
    /// Where the events come from.
    pub(crate) control: Arc<dyn Control>,
    /// Where they go to.
    pub(crate) connection: Connection,
    /// Who wants them.
    pub(crate) subscriptions: watch::Receiver<Subscriptions>,
    /// What the run's properties say.
    pub(crate) facts: watch::Sender<RunFacts>,
}

/// How following came to a stop.
enum Stopped {
    Ended,
    Broken(Fault),
}

impl Follower {
    /// Follows the run until it has ended, or is no more.
    pub(crate) async fn follow(self) -> RunId {
        let (run_id, mut next) = (self.facts.borrow().run_id, self.facts.borrow().last_seq.next());
        let mut delay = RETRY.0;
        loop {
            let before = next;
            let stopped = match self.control.watch_run(WatchRun { run_id, from: next }).await {
                Ok(stream) => self.forward(run_id, stream, &mut next).await,
                Err(fault) => Stopped::Broken(fault),
            };
            match stopped {
                Stopped::Ended => return run_id,
                Stopped::Broken(fault) if fault.code() == ErrorCode::UnknownRun => return run_id,
                Stopped::Broken(fault) => {
                    tracing::warn!(%run_id, %fault, "the run's events stopped; trying again");
                }
            }
            if next > before {
                delay = RETRY.0;
            }
            tokio::time::sleep(delay).await;
            delay = RETRY.1.min(delay * 2);
        }
    }

    async fn forward(&self, run_id: RunId, stream: EventStream, next: &mut Seq) -> Stopped {
        let mut batches = stream.ready_chunks(MAX_BATCH);
        let mut pace = Pace::default();
        loop {
            tokio::select! {
                batch = batches.next() => {
                    let Some(batch) = batch else {
                        return Stopped::Broken(Fault::new(ErrorCode::Io, "the stream ended before the run"));
                    };
                    let (events, broken) = until_broken(batch);
                    self.send(run_id, &events).await;
                    self.announce(run_id, &events).await;
                    if let Some(last) = events.last() {
                        *next = last.seq.next();
                        pace.changed(Instant::now());
                    }
                    if events.iter().any(ends) {
                        pace.due().await;
                        self.publish(run_id).await;
                        return Stopped::Ended;
                    }
                    if let Some(fault) = broken {
                        return Stopped::Broken(fault);
                    }
                }
                () = pace.due() => {
                    self.publish(run_id).await;
                    pace.told(Instant::now());
                }
            }
        }
    }

    /// Sends events to those who subscribed. One that cannot be sent leaves a gap in their sequence numbers, which tells them to
    /// read.
    async fn send(&self, run_id: RunId, events: &[Event]) {
        let callers = self.subscriptions.borrow().of(run_id);
        if callers.is_empty() {
            return;
        }
        let mut messages = Vec::with_capacity(events.len() * callers.len());
        for event in events {
            let body = match to_fields(event) {
                Ok(fields) => (run_id.to_string(), fields),
                Err(error) => {
                    tracing::warn!(%run_id, seq = event.seq.0, %error, "an event cannot be carried by D-Bus");
                    continue;
                }
            };
            for caller in &callers {
                let mut signal =
                    Message::signal(MANAGER_PATH, MANAGER_INTERFACE, "RunEvent").destination(caller);
                if let Some(sender) = self.connection.unique_name() {
                    signal = signal.sender(sender);
                }
                match signal.build(&body) {
                    Ok(message) => messages.push(message),
                    Err(error) => {
                        tracing::warn!(%run_id, seq = event.seq.0, %error, "an event cannot be sent")
                    }
                }
            }
        }
        if let Err(error) = self.connection.send_all(&messages).await {
            tracing::warn!(%run_id, %error, "events could not be sent");
        }
    }

    /// Tells everybody that a run began to wait for a person, or does no more: whoever could answer may not follow the run.
    async fn announce(&self, run_id: RunId, events: &[Event]) {
        let run_id = run_id.to_string();
        for event in events {
            let told = async {
                let emitter = SignalEmitter::new(&self.connection, MANAGER_PATH)?;
                match &event.data {
                    EventData::Run(RunEvent::ApprovalAsked {
                        approval_id,
                        capability,
                        subject,
                        expires_at,
                        ..
                    }) => {
                        let (id, until) = (approval_id.to_string(), expires_at.to_string());
                        let (what, subject) = (carried_text(capability), carried_text(subject));
                        Manager::approval_asked(&emitter, run_id.clone(), id, what, subject, until).await
                    }
                    EventData::Run(RunEvent::ApprovalAnswered { approval_id, answer, .. }) => {
                        let answer = match answer {
                            ApprovalAnswer::Approved => "approved",
                            ApprovalAnswer::Denied => "denied",
                            ApprovalAnswer::Expired => "expired",
                        };
                        let id = approval_id.to_string();
                        Manager::approval_answered(&emitter, run_id.clone(), id, answer.to_owned()).await
                    }
                    _ => Ok(()),
                }
            };
            if let Err(error) = told.await {
                tracing::warn!(%run_id, %error, "a question to a person could not be announced");
            }
        }
    }

    /// Brings the properties up to date and says which changed.
    async fn publish(&self, run_id: RunId) {
        let now = match self.control.show_run(RunRef { run_id }).await {
            Ok(view) => RunFacts::of(&view),
            Err(fault) => {
                return tracing::warn!(%run_id, %fault, "the run's properties could not be brought up to date");
            }
        };
        let before = self.facts.send_replace(now.clone());
        let changed: HashMap<_, _> = now.changed_since(&before).into_iter().collect();
        if changed.is_empty() {
            return;
        }
        let told = async {
            let emitter = SignalEmitter::new(&self.connection, run_path(run_id))?;
            let interface = InterfaceName::from_static_str(RUN_INTERFACE)?;
            Properties::properties_changed(&emitter, interface, changed, [].as_slice().into()).await
        };
        if let Err(error) = told.await {
            tracing::warn!(%run_id, %error, "a change of the run's properties could not be told");
        }
    }
}

/// The events up to the first fault, and that fault.
fn until_broken(batch: Vec<Result<Event, Fault>>) -> (Vec<Event>, Option<Fault>) {
    let mut events = Vec::with_capacity(batch.len());
    for item in batch {
        match item {
            Ok(event) => events.push(event),
            Err(fault) => return (events, Some(fault)),
        }
    }
    (events, None)
}

/// Whether this is the last event of its run.
pub(crate) fn ends(event: &Event) -> bool {
    matches!(event.data, EventData::Run(RunEvent::Ended { .. }))
}
