//! The one writer: a bounded entrance, and behind it a thread that owns every write transaction.
//!
//! It takes one entry, drains what waits, commits all in one transaction with one sync, then answers all. The order of
//! the queue is kept, so a durable write commits with everything that was queued before it.
//!
//! **Invariant:** an entry is all or nothing: a refused one changes nothing, and the others of its transaction commit.
//! **Invariant:** every entry that was taken is answered exactly once, even when the thread panics.
//! **Invariant:** what a running step has come to is never refused for want of room: it waits, see `room.rs`.

mod batch;
mod draft;
mod items;
mod project;
mod room;
mod runs;
mod submit;
mod thread;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::event::Event;
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_domain::item::{ItemCommand, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::projection::Projection;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::Admission;
use windlass_domain::run::request::RunRequest;
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;

use crate::blob::StagedBlob;
use crate::error::{NoRoom, Overloaded, StageError, WriteError};
use crate::lock::Lock;
use crate::open::{Clock, Observer};
use crate::reader::Reader;
use crate::rows::CapsuleHead;

pub(crate) use runs::{NamedBlob, named_blobs};

/// How a capsule is opened for writing.
pub struct Options {
    /// The largest size of the store, in bytes; reserved as address space at once and used as needed. Rounded up to
    /// whole pages.
    pub map_bytes: usize,
    /// How many writes may wait. One more is refused with [`Overloaded`].
    pub max_waiting: usize,
    /// Where the time of a transaction comes from.
    pub clock: Clock,
}

impl Default for Options {
    /// 64 GiB, 4,096 waiting writes, the system's clock.
    fn default() -> Self {
        Self { map_bytes: 64 << 30, max_waiting: 4096, clock: Box::new(system_time) }
    }
}

fn system_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// How soon a write must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// At once.
    Durable,
    /// With the next durable write, or after 50 milliseconds.
    Streamed,
}

/// One entry for the writer: all of it happens, or nothing.
#[derive(Debug, Clone)]
pub enum Op {
    /// Makes a repository known, or finds the workspace that its `common_dir` has already.
    RegisterWorkspace(Workspace),
    /// Creates a work item.
    CreateItem(Box<WorkItem>),
    /// A command to a work item. Deprecating it also asks its active runs to stop.
    Item {
        /// Its workspace.
        workspace_id: WorkspaceId,
        /// Which.
        work_item_id: ItemId,
        /// What to do.
        command: ItemCommand,
    },
    /// Keeps the answers that a run needs, with their bytes.
    AnswerContext {
        /// The item's workspace.
        workspace_id: WorkspaceId,
        /// Which item.
        work_item_id: ItemId,
        /// The answers.
        context: Box<MaieuticContext>,
        /// Who answered.
        by: String,
    },
    /// Asks for a run.
    Submit(Box<Submission>),
    /// Commands to a run, in order, that end it, with what was projected of it: all in one transaction.
    EndRun {
        /// Which.
        run_id: RunId,
        /// What to do.
        commands: Vec<RunCommand>,
        /// Blobs that the events will name. Those that none names are not kept.
        blobs: Vec<StagedBlob>,
        /// What became of its files.
        projection: Projection,
    },
    /// Commands to a run, in order.
    Run {
        /// Which.
        run_id: RunId,
        /// What to do.
        commands: Vec<RunCommand>,
        /// Blobs that the events will name. Those that none names are not kept.
        blobs: Vec<StagedBlob>,
    },
}

/// A request for a run, with what must still hold when it commits.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The new run's id, of version 7.
    pub run_id: RunId,
    /// What is asked for.
    pub request: RunRequest,
    /// What is fixed at this moment.
    pub admission: Admission,
    /// Answers to keep in the same transaction.
    pub context: Option<MaieuticContext>,
    /// Who moves the item into the holding state of this kind, in the same transaction. An item that is there stays.
    pub hold: Option<String>,
    /// The item's version that the caller judged.
    pub expected_item_version: Option<u64>,
    /// The merged policy as JSON, kept under `admission.policy_digest`. Later attempts stay within it.
    pub policy: StagedBlob,
}

/// What a write came to. `events` are those that it committed, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The workspace, new or known before.
    Workspace {
        /// As it is recorded.
        workspace: Workspace,
        /// Whether this write made it known.
        new: bool,
        /// What was committed.
        events: Vec<Event>,
    },
    /// The item as it is now.
    Item {
        /// The item.
        item: Box<WorkItem>,
        /// What was committed.
        events: Vec<Event>,
    },
    /// The run of a submission.
    Submitted {
        /// Its id: the given one, or that of the run which the same request made before.
        run_id: RunId,
        /// Whether this write made it.
        new: bool,
        /// What was committed.
        events: Vec<Event>,
    },
    /// A run's events.
    Run {
        /// What was committed, also to its item.
        events: Vec<Event>,
    },
}

impl Written {
    /// The events that the write committed.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        match self {
            Self::Workspace { events, .. }
            | Self::Item { events, .. }
            | Self::Submitted { events, .. }
            | Self::Run { events } => events,
        }
    }

    pub(crate) fn with_events(mut self, committed: Vec<Event>) -> Self {
        match &mut self {
            Self::Workspace { events, .. }
            | Self::Item { events, .. }
            | Self::Submitted { events, .. }
            | Self::Run { events } => *events = committed,
        }
        self
    }
}

/// Takes the answer to a write. It runs on the writer's thread, once, and must not wait.
pub type Reply = Box<dyn FnOnce(Result<Written, WriteError>) + Send>;

/// The way to the writer. Cheap to clone; every thread may have one. When the last one is dropped, the thread commits
/// what waits and ends, and the next opening finds an unclean stop: [`Writer::close`] is the clean one.
#[derive(Clone)]
pub struct Writer {
    handle: Arc<Handle>,
}

struct Handle {
    entrance: Option<SyncSender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    reader: Reader,
    max_waiting: usize,
}

/// What the thread lets others see.
#[derive(Default)]
struct Shared {
    beats: AtomicU64,
    end: OnceLock<End>,
    waits_for_room: Mutex<Option<WaitsForRoom>>,
}

/// Results of running steps that are not on disk yet, because there is no room for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{results} results of running steps wait for room: {no_room}")]
pub struct WaitsForRoom {
    /// How many.
    pub results: usize,
    /// What is missing.
    pub no_room: NoRoom,
}

/// Why the thread ended.
enum End {
    Closed,
    Fatal(String),
}

impl Shared {
    fn waits_for_room(&self) -> MutexGuard<'_, Option<WaitsForRoom>> {
        // The value is whole between any two of its uses.
        self.waits_for_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self) -> WriteError {
        match self.end.get() {
            Some(End::Closed) => WriteError::Closed,
            Some(End::Fatal(why)) => WriteError::Fatal { why: why.clone() },
            None => WriteError::Fatal { why: "its thread ended unexpectedly".to_owned() },
        }
    }
}

/// Sets the end of a writer whose thread panicked, so that nobody waits for it.
struct EndIsTold(Arc<Shared>);

impl Drop for EndIsTold {
    fn drop(&mut self) {
        // Set already when the thread ended in order.
        let _ = self.0.end.set(End::Fatal("its thread panicked".to_owned()));
    }
}

enum Message {
    Write(Entry),
    Ping(Box<dyn FnOnce() + Send>),
    Room(room::RoomWanted),
    Close,
}

struct Entry {
    class: Class,
    op: Op,
    answer: Answer,
}

/// A reply that is given exactly once: one that is dropped unanswered says why the writer ended.
struct Answer {
    reply: Option<Reply>,
    shared: Arc<Shared>,
}

impl Answer {
    fn give(mut self, result: Result<Written, WriteError>) {
        if let Some(reply) = self.reply.take() {
            reply(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply(Err(self.shared.refusal()));
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("folder", &self.handle.reader.folder()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("map_bytes", &self.map_bytes)
            .field("max_waiting", &self.max_waiting)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn start(
        reader: Reader,
        lock: Lock,
        head: CapsuleHead,
        options: Options,
        map_bytes: usize,
        observer: Observer,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (entrance, queue) = sync_channel(options.max_waiting);
        let loop_of = thread::Loop {
            queue,
            reader: reader.clone(),
            shared: Arc::clone(&shared),
            head,
            room: room::Room::of(reader.folder(), map_bytes),
            waiting: room::Waiting::default(),
            clock: options.clock,
            observer,
            runs: batch::RunCache::default(),
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("capsule-writer".to_owned()).spawn(|| {
            let _told = EndIsTold(Arc::clone(&loop_of.shared));
            loop_of.run();
        })?;
        let handle = Handle {
            entrance: Some(entrance),
            thread: Mutex::new(Some(thread)),
            shared,
            reader,
            max_waiting: options.max_waiting,
        };
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Queues a write; never waits. The reply comes from the writer's thread, after the sync.
    ///
    /// # Errors
    /// [`Overloaded`] when as many writes wait as may; nothing was taken then, and the reply is dropped. A writer that
    /// has ended takes the write and answers it with [`WriteError::Closed`] or [`WriteError::Fatal`].
    pub fn write(&self, class: Class, op: Op, reply: Reply) -> Result<(), Overloaded> {
        let answer = Answer { reply: Some(reply), shared: Arc::clone(&self.handle.shared) };
        self.send(Message::Write(Entry { class, op, answer }))
    }

    /// Writes and waits for the answer: for tests, benches and programs without a runtime. Must not be called from a
    /// reply or an observer.
    ///
    /// # Errors
    /// As the reply of [`Writer::write`]. An overloaded writer is waited for.
    pub fn write_blocking(&self, class: Class, op: Op) -> Result<Written, WriteError> {
        let (sender, answer) = sync_channel(1);
        let reply: Reply = Box::new(move |result| {
            // The receiver is below, and waits.
            let _ = sender.send(result);
        });
        let reply = Answer { reply: Some(reply), shared: Arc::clone(&self.handle.shared) };
        if let Some(entrance) = &self.handle.entrance {
            // A writer that has ended drops the entry, which answers it.
            let _ = entrance.send(Message::Write(Entry { class, op, answer: reply }));
        }
        answer.recv().unwrap_or_else(|_| Err(self.handle.shared.refusal()))
    }

    /// Calls back from the writer's thread when it comes to it: the proof for a watchdog that the loop is alive.
    /// A writer that has ended never calls back.
    ///
    /// # Errors
    /// [`Overloaded`], as for a write; then [`Writer::beats`] tells.
    pub fn ping(&self, answer: Box<dyn FnOnce() + Send>) -> Result<(), Overloaded> {
        self.send(Message::Ping(answer))
    }

    /// Calls back from the writer's thread when the disk has room for this many bytes more, at the earliest after a second: for
    /// whoever found none for a blob. A writer that has ended never calls back.
    ///
    /// # Errors
    /// [`Overloaded`], as for a write.
    pub fn when_there_is_room(&self, bytes: u64, answer: Box<dyn FnOnce() + Send>) -> Result<(), Overloaded> {
        self.send(Message::Room((bytes, answer)))
    }

    /// What waits for room, while something does.
    #[must_use]
    pub fn waits_for_room(&self) -> Option<WaitsForRoom> {
        self.handle.shared.waits_for_room().clone()
    }

    /// How many transactions and pings the loop has finished; it rises while the loop is alive and has work.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.handle.shared.beats.load(Ordering::Relaxed)
    }

    /// Why the writer has ended, when it has: [`WriteError::Closed`] or [`WriteError::Fatal`].
    #[must_use]
    pub fn ended(&self) -> Option<WriteError> {
        self.handle.shared.end.get().map(|_| self.handle.shared.refusal())
    }

    /// Waits on this thread until the writer has ended, and says why.
    #[must_use]
    pub fn wait_until_ended(&self) -> WriteError {
        self.handle.shared.end.wait();
        self.handle.shared.refusal()
    }

    /// Makes bytes ready; see [`Reader::stage`].
    ///
    /// # Errors
    /// [`StageError`].
    pub fn stage(
        &self,
        class: DataClass,
        mode: CaptureMode,
        bytes: Vec<u8>,
    ) -> Result<StagedBlob, StageError> {
        self.handle.reader.stage(class, mode, bytes)
    }

    /// Commits what waits, ends the thread and marks a clean stop. Writes queued later are answered with
    /// [`WriteError::Closed`]. Waits for the thread, unless called from it.
    ///
    /// # Errors
    /// [`WriteError::Fatal`] when the writer ended by itself before.
    pub fn close(&self) -> Result<(), WriteError> {
        if let Some(entrance) = &self.handle.entrance {
            // A writer that has ended needs no word to end.
            let _ = entrance.send(Message::Close);
        }
        self.handle.join();
        match self.handle.shared.refusal() {
            WriteError::Closed => Ok(()),
            error => Err(error),
        }
    }

    fn send(&self, message: Message) -> Result<(), Overloaded> {
        let Some(entrance) = &self.handle.entrance else { return Ok(()) };
        match entrance.try_send(message) {
            // The dropped entry answers itself.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(message)) => {
                if let Message::Write(mut entry) = message {
                    entry.answer.reply = None;
                }
                Err(Overloaded { waiting: self.handle.max_waiting })
            }
        }
    }
}

impl Handle {
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread is told by the missing end.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.entrance = None;
        self.join();
    }
}
