//! What happened to a run. Appended to, never changed: the order of the variants is part of the stored format.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::{Door, RunRequest};
use super::step::{OnInterrupt, StepIntent, StepKey, StepResult};
use super::{Outcome, Phase};
use crate::artifact::Artifact;
use crate::capture::{CaptureMode, DataClass};
use crate::diff::ObjectId;
use crate::digest::Digest;
use crate::id::{ApprovalId, Epoch, HoldId, RunId};
use crate::time::Timestamp;

/// One thing that happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "type", content = "data")]
pub enum RunEvent {
    /// It was admitted.
    #[serde(rename = "run.submitted")]
    Submitted {
        /// What was asked for.
        request: Box<RunRequest>,
        /// What was fixed at that moment.
        admission: Admission,
    },
    /// It begins with a step that the run which it continues has done.
    #[serde(rename = "step.inherited")]
    StepInherited(InheritedStep),
    /// It waits for its turn.
    #[serde(rename = "run.queued")]
    Queued {},
    /// Its turn came.
    #[serde(rename = "run.started")]
    Started {},
    /// An attempt began.
    #[serde(rename = "attempt.started")]
    AttemptStarted {
        /// Its number.
        epoch: Epoch,
        /// The machine's boot, as the kernel names it.
        boot_id: String,
        /// The tool that drives it.
        tool_version: String,
    },
    /// The attempt before is over without having ended the run.
    #[serde(rename = "attempt.lost")]
    AttemptLost {
        /// Its number.
        epoch: Epoch,
        /// Why.
        why: AttemptLoss,
    },
    /// A step is about to be done.
    #[serde(rename = "step.started")]
    StepStarted(StepIntent),
    /// A step was done.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// Which.
        key: StepKey,
        /// What it gave.
        result: StepResult,
        /// How long it took in this attempt, in milliseconds of the boot clock.
        duration_ms: u64,
    },
    /// Another phase began.
    #[serde(rename = "phase.changed")]
    PhaseChanged {
        /// Which.
        phase: Phase,
    },
    /// Progress for people.
    #[serde(rename = "checkpoint")]
    Checkpoint(Checkpoint),
    /// Policy decided about one act.
    #[serde(rename = "policy.decided")]
    PolicyDecided(PolicyDecision),
    /// Policy asks a person.
    #[serde(rename = "approval.asked")]
    ApprovalAsked {
        /// The question's id.
        approval_id: ApprovalId,
        /// The step that waits for it.
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
    /// A person answered, or the question lapsed.
    #[serde(rename = "approval.answered")]
    ApprovalAnswered {
        /// The question's id.
        approval_id: ApprovalId,
        /// The answer.
        answer: ApprovalAnswer,
        /// Who gave it.
        by: String,
        /// Through which door.
        door: Door,
    },
    /// Something was not stored because the capture mode forbids it.
    #[serde(rename = "capture.blocked")]
    CaptureBlocked {
        /// Which step or note tried, as a key of its own.
        key: StepKey,
        /// Where it would have gone: an artifact path or a field name.
        target: String,
        /// What kind of data it was.
        class: DataClass,
        /// The mode that forbids it.
        mode: CaptureMode,
    },
    /// A child's output is shorter than what was already read of it.
    #[serde(rename = "spool.lost_tail")]
    SpoolLostTail {
        /// The step.
        key: StepKey,
        /// The start.
        hold_id: HoldId,
        /// How many bytes are gone, as far as is known.
        bytes: u64,
    },
    /// An artifact was stored.
    #[serde(rename = "artifact.stored")]
    ArtifactStored(Artifact),
    /// Somebody asked to cancel it.
    #[serde(rename = "cancel.requested")]
    CancelRequested(CancelRequest),
    /// It ended. Always the last event of its stream.
    #[serde(rename = "run.ended")]
    Ended {
        /// With what outcome.
        outcome: Outcome,
        /// One sentence for people.
        summary: String,
    },
}

/// What is fixed when a run is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Admission {
    /// The digest of the merged policy.
    pub policy_digest: Digest,
    /// The digest of the maieutic context.
    pub context_digest: Digest,
    /// The version of the engine that will write its journal.
    pub engine_version: u32,
    /// The run whose worktree, path and branch it uses: itself, or the first of the runs that it continues.
    pub worktree_of: RunId,
    /// The digest of the request without its time, for recognising a repeated request.
    pub request_digest: Digest,
}

/// A step that an earlier run has done, and that is not done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct InheritedStep {
    /// Which step.
    pub key: StepKey,
    /// Digest of its input's canonical JSON, as it was then.
    pub input_digest: Digest,
    /// What resuming would have done with it.
    pub on_interrupt: OnInterrupt,
    /// What it gave.
    pub result: StepResult,
}

/// Why an attempt ended without ending its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AttemptLoss {
    /// The process that drove it is gone.
    ProcessGone,
    /// The machine was started anew.
    MachineRestarted,
    /// Its actor failed.
    ActorFailed {
        /// What it said.
        message: String,
    },
}

/// A short human-readable progress record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Checkpoint {
    /// Which checkpoint this is, as a key of its own.
    pub key: StepKey,
    /// The phase.
    pub phase: Phase,
    /// What has been done.
    pub summary: String,
    /// How much of the whole, 0 to 100.
    pub percent: Option<u8>,
    /// Where it will go on.
    pub resume_hint: Option<String>,
    /// What all analysis refers to, once it is known.
    pub analysis_base_commit: Option<ObjectId>,
}

/// What policy said about one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct PolicyDecision {
    /// Which decision this is, as a key of its own.
    pub key: StepKey,
    /// The capability, for instance `tool.run`.
    pub capability: String,
    /// For what, for instance an argv joined by spaces.
    pub subject: String,
    /// The verdict.
    pub verdict: PolicyVerdict,
    /// The rule that made it.
    pub rule: String,
}

/// A verdict of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum PolicyVerdict {
    /// It may be done.
    Allow,
    /// A person is asked.
    Ask,
    /// It may not be done.
    Deny,
}

/// A person's answer to a question that policy raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAnswer {
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Nobody answered in time.
    Expired,
}

/// Who asked to cancel, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct CancelRequest {
    /// Who: a user name, or `windlass`.
    pub by: String,
    /// Through which door.
    pub door: Door,
    /// Why, in their words.
    pub reason: Option<String>,
}
