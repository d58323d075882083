//! Errors as callers see them: a stable code, a message, hints, and the exit code that goes with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::run::{AttentionReason, BlockedReason, Outcome};

/// A stable error code. Each has an exit code and a D-Bus error name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed.
    BadRequest,
    /// The folder is in no repository that Windlass knows.
    UnknownWorkspace,
    /// There is no such work item.
    UnknownItem,
    /// The item's state does not fit the kind of run.
    ItemNotEligible,
    /// The item cannot be moved there.
    IllegalMove,
    /// The maieutic context is missing or incomplete.
    MaieuticIncomplete,
    /// Capture mode `none` was asked for.
    CaptureNone,
    /// A run for the same item and kind is active.
    AlreadyActive,
    /// The dedupe key was used for another request.
    DedupeConflict,
    /// There is no such run.
    UnknownRun,
    /// The run is over.
    RunEnded,
    /// There is no such agent profile.
    UnknownProfile,
    /// There is no such artifact.
    UnknownArtifact,
    /// No such question is open.
    UnknownApproval,
    /// Policy wants a person's approval and nobody can be asked.
    NeedsApproval,
    /// Policy forbids it.
    PolicyDenied,
    /// Too much waits already.
    Overloaded,
    /// Another process writes this capsule.
    CapsuleLocked,
    /// The capsule is damaged.
    CapsuleDamaged,
    /// The capsule was written by a newer version.
    CapsuleNewer,
    /// The disk is full.
    DiskFull,
    /// The session bus, or the service on it, cannot be reached.
    BusUnavailable,
    /// Something outside failed.
    Io,
    /// Something tried to ask a question where nothing may.
    WouldPrompt,
}

/// The exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Accepted, or succeeded.
    Success = 0,
    /// Blocked, cancelled, or a person must decide.
    Stopped = 2,
    /// Failed, or the infrastructure did.
    Failed = 3,
    /// The caller must give something else.
    NeedsInput = 10,
    /// A person must approve.
    NeedsApproval = 11,
    /// An invariant was violated.
    Invariant = 13,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::BadRequest,
        Self::UnknownWorkspace,
        Self::UnknownItem,
        Self::ItemNotEligible,
        Self::IllegalMove,
        Self::MaieuticIncomplete,
        Self::CaptureNone,
        Self::AlreadyActive,
        Self::DedupeConflict,
        Self::UnknownRun,
        Self::RunEnded,
        Self::UnknownProfile,
        Self::UnknownArtifact,
        Self::UnknownApproval,
        Self::NeedsApproval,
        Self::PolicyDenied,
        Self::Overloaded,
        Self::CapsuleLocked,
        Self::CapsuleDamaged,
        Self::CapsuleNewer,
        Self::DiskFull,
        Self::BusUnavailable,
        Self::Io,
        Self::WouldPrompt,
    ];

    /// The exit code that goes with it.
    #[must_use]
    pub const fn exit(self) -> ExitCode {
        match self {
            Self::BadRequest
            | Self::UnknownWorkspace
            | Self::UnknownItem
            | Self::ItemNotEligible
            | Self::IllegalMove
            | Self::MaieuticIncomplete
            | Self::CaptureNone
            | Self::AlreadyActive
            | Self::DedupeConflict
            | Self::UnknownRun
            | Self::RunEnded
            | Self::UnknownProfile
            | Self::UnknownArtifact
            | Self::UnknownApproval => ExitCode::NeedsInput,
            Self::NeedsApproval | Self::PolicyDenied => ExitCode::NeedsApproval,
            Self::Overloaded
            | Self::CapsuleLocked
            | Self::CapsuleDamaged
            | Self::CapsuleNewer
            | Self::DiskFull
            | Self::BusUnavailable
            | Self::Io => ExitCode::Failed,
            Self::WouldPrompt => ExitCode::Invariant,
        }
    }

    /// The code, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UnknownWorkspace => "unknown_workspace",
            Self::UnknownItem => "unknown_item",
            Self::ItemNotEligible => "item_not_eligible",
            Self::IllegalMove => "illegal_move",
            Self::MaieuticIncomplete => "maieutic_incomplete",
            Self::CaptureNone => "capture_none",
            Self::AlreadyActive => "already_active",
            Self::DedupeConflict => "dedupe_conflict",
            Self::UnknownRun => "unknown_run",
            Self::RunEnded => "run_ended",
            Self::UnknownProfile => "unknown_profile",
            Self::UnknownArtifact => "unknown_artifact",
            Self::UnknownApproval => "unknown_approval",
            Self::NeedsApproval => "needs_approval",
            Self::PolicyDenied => "policy_denied",
            Self::Overloaded => "overloaded",
            Self::CapsuleLocked => "capsule_locked",
            Self::CapsuleDamaged => "capsule_damaged",
            Self::CapsuleNewer => "capsule_newer",
            Self::DiskFull => "disk_full",
            Self::BusUnavailable => "bus_unavailable",
            Self::Io => "io",
            Self::WouldPrompt => "would_prompt",
        }
    }
}

/// The exit code of a run's outcome, for a caller that waited.
#[must_use]
pub const fn exit_of(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Succeeded => ExitCode::Success,
        Outcome::Failed { .. } => ExitCode::Failed,
        Outcome::Blocked { .. } | Outcome::NeedsAttention { .. } | Outcome::Cancelled => ExitCode::Stopped,
    }
}

/// The one word that says why a run was blocked or needs attention.
#[must_use]
pub const fn blocked_word(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Blocked { reason } => Some(match reason {
            BlockedReason::ProviderUnavailable => "provider_unavailable",
            BlockedReason::AgentUnavailable => "agent_unavailable",
            BlockedReason::ApprovalDenied => "approval_denied",
            BlockedReason::ApprovalExpired => "approval_expired",
            BlockedReason::BudgetExhausted => "budget_exhausted",
            BlockedReason::PolicyDenied => "policy_denied",
            BlockedReason::CaptureBlocked => "capture_blocked",
        }),
        Outcome::NeedsAttention { reason } => Some(match reason {
            AttentionReason::RebaseConflict => "rebase_conflict",
            AttentionReason::StepInDoubt { .. } => "step_in_doubt",
            AttentionReason::JournalMismatch { .. } => "journal_mismatch",
            AttentionReason::EngineVersion { .. } => "engine_version",
        }),
        Outcome::Cancelled => Some("cancelled"),
        Outcome::Succeeded | Outcome::Failed { .. } => None,
    }
}

/// One error as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// Its stable code.
    pub code: ErrorCode,
    /// What failed, on what, in a sentence fragment.
    pub message: String,
    /// What to do next; commands can be pasted.
    pub hints: Vec<String>,
}

/// What an operation gives instead of its reply: one error, or one for each missing field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.first().message)]
pub struct Fault {
    first: ErrorBody,
    more: Vec<ErrorBody>,
}

impl Fault {
    /// A fault of one error without hints.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { first: ErrorBody { code, message: message.into(), hints: Vec::new() }, more: Vec::new() }
    }

    /// A fault of several errors of one code; none gives none.
    #[must_use]
    pub fn of(errors: Vec<ErrorBody>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(Self { first, more: errors.collect() })
    }

    /// The same fault with a hint on its first error.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.first.hints.push(hint.into());
        self
    }

    /// The error that decides the exit code.
    #[must_use]
    pub const fn first(&self) -> &ErrorBody {
        &self.first
    }

    /// The code of the first error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.first.code
    }

    /// All errors, the first first.
    #[must_use]
    pub fn errors(self) -> Vec<ErrorBody> {
        std::iter::once(self.first).chain(self.more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_and_its_word_is_what_json_writes() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
