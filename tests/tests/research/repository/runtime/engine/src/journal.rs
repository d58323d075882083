//! The journal: what the record says of a run's steps, in the order in which a replay must ask for them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData};
use windlass_domain::run::event::{InheritedStep, RunEvent};
use windlass_domain::run::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepName, StepResult};

/// A step of which the record has the intent, and perhaps the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// Which.
    pub key: StepKey,
    /// The digest of its input.
    pub input_digest: Digest,
    /// What its last intent said.
    pub on_interrupt: OnInterrupt,
    /// What it gave, when it was done.
    pub result: Option<StepResult>,
}

/// The recorded steps, branch by branch.
#[derive(Debug, Default)]
pub struct Journal {
    branches: HashMap<BranchPath, VecDeque<RecordedStep>>,
    occurrences: BTreeMap<StepName, u32>,
}

impl Journal {
    /// Reads the journal out of a run's events, which come in order.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut journal = Self::default();
        for event in events {
            match &event.data {
                EventData::Run(RunEvent::StepInherited(step)) => journal.inherit(step),
                EventData::Run(RunEvent::StepStarted(intent)) => journal.begin(intent),
                EventData::Run(RunEvent::StepFinished { key, result, .. }) => journal.finish(key, result),
                _ => {}
            }
        }
        journal
    }

    fn inherit(&mut self, step: &InheritedStep) {
        self.branches.entry(step.key.name.branch()).or_default().push_back(RecordedStep {
            key: step.key.clone(),
            input_digest: step.input_digest,
            on_interrupt: step.on_interrupt,
            result: Some(step.result.clone()),
        });
    }

    fn begin(&mut self, intent: &StepIntent) {
        let branch = self.branches.entry(intent.key.name.branch()).or_default();
        match branch.iter_mut().find(|step| step.key == intent.key) {
            Some(step) => step.on_interrupt = intent.on_interrupt,
            None => branch.push_back(RecordedStep {
                key: intent.key.clone(),
                input_digest: intent.input_digest,
                on_interrupt: intent.on_interrupt,
                result: None,
            }),
        }
    }

    fn finish(&mut self, key: &StepKey, result: &StepResult) {
        let step = self
            .branches
            .get_mut(&key.name.branch())
            .and_then(|branch| branch.iter_mut().find(|step| step.key == *key));
        if let Some(step) = step {
            step.result = Some(result.clone());
        }
    }

    /// The next recorded step of a branch.
    pub(crate) fn peek(&self, branch: &BranchPath) -> Option<&RecordedStep> {
        self.branches.get(branch)?.front()
    }

    /// The next recorded step of a branch, taken from the journal.
    pub(crate) fn next_of(&mut self, branch: &BranchPath) -> Option<RecordedStep> {
        self.branches.get_mut(branch)?.pop_front()
    }

    /// The key for the next step or note of this name.
    pub(crate) fn next_key(&mut self, name: StepName) -> StepKey {
        let occurrence = self.occurrences.entry(name.clone()).or_insert(0);
        let key = StepKey { name, occurrence: *occurrence };
        *occurrence += 1;
        key
    }
}
