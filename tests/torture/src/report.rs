//! The table at the end: each kind of fault, how many were injected, what was checked, what broke.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::kinds::{KINDS, Kind};
use crate::oracles::Oracle;
use crate::round::Tally;

/// What was done so far.
pub(crate) struct Report {
    seed: u64,
    began: Instant,
    lines: BTreeMap<&'static str, Line>,
}

/// One kind.
#[derive(Default)]
struct Line {
    rounds: u64,
    injected: u64,
    missed: u64,
    checked: BTreeMap<Oracle, u64>,
    broken: Vec<Value>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, began: Instant::now(), lines: BTreeMap::new() }
    }

    /// Takes a round, and tells at once what it broke.
    pub(crate) fn take(&mut self, kind: &'static Kind, tally: Tally) {
        let line = self.lines.entry(kind.name).or_default();
        line.rounds += 1;
        line.injected += tally.injected;
        line.missed += tally.missed;
        for (oracle, times) in tally.checked {
            *line.checked.entry(oracle).or_default() += times;
        }
        if let Some((broken, kept)) = tally.broken {
            println!("BROKEN {} by {}: {}", broken.oracle.name(), kind.name, broken.what);
            println!("  again: windlass-torture {}", tally.again);
            if let Some(folder) = &kept {
                println!("  kept: {}", folder.display());
            }
            line.broken.push(json!({
                "oracle": broken.oracle.name(), "what": broken.what, "again": tally.again,
            }));
        }
    }

    pub(crate) fn rounds_of(&self, kind: &Kind) -> u64 {
        self.lines.get(kind.name).map_or(0, |line| line.rounds)
    }

    pub(crate) fn injected(&self) -> u64 {
        self.lines.values().map(|line| line.injected).sum()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.lines.values().any(|line| !line.broken.is_empty())
    }

    pub(crate) fn print(&self) {
        println!(
            "{:<18} {:>8} {:>9} {:>8} {:>9} {:>7}",
            "kind", "rounds", "injected", "missed", "checked", "broken"
        );
        for kind in KINDS {
            let Some(line) = self.lines.get(kind.name) else { continue };
            let checked: u64 = line.checked.values().sum();
            println!(
                "{:<18} {:>8} {:>9} {:>8} {checked:>9} {:>7}",
                kind.name,
                line.rounds,
                line.injected,
                line.missed,
                line.broken.len()
            );
        }
        let broken: usize = self.lines.values().map(|line| line.broken.len()).sum();
        let seconds = self.began.elapsed().as_secs();
        println!(
            "{} faults in {seconds} s from seed {}, {broken} oracles broken",
            self.injected(),
            self.seed
        );
    }

    pub(crate) fn json(&self) -> String {
        let lines = self.lines.iter().map(|(name, line)| {
            let checked: BTreeMap<&str, u64> =
                line.checked.iter().map(|(oracle, times)| (oracle.name(), *times)).collect();
            json!({
                "kind": name, "rounds": line.rounds, "injected": line.injected, "missed": line.missed,
                "checked": checked, "broken": line.broken,
            })
        });
        let kinds: Vec<Value> = lines.collect();
        let seconds = self.began.elapsed().as_secs();
        let report =
            json!({ "seed": self.seed, "injected": self.injected(), "seconds": seconds, "kinds": kinds });
        format!("{report:#}\n")
    }
}
