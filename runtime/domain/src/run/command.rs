//! What may be asked of a run that exists. Submission is not here: it creates one, see [`crate::admission`].

use super::event::{ApprovalAnswer, AttemptLoss, CancelRequest, Checkpoint, PolicyDecision};
use super::request::Door;
use super::step::{StepIntent, StepKey, StepResult};
use super::{Outcome, Phase};
use crate::artifact::Artifact;
use crate::capture::DataClass;
use crate::id::{ApprovalId, Epoch, HoldId};
use crate::time::Timestamp;

/// A command to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunCommand {
    /// Begin an attempt, after the old one's effects have ended.
    StartAttempt {
        /// Its number: the run's epoch plus one.
        epoch: Epoch,
        /// The machine's boot.
        boot_id: String,
        /// The tool that drives it.
        tool_version: String,
        /// Why the attempt before ended, where there was one.
        loss: AttemptLoss,
    },
    /// Ask it to stop.
    RequestCancel(CancelRequest),
    /// Answer a question that it waits on.
    AnswerApproval {
        /// Which question.
        approval_id: ApprovalId,
        /// The answer.
        answer: ApprovalAnswer,
        /// Who gives it.
        by: String,
        /// Through which door.
        door: Door,
        /// When, by wall time: a question that has lapsed is not answered any more.
        at: Timestamp,
    },
    /// Something an attempt does; refused when its epoch is not the newest.
    Act {
        /// The attempt's number.
        epoch: Epoch,
        /// What it does.
        act: Act,
    },
}

/// What an attempt does to its run. Each is idempotent under its key or path, so that a replay repeats nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Records the intent of a step.
    BeginStep(StepIntent),
    /// Records the result of a step.
    FinishStep {
        /// Which.
        key: StepKey,
        /// What it gave.
        result: StepResult,
        /// How long it took in this attempt, in milliseconds of the boot clock.
        duration_ms: u64,
    },
    /// Enters a phase; one that is already passed is no news.
    EnterPhase(Phase),
    /// Records progress.
    Checkpoint(Checkpoint),
    /// Records what policy decided.
    RecordDecision(PolicyDecision),
    /// Asks a person.
    AskApproval {
        /// The question's id.
        approval_id: ApprovalId,
        /// The step that waits.
        key: StepKey,
        /// What is to be allowed.
        capability: String,
        /// For what.
        subject: String,
        /// The rule that says ask.
        rule: String,
        /// When the question lapses, by wall time.
        expires_at: Timestamp,
    },
    /// Records that something was not stored.
    BlockCapture {
        /// Which attempt to store, as a key of its own.
        key: StepKey,
        /// Where it would have gone.
        target: String,
        /// What kind of data it was.
        class: DataClass,
    },
    /// Records that a child's output was cut short by a crash.
    LoseTail {
        /// The step.
        key: StepKey,
        /// The start.
        hold_id: HoldId,
        /// How many bytes are gone, as far as is known.
        bytes: u64,
    },
    /// Records an artifact whose bytes are stored.
    StoreArtifact(Artifact),
    /// Ends the run.
    End {
        /// With what outcome.
        outcome: Outcome,
        /// One sentence for people.
        summary: String,
    },
}
