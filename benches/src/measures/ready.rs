//! From the start of the service to ready, with a large record behind it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Child;

use crate::Bench;
use crate::fixture::Store;
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;
use crate::service::{in_home, program, start_bus, start_service};

/// How many tasks the ended runs belong to.
const TASKS: u64 = 100;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runs = bench.extent.choose(100_000, 10_000);
    let many = runtime.block_on(Place::with(bench, |store| store.end_runs(runs, TASKS)))?;
    let none = runtime.block_on(Place::with(bench, |_| Ok(())))?;
    let samples = in_turn(
        bench.extent.choose(21, 7),
        || runtime.block_on(many.until_ready()),
        || runtime.block_on(none.until_ready()),
    )?;
    let comparison = Comparison {
        name: "ready",
        unit: Unit::Microseconds,
        ours: &format!("from the start of the process to ready, with {runs} ended runs"),
        beside: "with none",
        goal: Goal::AtMost(2.0),
    };
    Ok(vec![Line::new(&comparison, samples, Vec::new())])
}

/// A home whose capsule was filled and closed, and a bus.
pub(super) struct Place {
    pub(super) home: TempDir,
    address: String,
    _daemon: Child,
}

impl Place {
    pub(super) async fn with(
        bench: &Bench,
        fill: impl FnOnce(&Store) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let home = bench.disk.folder("home")?;
        let store = Store::with_tasks(capsule_in(home.path())?, TASKS)?;
        fill(&store)?;
        store.close()?;
        let (daemon, address) = start_bus(home.path()).await?;
        Ok(Self { home, address, _daemon: daemon })
    }

    /// The service as a command in this home.
    pub(super) fn service(&self) -> anyhow::Result<Command> {
        let mut command = in_home(Command::new(program()?), self.home.path(), &self.address);
        command.args(["service", "run"]).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    /// Starts the service; it is ready when this returns.
    pub(super) async fn start(&self, command: Command) -> anyhow::Result<Child> {
        start_service(command, &self.address).await
    }

    /// Microseconds until the service is ready. It has left in order when this returns.
    async fn until_ready(&self) -> anyhow::Result<f64> {
        let command = self.service()?;
        let start = Instant::now();
        let mut service = self.start(command).await?;
        let took = start.elapsed();
        if let Some(pid) = service.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM)?;
        }
        let status = service.wait().await?;
        ensure!(status.success(), "the service left with {status}");
        Ok(took.as_secs_f64() * 1e6)
    }
}

/// Where the capsule of a home is.
fn capsule_in(home: &Path) -> anyhow::Result<std::path::PathBuf> {
    let folder = home.join("state/windlass/capsule");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
