//! What can be measured. One file for each subject; a new measure is a function and a line in this table.

mod activation;
mod batches;
mod clients;
mod idle;
mod pages;
mod ready;
mod recovery;
mod status;
mod submit;

use crate::Bench;
use crate::report::Line;

/// Something that can be measured.
pub(crate) struct Measure {
    /// How it is named on the command line.
    pub(crate) name: &'static str,
    /// What it measures, in one line.
    pub(crate) what: &'static str,
    /// Measures it.
    pub(crate) run: fn(&Bench) -> anyhow::Result<Vec<Line>>,
}

/// All of them, in the order of the report.
pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "events-64",
        what: "durable events one by one from 64 clients, beside SQLite",
        run: clients::measure,
    },
    Measure {
        name: "events-batch-1000",
        what: "durable events in batches of 1,000, beside SQLite",
        run: batches::measure,
    },
    Measure {
        name: "page-50",
        what: "a page of 50 runs out of many, beside a page out of few",
        run: pages::measure,
    },
    Measure {
        name: "submit",
        what: "durable submit over the bus, beside one synced append and one bare call",
        run: submit::measure,
    },
    Measure {
        name: "status",
        what: "`windlass bot status --json` as a process, beside `busctl call` of the same method",
        run: status::measure,
    },
    Measure {
        name: "activation",
        what: "the first answer of a service that the bus starts, and after a kill, beside the smallest service",
        run: activation::measure,
    },
    Measure {
        name: "ready",
        what: "from the start of the service to ready, with many ended runs, beside a new capsule",
        run: ready::measure,
    },
    Measure {
        name: "recovery",
        what: "1,000 incomplete runs from the start of the service until all go on, beside reading their events",
        run: recovery::measure,
    },
    Measure {
        name: "idle",
        what: "wake-ups and memory of a service that has nothing to do, beside the smallest service",
        run: idle::measure,
    },
];
