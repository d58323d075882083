//! What a caller asks for when a run is submitted.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::StepKey;
use crate::capture::CaptureMode;
use crate::id::{ItemId, RunId, WorkspaceId};
use crate::time::Timestamp;

/// A submitted request, complete and unchanging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct RunRequest {
    /// The repository.
    pub workspace_id: WorkspaceId,
    /// The work item.
    pub work_item_id: ItemId,
    /// What to do.
    pub kind: RunKind,
    /// How much may be stored.
    pub capture_mode: CaptureMode,
    /// Whether a worktree may be changed.
    pub write_mode: WriteMode,
    /// How deep to look.
    pub preset: Preset,
    /// What to look for, in a fixed order, without repeats.
    pub scopes: Vec<Scope>,
    /// The commit to compare with, as the caller named it.
    pub base: Option<String>,
    /// The commit to look at, as the caller named it.
    pub head: Option<String>,
    /// The agent profile to use, if any.
    pub agent_profile: Option<String>,
    /// Capabilities that the caller grants for this request where policy would ask.
    pub capabilities: Vec<String>,
    /// What it may use up.
    pub budget: Budget,
    /// Whether nobody can be asked.
    pub headless: bool,
    /// The ended run whose work it continues.
    pub continues: Option<RunId>,
    /// What a person said about that run's step in doubt.
    pub settlement: Option<Settlement>,
    /// When the caller asked.
    pub requested_at: Timestamp,
    /// Who or what asked.
    pub trigger: Trigger,
}

/// What a request is about: the same for a run and for those that continue it, whoever asked for them, and whenever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Work<'a> {
    workspace_id: WorkspaceId,
    work_item_id: &'a ItemId,
    kind: RunKind,
    capture_mode: CaptureMode,
    write_mode: WriteMode,
    preset: Preset,
    scopes: &'a [Scope],
    base: Option<&'a str>,
    head: Option<&'a str>,
    agent_profile: Option<&'a str>,
}

impl RunRequest {
    /// What it is about.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work {
            workspace_id: self.workspace_id,
            work_item_id: &self.work_item_id,
            kind: self.kind,
            capture_mode: self.capture_mode,
            write_mode: self.write_mode,
            preset: self.preset,
            scopes: &self.scopes,
            base: self.base.as_deref(),
            head: self.head.as_deref(),
            agent_profile: self.agent_profile.as_deref(),
        }
    }
}

/// What a person says about a step that a crash left in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Settlement {
    /// The step.
    pub step: StepKey,
    /// What is to become of it.
    pub decision: StepDecision,
}

/// What is to become of a step in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum StepDecision {
    /// It had its effect and is not done again.
    Done,
    /// It had none, or one that may be repeated: it is done again.
    Redo,
}

/// What a run does.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    Encode,
    Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Finds out; never writes to the repository.
    Research,
    /// Judges a change.
    Review,
}

impl RunKind {
    /// The word, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Research => "research",
            Self::Review => "review",
        }
    }
}

/// Whether a run may change a worktree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// It changes nothing.
    None,
    /// It may change its bot worktree.
    Worktree,
}

/// How deep a run looks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The surface, in minutes.
    Quick,
    /// The default.
    Standard,
    /// Slower checks too.
    Deep,
    /// Several passes, hours to days.
    Exhaustive,
}

/// What a run looks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Wrong behaviour.
    Correctness,
    /// Ways to be attacked.
    Security,
    /// Slowness.
    Performance,
    /// Form.
    Style,
    /// Structure.
    Architecture,
}

impl Scope {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Correctness, Self::Security, Self::Performance, Self::Style, Self::Architecture];
}

/// What a run may use up. An empty field has no limit of its own; the preset's and policy's limits still hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(default)]
pub struct Budget {
    /// Milliseconds of the boot clock, summed over attempts.
    pub max_duration_ms: Option<u64>,
    /// Model tokens.
    pub max_tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub max_cost_micro_usd: Option<u64>,
    /// Agent turns.
    pub max_turns: Option<u64>,
}

/// Who or what asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Trigger {
    /// The door that it came through.
    pub source: Door,
    /// Makes a repeated request the same request.
    pub dedupe_key: Option<String>,
    /// What caused it, for instance a pull request.
    pub url: Option<String>,
}

/// A surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The command line.
    Cli,
    /// The session bus.
    Dbus,
    /// The terminal interface.
    Tui,
    /// Windlass itself, for instance when a deprecation cancels a run.
    Runtime,
}
