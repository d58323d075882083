//! The oracles of a capsule, asked in a child: a store that a fault has damaged may end whoever reads it, and that is an answer too.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Args;

use crate::model::{Acknowledged, Effects};
use crate::oracles::{Broken, Oracle, check_capsule};
use crate::round::{Asked, Round};

/// What is to be looked at. What was acknowledged comes on the standard input.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// The capsule's folder.
    #[arg(long)]
    capsule: PathBuf,
    /// The file of effects.
    #[arg(long)]
    ledger: PathBuf,
}

/// Asks every oracle of a capsule that may be damaged.
pub(crate) fn examine(
    round: &mut Round,
    capsule: &Path,
    acknowledged: &Acknowledged,
    ledger: &Path,
) -> Result<(), Broken> {
    let fails = |error: std::io::Error| Broken::harness(format!("nobody examines the capsule: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(fails)?);
    command.arg("examine").arg("--capsule").arg(capsule).arg("--ledger").arg(ledger);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(fails)?;
    // A child that ended already has its reason, which is told below.
    let _ = child.stdin.take().expect("it was asked for").write_all(acknowledged.text().as_bytes());
    let broken = hear(round, &mut child).map_err(fails)?;
    let status = child.wait().map_err(fails)?;
    match (broken, status.signal()) {
        (Some(broken), _) => Err(broken),
        (None, Some(signal)) => {
            let what = format!("whoever verifies the capsule is ended by signal {signal}");
            Err(Broken { oracle: Oracle::Chain, what })
        }
        (None, None) if status.success() => Ok(()),
        (None, None) => Err(Broken::harness(format!("the examination ended with {status}"))),
    }
}

/// What the child says: `asked ORACLE TIMES` for each that it asked, and `broken ORACLE WHAT` at the end.
fn hear(round: &mut Round, child: &mut Child) -> std::io::Result<Option<Broken>> {
    let mut broken = None;
    for line in BufReader::new(child.stdout.take().expect("it was asked for")).lines() {
        let line = line?;
        let mut words = line.splitn(3, ' ');
        let (said, oracle) = (words.next(), words.next().and_then(Oracle::named));
        match (said, oracle, words.next()) {
            (Some("asked"), Some(oracle), Some(times)) => {
                round.asked().add(oracle, times.parse().map_err(std::io::Error::other)?);
            }
            (Some("broken"), Some(oracle), Some(what)) => {
                broken = Some(Broken { oracle, what: what.to_owned() });
            }
            _ => return Err(std::io::Error::other(format!("it says `{line}`"))),
        }
    }
    Ok(broken)
}

/// The child's side.
pub(crate) fn run(orders: &Orders) -> ExitCode {
    let mut asked = Asked::default();
    let found = look(orders, &mut asked);
    for (oracle, times) in asked {
        println!("asked {} {times}", oracle.name());
    }
    if let Err(Broken { oracle, what }) = found {
        println!("broken {} {}", oracle.name(), what.replace('\n', " "));
    }
    ExitCode::SUCCESS
}

fn look(orders: &Orders, asked: &mut Asked) -> Result<(), Broken> {
    let mut acknowledged = Acknowledged::default();
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| Broken::harness(error.to_string()))?;
        acknowledged.hear(&line).map_err(Broken::harness)?;
    }
    let effects = Effects::read(&orders.ledger).map_err(Broken::harness)?;
    check_capsule(asked, &orders.capsule, &acknowledged, &effects)
}
