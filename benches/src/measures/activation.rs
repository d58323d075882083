//! The first answer of a service that the bus starts: after an orderly end, and after a kill.

use rustix::process::Signal;

use crate::Bench;
use crate::activation::{Activating, Callable, SMALLEST, WINDLASS};
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bus = runtime.block_on(Activating::start(bench))?;
    let mut lines = Vec::new();
    for (name, signal, what) in [
        ("activation", Signal::TERM, "the bus starts it; it had left in order"),
        (
            "activation-killed",
            Signal::KILL,
            "the bus starts it; it had been killed, so a child looks at the store first",
        ),
    ] {
        let first = |service| runtime.block_on(first_answer(&bus, service, signal));
        let samples = in_turn(bench.extent.choose(41, 11), || first(WINDLASS), || first(SMALLEST))?;
        let comparison = Comparison {
            name,
            unit: Unit::Microseconds,
            ours: &format!("`ServiceStatus`, from the call to the answer: {what}"),
            beside: "the smallest zbus service, ended and called in the same way",
            goal: Goal::AtMost(2.0),
        };
        lines.push(Line::new(&comparison, samples, Vec::new()));
    }
    runtime.block_on(bus.close())?;
    Ok(lines)
}

/// Microseconds from a call to its answer, by a service that is not there.
async fn first_answer(bus: &Activating, service: Callable, signal: Signal) -> anyhow::Result<f64> {
    bus.call(service).await?;
    bus.end(service, signal).await?;
    bus.call(service).await
}
