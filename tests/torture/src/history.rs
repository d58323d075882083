//! What concurrent clients asked for and were told, and whether the record agrees.
//!
//! An answer that was lost may stand for something that happened or not; what was answered must be so.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use windlass_contract::ErrorCode;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, ItemId, RunId};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::RunRequest;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A run for an item.
    Submit { item: ItemId, key: String },
    /// That a run stops.
    Cancel { run_id: RunId },
    /// A run that continues another.
    Resume { run_id: RunId },
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is this run, made now or before.
    Accepted { run_id: RunId, new: bool },
    /// The cancel is recorded.
    Cancelled,
    /// It is refused, for a reason that the contract names.
    Refused(ErrorCode),
    /// Nobody knows what became of it.
    Lost,
}

/// One operation with its place in time: what was answered before another was invoked came first.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) invoked: u64,
    pub(crate) answered: u64,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
}

/// The operations of all clients.
#[derive(Debug, Default)]
pub(crate) struct History {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    /// Notes the moment of a call.
    pub(crate) fn invoke(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Notes what a call came to.
    pub(crate) fn answer(&self, invoked: u64, asked: Asked, answer: Answer) {
        let answered = self.clock.fetch_add(1, Ordering::SeqCst);
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.push(Operation { invoked, answered, asked, answer });
    }

    /// All of them.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer that the record does not bear out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Untrue {
    /// A run was accepted and is not in the record.
    NoSuchRun { run_id: RunId },
    /// A run is there and is not what was asked for.
    OtherRun { run_id: RunId, asked: Asked },
    /// One key was answered with two runs.
    TwoRuns { key: String, first: RunId, second: RunId },
    /// Two callers were told that they made the same run.
    MadeTwice { run_id: RunId },
    /// A cancel was acknowledged and is not in the record.
    NoCancel { run_id: RunId },
    /// A run was said to have ended and has not.
    NotEnded { run_id: RunId },
    /// A run that was answered before another was asked for stands behind it.
    Order { earlier: RunId, later: RunId },
}

impl std::fmt::Display for Untrue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A run as the record has it.
struct Recorded<'a> {
    submitted: Cursor,
    request: &'a RunRequest,
    cancelled: bool,
    ended: bool,
}

/// Checks every answer against the record.
///
/// # Errors
/// The first answer that is not so.
pub(crate) fn check(operations: &[Operation], record: &[Event]) -> Result<(), Untrue> {
    let runs = runs_of(record);
    let mut by_key: BTreeMap<&str, RunId> = BTreeMap::new();
    let mut made: BTreeMap<RunId, &Operation> = BTreeMap::new();
    for operation in operations {
        match (&operation.asked, &operation.answer) {
            (asked, Answer::Accepted { run_id, new }) => {
                let run = runs.get(run_id).ok_or(Untrue::NoSuchRun { run_id: *run_id })?;
                if !run.is_for(asked) {
                    return Err(Untrue::OtherRun { run_id: *run_id, asked: asked.clone() });
                }
                if let Asked::Submit { key, .. } = asked
                    && let Some(first) = by_key.insert(key, *run_id).filter(|first| first != run_id)
                {
                    return Err(Untrue::TwoRuns { key: key.clone(), first, second: *run_id });
                }
                if *new && made.insert(*run_id, operation).is_some() {
                    return Err(Untrue::MadeTwice { run_id: *run_id });
                }
            }
            (Asked::Cancel { run_id }, Answer::Cancelled) => {
                if !runs.get(run_id).is_some_and(|run| run.cancelled) {
                    return Err(Untrue::NoCancel { run_id: *run_id });
                }
            }
            (Asked::Cancel { run_id }, Answer::Refused(ErrorCode::RunEnded)) => {
                if !runs.get(run_id).is_some_and(|run| run.ended) {
                    return Err(Untrue::NotEnded { run_id: *run_id });
                }
            }
            (_, Answer::Cancelled | Answer::Refused(_) | Answer::Lost) => {}
        }
    }
    in_order(&made, &runs)
}

/// Whether runs stand in the order in which their makers can know them to have been made.
fn in_order(made: &BTreeMap<RunId, &Operation>, runs: &BTreeMap<RunId, Recorded<'_>>) -> Result<(), Untrue> {
    for (earlier, first) in made {
        for (later, _) in made.iter().filter(|(_, second)| first.answered < second.invoked) {
            if runs[earlier].submitted > runs[later].submitted {
                return Err(Untrue::Order { earlier: *earlier, later: *later });
            }
        }
    }
    Ok(())
}

impl Recorded<'_> {
    fn is_for(&self, asked: &Asked) -> bool {
        match asked {
            Asked::Submit { item, key } => {
                self.request.work_item_id == *item
                    && self.request.trigger.dedupe_key.as_deref() == Some(key.as_str())
            }
            Asked::Resume { run_id } => self.request.continues == Some(*run_id),
            Asked::Cancel { .. } => false,
        }
    }
}

fn runs_of(record: &[Event]) -> BTreeMap<RunId, Recorded<'_>> {
    let mut runs = BTreeMap::new();
    for event in record {
        let (Stream::Run { run_id }, EventData::Run(data)) = (&event.stream, &event.data) else { continue };
        if let RunEvent::Submitted { request, .. } = data {
            let run = Recorded { submitted: event.cursor, request, cancelled: false, ended: false };
            runs.insert(*run_id, run);
        }
        let Some(run) = runs.get_mut(run_id) else { continue };
        run.cancelled |= matches!(data, RunEvent::CancelRequested(_));
        run.ended |= matches!(data, RunEvent::Ended { .. });
    }
    runs
}
