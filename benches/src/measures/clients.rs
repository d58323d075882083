//! Durable events from many clients at once: what group commit is for.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use windlass_capsule::{Class, Op, Writer};
use windlass_domain::id::RunId;
use windlass_domain::run::command::RunCommand;

use crate::Bench;
use crate::fixture::{Steps, Store};
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;
use crate::sqlite::{Sqlite, StreamEnd};

/// How many clients write at once.
const CLIENTS: u64 = 64;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let span = bench.extent.choose(Duration::from_secs(2), Duration::from_millis(500));
    let rounds = bench.extent.choose(9, 3);

    let store = Store::with_tasks(bench.disk.folder("capsule")?, CLIENTS)?;
    let mut ours: Vec<OurClient> =
        store.start_runs(CLIENTS)?.into_iter().map(|run_id| OurClient::new(&store.writer, run_id)).collect();
    let filled = store.events()?;

    let mut beside = SqliteClients::faster_of_two(bench, span)?;
    let (mut our_events, before) = (0, beside.events()?);
    let mut their_events = 0;
    let samples = in_turn(
        rounds,
        || rate(&mut our_events, || all_at_once(&mut ours, span, OurClient::step)),
        || rate(&mut their_events, || beside.round(span)),
    )?;
    let (kept, kept_beside) = (store.events()? - filled, beside.events()? - before);
    ensure!(kept == our_events, "{our_events} events were acknowledged and {kept} are there");
    ensure!(kept_beside == their_events, "SQLite took {their_events} events and has {kept_beside}");

    let comparison = Comparison {
        name: "events-64",
        unit: Unit::EventsPerSecond,
        ours: "64 threads, each writing intents and results of its own run and waiting for each",
        beside: "the same events in SQLite (WAL, synchronous=FULL), one transaction an event",
        goal: Goal::AtLeast(5.0),
    };
    Ok(vec![Line::new(&comparison, samples, vec![beside.note])])
}

/// Events of a round in a second; adds the round's events to the sum.
fn rate(sum: &mut u64, round: impl FnOnce() -> anyhow::Result<(u64, Duration)>) -> anyhow::Result<f64> {
    let (events, took) = round()?;
    *sum += events;
    Ok(events as f64 / took.as_secs_f64())
}

/// Lets every client do steps of two events, each in a thread of its own, until the span is over. Says how many events
/// were written, and how long the last client took.
fn all_at_once<Client: Send>(
    clients: &mut [Client],
    span: Duration,
    step: impl Fn(&mut Client) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<(u64, Duration)> {
    let step = &step;
    let start = Instant::now();
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || {
                    let mut events = 0;
                    while start.elapsed() < span {
                        step(client)?;
                        events += 2;
                    }
                    anyhow::Ok(events)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client panicked"))))
            .collect::<anyhow::Result<Vec<u64>>>()
    })?;
    Ok((counts.iter().sum(), start.elapsed()))
}

/// A client of the capsule's writer.
struct OurClient {
    writer: Writer,
    run_id: RunId,
    steps: Steps,
}

impl OurClient {
    fn new(writer: &Writer, run_id: RunId) -> Self {
        Self { writer: writer.clone(), run_id, steps: Steps::new() }
    }

    fn step(&mut self) -> anyhow::Result<()> {
        let [begin, finish] = self.steps.next_commands();
        self.write(begin)?;
        self.write(finish)
    }

    fn write(&self, command: RunCommand) -> anyhow::Result<()> {
        let op = Op::Run { run_id: self.run_id, commands: vec![command], blobs: Vec::new() };
        Ok(self.writer.write_blocking(Class::Durable, op).map(drop)?)
    }
}

/// The clients of SQLite, in the way that serves it better.
struct SqliteClients {
    /// One connection for each client, or a single one that they share.
    connections: Vec<Mutex<Sqlite>>,
    clients: Vec<(usize, StreamEnd, Steps)>,
    note: String,
    _folder: tempfile::TempDir,
}

impl SqliteClients {
    /// Tries a connection for each client and one connection for all, and keeps the faster.
    fn faster_of_two(bench: &Bench, span: Duration) -> anyhow::Result<Self> {
        let mut each = Self::with(bench, CLIENTS)?;
        let mut shared = Self::with(bench, 1)?;
        let samples = in_turn(
            bench.extent.choose(3, 1),
            || rate(&mut 0, || each.round(span)),
            || rate(&mut 0, || shared.round(span)),
        )?;
        let ratio = samples.ratio();
        let (mut kept, word) = if ratio > 1.0 {
            (each, "a connection for each thread")
        } else {
            (shared, "one connection behind a lock")
        };
        kept.note = format!(
            "SQLite was given {word}; a connection for each thread had {ratio:.2} × the rate of one for all"
        );
        Ok(kept)
    }

    fn with(bench: &Bench, connections: u64) -> anyhow::Result<Self> {
        let folder = bench.disk.folder("sqlite")?;
        let mut opened = vec![Mutex::new(Sqlite::create(folder.path())?)];
        for _ in 1..connections {
            opened.push(Mutex::new(Sqlite::open(folder.path())?));
        }
        let client = |number: u64| {
            let connection = usize::try_from(number % connections).expect("there are few connections");
            (connection, StreamEnd::of(crate::fixture::run_id(number)), Steps::new())
        };
        let clients = (0..CLIENTS).map(client).collect();
        Ok(Self { connections: opened, clients, note: String::new(), _folder: folder })
    }

    fn round(&mut self, span: Duration) -> anyhow::Result<(u64, Duration)> {
        let connections = &self.connections;
        all_at_once(&mut self.clients, span, |(connection, end, steps)| {
            for event in steps.next_events() {
                let mut sqlite = connections[*connection].lock().unwrap_or_else(PoisonError::into_inner);
                sqlite.write(end, vec![event])?;
            }
            Ok(())
        })
    }

    fn events(&self) -> anyhow::Result<u64> {
        self.connections[0].lock().unwrap_or_else(PoisonError::into_inner).events()
    }
}
