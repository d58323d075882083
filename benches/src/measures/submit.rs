//! A durable submission over the bus by one client, the service otherwise at rest: each run ends before the next sample.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use windlass_contract::Control as _;
use windlass_contract::request::{ReadEvents, SubmitRun, WatchRun};
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::canonical_json;
use windlass_domain::event::EventData;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::{Budget, Preset, RunKind, WriteMode};
use zbus::Connection;
use zbus::fdo::PeerProxy;

use crate::Bench;
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;
use crate::service::{Service, caller, told};

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service = runtime.block_on(Service::start(bench))?;
    let bytes = runtime.block_on(recorded_bytes(&service))?;
    let mut floor = runtime.block_on(Floor::new(bench, &service, bytes))?;
    let samples = in_turn(
        bench.extent.choose(31, 7),
        || runtime.block_on(ours(&service)),
        || runtime.block_on(floor.sample()),
    )?;
    runtime.block_on(service.end())?;
    let comparison = Comparison {
        name: "submit",
        unit: Unit::Microseconds,
        ours: "`Submit` over a session bus, until the reply, by a client that is connected",
        beside: "one synced append of the same size and one `Ping` of the bus",
        goal: Goal::AtMost(2.5),
    };
    let notes = vec![
        format!("What a submission records is {bytes} bytes of JSON, and so is the append"),
        format!(
            "In the medians, the append took {:.0} µs and the ping {:.0} µs",
            floor.append_us(),
            floor.ping_us()
        ),
    ];
    Ok(vec![Line::new(&comparison, samples, notes)])
}

/// Microseconds for one submission. The run that it made has ended when this returns.
async fn ours(service: &Service) -> anyhow::Result<f64> {
    let request = request(service);
    let start = Instant::now();
    let accepted = service.control.submit_run(caller(), request).await.map_err(told)?;
    let took = start.elapsed();
    ensure!(accepted.new && accepted.queue_place == 0, "the run was not placed at once: {accepted:?}");
    wait_until_ended(service, accepted.run_id).await?;
    Ok(took.as_secs_f64() * 1e6)
}

async fn wait_until_ended(service: &Service, run_id: RunId) -> anyhow::Result<()> {
    let mut events = service.control.watch_run(WatchRun { run_id, from: Seq(1) }).await.map_err(told)?;
    let mut ended = false;
    while let Some(event) = events.next().await {
        ended = matches!(event.map_err(told)?.data, EventData::Run(RunEvent::Ended { .. }));
    }
    ensure!(ended, "the events of run {run_id} stopped before its end");
    Ok(())
}

/// The size of what one submission records, in bytes of JSON.
async fn recorded_bytes(service: &Service) -> anyhow::Result<usize> {
    let accepted = service.control.submit_run(caller(), request(service)).await.map_err(told)?;
    wait_until_ended(service, accepted.run_id).await?;
    let read = ReadEvents { run_id: accepted.run_id, from: Seq(1), limit: 2 };
    let page = service.control.read_events(read).await.map_err(told)?;
    let texts = page.events.iter().map(canonical_json).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().map(String::len).sum())
}

fn request(service: &Service) -> SubmitRun {
    SubmitRun {
        folder: service.folder(),
        id: service.task.clone(),
        kind: RunKind::Review,
        base: None,
        head: None,
        capture_mode: CaptureMode::PromptsOnly,
        write_mode: WriteMode::None,
        preset: Preset::Quick,
        scopes: Vec::new(),
        agent_profile: None,
        allow: Vec::new(),
        budget: Budget::default(),
        headless: true,
        hold: false,
        context: None,
        dedupe_key: None,
        url: None,
    }
}

/// The least that a durable answer over the bus can cost.
struct Floor {
    file: File,
    bytes: Vec<u8>,
    ping: PeerProxy<'static>,
    appends: Vec<f64>,
    pings: Vec<f64>,
    // Dropped last: the file stands in it.
    _folder: tempfile::TempDir,
}

impl Floor {
    async fn new(bench: &Bench, service: &Service, bytes: usize) -> anyhow::Result<Self> {
        let folder = bench.disk.folder("append")?;
        let file = File::create(folder.path().join("log")).context("no file can be made")?;
        let connection: Connection =
            zbus::connection::Builder::address(service.address.as_str()).build().await?;
        let ping = PeerProxy::builder(&connection)
            .destination("org.freedesktop.DBus")
            .path("/org/freedesktop/DBus")
            .build()
            .await?;
        let (appends, pings) = (Vec::new(), Vec::new());
        Ok(Self { file, bytes: vec![b'x'; bytes], ping, appends, pings, _folder: folder })
    }

    /// Microseconds for one append, synced, and one bare call.
    async fn sample(&mut self) -> anyhow::Result<f64> {
        let start = Instant::now();
        self.file.write_all(&self.bytes)?;
        self.file.sync_data()?;
        let appended = start.elapsed().as_secs_f64() * 1e6;
        self.ping.ping().await?;
        let whole = start.elapsed().as_secs_f64() * 1e6;
        self.appends.push(appended);
        self.pings.push(whole - appended);
        Ok(whole)
    }

    fn append_us(&self) -> f64 {
        crate::rounds::median(&self.appends)
    }

    fn ping_us(&self) -> f64 {
        crate::rounds::median(&self.pings)
    }
}
