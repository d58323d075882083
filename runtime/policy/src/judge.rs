//! One question to policy, and its answer.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::run::event::PolicyVerdict;

use crate::layer::LayerKind;
use crate::rule::Capability;

/// One question to policy.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is to be done.
    pub capability: Capability,
    /// To what: an argv joined by single spaces, a path, a host.
    pub subject: &'a str,
    /// For `tool.run`: where the command comes from.
    pub origin: Option<CheckOrigin>,
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOrigin {
    /// Windlass's own defaults for the kind of project it found.
    Default,
    /// The checks file of the base commit.
    BaseCommit,
    /// The user's own configuration.
    User,
}

/// The text names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no origin of commands; there are: default, base_commit, user")]
pub struct UnknownOrigin {
    text: String,
}

impl CheckOrigin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::BaseCommit, Self::User];

    /// The word, as policy files write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::BaseCommit => "base_commit",
            Self::User => "user",
        }
    }
}

impl FromStr for CheckOrigin {
    type Err = UnknownOrigin;
    fn from_str(text: &str) -> Result<Self, UnknownOrigin> {
        Self::ALL
            .into_iter()
            .find(|origin| origin.word() == text)
            .ok_or_else(|| UnknownOrigin { text: text.escape_debug().to_string() })
    }
}

/// Policy's answer, with the rule that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// What it says.
    pub verdict: PolicyVerdict,
    /// The layer that decided.
    pub layer: LayerKind,
    /// The rule that decided, as `<layer>/<id>`.
    pub rule: String,
}

impl Judgement {
    /// What holds where no rule speaks.
    #[must_use]
    pub fn no_rule() -> Self {
        Self { verdict: PolicyVerdict::Deny, layer: LayerKind::BuiltIn, rule: "built-in/no-rule".to_owned() }
    }
}

/// How narrow a verdict is; the narrowest of several holds.
pub(crate) const fn narrowness(verdict: PolicyVerdict) -> u8 {
    match verdict {
        PolicyVerdict::Allow => 0,
        PolicyVerdict::Ask => 1,
        PolicyVerdict::Deny => 2,
    }
}
