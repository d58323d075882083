//! Durable events in batches, from one client: what the record costs when the sync is shared by many.

use std::time::Instant;

use anyhow::ensure;
use windlass_capsule::{Class, Op};
use windlass_domain::id::RunId;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::RunEvent;

use crate::Bench;
use crate::fixture::{Steps, Store, run_id};
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;
use crate::sqlite::{Sqlite, StreamEnd};

/// Events of one batch. They are one entry of the writer, and so one transaction.
const BATCH: u32 = 1000;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let batches = bench.extent.choose(20, 5);
    let rounds = bench.extent.choose(11, 5);

    let store = Store::with_tasks(bench.disk.folder("capsule")?, 1)?;
    let run_id_ours = store.start_runs(1)?[0];
    let filled = store.events()?;
    let mut our_steps = Steps::new();

    let folder = bench.disk.folder("sqlite")?;
    let mut sqlite = Sqlite::create(folder.path())?;
    let (mut end, mut their_steps) = (StreamEnd::of(run_id(0)), Steps::new());

    let samples = in_turn(
        rounds,
        || ours(&store, run_id_ours, &mut our_steps, batches),
        || beside(&mut sqlite, &mut end, &mut their_steps, batches),
    )?;
    let expected = (rounds as u64 + 1) * u64::from(batches * BATCH);
    let (kept, kept_beside) = (store.events()? - filled, sqlite.events()?);
    ensure!(kept == expected, "{expected} events were acknowledged and {kept} are there");
    ensure!(kept_beside == expected, "SQLite took {expected} events and has {kept_beside}");

    let comparison = Comparison {
        name: "events-batch-1000",
        unit: Unit::EventsPerSecond,
        ours: "one client, each entry 500 intents and their results",
        beside: "the same events in SQLite (WAL, synchronous=FULL), 1,000 in a transaction",
        goal: Goal::AtLeast(1.0),
    };
    Ok(vec![Line::new(&comparison, samples, Vec::new())])
}

fn ours(store: &Store, run_id: RunId, steps: &mut Steps, batches: u32) -> anyhow::Result<f64> {
    let prepared: Vec<Vec<RunCommand>> =
        (0..batches).map(|_| (0..BATCH / 2).flat_map(|_| steps.next_commands()).collect()).collect();
    let start = Instant::now();
    for commands in prepared {
        store.writer.write_blocking(Class::Durable, Op::Run { run_id, commands, blobs: Vec::new() })?;
    }
    Ok(f64::from(batches * BATCH) / start.elapsed().as_secs_f64())
}

fn beside(sqlite: &mut Sqlite, end: &mut StreamEnd, steps: &mut Steps, batches: u32) -> anyhow::Result<f64> {
    let prepared: Vec<Vec<RunEvent>> =
        (0..batches).map(|_| (0..BATCH / 2).flat_map(|_| steps.next_events()).collect()).collect();
    let start = Instant::now();
    for events in prepared {
        sqlite.write(end, events)?;
    }
    Ok(f64::from(batches * BATCH) / start.elapsed().as_secs_f64())
}
