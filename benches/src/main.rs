//! The benches: each measures one thing of Windlass beside the thing that it is compared with, on the same disk, in one
//! run, the two in turn. They are for people and for records over time; nothing here passes or fails a build.
//!
//! **Invariant:** a goal that is not met changes what is printed, never the exit code.
//! **Invariant:** both sides of a measure do the same synced work, and what they claim to have written is counted after.

mod activation;
mod disk;
mod fixture;
mod goal;
mod machine;
mod measures;
mod report;
mod rounds;
mod service;
mod sqlite;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;

use measures::{MEASURES, Measure};
use report::Report;

/// Measures Windlass beside what it is compared with.
#[derive(Debug, Parser)]
#[command(name = "windlass-benches")]
struct Arguments {
    /// What to measure; everything when none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Fewer and shorter rounds and smaller stores: ends within about a minute.
    #[arg(long)]
    short: bool,
    /// Writes the report as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the temporary stores are made; a real disk. The default is cargo's target folder.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Names what can be measured.
    #[arg(long)]
    list: bool,
}

/// How much a measure may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// As the documented table has it.
    Full,
    /// Within seconds.
    Short,
}

impl Extent {
    /// One value for each extent.
    fn choose<T>(self, full: T, short: T) -> T {
        match self {
            Self::Full => full,
            Self::Short => short,
        }
    }
}

/// What every measure is given.
struct Bench {
    extent: Extent,
    disk: disk::Disk,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windlass-benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        for measure in MEASURES {
            println!("{:18} {}", measure.name, measure.what);
        }
        return Ok(());
    }
    let chosen = choose(&arguments.names)?;
    let extent = if arguments.short { Extent::Short } else { Extent::Full };
    let bench = Bench { extent, disk: disk::Disk::below(arguments.dir.as_deref())? };
    let mut report = Report::new(extent, machine::describe(&bench.disk)?);
    for measure in chosen {
        eprintln!("{} …", measure.name);
        let lines =
            (measure.run)(&bench).with_context(|| format!("`{}` cannot be measured", measure.name))?;
        report.lines.extend(lines);
    }
    print!("{}", report.text());
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).context("the report has no JSON form")?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// The named measures in the order of the table; all of them without a name.
fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Measure>> {
    if let Some(unknown) = names.iter().find(|name| MEASURES.iter().all(|measure| measure.name != **name)) {
        bail!("`{unknown}` is no measure; --list names them");
    }
    let wanted = |measure: &&Measure| names.is_empty() || names.iter().any(|name| name == measure.name);
    Ok(MEASURES.iter().filter(wanted).collect())
}
