//! A page of runs: its cost should follow the page, not the capsule.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use windlass_capsule::{Page, PageKey, Reader, RunFilter, RunScope};
use windlass_domain::run::RunStatus;

use crate::Bench;
use crate::fixture::{Store, workspace_id};
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::in_turn;

/// Runs on a page.
const LIMIT: usize = 50;

/// Runs of the small store.
const FEW: u64 = 1000;

/// How many tasks the runs are of.
const TASKS: u64 = 200;

/// Pages of one sample, so that a sample is well above the clock's grain.
const PAGES: u32 = 100;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let many: u64 = bench.extent.choose(1_000_000, 100_000);
    let rounds = bench.extent.choose(25, 11);
    let few_store = Store::with_tasks(bench.disk.folder("few")?, TASKS)?;
    few_store.end_runs(FEW, TASKS)?;
    let many_store = Store::with_tasks(bench.disk.folder("many")?, TASKS)?;
    many_store.end_runs(many, TASKS)?;

    let newest = Query { filter: RunFilter::default(), after: Place::Newest };
    let middle = Query {
        filter: RunFilter {
            scope: RunScope::Workspace(workspace_id()),
            statuses: vec![RunStatus::Succeeded, RunStatus::Failed],
            ..RunFilter::default()
        },
        after: Place::Middle,
    };
    let mut lines = Vec::new();
    for (name, what, query) in [
        ("page-50", "the newest 50 of all", newest),
        ("page-50-middle", "50 from the middle of one workspace and two statuses", middle),
    ] {
        let samples =
            in_turn(rounds, || query.time(&many_store.reader, many), || query.time(&few_store.reader, FEW))?;
        let comparison = Comparison {
            name,
            unit: Unit::Microseconds,
            ours: &format!("{what}, out of {many} ended runs"),
            beside: &format!("out of {FEW}"),
            goal: Goal::AtMost(2.0),
        };
        lines.push(Line::new(&comparison, samples, Vec::new()));
    }
    Ok(lines)
}

struct Query {
    filter: RunFilter,
    after: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Newest,
    Middle,
}

impl Query {
    /// Microseconds for one page.
    fn time(&self, reader: &Reader, runs: u64) -> anyhow::Result<f64> {
        let after = match self.after {
            Place::Newest => None,
            Place::Middle => {
                let newest = reader.head().context("the head cannot be read")?.cursor.0;
                Some(PageKey::from_u64(newest / 2))
            }
        };
        let start = Instant::now();
        for _ in 0..PAGES {
            let page = reader.runs(&self.filter, Page { after, limit: LIMIT })?;
            ensure!(page.runs.len() == LIMIT, "{} of {runs} runs came", page.runs.len());
            ensure!(page.next.is_some(), "a page of {LIMIT} out of {runs} is the last");
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(PAGES))
    }
}
