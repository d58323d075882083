//! One round: a folder of its own, faults of one kind in it, and what was checked.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::controls::Control;
use crate::kinds::Kind;
use crate::oracles::{Broken, Oracle};

/// A round under way.
pub(crate) struct Round {
    kind: &'static Kind,
    /// What it began with: the same seed does the same again.
    pub(crate) seed: u64,
    /// Where every choice of the round comes from.
    pub(crate) dice: fastrand::Rng,
    /// What is broken on purpose.
    pub(crate) control: Option<&'static Control>,
    folder: PathBuf,
    tally: Tally,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Faults that happened.
    pub(crate) injected: u64,
    /// Faults that were meant and did not happen, because the work ended before.
    pub(crate) missed: u64,
    /// How often each oracle was asked.
    pub(crate) checked: Asked,
    /// The oracle that was broken, and the folder if it is kept.
    pub(crate) broken: Option<(Broken, Option<PathBuf>)>,
    /// How the round is done again.
    pub(crate) again: String,
}

/// How often each oracle was asked.
#[derive(Debug, Default)]
pub(crate) struct Asked(BTreeMap<Oracle, u64>);

impl Asked {
    /// Asks an oracle.
    pub(crate) fn ask(
        &mut self,
        oracle: Oracle,
        answer: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), Broken> {
        self.add(oracle, 1);
        answer().map_err(|what| Broken { oracle, what })
    }

    /// An oracle was asked elsewhere, so many times.
    pub(crate) fn add(&mut self, oracle: Oracle, times: u64) {
        *self.0.entry(oracle).or_default() += times;
    }
}

impl IntoIterator for Asked {
    type Item = (Oracle, u64);
    type IntoIter = std::collections::btree_map::IntoIter<Oracle, u64>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Round {
    pub(crate) fn new(kind: &'static Kind, seed: u64, control: Option<&'static Control>) -> Self {
        let dice = fastrand::Rng::with_seed(seed);
        Self { kind, seed, dice, control, folder: PathBuf::new(), tally: Tally::default() }
    }

    /// Does the round. A harness that stops in it counts as broken too: nothing is checked by a round that did not end.
    pub(crate) fn run(mut self, keep: bool) -> Tally {
        let again = format!("--only {} --seed {} --faults 1", self.kind.name, self.seed);
        let folder = match TempDir::with_prefix("windlass-torture-") {
            Ok(folder) => folder,
            Err(error) => {
                let broken = Broken::harness(format!("no temporary folder can be made: {error}"));
                return Tally { broken: Some((broken, None)), again, ..Tally::default() };
            }
        };
        self.folder = folder.path().to_owned();
        let done = catch_unwind(AssertUnwindSafe(|| (self.kind.inject)(&mut self)));
        let broken = match done {
            Ok(Ok(())) => None,
            Ok(Err(broken)) => Some(broken),
            Err(panic) => Some(Broken::harness(said(panic.as_ref()))),
        };
        let broken = broken.map(|broken| (broken, keep.then(|| folder.keep())));
        Tally { broken, again, ..self.tally }
    }

    /// A folder of this round alone.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A fault was meant, and happened or did not.
    pub(crate) fn count(&mut self, happened: bool) {
        if happened {
            self.tally.injected += 1;
        } else {
            self.tally.missed += 1;
        }
    }

    /// Asks an oracle.
    pub(crate) fn ask(
        &mut self,
        oracle: Oracle,
        answer: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), Broken> {
        self.tally.checked.ask(oracle, answer)
    }

    /// Where the oracles that were asked are counted.
    pub(crate) const fn asked(&mut self) -> &mut Asked {
        &mut self.tally.checked
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
