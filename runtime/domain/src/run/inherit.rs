//! What a run takes over from the ended run that it continues: the steps that were done, and nothing that a person, a budget
//! or a rule cut short. Gathering and publishing are always done anew, because what they look at may have moved meanwhile.

use std::collections::HashMap;

use super::event::{InheritedStep, RunEvent};
use super::request::{Settlement, StepDecision};
use super::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepResult};
use super::{AttentionReason, BlockedReason, Outcome, Phase};
use crate::digest::Json;

/// Why an ended run cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotContinuable {
    /// It did what it was for, or could not.
    #[error("it {}, which leaves nothing to continue; submit a new run", status.word())]
    Over {
        /// How it ended.
        status: super::RunStatus,
    },
    /// The journal and the engine do not fit.
    #[error("its journal does not fit the engine at step `{step}`; submit a new run")]
    Journal {
        /// The step.
        step: StepKey,
    },
    /// The journal is of an engine that this program does not have.
    #[error("its journal needs engine version {needed}; use a windlass that has it, or submit a new run")]
    Engine {
        /// Which.
        needed: u32,
    },
    /// A step is in doubt, and nobody said what became of it.
    #[error(
        "step `{step}` is in doubt: say --step-done if it had its effect, or --step-redo to have it done again"
    )]
    InDoubt {
        /// The step.
        step: StepKey,
    },
    /// Something was said about a step, and none is in doubt.
    #[error("no step is in doubt, so there is nothing to settle; leave --step-done and --step-redo out")]
    NothingInDoubt,
    /// Another step is in doubt than the one that was settled.
    #[error("step `{in_doubt}` is in doubt, not `{settled}`")]
    OtherStep {
        /// The step in doubt.
        in_doubt: StepKey,
        /// The step that was settled.
        settled: StepKey,
    },
}

/// Whether a run that ended so can be continued, with what a person said about a step in doubt.
///
/// # Errors
/// [`NotContinuable`] says why not, and what to do.
pub fn continuable(outcome: &Outcome, settlement: Option<&Settlement>) -> Result<(), NotContinuable> {
    match outcome {
        Outcome::Succeeded | Outcome::Failed { .. } => Err(NotContinuable::Over { status: outcome.status() }),
        Outcome::NeedsAttention { reason: AttentionReason::JournalMismatch { step } } => {
            Err(NotContinuable::Journal { step: step.clone() })
        }
        Outcome::NeedsAttention { reason: AttentionReason::EngineVersion { needed } } => {
            Err(NotContinuable::Engine { needed: *needed })
        }
        Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step } } => match settlement {
            None => Err(NotContinuable::InDoubt { step: step.clone() }),
            Some(Settlement { step: settled, .. }) if settled != step => {
                Err(NotContinuable::OtherStep { in_doubt: step.clone(), settled: settled.clone() })
            }
            Some(_) => Ok(()),
        },
        Outcome::NeedsAttention { reason: AttentionReason::RebaseConflict }
        | Outcome::Blocked { .. }
        | Outcome::Cancelled => match settlement {
            Some(_) => Err(NotContinuable::NothingInDoubt),
            None => Ok(()),
        },
    }
}

/// The steps that a run which continues this one does not do again, in the order in which they were done.
///
/// The events are those of the ended run, in order.
#[must_use]
pub fn inheritance<'a>(
    events: impl IntoIterator<Item = &'a RunEvent>,
    settlement: Option<&Settlement>,
) -> Vec<InheritedStep> {
    let mut done = Done::default();
    for event in events {
        match event {
            RunEvent::StepInherited(step) => done.steps.push(step.clone()),
            RunEvent::StepStarted(intent) => done.begin(intent),
            RunEvent::StepFinished { key, result, .. } => done.finish(key, result),
            RunEvent::PhaseChanged { phase } => done.gathering = *phase >= Phase::Finalize,
            RunEvent::CancelRequested(_) => done.cancelled = true,
            RunEvent::Ended { outcome, .. } => done.end(outcome),
            _ => {}
        }
    }
    if let Some(Settlement { step, decision: StepDecision::Done }) = settlement {
        done.settle(step);
    }
    done.steps
}

/// The steps done so far.
#[derive(Default)]
struct Done {
    steps: Vec<InheritedStep>,
    open: HashMap<StepKey, StepIntent>,
    gathering: bool,
    cancelled: bool,
}

impl Done {
    fn begin(&mut self, intent: &StepIntent) {
        if !self.gathering {
            self.open.insert(intent.key.clone(), intent.clone());
        }
    }

    /// A result that came after a cancel is that of a step which was cut short, but for one that must not be done twice.
    fn finish(&mut self, key: &StepKey, result: &StepResult) {
        let Some(intent) = self.open.remove(key) else { return };
        if !self.cancelled || intent.on_interrupt == OnInterrupt::Ask {
            self.take(intent, result.clone());
        }
    }

    /// When the time ran out, the newest step of each branch may have been ended by that.
    fn end(&mut self, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Blocked { reason: BlockedReason::BudgetExhausted }) {
            return;
        }
        let mut newest: HashMap<BranchPath, usize> = HashMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            newest.insert(step.key.name.branch(), place);
        }
        let mut place = 0;
        self.steps.retain(|step| {
            let cut = newest.get(&step.key.name.branch()) == Some(&place);
            place += 1;
            !cut || !matches!(step.on_interrupt, OnInterrupt::Held { .. })
        });
    }

    /// A person says that the step in doubt had its effect; what it gave is not known.
    fn settle(&mut self, key: &StepKey) {
        if let Some(intent) = self.open.remove(key) {
            self.take(intent, StepResult::Inline { value: Json::null() });
        }
    }

    fn take(&mut self, intent: StepIntent, result: StepResult) {
        let StepIntent { key, input_digest, on_interrupt } = intent;
        self.steps.push(InheritedStep { key, input_digest, on_interrupt, result });
    }
}
