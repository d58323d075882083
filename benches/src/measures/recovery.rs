//! Runs that a crash left in the middle: from the start of the service until each has its next attempt on disk, beside reading the
//! events of all of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use windlass_capsule::{MAX_PAGE, Reader, open_read_only, wait_until_closed};
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::Seq;
use windlass_domain::run::event::RunEvent;

use super::ready::Place;
use crate::Bench;
use crate::fixture::run_id;
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;

/// How many runs have not ended.
const RUNS: u64 = 1_000;

/// How many steps each has done.
const STEPS: u32 = 20;

/// How often the record is looked at while attempts begin: a thousandth of what is measured, at most.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long the reader of a store that was looked at may take to close.
const CLOSING: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let place = runtime.block_on(Place::with(bench, |store| store.begin_runs(RUNS, STEPS)))?;
    let capsule = place.home.path().join("state/windlass/capsule");
    let kept = place.home.path().join("kept");
    copy(&capsule, &kept)?;
    let mut events = 0;
    let samples = in_turn(
        bench.extent.choose(7, 3),
        || {
            put_back(&kept, &capsule)?;
            runtime.block_on(until_all_go_on(&place, &capsule))
        },
        || {
            let (took, read) = read_all(&kept)?;
            events = read;
            Ok(took)
        },
    )?;
    let comparison = Comparison {
        name: "recovery",
        unit: Unit::Microseconds,
        ours: &format!(
            "from the start of the process until each of {RUNS} runs has its next attempt on disk"
        ),
        beside: "opening the capsule and reading the events of these runs, one run after the other",
        goal: Goal::AtMost(3.0),
    };
    let notes = vec![
        format!(
            "The runs have {events} events; the store is as a kill leaves it, so a child looks at it first"
        ),
        "Their repository is not there: each attempt is begun, and then fails".to_owned(),
    ];
    Ok(vec![Line::new(&comparison, samples, notes)])
}

/// Microseconds until every run has begun its next attempt. The service is killed when this returns.
async fn until_all_go_on(place: &Place, capsule: &Path) -> anyhow::Result<f64> {
    let reader = open_read_only(capsule)?;
    let (mut seen, mut begun) = (reader.head()?.cursor, 0);
    let command = place.service()?;
    let start = Instant::now();
    let mut service = place.start(command).await?;
    let took = loop {
        let events = reader.events_after(seen, MAX_PAGE)?;
        let is_next = |event: &&windlass_domain::event::Event| matches!(&event.data, EventData::Run(RunEvent::AttemptStarted { epoch, .. }) if epoch.0 == 2);
        begun += events.iter().filter(is_next).count() as u64;
        if begun >= RUNS {
            break start.elapsed();
        }
        match events.last() {
            Some(last) => seen = last.cursor,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
        ensure!(service.try_wait()?.is_none(), "the service has ended");
    };
    service.kill().await?;
    drop(reader);
    ensure!(wait_until_closed(capsule, CLOSING), "the capsule is still open");
    Ok(took.as_secs_f64() * 1e6)
}

/// Microseconds for reading the events of all runs, and how many there are.
fn read_all(capsule: &Path) -> anyhow::Result<(f64, usize)> {
    let start = Instant::now();
    let reader = open_read_only(capsule)?;
    let mut read = 0;
    for number in 0..RUNS {
        read += events_of(&reader, number)?;
    }
    let took = start.elapsed().as_secs_f64() * 1e6;
    drop(reader);
    ensure!(wait_until_closed(capsule, CLOSING), "the capsule is still open");
    Ok((took, read))
}

fn events_of(reader: &Reader, number: u64) -> anyhow::Result<usize> {
    let stream = Stream::Run { run_id: run_id(number) };
    let (mut from, mut read) = (Seq(1), 0);
    loop {
        let page = reader.events(&stream, from, MAX_PAGE)?;
        let Some(last) = page.last() else { return Ok(read) };
        from = last.seq.next();
        read += page.len();
    }
}

/// Puts a capsule back as it was.
fn put_back(kept: &Path, capsule: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(capsule).context("the capsule cannot be removed")?;
    copy(kept, capsule)
}

/// Copies the files of a capsule whose blobs all stand in its store, without the mark of a clean stop.
fn copy(from: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into.join("blobs"))?;
    for name in ["data.mdb", "format.json"] {
        fs::copy(from.join(name), into.join(name)).with_context(|| format!("{name} cannot be copied"))?;
    }
    Ok(())
}
