//! The history checker: whether the events of a capsule, in the order of their cursors, are a history that the rules allow.
//!
//! It knows the rules a second time, from the outside: it shares no code with `decide` and `apply`, so that a mistake in those
//! is not repeated here.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Epoch, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::run::Outcome;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::{RunKind, RunRequest};
use windlass_domain::run::step::{OnInterrupt, StepIntent, StepKey};

/// What at most one active run may be of.
type ActiveKey = (WorkspaceId, ItemId, RunKind);

/// A rule that a history breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// An event is missing or out of place.
    Gap { cursor: u64, what: String },
    /// A run was admitted while another of its key was active.
    TwoActive { run_id: RunId, active: RunId },
    /// A run was admitted in parts.
    Partly { run_id: RunId },
    /// One dedupe key made two runs.
    KeyUsedTwice { key: String, run_id: RunId },
    /// An attempt does not follow the one before.
    Epoch { run_id: RunId, given: Epoch, newest: Epoch },
    /// An attempt acted after a newer one had begun.
    Stale { run_id: RunId, given: Epoch, newest: Epoch },
    /// Something follows the end of a run.
    AfterEnd { run_id: RunId, what: &'static str },
    /// A step has a second result.
    FinishedTwice { run_id: RunId, step: StepKey },
    /// A step has a result without an intent.
    NotIntended { run_id: RunId, step: StepKey },
    /// A finished step, or one that must not be repeated, was begun again.
    BegunAgain { run_id: RunId, step: StepKey },
    /// A run was cancelled and did not end so, or ended so and was not cancelled.
    Cancel { run_id: RunId },
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What the checker knows of a run.
#[derive(Default)]
struct Known {
    queued: bool,
    epoch: Epoch,
    cancelled: bool,
    ended: bool,
    intents: BTreeMap<StepKey, OnInterrupt>,
    finished: BTreeSet<StepKey>,
}

#[derive(Default)]
struct Checker {
    runs: BTreeMap<RunId, Known>,
    active: BTreeMap<ActiveKey, RunId>,
    keys: BTreeMap<RunId, ActiveKey>,
    dedupe: BTreeMap<String, RunId>,
    seqs: BTreeMap<Stream, Seq>,
}

/// Checks a whole record, from its first event on.
///
/// # Errors
/// The first rule that is broken.
pub(crate) fn record(events: &[Event]) -> Result<(), Violation> {
    let mut checker = Checker::default();
    let mut admitted = None;
    for (place, event) in (1..).zip(events) {
        checker.place(place, event)?;
        let (Stream::Run { run_id }, EventData::Run(data)) = (&event.stream, &event.data) else {
            continue;
        };
        // Between its first event and its place in the queue only what it inherits may stand.
        if let Some(before) = admitted.filter(|before| before != run_id) {
            return Err(Violation::Partly { run_id: before });
        }
        admitted = match data {
            RunEvent::Submitted { .. } => Some(*run_id),
            RunEvent::StepInherited(_) => admitted,
            _ => None,
        };
        checker.run(*run_id, event.attempt, data)?;
    }
    match admitted {
        Some(run_id) => Err(Violation::Partly { run_id }),
        None => Ok(()),
    }
}

impl Checker {
    fn place(&mut self, place: u64, event: &Event) -> Result<(), Violation> {
        let gap = |what: String| Err(Violation::Gap { cursor: event.cursor.0, what });
        if event.cursor.0 != place {
            return gap(format!("it stands in place {place}"));
        }
        let seq = self.seqs.entry(event.stream.clone()).or_default();
        if event.seq != seq.next() {
            return gap(format!("it is {} of its stream, behind {}", event.seq.0, seq.0));
        }
        *seq = event.seq;
        Ok(())
    }

    fn run(&mut self, run_id: RunId, attempt: Option<Epoch>, data: &RunEvent) -> Result<(), Violation> {
        if let RunEvent::Submitted { request, .. } = data {
            return self.submitted(run_id, request);
        }
        let Some(run) = self.runs.get_mut(&run_id) else { return Err(Violation::Partly { run_id }) };
        if run.ended {
            return Err(Violation::AfterEnd { run_id, what: data.type_name() });
        }
        let newest = run.epoch;
        match (data, attempt) {
            (RunEvent::AttemptStarted { epoch, .. }, _) => {
                if *epoch != newest.next() {
                    return Err(Violation::Epoch { run_id, given: *epoch, newest });
                }
                run.epoch = *epoch;
            }
            (RunEvent::Started {} | RunEvent::AttemptLost { .. }, _) => {}
            (_, Some(given)) if given != newest => return Err(Violation::Stale { run_id, given, newest }),
            _ => {}
        }
        match data {
            RunEvent::Queued {} => run.queued = true,
            RunEvent::StepInherited(step) => {
                run.finished.insert(step.key.clone());
            }
            RunEvent::StepStarted(intent) => run.begin(run_id, intent)?,
            RunEvent::StepFinished { key, .. } => run.finish(run_id, key)?,
            RunEvent::CancelRequested(_) => run.cancelled = true,
            RunEvent::Ended { outcome, .. } => {
                run.ended = true;
                if run.cancelled != matches!(outcome, Outcome::Cancelled) {
                    return Err(Violation::Cancel { run_id });
                }
                if let Some(key) = self.keys.get(&run_id) {
                    self.active.remove(key);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn submitted(&mut self, run_id: RunId, request: &RunRequest) -> Result<(), Violation> {
        let key = (request.workspace_id, request.work_item_id.clone(), request.kind);
        if let Some(active) = self.active.insert(key.clone(), run_id) {
            return Err(Violation::TwoActive { run_id, active });
        }
        self.keys.insert(run_id, key);
        if let Some(key) = &request.trigger.dedupe_key
            && self.dedupe.insert(key.clone(), run_id).is_some()
        {
            return Err(Violation::KeyUsedTwice { key: key.clone(), run_id });
        }
        match self.runs.insert(run_id, Known::default()) {
            Some(_) => Err(Violation::Partly { run_id }),
            None => Ok(()),
        }
    }
}

impl Known {
    fn begin(&mut self, run_id: RunId, intent: &StepIntent) -> Result<(), Violation> {
        let step = intent.key.clone();
        let before = self.intents.insert(step.clone(), intent.on_interrupt);
        if self.finished.contains(&step) || before == Some(OnInterrupt::Ask) {
            return Err(Violation::BegunAgain { run_id, step });
        }
        Ok(())
    }

    fn finish(&mut self, run_id: RunId, step: &StepKey) -> Result<(), Violation> {
        if !self.intents.contains_key(step) {
            return Err(Violation::NotIntended { run_id, step: step.clone() });
        }
        if !self.finished.insert(step.clone()) {
            return Err(Violation::FinishedTwice { run_id, step: step.clone() });
        }
        Ok(())
    }
}
