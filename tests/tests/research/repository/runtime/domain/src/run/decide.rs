//! Which events a command causes, or why it is refused.

use super::command::{Act, RunCommand};
use super::event::RunEvent;
use super::step::{BranchPath, OnInterrupt, OpenStep, StepIntent, StepKey, StepName};
use super::{Outcome, Progress, Run, RunState, RunStatus};
use crate::artifact::Artifact;
use crate::id::{ApprovalId, Epoch, RunId};

/// Why a command to a run is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run is over.
    #[error("run {run_id} has ended ({})", status.word())]
    RunEnded {
        /// Which run.
        run_id: RunId,
        /// How it ended.
        status: RunStatus,
    },
    /// A newer attempt has taken over.
    #[error("attempt {given} was replaced: the run is at attempt {current}")]
    StaleEpoch {
        /// The command's epoch.
        given: Epoch,
        /// The run's epoch.
        current: Epoch,
    },
    /// An attempt must follow the one before.
    #[error("the next attempt is {expected}, not {given}")]
    EpochGap {
        /// The command's epoch.
        given: Epoch,
        /// The only one that fits.
        expected: Epoch,
    },
    /// It has not started.
    #[error("the run waits for its turn and has no attempt yet")]
    NotStarted,
    /// A cancel was committed; only finalization may begin steps.
    #[error("the run is being cancelled; step `{step}` may not begin")]
    Cancelling {
        /// The step.
        step: StepKey,
    },
    /// The step is recorded already, or an earlier occurrence is missing.
    #[error("step `{step}` is out of order: {recorded} of its name are recorded")]
    OutOfOrder {
        /// The step.
        step: StepKey,
        /// How many of its name are recorded.
        recorded: u32,
    },
    /// Another step of the same branch has no result yet.
    #[error("step `{step}` may not begin while `{open}` is open")]
    BranchBusy {
        /// The step.
        step: StepKey,
        /// The open one.
        open: StepKey,
    },
    /// The step is in doubt and must not be repeated.
    #[error("step `{step}` is in doubt: it may have had its effect")]
    InDoubt {
        /// The step.
        step: StepKey,
    },
    /// The step was begun with another input.
    #[error("step `{step}` was begun with another input")]
    InputChanged {
        /// The step.
        step: StepKey,
    },
    /// There is no intent for this result.
    #[error("step `{step}` has no recorded intent")]
    NotBegun {
        /// The step.
        step: StepKey,
    },
    /// An artifact of this path exists with other content.
    #[error("artifact `{path}` exists with other content; artifacts never change")]
    ArtifactExists {
        /// Its path.
        path: String,
    },
    /// The run does not wait on this question.
    #[error("the run does not wait on approval {approval_id}")]
    NotAsked {
        /// The question.
        approval_id: ApprovalId,
    },
    /// The run waits on a question already.
    #[error("the run waits on approval {approval_id} already")]
    AlreadyAsking {
        /// The question.
        approval_id: ApprovalId,
    },
    /// A run cannot succeed with work left open.
    #[error("the run cannot succeed while step `{step}` has no result")]
    WorkOpen {
        /// The open step.
        step: StepKey,
    },
    /// A run ends as cancelled exactly when a cancel was committed.
    #[error("the run cannot end as {}: {}", outcome.word(), if *.requested { "a cancel was committed" } else { "nobody cancelled it" })]
    CancelMismatch {
        /// The outcome.
        outcome: RunStatus,
        /// Whether a cancel was committed.
        requested: bool,
    },
}

/// The events that a command causes. No events: it was done before.
///
/// # Errors
/// A [`Refusal`] says which rule the command breaks; nothing happens then.
pub fn decide(run: &Run, command: RunCommand) -> Result<Vec<RunEvent>, Refusal> {
    if let RunState::Ended(ended) = &run.state {
        return Err(Refusal::RunEnded { run_id: run.run_id, status: ended.outcome.status() });
    }
    match command {
        RunCommand::StartAttempt { epoch, boot_id, tool_version, loss } => {
            if epoch != run.epoch.next() {
                return Err(Refusal::EpochGap { given: epoch, expected: run.epoch.next() });
            }
            let before = match run.state {
                RunState::Queued { .. } => RunEvent::Started {},
                RunState::Running(_) => RunEvent::AttemptLost { epoch: run.epoch, why: loss },
                RunState::Ended(_) => return Ok(Vec::new()),
            };
            Ok(vec![before, RunEvent::AttemptStarted { epoch, boot_id, tool_version }])
        }
        RunCommand::RequestCancel(request) => {
            Ok(if run.cancel().is_some() { Vec::new() } else { vec![RunEvent::CancelRequested(request)] })
        }
        RunCommand::AnswerApproval { approval_id, answer, by, door } => match &run.state {
            RunState::Running(progress) if progress.waiting == Some(approval_id) => {
                Ok(vec![RunEvent::ApprovalAnswered { approval_id, answer, by, door }])
            }
            _ => Err(Refusal::NotAsked { approval_id }),
        },
        RunCommand::Act { epoch, act } => {
            let RunState::Running(progress) = &run.state else { return Err(Refusal::NotStarted) };
            if epoch != run.epoch {
                return Err(Refusal::StaleEpoch { given: epoch, current: run.epoch });
            }
            decide_act(run, progress, act)
        }
    }
}

fn decide_act(run: &Run, progress: &Progress, act: Act) -> Result<Vec<RunEvent>, Refusal> {
    match act {
        Act::BeginStep(intent) => begin_step(progress, intent),
        Act::FinishStep { key, result, duration_ms } => {
            if progress.open.contains_key(&key) {
                Ok(vec![RunEvent::StepFinished { key, result, duration_ms }])
            } else {
                Err(Refusal::NotBegun { step: key })
            }
        }
        Act::EnterPhase(phase) => {
            Ok(if phase > progress.phase { vec![RunEvent::PhaseChanged { phase }] } else { Vec::new() })
        }
        Act::Checkpoint(checkpoint) => {
            once(progress, &checkpoint.key.clone(), RunEvent::Checkpoint(checkpoint))
        }
        Act::RecordDecision(decision) => {
            once(progress, &decision.key.clone(), RunEvent::PolicyDecided(decision))
        }
        Act::AskApproval { approval_id, key, capability, subject, expires_at } => match progress.waiting {
            Some(open) => Err(Refusal::AlreadyAsking { approval_id: open }),
            None => Ok(vec![RunEvent::ApprovalAsked { approval_id, key, capability, subject, expires_at }]),
        },
        Act::BlockCapture { key, target, class } => {
            let mode = run.request.capture_mode;
            once(progress, &key.clone(), RunEvent::CaptureBlocked { key, target, class, mode })
        }
        Act::LoseTail { key, hold_id, bytes } => {
            if progress.open.contains_key(&key) {
                Ok(vec![RunEvent::SpoolLostTail { key, hold_id, bytes }])
            } else {
                Err(Refusal::NotBegun { step: key })
            }
        }
        Act::StoreArtifact(artifact) => store_artifact(run, progress, artifact),
        Act::End { outcome, summary } => end(progress, outcome, summary),
    }
}

/// A step begins when it is the next of its name and nothing of its branch is open; or again, when a crash left it
/// open and its kind allows that.
fn begin_step(progress: &Progress, intent: StepIntent) -> Result<Vec<RunEvent>, Refusal> {
    let key = &intent.key;
    if progress.cancel.is_some() && !progress.phase.finalizes() {
        return Err(Refusal::Cancelling { step: key.clone() });
    }
    if let Some(open) = progress.open.get(key) {
        return begin_again(open, intent);
    }
    let recorded = progress.recorded.get(&key.name).copied().unwrap_or(0);
    if key.occurrence != recorded {
        return Err(Refusal::OutOfOrder { step: key.clone(), recorded });
    }
    let branch = key.name.branch();
    if let Some(open) = progress.open.keys().find(|open| open.name.branch() == branch) {
        return Err(Refusal::BranchBusy { step: key.clone(), open: open.clone() });
    }
    Ok(vec![RunEvent::StepStarted(intent)])
}

fn begin_again(open: &OpenStep, intent: StepIntent) -> Result<Vec<RunEvent>, Refusal> {
    if open.input_digest != intent.input_digest {
        return Err(Refusal::InputChanged { step: intent.key });
    }
    match (open.on_interrupt, intent.on_interrupt) {
        (OnInterrupt::Ask, _) | (_, OnInterrupt::Ask) => Err(Refusal::InDoubt { step: intent.key }),
        _ => Ok(vec![RunEvent::StepStarted(intent)]),
    }
}

/// What the capture mode forbids is not stored, and that is recorded each time.
fn store_artifact(run: &Run, progress: &Progress, artifact: Artifact) -> Result<Vec<RunEvent>, Refusal> {
    let mode = run.request.capture_mode;
    if !mode.keeps(artifact.class) {
        let name = StepName::new(&BranchPath::default(), &format!("store {}", artifact.path));
        let occurrence = progress.recorded.get(&name).copied().unwrap_or(0);
        let (key, target) = (StepKey { name, occurrence }, artifact.path.to_string());
        let blocked = RunEvent::CaptureBlocked { key: key.clone(), target, class: artifact.class, mode };
        return once(progress, &key, blocked);
    }
    match progress.artifacts.get(&artifact.path) {
        None => Ok(vec![RunEvent::ArtifactStored(artifact)]),
        Some(digest) if *digest == artifact.digest => Ok(Vec::new()),
        Some(_) => Err(Refusal::ArtifactExists { path: artifact.path.to_string() }),
    }
}

/// Notes count by name, so that a replayed one is no news. A step that is open under the same name will count itself.
fn once(progress: &Progress, key: &StepKey, event: RunEvent) -> Result<Vec<RunEvent>, Refusal> {
    if let Some(open) = progress.open.keys().find(|open| open.name == key.name) {
        return Err(Refusal::BranchBusy { step: key.clone(), open: open.clone() });
    }
    let recorded = progress.recorded.get(&key.name).copied().unwrap_or(0);
    match key.occurrence.cmp(&recorded) {
        std::cmp::Ordering::Less => Ok(Vec::new()),
        std::cmp::Ordering::Equal => Ok(vec![event]),
        std::cmp::Ordering::Greater => Err(Refusal::OutOfOrder { step: key.clone(), recorded }),
    }
}

fn end(progress: &Progress, outcome: Outcome, summary: String) -> Result<Vec<RunEvent>, Refusal> {
    let requested = progress.cancel.is_some();
    if requested != matches!(outcome, Outcome::Cancelled) {
        return Err(Refusal::CancelMismatch { outcome: outcome.status(), requested });
    }
    match progress.open.keys().next() {
        Some(step) if matches!(outcome, Outcome::Succeeded) => Err(Refusal::WorkOpen { step: step.clone() }),
        _ => Ok(vec![RunEvent::Ended { outcome, summary }]),
    }
}
