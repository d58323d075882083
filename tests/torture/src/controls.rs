//! Negative controls: promises that are broken on purpose. A harness is believed only when each of them breaks an oracle.

use std::process::ExitCode;
use std::str::FromStr;

use windlass_failpoint::Breakage;

use crate::kinds;
use crate::oracles::Oracle;
use crate::round::Round;

/// Something that a subject does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misbehaviour {
    /// It has a step's effect before the intent is committed.
    ActsFirst,
    /// It does a finished step again.
    RepeatsSteps,
    /// It stores a blob after the event that names it.
    StoresLate,
    /// After an unclean stop it begins with an empty store.
    StartsAnew,
}

impl Misbehaviour {
    const ALL: [Self; 4] = [Self::ActsFirst, Self::RepeatsSteps, Self::StoresLate, Self::StartsAnew];

    /// What the command line calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ActsFirst => "acts-first",
            Self::RepeatsSteps => "repeats-steps",
            Self::StoresLate => "stores-late",
            Self::StartsAnew => "starts-anew",
        }
    }
}

impl FromStr for Misbehaviour {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|how| how.name() == name);
        found.ok_or_else(|| format!("`{name}` is no misbehaviour"))
    }
}

/// One control.
#[derive(Debug)]
pub(crate) struct Control {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// The kind of fault that must show it.
    pub(crate) kind: &'static str,
    /// What the subject does wrong.
    pub(crate) misbehaves: Option<Misbehaviour>,
    /// What is broken in the product.
    pub(crate) breakage: Option<Breakage>,
    /// The oracles of which one must break.
    pub(crate) breaks: &'static [Oracle],
}

/// All controls.
const CONTROLS: &[Control] = &[
    Control {
        name: "acknowledge before commit",
        kind: "kill",
        misbehaves: None,
        breakage: Some(Breakage::AnswerBeforeCommit),
        breaks: &[Oracle::Acknowledged],
    },
    Control {
        name: "effect before intent",
        kind: "kill",
        misbehaves: Some(Misbehaviour::ActsFirst),
        breakage: None,
        breaks: &[Oracle::Effects],
    },
    Control {
        name: "finished step done again",
        kind: "kill",
        misbehaves: Some(Misbehaviour::RepeatsSteps),
        breakage: None,
        breaks: &[Oracle::Effects],
    },
    Control {
        name: "blob after event",
        kind: "kill",
        misbehaves: Some(Misbehaviour::StoresLate),
        breakage: Some(Breakage::BlobAfterEvent),
        breaks: &[Oracle::Blobs],
    },
    Control {
        name: "power: before commit",
        kind: "power",
        misbehaves: None,
        breakage: Some(Breakage::AnswerBeforeCommit),
        breaks: &[Oracle::Acknowledged],
    },
    Control {
        name: "power: no sync",
        kind: "power",
        misbehaves: None,
        breakage: Some(Breakage::NoSync),
        breaks: &[Oracle::Acknowledged, Oracle::Kept, Oracle::Chain, Oracle::GoesOn],
    },
    Control {
        name: "power: no folder sync",
        kind: "power",
        misbehaves: None,
        breakage: Some(Breakage::NoFolderSync),
        breaks: &[Oracle::Acknowledged, Oracle::Kept, Oracle::Blobs, Oracle::GoesOn],
    },
    Control {
        name: "power: no file sync",
        kind: "power",
        misbehaves: None,
        breakage: Some(Breakage::NoFileSync),
        breaks: &[Oracle::Kept, Oracle::Blobs, Oracle::GoesOn],
    },
    Control {
        name: "power: blob after event",
        kind: "power",
        misbehaves: Some(Misbehaviour::StoresLate),
        breakage: Some(Breakage::BlobAfterEvent),
        breaks: &[Oracle::Blobs],
    },
    Control {
        name: "store begun anew",
        kind: "kill",
        misbehaves: Some(Misbehaviour::StartsAnew),
        breakage: None,
        breaks: &[Oracle::Acknowledged, Oracle::Kept],
    },
];

/// How many rounds a control may take until it is noticed. A round has up to eight faults, and most notice at once.
const ROUNDS: u64 = 40;

/// Runs every control, and succeeds when each broke one of its oracles.
pub(crate) fn run(seed: u64, keep: bool) -> ExitCode {
    let mut all = true;
    for control in CONTROLS {
        let noticed = (0..ROUNDS).find_map(|number| notices(control, seed.wrapping_add(number), keep));
        match noticed {
            Some((oracle, rounds)) => {
                println!("noticed  {:<26} broke {} in round {rounds}", control.name, oracle.name());
            }
            None => {
                println!(
                    "MISSED   {:<26} broke nothing in {ROUNDS} rounds of {}",
                    control.name, control.kind
                );
                all = false;
            }
        }
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn notices(control: &'static Control, seed: u64, keep: bool) -> Option<(Oracle, u64)> {
    let kind = kinds::named(control.kind).expect("a control names a kind that there is");
    let (broken, _) = Round::new(kind, seed, Some(control)).run(keep).broken?;
    control.breaks.contains(&broken.oracle).then_some((broken.oracle, seed))
}
