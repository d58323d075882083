//! What research found, and what it found it in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::capture::CaptureMode;
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::Digest;
use windlass_domain::run::request::Preset;
use windlass_domain::time::Timestamp;

use super::{Confidence, Header};

/// What research found. Every statement is taken from a source, and names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResearchReport {
    /// `research_report@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// What was asked.
    pub question: ResearchQuestion,
    /// The commit that was looked at.
    pub commit: ObjectId,
    /// How deep.
    pub preset: Preset,
    /// What the report rests on: the evidence pack and the bundle of web research (`mv2://…`), the commit (`swh:1:rev:…`).
    pub inputs: Vec<String>,
    /// The sentences of the sources that answer best, each with the id of its citation in brackets.
    pub executive_summary: String,
    /// Where the work could begin, the best first.
    pub options: Vec<ResearchOption>,
    /// What the sources do not answer.
    pub open_questions: Vec<String>,
    /// The places that the report names; each is in the evidence pack or in the bundle.
    pub citations: Vec<Citation>,
    /// Whether a provider was missing.
    pub degraded: bool,
    /// Which, and why.
    pub degraded_reasons: Vec<MissingProvider>,
}

impl ResearchReport {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "research_report@1.0";
}

/// What was asked: the item's title and its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResearchQuestion {
    /// The item's title when the run began.
    pub title: String,
    /// What is to be achieved.
    pub goal: String,
    /// What must be respected.
    pub constraints: Vec<String>,
    /// How one will know that it is done.
    pub acceptance_criteria: Vec<String>,
    /// The digest of the answers that the run was admitted with.
    pub context_digest: Digest,
}

/// One way to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResearchOption {
    /// What it is, in a few words.
    pub title: String,
    /// What speaks for it, in the words of the source.
    pub summary: String,
    /// What to weigh, as facts.
    pub tradeoffs: Vec<String>,
    /// How sure the finder is.
    pub confidence: Confidence,
    /// Whether this is the one to take. At most one is.
    pub recommended: bool,
    /// The citations that it rests on.
    pub citations: Vec<String>,
}

/// A place that the report names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// Its id in the evidence pack, or in the bundle of web research.
    pub id: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: CitedPlace,
    /// The digest of the cited bytes: lines with their line ends, a change's subject, or the whole text of a page.
    pub digest: Digest,
}

/// Where a cited place is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CitedPlace {
    /// Lines of a file.
    Passage {
        /// The file, relative to the repository.
        path: String,
        /// The lines.
        lines: LineRange,
        /// The commit that holds them.
        commit: ObjectId,
    },
    /// A change of a file.
    Change {
        /// The file, relative to the repository.
        path: String,
        /// The commit that is the change.
        commit: ObjectId,
    },
    /// A page of the web, or a result of a tool.
    Web {
        /// Its address.
        url: String,
        /// The digest of its text.
        content_hash: Digest,
        /// The lines of its text; none where the text could not be stored.
        lines: Option<LineRange>,
        /// When it was read.
        retrieved_at: Option<Timestamp>,
    },
}

/// Lines of a file, from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineRange {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

/// A provider that the research went without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingProvider {
    /// What is missing.
    pub provider: ResearchProvider,
    /// Its name in policy, where policy names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why, and what the report lacks for it.
    pub reason: String,
}

impl MissingProvider {
    /// What is missing, in a word: its name where policy gives it one.
    #[must_use]
    pub fn what(&self) -> &str {
        let kind = match self.provider {
            ResearchProvider::Model => "model",
            ResearchProvider::Web => "web",
            ResearchProvider::Mcp => "MCP server",
        };
        self.name.as_deref().unwrap_or(kind)
    }
}

/// What research can draw on beside the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResearchProvider {
    /// A language model.
    Model,
    /// Pages of the web.
    Web,
    /// A tool of an MCP server.
    Mcp,
}

/// The local knowledge that a run consulted, as it was used: nothing of the repository is needed to read the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnowledgeEvidencePack {
    /// `knowledge_evidence_pack@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// How much could be stored. The text of passages is output, like a finding or a diff.
    pub capture_mode: CaptureMode,
    /// The commit that was searched.
    pub commit: ObjectId,
    /// The passages that were found, the best first.
    pub passages: Vec<EvidencePassage>,
    /// The latest changes of the files that were found or named.
    pub changes: Vec<EvidenceChange>,
    /// How much was searched.
    pub searched: SearchedAmount,
    /// What was not searched, by reason.
    pub left_out: Vec<LeftOut>,
}

impl KnowledgeEvidencePack {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "knowledge_evidence_pack@1.0";
}

/// Some lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidencePassage {
    /// Its id in this pack: `p1` is the best.
    pub id: String,
    /// The file, relative to the repository.
    pub path: String,
    /// Whether it is written for people or for a machine.
    pub source: PassageSource,
    /// Where it stands.
    pub lines: LineRange,
    /// The commit that holds it.
    pub commit: ObjectId,
    /// The digest of its bytes, line ends and all.
    pub digest: Digest,
    /// What it was found for: `goal`, `named`, `criterion 1`, `constraint 1` and so on.
    pub found_for: String,
    /// Its BM25 score in thousandths, for what it was found for. Comparable within one `found_for` only.
    pub score_thousandths: u32,
    /// Its text.
    pub text: String,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassageSource {
    /// Written for people.
    Document,
    /// Written for a machine.
    Code,
}

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceChange {
    /// Its id in this pack: `h1` and so on.
    pub id: String,
    /// The file, relative to the repository.
    pub path: String,
    /// The commit.
    pub commit: ObjectId,
    /// When it was committed.
    pub at: Timestamp,
    /// The first paragraph of its message on one line.
    pub subject: String,
    /// The digest of the subject.
    pub digest: Digest,
}

/// How much was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SearchedAmount {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The passages in them.
    pub passages: u64,
}

/// Files that were not searched, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Why, in words.
    pub reason: String,
    /// How many.
    pub files: u64,
    /// Some of them.
    pub examples: Vec<String>,
}
