//! The journal: what the record says of a run's steps, in the order in which a replay must ask for them; and what policy and
//! people said.

use std::collections::{BTreeMap, HashMap, VecDeque};

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::ApprovalId;
use windlass_domain::run::approval::Question;
use windlass_domain::run::event::{ApprovalAnswer, InheritedStep, PolicyDecision, RunEvent};
use windlass_domain::run::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepName, StepResult};
use windlass_domain::time::Timestamp;

use crate::leave::refusal;
use crate::stop::Stop;

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
    decisions: BTreeMap<StepKey, PolicyDecision>,
    questions: Vec<(Question, Option<ApprovalAnswer>)>,
}

/// The name of notes about leave that today's policy does not give any more. They count through all attempts, because each
/// attempt meets another policy.
pub(crate) const WITHDRAWN: &str = "policy withdrawn";

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
                _ => journal.take(&event.data, event.at),
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

    /// Takes in what policy or a person said.
    pub(crate) fn take(&mut self, event: &EventData, at: Timestamp) {
        match event {
            EventData::Run(RunEvent::PolicyDecided(decision)) => {
                if decision.key.name.as_str().ends_with(WITHDRAWN) {
                    self.next_key(decision.key.name.clone());
                }
                self.decisions.insert(decision.key.clone(), decision.clone());
            }
            EventData::Run(RunEvent::ApprovalAsked {
                approval_id,
                key,
                capability,
                subject,
                rule,
                expires_at,
            }) => {
                let question = Question {
                    approval_id: *approval_id,
                    key: key.clone(),
                    capability: capability.clone(),
                    subject: subject.clone(),
                    rule: rule.clone(),
                    asked_at: at,
                    expires_at: *expires_at,
                };
                self.questions.push((question, None));
            }
            EventData::Run(RunEvent::ApprovalAnswered { approval_id, answer, .. }) => {
                self.answered(*approval_id, *answer);
            }
            _ => {}
        }
    }

    /// Notes the answer to a question.
    pub(crate) fn answered(&mut self, approval_id: ApprovalId, answer: ApprovalAnswer) {
        let asked = self.questions.iter_mut().find(|(question, _)| question.approval_id == approval_id);
        if let Some((_, answered)) = asked {
            *answered = Some(answer);
        }
    }

    /// What policy said under this key.
    pub(crate) fn decision(&self, key: &StepKey) -> Option<&PolicyDecision> {
        self.decisions.get(key)
    }

    /// The answer to the question about this.
    pub(crate) fn answer_to(&self, capability: &str, subject: &str) -> Option<(ApprovalId, ApprovalAnswer)> {
        self.questions.iter().find_map(|(question, answer)| {
            let same = question.capability == capability && question.subject == subject;
            same.then_some((question.approval_id, (*answer)?))
        })
    }

    /// The question that is open.
    pub(crate) fn open_question(&self) -> Option<&Question> {
        self.questions.iter().find(|(_, answer)| answer.is_none()).map(|(question, _)| question)
    }

    /// Why the answer to some question ends the run, if one does.
    pub(crate) fn refusal(&self) -> Option<Stop> {
        self.questions.iter().find_map(|(question, answer)| {
            refusal(&question.capability, &question.subject, question.approval_id, (*answer)?)
        })
    }

    /// The key that the next step of this name will have.
    pub(crate) fn coming_key(&self, name: StepName) -> StepKey {
        let occurrence = self.occurrences.get(&name).copied().unwrap_or(0);
        StepKey { name, occurrence }
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
