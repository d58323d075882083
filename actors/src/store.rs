//! The capsule as actors use it: writes that can be awaited, and reads off the async threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use windlass_capsule::{
    Class, MAX_INLINE_BLOB_BYTES, MAX_PAGE, Op, Overloaded, ReadError, Reader, StageError, StagedBlob,
    WaitsForRoom, WriteError, Writer, Written,
};
use windlass_contract::error::Fault;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::Seq;

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Too much waits already.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The writer refused it or could not do it.
    #[error(transparent)]
    Write(#[from] Box<WriteError>),
    /// A blob could not be staged.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// This process only reads.
    #[error(transparent)]
    ReadOnly(Box<Fault>),
}

/// The capsule, its writer and its readers.
#[derive(Clone)]
pub(crate) struct Store {
    writer: Pen,
    reader: Arc<Reader>,
    heads: Heads,
}

/// What this process writes with.
#[derive(Clone)]
enum Pen {
    /// The writer.
    Writer(Writer),
    /// Nothing: whatever would change the capsule is refused with this.
    None(Arc<Fault>),
}

/// Tells those who follow a stream when it grew, and nobody else: a commit to one run wakes no watcher of another.
#[derive(Clone, Default)]
pub(crate) struct Heads {
    followed: Arc<Mutex<HashMap<Stream, watch::Sender<Seq>>>>,
}

impl Heads {
    /// Changes with each commit to this stream from now on.
    pub(crate) fn follow(&self, stream: &Stream) -> watch::Receiver<Seq> {
        self.lock().entry(stream.clone()).or_default().subscribe()
    }

    /// Tells what was committed. Streams that nobody follows any more are forgotten.
    pub(crate) fn committed(&self, events: &[Event]) {
        let mut followed = self.lock();
        followed.retain(|_, head| head.receiver_count() > 0);
        for event in events {
            if let Some(head) = followed.get(&event.stream) {
                head.send_replace(event.seq);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Stream, watch::Sender<Seq>>> {
        // The map is whole between any two of its calls.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    pub(crate) fn new(writer: Writer, reader: Reader, heads: Heads) -> Self {
        Self { writer: Pen::Writer(writer), reader: Arc::new(reader), heads }
    }

    /// The capsule for reading alone, and what every write is refused with.
    pub(crate) fn read_only(reader: Reader, refusal: Fault) -> Self {
        Self { writer: Pen::None(Arc::new(refusal)), reader: Arc::new(reader), heads: Heads::default() }
    }

    /// What every write is refused with, where this process only reads.
    pub(crate) fn refusal(&self) -> Option<&Fault> {
        match &self.writer {
            Pen::Writer(_) => None,
            Pen::None(refusal) => Some(refusal),
        }
    }

    /// Commits durably: the answer comes after it is on disk.
    pub(crate) async fn write(&self, op: Op) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        let reply = Box::new(move |result| {
            // The one who asked may be gone; what was committed stays committed.
            let _ = answer.send(result);
        });
        self.writer()?.write(Class::Durable, op, reply)?;
        match answered.await {
            Ok(result) => result.map_err(|error| StoreError::Write(Box::new(error))),
            Err(_) => Err(StoreError::Write(Box::new(WriteError::Closed))),
        }
    }

    /// As [`Store::stage`], for what a running step has come to: where there is no room, it waits for it.
    pub(crate) async fn stage_for_step(
        &self,
        class: DataClass,
        mode: CaptureMode,
        bytes: Vec<u8>,
    ) -> Result<StagedBlob, StoreError> {
        loop {
            match self.stage(class, mode, bytes.clone()).await {
                Err(StoreError::Stage(StageError::DiskFull { needed_bytes, .. })) => {
                    let (there, told) = oneshot::channel();
                    let answer = Box::new(move || {
                        // The attempt that waited may be over.
                        let _ = there.send(());
                    });
                    self.writer()?.when_there_is_room(needed_bytes, answer)?;
                    told.await.map_err(|_| StoreError::Write(Box::new(WriteError::Closed)))?;
                }
                staged => return staged,
            }
        }
    }

    /// What waits for room on the disk, while something does.
    pub(crate) fn waits_for_room(&self) -> Option<WaitsForRoom> {
        match &self.writer {
            Pen::Writer(writer) => writer.waits_for_room(),
            Pen::None(_) => None,
        }
    }

    /// Prepares bytes for a write that names them. Large ones go to the disk at once, on a blocking thread.
    pub(crate) async fn stage(
        &self,
        class: DataClass,
        mode: CaptureMode,
        bytes: Vec<u8>,
    ) -> Result<StagedBlob, StoreError> {
        if bytes.len() <= MAX_INLINE_BLOB_BYTES {
            return self.writer()?.stage(class, mode, bytes).map_err(StoreError::Stage);
        }
        let writer = self.writer()?.clone();
        blocking(move || writer.stage(class, mode, bytes)).await.map_err(StoreError::Stage)
    }

    /// Reads, on a blocking thread: a page fault must not hold up the bus.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reader = Arc::clone(&self.reader);
        blocking(move || read(&reader)).await
    }

    /// The reader, for code that is on a blocking thread already.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Who is told of commits.
    pub(crate) const fn heads(&self) -> &Heads {
        &self.heads
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        match &self.writer {
            Pen::Writer(writer) => Ok(writer),
            Pen::None(refusal) => Err(StoreError::ReadOnly(Box::new(Fault::clone(refusal)))),
        }
    }
}

/// All events of a stream, in order.
pub(crate) fn events_of(reader: &Reader, stream: &Stream) -> Result<Vec<Event>, ReadError> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let from = events.last().map_or(Seq(1), |event| event.seq.next());
        let page = reader.events(stream, from, MAX_PAGE)?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// Runs on a blocking thread, and passes a panic on to the one who waits.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
