//! Why an engine stops before its end.

use windlass_domain::run::step::StepKey;
use windlass_domain::run::{AttentionReason, BlockedReason};

use crate::ports::{AttemptError, RecordError};

/// Why an engine stops before its end. An engine passes it on with `?`; the driver makes the run's outcome of it.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A cancel was committed.
    #[error("the run was cancelled")]
    Cancelled,
    /// A rule stops the run.
    #[error("{message}")]
    Blocked {
        /// Which rule.
        reason: BlockedReason,
        /// What was blocked, in a sentence fragment.
        message: String,
    },
    /// A person must decide.
    #[error("{message}")]
    NeedsAttention {
        /// What about.
        reason: AttentionReason,
        /// What is in doubt, in a sentence fragment.
        message: String,
    },
    /// The work cannot be done.
    #[error("{message}")]
    Failed {
        /// What failed, on what, and what to do.
        message: String,
    },
    /// This attempt cannot go on; the next one will. Never an outcome.
    #[error("the attempt cannot go on: {0}")]
    Attempt(#[from] AttemptError),
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::Attempt(error.into())
    }
}

impl Stop {
    /// The work cannot be done.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }

    pub(crate) fn in_doubt(step: StepKey) -> Self {
        let message =
            format!("step `{step}` may have had its effect before the crash and is not repeated unasked");
        Self::NeedsAttention { reason: AttentionReason::StepInDoubt { step }, message }
    }

    pub(crate) fn mismatch(step: StepKey, recorded: &str) -> Self {
        let message = format!("the replay asks for step `{step}`, the journal holds {recorded}");
        Self::NeedsAttention { reason: AttentionReason::JournalMismatch { step }, message }
    }
}
