//! The torture program: it injects faults into Windlass, seeded and by the thousand, and checks after each that every promise holds.
//!
//! `windlass-torture [--seed S] [--faults N] [--seconds T] [--only KIND]…` prints its seed first, a line that repeats each
//! round that broke something, and a table at the end. Exit status 1: an oracle was broken, or with `--controls` one was
//! not broken that had to be. It is not a place for rules: what must hold stands in [`oracles`] and [`checker`].
//! **Invariant:** everything that is broken is in folders of its own.
#![expect(clippy::print_stdout, reason = "its report is its purpose")]

mod checker;
#[cfg(test)]
mod chronicle;
mod controls;
mod examine;
mod history;
mod kinds;
mod model;
mod oracles;
mod report;
mod round;
mod subject;
mod town;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};

use crate::kinds::{KINDS, Kind};
use crate::report::Report;
use crate::round::Round;

/// How many faults are injected where nothing says when to stop.
const FAULTS: u64 = 1000;

/// Longest time of a short mix: what a change may wait for.
const SHORT: Duration = Duration::from_secs(90);

/// Injects faults into Windlass and checks that every promise holds.
#[derive(Debug, Parser)]
#[command(name = "windlass-torture")]
struct Asked {
    #[command(subcommand)]
    child: Option<Child>,
    #[command(flatten)]
    plan: Plan,
}

/// What to do, and for how long.
#[derive(Debug, Args)]
struct Plan {
    /// Where the dice begin; drawn where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after so many faults.
    #[arg(long)]
    faults: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Only faults of this kind.
    #[arg(long, value_name = "KIND", value_parser = kinds::named)]
    only: Vec<&'static Kind>,
    /// A mix of the quick kinds for every change: 90 seconds at most.
    #[arg(long)]
    short: bool,
    /// Break promises on purpose, and see that each is noticed.
    #[arg(long)]
    controls: bool,
    /// List the kinds of faults.
    #[arg(long)]
    list: bool,
    /// Write the table as JSON into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the folders of rounds that broke something.
    #[arg(long)]
    keep: bool,
}

/// What this program is when it is its own child.
#[derive(Debug, Subcommand)]
enum Child {
    /// Works on a capsule until it is done or dies.
    #[command(hide = true)]
    Subject(subject::work::Orders),
    /// Asks the oracles of a capsule that may be damaged.
    #[command(hide = true)]
    Examine(examine::Orders),
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    match asked.child {
        Some(Child::Subject(orders)) => subject::work::run(&orders),
        Some(Child::Examine(orders)) => examine::run(&orders),
        None => torture(&asked.plan),
    }
}

fn torture(plan: &Plan) -> ExitCode {
    if plan.list {
        for kind in KINDS {
            println!("{:<18} {}", kind.name, kind.about);
        }
        return ExitCode::SUCCESS;
    }
    let seed = plan.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("seed {seed}");
    if plan.controls {
        return controls::run(seed, plan.keep);
    }
    let mut report = Report::new(seed);
    let until = until(plan);
    while !until.is_reached(&report) {
        let Some(kind) = next(plan, &report) else { break };
        let round = Round::new(kind, seed.wrapping_add(report.rounds_of(kind)), None);
        report.take(kind, round.run(plan.keep));
    }
    report.print();
    if let Some(file) = &plan.json
        && let Err(error) = std::fs::write(file, report.json())
    {
        println!("cannot write {}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The kind that is the furthest behind its share.
fn next(plan: &Plan, report: &Report) -> Option<&'static Kind> {
    let asked = |kind: &&Kind| match &plan.only[..] {
        [] => !plan.short || kind.in_short_mix,
        only => only.iter().any(|only| only.name == kind.name),
    };
    KINDS.iter().filter(asked).min_by_key(|kind| report.rounds_of(kind) * 1000 / u64::from(kind.share))
}

/// When to stop.
struct Until {
    faults: Option<u64>,
    at: Option<Instant>,
}

fn until(plan: &Plan) -> Until {
    let time = plan.seconds.map(Duration::from_secs).or_else(|| plan.short.then_some(SHORT));
    let faults = plan.faults.or_else(|| time.is_none().then_some(FAULTS));
    Until { faults, at: time.map(|time| Instant::now() + time) }
}

impl Until {
    fn is_reached(&self, report: &Report) -> bool {
        let counted = self.faults.is_some_and(|faults| report.injected() >= faults);
        counted || self.at.is_some_and(|at| Instant::now() >= at)
    }
}
