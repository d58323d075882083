//! What a review found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::Digest;
use windlass_domain::item::StateName;
use windlass_domain::run::request::{Preset, Scope};

use super::Header;

/// What a review found. Findings never change the run's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewReport {
    /// `review_report@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// What was found, in a sentence or two.
    pub summary: String,
    /// The commit that everything was compared with; none when the whole tree was looked at.
    pub base_commit: Option<ObjectId>,
    /// The commit that was looked at.
    pub head_commit: ObjectId,
    /// How deep.
    pub preset: Preset,
    /// What for.
    pub scopes: Vec<Scope>,
    /// What must be mended before this goes on.
    pub must_fix: Vec<Finding>,
    /// What could be better.
    pub suggestions: Vec<Finding>,
    /// What may go wrong.
    pub risks: Vec<Risk>,
    /// Every command that was run, or was meant to be.
    pub commands_ran: Vec<CommandRan>,
    /// The proposed change, in write mode.
    pub patch_bundle_uri: Option<ArtifactUri>,
    /// Where a person might move the item.
    pub recommended_state: Option<StateName>,
}

impl ReviewReport {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "review_report@1.0";
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The file, relative to the repository; for a finding about the change as a whole, the file that shows it best.
    pub file: String,
    /// The line after the change, from 1; for something removed, the line where it stood; 1 where a file as a whole is
    /// meant.
    pub line: u32,
    /// The last line, where there are several.
    pub end_line: Option<u32>,
    /// What found it: `<check>/<rule>`, for instance `clippy/needless_return` or `windlass/secret`.
    pub rule: Option<String>,
    /// What is wrong, in one line. Never the secret itself.
    pub message: String,
    /// Why it matters, and what to do.
    pub rationale: String,
    /// What kind of problem it is.
    pub scope: Scope,
    /// How bad.
    pub severity: Severity,
    /// Whether the change brought it.
    pub origin: FindingOrigin,
    /// How sure the finder is.
    pub confidence: Confidence,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth mending.
    Warning,
    /// To be mended.
    Error,
}

/// Whether the change brought a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingOrigin {
    /// The change brought it.
    New,
    /// It was there before.
    Old,
    /// The base could not be checked.
    Unknown,
}

/// How sure a finder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess worth a look.
    Low,
    /// Likely.
    Medium,
    /// A fact.
    High,
}

/// What may go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// How bad it would be.
    pub severity: Severity,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A command that was run, or was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRan {
    /// The check or fixer that it belongs to.
    pub name: String,
    /// The commit that it looked at: `base` or `head`, or `worktree` for a fixer.
    pub at: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The rule that allowed or denied it.
    pub rule: String,
    /// Whether it ran inside a sandbox.
    pub sandboxed: bool,
    /// What came of it.
    pub result: CommandResult,
    /// How long it took, in milliseconds of the boot clock; 0 when taken from the cache.
    pub duration_ms: u64,
    /// The digest of its output, keyed when the capture mode does not keep the output.
    pub output_digest: Option<Digest>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CommandResult {
    /// It ran and exited.
    Exited {
        /// Its exit status.
        code: u8,
    },
    /// Its results were taken from an earlier run of the same command on the same tree.
    Cached {
        /// Its exit status then.
        code: u8,
    },
    /// It was ended, or ended by a signal.
    Ended {
        /// How, in words.
        why: String,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It was not run.
    NotRun {
        /// Why, with the mend.
        why: String,
    },
}
