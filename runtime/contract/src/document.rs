//! The documents that runs leave behind and commands print. Each starts with a [`Header`].

mod patch_bundle;
mod reply;
mod research_report;
mod result;
mod review_report;
mod run_log;
mod service;
mod web_research;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use patch_bundle::{PatchBundle, PatchFile, PatchHunk, RebaseState};
pub use reply::{
    ArtifactReply, Document, ExportReply, PolicyCheckReply, PolicyReply, PresetLine, RebuildReply,
    ReplayReply, Reply, RunDocument, StatusReply, VerificationReply, WrittenReply,
};
pub use research_report::{
    Citation, CitedPlace, EvidenceChange, EvidencePassage, KnowledgeEvidencePack, LeftOut, LineRange,
    MissingProvider, PassageSource, ResearchOption, ResearchProvider, ResearchQuestion, ResearchReport,
    SearchedAmount,
};
pub use result::ResultDocument;
pub use review_report::{
    CommandRan, CommandResult, Confidence, Finding, FindingOrigin, ReviewReport, Risk, Severity,
};
pub use run_log::{AttemptLog, BotRunCheckpoints, BotRunLog, CheckpointLog, CostSource, ModelUsage, ToolUse};
pub use service::{
    DoctorCheck, DoctorFinding, DoctorReply, FileChange, ServiceFile, ServiceFilesReply, ServiceUnitReply,
    ServiceWarning, Verdict,
};
pub use web_research::{WebPassage, WebRequest, WebResearch, WebResearchBundle, WebResult};

/// The version of the program that wrote a document.
pub const TOOL_VERSION: &str = concat!("windlass ", env!("CARGO_PKG_VERSION"));

/// What every document starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// `name@major.minor`. It grows by addition; a change of meaning is a new major.
    pub schema_version: String,
    /// The program that wrote it.
    pub tool_version: String,
    /// Set where no service answered and the record was read as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unserved: Option<Unserved>,
}

/// Why the record was read without the service, beside whoever else has it, and what brings the service back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unserved {
    /// What keeps the service from answering.
    pub reason: String,
    /// Commands that help; the first is the one to try.
    pub hints: Vec<String>,
    /// What was found to be damaged: what is shown is what can still be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

impl Header {
    /// The header of a document of this schema, written by this program.
    #[must_use]
    pub fn of(schema_version: &str) -> Self {
        Self::by(TOOL_VERSION, schema_version)
    }

    /// The header of a document of this schema, written by the program of this version, as a record names it.
    #[must_use]
    pub fn by(tool_version: &str, schema_version: &str) -> Self {
        Self {
            schema_version: schema_version.to_owned(),
            tool_version: tool_version.to_owned(),
            unserved: None,
        }
    }
}
