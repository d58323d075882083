//! One rule: whom it speaks of, and what it says.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::run::event::PolicyVerdict;

use crate::judge::{Ask, CheckOrigin};

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Capability {
    /// Read the repository.
    #[serde(rename = "fs.read")]
    FsRead,
    /// Write a bot worktree.
    #[serde(rename = "fs.write")]
    FsWrite,
    /// Connect to a host.
    #[serde(rename = "net.connect")]
    NetConnect,
    /// Run a program.
    #[serde(rename = "tool.run")]
    ToolRun,
    /// Let an agent use one of its tools.
    #[serde(rename = "agent.tool")]
    AgentTool,
    /// Write to a forge.
    #[serde(rename = "forge.write")]
    ForgeWrite,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::FsRead, Self::FsWrite, Self::NetConnect, Self::ToolRun, Self::AgentTool, Self::ForgeWrite];

    /// The name, as policy files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FsRead => "fs.read",
            Self::FsWrite => "fs.write",
            Self::NetConnect => "net.connect",
            Self::ToolRun => "tool.run",
            Self::AgentTool => "agent.tool",
            Self::ForgeWrite => "forge.write",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no capability; there are: fs.read, fs.write, net.connect, tool.run, agent.tool, forge.write"
)]
pub struct UnknownCapability {
    text: String,
}

impl FromStr for Capability {
    type Err = UnknownCapability;
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.name() == text)
            .ok_or_else(|| UnknownCapability { text: text.escape_debug().to_string() })
    }
}

/// One rule of a layer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in its layer; recorded with each decision that it makes.
    pub id: String,
    /// What it says.
    pub verdict: PolicyVerdict,
    /// What it speaks of.
    pub capability: Capability,
    /// Glob patterns over the subject: an argv joined by single spaces, a path, a host. Empty: every subject.
    #[serde(default)]
    pub subjects: Vec<SubjectPattern>,
    /// For `tool.run`: where the command comes from. Empty: anywhere.
    #[serde(default)]
    pub origins: Vec<CheckOrigin>,
}

impl Rule {
    /// Whether the rule speaks of this ask.
    #[must_use]
    pub fn speaks_of(&self, ask: &Ask<'_>) -> bool {
        self.capability == ask.capability && self.fits_subject(ask) && self.fits_origin(ask)
    }

    pub(crate) fn fits_subject(&self, ask: &Ask<'_>) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|pattern| pattern.matches(ask.subject))
    }

    pub(crate) fn fits_origin(&self, ask: &Ask<'_>) -> bool {
        self.origins.is_empty() || ask.origin.is_some_and(|origin| self.origins.contains(&origin))
    }
}

/// A glob over a subject; `*` crosses `/` and spaces.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(with = "String")]
pub struct SubjectPattern(GlobMatcher);

impl SubjectPattern {
    fn matches(&self, subject: &str) -> bool {
        self.0.is_match(subject)
    }
}

impl Serialize for SubjectPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.glob().glob())
    }
}

impl<'de> Deserialize<'de> for SubjectPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Glob::new(&text).map(|glob| Self(glob.compile_matcher())).map_err(serde::de::Error::custom)
    }
}
