//! A question that policy raised and a run waits on.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::StepKey;
use crate::id::ApprovalId;
use crate::time::Timestamp;

/// A question that is open: asked, and neither answered nor lapsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Question {
    /// Its id.
    pub approval_id: ApprovalId,
    /// The step that waits for it.
    pub key: StepKey,
    /// What is to be allowed.
    pub capability: String,
    /// For what.
    pub subject: String,
    /// The rule that says ask.
    pub rule: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it lapses, by wall time.
    pub expires_at: Timestamp,
}

impl Question {
    /// Whether nobody can answer any more.
    #[must_use]
    pub fn has_lapsed(&self, at: Timestamp) -> bool {
        at >= self.expires_at
    }
}
