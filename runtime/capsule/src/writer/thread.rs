//! The writer's thread: gathers entries, has them committed together, answers them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use windlass_domain::event::Event;
use windlass_failpoint::{Breakage, Place, breaks, pass};

use super::batch::{Batch, BatchFault, Refused, RunCache};
use super::room::{Room, RoomWanted, Waiting};
use super::{Answer, Class, End, Entry, Message, Op, Shared, WaitsForRoom, Written};
use crate::error::{NoRoom, OpenError, WriteError};
use crate::folder;
use crate::lock::Lock;
use crate::open::{Clock, Observer};
use crate::reader::Reader;
use crate::rows::CapsuleHead;

/// Most entries of one transaction: what one sync makes durable. More would delay the answers without saving syncs.
const MAX_BATCH_ENTRIES: usize = 256;

/// Most payload of one transaction, in bytes, by estimate; keeps a commit short.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// How long streamed entries alone wait for company: what a watcher does not notice.
const STREAMED_WAIT: Duration = Duration::from_millis(50);

/// How many transactions between two looks for readers that died. Their snapshots would keep old pages from reuse.
const CLEAR_READERS_EVERY: u64 = 256;

pub(super) struct Loop {
    pub(super) queue: Receiver<Message>,
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    pub(super) head: CapsuleHead,
    pub(super) room: Room,
    pub(super) waiting: Waiting,
    pub(super) clock: Clock,
    pub(super) observer: Observer,
    pub(super) runs: RunCache,
    /// Held as long as the thread may write.
    pub(super) _lock: Lock,
}

/// What was gathered for one transaction.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    pings: Vec<Box<dyn FnOnce() + Send>>,
    rooms: Vec<RoomWanted>,
    bytes: usize,
    durable: bool,
    /// Whether the deadline of what waits for room came.
    try_again: bool,
    ends: Option<Ending>,
}

/// What a transaction came to.
struct Outcomes {
    /// Each entry's outcome, and how many of the events are its own.
    of_entries: Vec<(Result<Written, WriteError>, usize)>,
    /// In the order of the entries.
    events: Vec<Event>,
}

#[derive(Clone, Copy)]
enum Ending {
    /// Somebody closed the writer.
    Closed,
    /// Nobody is left who could write.
    Abandoned,
}

impl Loop {
    pub(super) fn run(mut self) {
        let end = loop {
            let gathered = self.gather();
            self.waiting.want_room(gathered.rooms);
            if gathered.try_again {
                self.waiting.try_again(&self.room);
            }
            if let Err(why) = self.commit(gathered.entries) {
                break End::Fatal(why);
            }
            self.shared.beats.fetch_add(1, Ordering::Relaxed);
            for ping in gathered.pings {
                ping();
            }
            match gathered.ends {
                None => {}
                Some(Ending::Abandoned) => break End::Closed,
                Some(Ending::Closed) => match self.mark_clean() {
                    Ok(()) => break End::Closed,
                    Err(error) => break End::Fatal(format!("the clean stop cannot be marked: {error}")),
                },
            }
        };
        if let End::Fatal(why) = &end {
            tracing::error!(%why, "the capsule's writer ends");
        }
        // Set before the queue is dropped: what still waits is answered with it.
        let _ = self.shared.end.set(end);
    }

    fn mark_clean(&self) -> Result<(), OpenError> {
        pass(Place::WriterClosing);
        folder::write_clean(self.reader.folder(), &self.head)?;
        pass(Place::WriterClosed);
        Ok(())
    }

    /// Waits for one entry and takes what waits behind it. Streamed entries alone wait a little for company.
    fn gather(&self) -> Gathered {
        let mut gathered = Gathered::default();
        match self.first() {
            Ok(message) => gathered.take(message),
            Err(RecvTimeoutError::Timeout) => gathered.try_again = true,
            Err(RecvTimeoutError::Disconnected) => gathered.ends = Some(Ending::Abandoned),
        }
        let until = Instant::now() + STREAMED_WAIT;
        while !gathered.is_full() {
            match self.queue.try_recv() {
                Ok(message) => gathered.take(message),
                Err(TryRecvError::Disconnected) => gathered.ends = Some(Ending::Abandoned),
                Err(TryRecvError::Empty) if gathered.is_urgent() => break,
                Err(TryRecvError::Empty) => {
                    match self.queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                        Ok(message) => gathered.take(message),
                        Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => gathered.ends = Some(Ending::Abandoned),
                    }
                }
            }
        }
        gathered
    }

    /// The first message; not longer than until what waits for room is to be tried again.
    fn first(&self) -> Result<Message, RecvTimeoutError> {
        match self.waiting.next_try() {
            None => self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.queue.recv_timeout(at.saturating_duration_since(Instant::now())),
        }
    }

    /// Commits what waits for room and the new entries in one transaction, and answers them all. An error ends the writer.
    fn commit(&mut self, new: Vec<Entry>) -> Result<(), String> {
        let entries = self.waiting.join(new);
        if entries.is_empty() {
            self.waiting.settle();
            return Ok(());
        }
        let bytes = entries.iter().map(|entry| weight(&entry.op) as u64).sum();
        if let Some(no_room) = self.room.lacks(bytes) {
            self.wait_for_room(entries, &no_room);
            return Ok(());
        }
        let (ops, mut answers): (Vec<Op>, Vec<Answer>) =
            entries.into_iter().map(|entry| (entry.op, entry.answer)).unzip();
        let kept = self.room.is_scarce(self.reader.grown_bytes()).then(|| ops.clone());
        match self.transact(ops, &mut answers) {
            Ok(outcomes) => {
                outcomes.answer(answers);
                pass(Place::WriterAnswered);
                self.room_was_there();
                Ok(())
            }
            Err(fault) => {
                self.runs.forget_changed();
                self.refuse(&fault, bytes, kept, answers)
            }
        }
    }

    /// Answers the entries of a transaction that came to nothing. An error ends the writer.
    fn refuse(
        &mut self,
        fault: &BatchFault,
        bytes: u64,
        kept: Option<Vec<Op>>,
        answers: Vec<Answer>,
    ) -> Result<(), String> {
        let Some(refused) = fault.refusal(&self.room, bytes) else {
            let why = fault.told();
            // Set before the answers are dropped, which gives it to them.
            let _ = self.shared.end.set(End::Fatal(why.clone()));
            return Err(why);
        };
        if let (Refused::NoRoom(no_room), Some(ops)) = (&refused, kept) {
            let entry = |(op, answer)| Entry { class: Class::Durable, op, answer };
            self.wait_for_room(ops.into_iter().zip(answers).map(entry).collect(), no_room);
            return Ok(());
        }
        if let Refused::NoRoom(_) = &refused {
            self.room.surprise();
        }
        for answer in answers {
            answer.give(Err(refused.clone().into()));
        }
        Ok(())
    }

    /// Lets the entries of running steps wait, and refuses the others.
    fn wait_for_room(&mut self, entries: Vec<Entry>, no_room: &NoRoom) {
        for entry in entries {
            let bytes = weight(&entry.op);
            if let Some(refused) = self.waiting.keep(entry, bytes) {
                refused.answer.give(Err(WriteError::NoRoom(no_room.clone())));
            }
        }
        self.waiting.settle();
        let results = self.waiting.len();
        if results > 0 {
            let told = WaitsForRoom { results, no_room: no_room.clone() };
            if self.shared.waits_for_room().replace(told).is_none() {
                tracing::warn!(%no_room, results, "results of running steps wait for room");
            }
        }
    }

    /// A transaction was committed: nothing waits any more.
    fn room_was_there(&mut self) {
        self.waiting.settle();
        if self.shared.waits_for_room().take().is_some() {
            tracing::info!("there is room again, and what waited for it is on disk");
        }
    }

    fn transact(&mut self, ops: Vec<Op>, answers: &mut Vec<Answer>) -> Result<Outcomes, BatchFault> {
        pass(Place::WriterGathered);
        let store = &self.reader.inner().store;
        let mut batch = Batch::begin(self.reader.inner(), self.head, (self.clock)(), &mut self.runs)?;
        let mut of_entries = Vec::with_capacity(ops.len());
        for op in ops {
            let before = batch.events().len();
            let outcome = batch.entry(op)?;
            of_entries.push((outcome, batch.events().len() - before));
        }
        if breaks(Breakage::AnswerBeforeCommit) {
            let (of_entries, events) = (std::mem::take(&mut of_entries), batch.events().to_vec());
            Outcomes { of_entries, events }.answer(std::mem::take(answers));
        }
        pass(Place::WriterDrafted);
        let (head, events) = batch.commit()?;
        pass(Place::WriterCommitted);
        self.runs.forget_ended();
        if head.link_seq != self.head.link_seq && head.link_seq.is_multiple_of(CLEAR_READERS_EVERY) {
            // Readers that died are only a nuisance; those that could not be cleared are tried again.
            let _ = store.clear_stale_readers();
        }
        self.head = head;
        if !events.is_empty() {
            (self.observer)(head.cursor, &events);
        }
        Ok(Outcomes { of_entries, events })
    }
}

impl Outcomes {
    /// Gives each entry its outcome with the events that it committed.
    fn answer(mut self, answers: Vec<Answer>) {
        for (answer, (outcome, count)) in answers.into_iter().zip(self.of_entries) {
            let own = self.events.drain(..count).collect();
            answer.give(outcome.map(|written| written.with_events(own)));
        }
    }
}

impl Gathered {
    fn take(&mut self, message: Message) {
        match message {
            Message::Write(entry) => {
                self.bytes += weight(&entry.op);
                self.durable |= entry.class == Class::Durable;
                self.entries.push(entry);
            }
            Message::Ping(ping) => self.pings.push(ping),
            Message::Room(wanted) => self.rooms.push(wanted),
            Message::Close => self.ends = Some(Ending::Closed),
        }
    }

    fn is_full(&self) -> bool {
        self.ends.is_some() || self.entries.len() >= MAX_BATCH_ENTRIES || self.bytes >= MAX_BATCH_BYTES
    }

    fn is_urgent(&self) -> bool {
        self.durable || self.try_again || !self.pings.is_empty() || !self.rooms.is_empty()
    }
}

/// About how many bytes an entry adds to the store.
fn weight(op: &Op) -> usize {
    /// What an event with its index entries takes, roughly.
    const EVENT_BYTES: usize = 512;
    match op {
        Op::Run { commands, blobs, .. } | Op::EndRun { commands, blobs, .. } => {
            let inline: usize = blobs.iter().filter_map(|blob| blob.inline()).map(<[u8]>::len).sum();
            inline + commands.len() * EVENT_BYTES
        }
        Op::RegisterWorkspace(_)
        | Op::CreateItem(_)
        | Op::Item { .. }
        | Op::AnswerContext { .. }
        | Op::Submit(_) => 4 * EVENT_BYTES,
    }
}
