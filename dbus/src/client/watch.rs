//! Following a run over the bus without a gap: subscribe first, then read what is recorded, then go on with the signals, and
//! read again whenever one might be missing.
//!
//! Signals are taken off the connection at once, whether or not anybody asks for the next event: a signal that waits would hold
//! up every other message of the connection. What does not fit is dropped and read later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::StreamExt;
use tokio::sync::{Notify, oneshot};
use windlass_contract::request::{ReadEvents, RunRef, WatchRun};
use windlass_contract::{Control, ErrorCode, EventStream, Fault};
use windlass_domain::event::Event;
use windlass_domain::id::{RunId, Seq};
use zbus::message::{Flags, Message, Type};
use zbus::names::OwnedUniqueName;
use zbus::{MatchRule, MessageStream};

use super::BusControl;
use super::call::Deadline;
use crate::bus::owner_changes;
use crate::convert::{Received, read};
use crate::fault;
use crate::names::{BUS_NAME, MANAGER_INTERFACE, MANAGER_PATH};
use crate::server::ends;

/// Most events that wait for whoever follows the run. More are cheaper to read as a page.
const MAX_WAITING: usize = 256;

/// Follows a run from an event on.
///
/// # Errors
/// `unknown_run`, or why the service cannot be reached.
pub(super) async fn watch(control: BusControl, request: WatchRun) -> Result<EventStream, Fault> {
    let WatchRun { run_id, from } = request;
    let bus = |error: zbus::Error| fault::from_bus(&error);
    let text = run_id.to_string();
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .path(MANAGER_PATH)
        .interface(MANAGER_INTERFACE)
        .member("RunEvent")
        .arg(0, text.as_str())
        .build()
        .map_err(bus)?;
    let signals = MessageStream::for_match_rule(rule, &control.connection, None).await.map_err(bus)?;
    let changes = owner_changes(BUS_NAME).map_err(bus)?;
    let changes = MessageStream::for_match_rule(changes, &control.connection, None).await.map_err(bus)?;
    let service = subscribe(&control, run_id).await?;
    let inbox = Arc::new(Inbox::default());
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(collect(control.clone(), run_id, Sources { signals, changes, stopped }, inbox.clone()));
    let watching = Watching {
        control,
        run_id,
        service,
        next: from.max(Seq(1)),
        page: VecDeque::new(),
        behind: true,
        over: false,
        inbox,
        _stop: stop,
    };
    Ok(futures::stream::unfold(watching, |mut watching| async {
        let item = watching.next().await?;
        Some((item, watching))
    })
    .boxed())
}

/// Subscribes; gives the unique name of the service that did it.
async fn subscribe(control: &BusControl, run_id: RunId) -> Result<OwnedUniqueName, Fault> {
    let reply = control.reply(Deadline::Patience, "Subscribe", &(run_id.to_string(),)).await?;
    let header = reply.header();
    let sender = header.sender().ok_or_else(|| fault::unreadable(&"it names no sender"))?;
    Ok(sender.to_owned().into())
}

/// Takes one subscription back, without waiting and without starting a service for it.
async fn unsubscribe(control: &BusControl, run_id: RunId) {
    let message = Message::method_call(MANAGER_PATH, "Unsubscribe")
        .destination(BUS_NAME)
        .interface(MANAGER_INTERFACE)
        .with_flags(Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START)
        .build(&(run_id.to_string(),));
    let sent = async { control.connection.send(&message?).await };
    if let Err(error) = sent.await {
        tracing::debug!(%run_id, %error, "the subscription could not be taken back");
    }
}

/// What the collecting task tells whoever follows the run.
#[derive(Debug)]
enum Notice {
    /// An event came.
    Event(Box<Event>),
    /// Events may have been missed.
    Missed,
    /// A service is gone; there may be another.
    Left(OwnedUniqueName),
    /// The connection to the bus is gone.
    Closed,
}

/// Where the collecting task puts what comes.
#[derive(Debug, Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Box<Event>>,
    missed: bool,
    left: VecDeque<OwnedUniqueName>,
    closed: bool,
}

impl Inbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting());
        self.wake.notify_one();
    }

    fn put(&self, event: Box<Event>) {
        self.change(|waiting| {
            if waiting.events.len() < MAX_WAITING {
                waiting.events.push_back(event);
            } else {
                waiting.events.clear();
                waiting.missed = true;
            }
        });
    }

    fn take(&self) -> Option<Notice> {
        let mut waiting = self.waiting();
        if let Some(service) = waiting.left.pop_front() {
            return Some(Notice::Left(service));
        }
        if std::mem::take(&mut waiting.missed) {
            return Some(Notice::Missed);
        }
        let event = waiting.events.pop_front().map(Notice::Event);
        event.or_else(|| waiting.closed.then_some(Notice::Closed))
    }

    async fn next(&self) -> Notice {
        loop {
            if let Some(notice) = self.take() {
                return notice;
            }
            // A wake-up between the look and the wait is kept for the wait.
            self.wake.notified().await;
        }
    }
}

/// What the collecting task listens to.
struct Sources {
    signals: MessageStream,
    changes: MessageStream,
    stopped: oneshot::Receiver<()>,
}

/// Takes signals off the connection until nobody follows the run any more, then unsubscribes.
async fn collect(control: BusControl, run_id: RunId, mut sources: Sources, inbox: Arc<Inbox>) {
    loop {
        tokio::select! {
            _dropped = &mut sources.stopped => break,
            signal = sources.signals.next() => match signal {
                Some(Ok(signal)) => match event_of(&signal) {
                    Some(event) => inbox.put(event),
                    None => inbox.change(|waiting| waiting.missed = true),
                },
                Some(Err(_)) | None => return inbox.change(|waiting| waiting.closed = true),
            },
            change = sources.changes.next() => match change {
                Some(Ok(change)) => {
                    if let Some(service) = left(&change) {
                        inbox.change(|waiting| waiting.left.push_back(service));
                    }
                }
                Some(Err(_)) | None => return inbox.change(|waiting| waiting.closed = true),
            },
        }
    }
    unsubscribe(&control, run_id).await;
}

/// The service that gave up the name, or lost it.
fn left(change: &Message) -> Option<OwnedUniqueName> {
    let body = change.body();
    let (_name, old, _new): (&str, &str, &str) = body.deserialize().ok()?;
    OwnedUniqueName::try_from(old).ok()
}

/// The event in a signal; none when it cannot be read, and then reading the page says why.
fn event_of(signal: &Message) -> Option<Box<Event>> {
    let body = signal.body();
    let (_run_id, fields): (&str, Received) = body.deserialize().ok()?;
    read(fields).ok().map(Box::new)
}

/// Somebody follows a run.
struct Watching {
    control: BusControl,
    run_id: RunId,
    /// The service that sends the signals.
    service: OwnedUniqueName,
    /// The event to give next.
    next: Seq,
    /// Events that were read and not given yet.
    page: VecDeque<Event>,
    /// Whether recorded events may be missing from `page`.
    behind: bool,
    /// Whether the last event, or a fault, was given.
    over: bool,
    inbox: Arc<Inbox>,
    /// Dropped with this, which ends the collecting task.
    _stop: oneshot::Sender<()>,
}

impl Watching {
    async fn next(&mut self) -> Option<Result<Event, Fault>> {
        if self.over {
            return None;
        }
        let item = self.event().await.transpose();
        match &item {
            Some(Ok(event)) => {
                self.next = event.seq.next();
                self.over = ends(event);
            }
            Some(Err(_)) | None => self.over = true,
        }
        item
    }

    /// The next event; none when the run has ended before the first event that was asked for.
    async fn event(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(Some(event));
            }
            if self.behind {
                self.read().await?;
                if self.page.is_empty() && self.has_ended().await? {
                    return Ok(None);
                }
                continue;
            }
            match self.inbox.next().await {
                Notice::Event(event) if event.seq < self.next && ends(&event) => return Ok(None),
                Notice::Event(event) if event.seq < self.next => {}
                Notice::Event(event) if event.seq == self.next => return Ok(Some(*event)),
                Notice::Event(_) | Notice::Missed => self.behind = true,
                Notice::Left(service) if service == self.service => self.subscribe_again().await?,
                Notice::Left(_) => {}
                Notice::Closed => return Err(fault::answer_lost("the connection to the session bus broke")),
            }
        }
    }

    /// Whether nothing will come any more: asked when nothing is recorded from the next event on.
    async fn has_ended(&self) -> Result<bool, Fault> {
        let run = self.control.show_run(RunRef { run_id: self.run_id }).await?;
        Ok(!run.row.status.is_active() && run.last_seq < self.next)
    }

    /// Subscribes with the service that is there now; asking for one starts it, where the bus can.
    async fn subscribe_again(&mut self) -> Result<(), Fault> {
        let service = subscribe(&self.control, self.run_id).await?;
        if service == self.service {
            // It had not left after all, and one subscription is enough.
            unsubscribe(&self.control, self.run_id).await;
        }
        self.service = service;
        self.behind = true;
        Ok(())
    }

    /// Reads a page. A service that is replaced while it answers is asked once more.
    async fn read(&mut self) -> Result<(), Fault> {
        let request = ReadEvents { run_id: self.run_id, from: self.next, limit: 0 };
        let page = match self.control.read_events(request.clone()).await {
            Err(fault) if fault.code() == ErrorCode::BusUnavailable => {
                self.subscribe_again().await?;
                self.control.read_events(request).await?
            }
            other => other?,
        };
        self.behind = page.more && !page.events.is_empty();
        self.page = page.events.into();
        Ok(())
    }
}
