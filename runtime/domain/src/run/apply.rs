//! What an event makes of a run. The same function live and on replay, so that a corrupt log is found by the rule that
//! made it.

use std::collections::BTreeMap;

use super::approval::Question;
use super::event::RunEvent;
use super::step::{OpenStep, StepKey, StepName};
use super::{Ended, Phase, Progress, Run, RunState};
use crate::id::{Epoch, RunId};
use crate::time::Timestamp;

/// An event that cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run {run_id}: {event} cannot follow what was recorded: {why}")]
pub struct CorruptHistory {
    /// Which run.
    pub run_id: RunId,
    /// The event's type.
    pub event: &'static str,
    /// Which rule it breaks.
    pub why: &'static str,
}

impl RunEvent {
    /// The event's stable type name.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "run.submitted",
            Self::StepInherited(_) => "step.inherited",
            Self::Queued {} => "run.queued",
            Self::Started {} => "run.started",
            Self::AttemptStarted { .. } => "attempt.started",
            Self::AttemptLost { .. } => "attempt.lost",
            Self::StepStarted(_) => "step.started",
            Self::StepFinished { .. } => "step.finished",
            Self::PhaseChanged { .. } => "phase.changed",
            Self::Checkpoint(_) => "checkpoint",
            Self::PolicyDecided(_) => "policy.decided",
            Self::ApprovalAsked { .. } => "approval.asked",
            Self::ApprovalAnswered { .. } => "approval.answered",
            Self::CaptureBlocked { .. } => "capture.blocked",
            Self::SpoolLostTail { .. } => "spool.lost_tail",
            Self::ArtifactStored(_) => "artifact.stored",
            Self::CancelRequested(_) => "cancel.requested",
            Self::Ended { .. } => "run.ended",
        }
    }
}

/// The run after an event. `None` before the first, which must be `run.submitted`.
///
/// # Errors
/// [`CorruptHistory`] when the event cannot follow; [`super::decide`] never causes such a one.
pub fn apply(
    run: Option<Run>,
    run_id: RunId,
    event: &RunEvent,
    at: Timestamp,
) -> Result<Run, CorruptHistory> {
    let corrupt = |why| CorruptHistory { run_id, event: event.type_name(), why };
    let Some(mut run) = run else {
        let RunEvent::Submitted { request, admission } = event else {
            return Err(corrupt("the first event of a run is run.submitted"));
        };
        return Ok(Run {
            run_id,
            request: (**request).clone(),
            admission: admission.clone(),
            submitted_at: at,
            epoch: Epoch(0),
            state: RunState::Queued { cancel: None, inherited: BTreeMap::new() },
        });
    };
    let state = match (run.state, event) {
        (RunState::Ended(_), _) => return Err(corrupt("run.ended is the last event of its stream")),
        (_, RunEvent::Submitted { .. }) => return Err(corrupt("a run is submitted once")),
        (RunState::Queued { cancel: None, inherited }, RunEvent::CancelRequested(request)) => {
            RunState::Queued { cancel: Some(request.clone()), inherited }
        }
        (RunState::Queued { cancel: None, mut inherited }, RunEvent::StepInherited(step)) => {
            if run.request.continues.is_none() {
                return Err(corrupt("only a run that continues another inherits from it"));
            }
            bump(&mut inherited, &step.key).map_err(corrupt)?;
            RunState::Queued { cancel: None, inherited }
        }
        (queued @ RunState::Queued { .. }, RunEvent::Queued {}) => queued,
        (RunState::Queued { cancel, inherited }, RunEvent::Started {}) => RunState::Running(Progress {
            started_at: at,
            phase: Phase::Prepare,
            open: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            recorded: inherited,
            waiting: None,
            cancel,
        }),
        (RunState::Queued { .. }, _) => return Err(corrupt("it has not started")),
        (RunState::Running(progress), RunEvent::AttemptStarted { epoch, .. }) => {
            if *epoch != run.epoch.next() {
                return Err(corrupt("attempts are numbered without gaps"));
            }
            run.epoch = *epoch;
            RunState::Running(progress)
        }
        (RunState::Running(progress), RunEvent::AttemptLost { epoch, .. }) => {
            if *epoch != run.epoch {
                return Err(corrupt("only the newest attempt can be lost"));
            }
            RunState::Running(progress)
        }
        (RunState::Running(progress), RunEvent::Ended { outcome, summary }) => {
            if progress.cancel.is_some() != matches!(outcome, super::Outcome::Cancelled) {
                return Err(corrupt("a run ends as cancelled exactly when a cancel was committed"));
            }
            RunState::Ended(Ended { outcome: outcome.clone(), summary: summary.clone(), at })
        }
        (RunState::Running(progress), event) => {
            RunState::Running(progress.after(event, run.epoch, at).map_err(corrupt)?)
        }
    };
    run.state = state;
    Ok(run)
}

impl Progress {
    /// The progress after an event that changes nothing else of a running run.
    fn after(mut self, event: &RunEvent, epoch: Epoch, at: Timestamp) -> Result<Self, &'static str> {
        match event {
            RunEvent::StepStarted(intent) => {
                let open =
                    OpenStep { input_digest: intent.input_digest, on_interrupt: intent.on_interrupt, epoch };
                if !self.open.contains_key(&intent.key) && self.count(&intent.key) != intent.key.occurrence {
                    return Err("a step begins in the order of its name");
                }
                self.open.insert(intent.key.clone(), open);
            }
            RunEvent::StepFinished { key, .. } => {
                self.open.remove(key).ok_or("a result follows its intent")?;
                bump(&mut self.recorded, key)?;
            }
            RunEvent::PhaseChanged { phase } => {
                if *phase <= self.phase {
                    return Err("phases only go forward");
                }
                self.phase = *phase;
            }
            RunEvent::Checkpoint(checkpoint) => bump(&mut self.recorded, &checkpoint.key)?,
            RunEvent::PolicyDecided(decision) => bump(&mut self.recorded, &decision.key)?,
            RunEvent::CaptureBlocked { key, .. } => bump(&mut self.recorded, key)?,
            RunEvent::ApprovalAsked { approval_id, key, capability, subject, rule, expires_at } => {
                if self.cancel.is_some() {
                    return Err("a run that is being cancelled asks nobody");
                }
                let question = Question {
                    approval_id: *approval_id,
                    key: key.clone(),
                    capability: capability.clone(),
                    subject: subject.clone(),
                    rule: rule.clone(),
                    asked_at: at,
                    expires_at: *expires_at,
                };
                if self.waiting.replace(Box::new(question)).is_some() {
                    return Err("one question at a time");
                }
            }
            RunEvent::ApprovalAnswered { approval_id, .. } => {
                if self.waiting.take().map(|question| question.approval_id) != Some(*approval_id) {
                    return Err("an answer follows its question");
                }
            }
            RunEvent::CancelRequested(request) => {
                if self.cancel.replace(request.clone()).is_some() {
                    return Err("a run is cancelled once");
                }
                self.waiting = None;
            }
            RunEvent::ArtifactStored(artifact) => {
                if self.artifacts.insert(artifact.path.clone(), artifact.digest).is_some() {
                    return Err("an artifact is stored once");
                }
            }
            RunEvent::SpoolLostTail { .. } => {}
            RunEvent::Submitted { .. }
            | RunEvent::StepInherited(_)
            | RunEvent::Queued {}
            | RunEvent::Started {}
            | RunEvent::AttemptStarted { .. }
            | RunEvent::AttemptLost { .. }
            | RunEvent::Ended { .. } => return Err("it is running"),
        }
        Ok(self)
    }

    fn count(&self, key: &StepKey) -> u32 {
        self.recorded.get(&key.name).copied().unwrap_or(0)
    }
}

/// Counts a record of its name.
fn bump(recorded: &mut BTreeMap<StepName, u32>, key: &StepKey) -> Result<(), &'static str> {
    let count = recorded.entry(key.name.clone()).or_insert(0);
    if *count != key.occurrence {
        return Err("records of one name are numbered without gaps");
    }
    *count += 1;
    Ok(())
}
