//! What happened in a run, written for every ended run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::capture::CaptureMode;
use windlass_domain::diff::ObjectId;
use windlass_domain::id::{Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{Phase, RunStatus};
use windlass_domain::time::Timestamp;

use super::Header;
use crate::error::ErrorBody;

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BotRunLog {
    /// `bot_run_log@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// The run.
    pub run_id: RunId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its work item.
    pub work_item_id: ItemId,
    /// What it did.
    pub kind: RunKind,
    /// When its first attempt started.
    pub started_at: Timestamp,
    /// When its last step was done. The log is stored before the run ends, so this is a moment earlier.
    pub finished_at: Timestamp,
    /// Milliseconds spent in steps, summed over attempts.
    pub duration_ms: u64,
    /// How much was stored.
    pub capture_mode: CaptureMode,
    /// The attempts.
    pub attempts: Vec<AttemptLog>,
    /// What was used, and how often.
    pub tool_usage: Vec<ToolUse>,
    /// What models used up.
    pub usage: ModelUsage,
    /// How it ended.
    pub status: RunStatus,
    /// What went wrong.
    pub errors: Vec<ErrorBody>,
}

impl BotRunLog {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "bot_run_log@1.0";
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptLog {
    /// Its number.
    pub epoch: Epoch,
    /// When it started.
    pub started: Timestamp,
    /// When it was known to be over; none for the one that ended the run.
    pub ended: Option<Timestamp>,
    /// Why it ended without ending the run.
    pub why: Option<String>,
}

/// How often a tool was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolUse {
    /// Its name.
    pub name: String,
    /// How often it was run.
    pub count: u64,
    /// Milliseconds over all of them.
    pub total_ms: u64,
    /// How often policy said no.
    pub denied: u64,
}

/// What models used up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelUsage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Tokens written to a cache.
    pub cache_write_tokens: u64,
    /// US dollars, where a figure is known.
    pub cost_usd: Option<f64>,
    /// Where the figure came from.
    pub cost_source: CostSource,
}

/// Where a cost came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// No model was used.
    #[default]
    NoModel,
    /// The agent said so.
    Reported,
    /// It was computed from tokens.
    Estimated,
}

/// The checkpoints of a run, as one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BotRunCheckpoints {
    /// `bot_run_checkpoints@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// In their order.
    pub checkpoints: Vec<CheckpointLog>,
}

impl BotRunCheckpoints {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "bot_run_checkpoints@1.0";
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointLog {
    /// When.
    pub checkpoint_at: Timestamp,
    /// In which phase.
    pub phase: Phase,
    /// What had been done.
    pub summary: String,
    /// How much of the whole, 0 to 100.
    pub percent: Option<u8>,
    /// Where it would go on.
    pub resume_hint: Option<String>,
    /// What all analysis refers to, once it was known.
    pub analysis_base_commit: Option<ObjectId>,
}
