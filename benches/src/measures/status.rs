//! Asking how things stand, as a person does: whole processes, from the start to the exit.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use windlass_dbus::{BUS_NAME, MANAGER_INTERFACE, MANAGER_PATH};

use crate::Bench;
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;
use crate::service::Service;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service = runtime.block_on(Service::start(bench))?;
    let call = ["--user", "call", BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, "ServiceStatus"];
    let samples = in_turn(
        bench.extent.choose(101, 31),
        || time(service.windlass().args(["bot", "status", "--json"])),
        || time(service.other("busctl").args(call)),
    )?;
    runtime.block_on(service.end())?;
    let comparison = Comparison {
        name: "status",
        unit: Unit::Microseconds,
        ours: "`windlass bot status --json`, which also lists the active runs",
        beside: "`busctl --user call … ServiceStatus` on the same bus",
        goal: Goal::AtMost(2.0),
    };
    Ok(vec![Line::new(&comparison, samples, Vec::new())])
}

/// Microseconds from the start of a process to its end.
fn time(command: &mut Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    let output =
        command.output().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !output.stdout.is_empty(), "{command:?}: {}: {said}", output.status);
    Ok(took.as_secs_f64() * 1e6)
}
