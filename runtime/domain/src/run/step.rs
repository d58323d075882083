//! Steps: the unit of resume inside a run.

use std::fmt;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Json};
use crate::id::{Epoch, HoldId};

/// A step's name with the path of branches that leads to it, for instance `base/check:clippy`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(transparent)]
pub struct StepName(String);

impl StepName {
    /// The name inside a branch; the root branch is empty. A `/` in the name becomes `_`.
    #[must_use]
    pub fn new(branch: &BranchPath, name: &str) -> Self {
        Self(branch.child(name).0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch that it belongs to.
    #[must_use]
    pub fn branch(&self) -> BranchPath {
        BranchPath(self.0.rsplit_once('/').map_or_else(String::new, |(branch, _)| branch.to_owned()))
    }
}

/// Named branches of parallel work, from the outside in, divided by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BranchPath(String);

impl BranchPath {
    /// The branch of this name inside this one. A `/` in the name becomes `_`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let name = name.replace('/', "_");
        if self.0.is_empty() { Self(name) } else { Self(format!("{}/{name}", self.0)) }
    }
}

/// A step's identity in its run: its name and which occurrence of it this is, from 0. Written `base/check:clippy#0`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
pub struct StepKey {
    /// Branch path and name.
    pub name: StepName,
    /// How many of this name came before.
    pub occurrence: u32,
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name.0, self.occurrence)
    }
}

/// What resuming does with a step that has an intent and no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OnInterrupt {
    /// It is done again: it has no effect outside, or one that is the same each time.
    Redo,
    /// A child under a holder; a lost one is treated as `on_lost` says.
    Held {
        /// The start that was intended.
        hold_id: HoldId,
        /// What to do when the child is lost.
        on_lost: OnLost,
    },
    /// It is never repeated unasked.
    Ask,
}

/// What to do when a held child is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Start another: right for checks.
    Redo,
    /// Start the agent again with its own session, in the same worktree.
    ResumeSession,
    /// Ask a person.
    Ask,
}

/// What a step is about to do, committed before it does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct StepIntent {
    /// Which step.
    pub key: StepKey,
    /// Digest of its input's canonical JSON.
    pub input_digest: Digest,
    /// What resuming does with it.
    pub on_interrupt: OnInterrupt,
}

/// An intent without a result.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenStep {
    /// Digest of its input.
    pub input_digest: Digest,
    /// What resuming does with it.
    pub on_interrupt: OnInterrupt,
    /// The attempt that recorded it last.
    pub epoch: Epoch,
}

/// What a step gave, as the engine gets it back, live and on replay alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepResult {
    /// The value itself.
    Inline {
        /// As canonical JSON.
        value: Json,
    },
    /// A value too large for an event, kept as a blob of canonical JSON.
    Stored {
        /// The blob's digest.
        digest: Digest,
        /// Its size.
        bytes: u64,
    },
}
