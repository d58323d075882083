//! What research asked of the web and of MCP servers, and what came back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::{Digest, Json, NotJson};
use windlass_domain::time::Timestamp;

use super::{Header, LineRange};

/// What research asked beside the repository, sealed: nothing of the web is needed to read the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebResearchBundle {
    /// Everything but the seal.
    #[serde(flatten)]
    pub research: WebResearch,
    /// SHA-256 over the canonical JSON (RFC 8785) of this document without this field.
    pub bundle_hash: Digest,
}

impl WebResearchBundle {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "web_research_bundle@1.0";

    /// Seals what was asked.
    ///
    /// # Errors
    /// Never for what this program makes: all of it has a JSON form.
    pub fn seal(research: WebResearch) -> Result<Self, NotJson> {
        let bundle_hash = Digest::of_json(&research)?;
        Ok(Self { research, bundle_hash })
    }
}

/// What research asked beside the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebResearch {
    /// `web_research_bundle@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// The providers of policy that were asked, by name, divided by `, `.
    pub provider: String,
    /// How much could be stored. `prompts_only`: what was asked, where answers are from, and their digests. `full_io`: also
    /// their texts, as artifacts and as snippets.
    pub capture_mode: CaptureMode,
    /// The requests, in their order.
    pub requests: Vec<WebRequest>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebRequest {
    /// The provider, by its name in policy.
    pub provider: String,
    /// `http.get`, or the tool as `server/tool`.
    pub tool: String,
    /// What a tool was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The pages that were asked for: the first, and where it redirected to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What else was sent: the arguments of a tool.
    pub params: Json,
    /// When the answer was there; none where nobody was asked.
    pub retrieved_at: Option<Timestamp>,
    /// What came back, in the provider's order.
    pub results: Vec<WebResult>,
    /// What the report cites of it.
    pub selected: Vec<WebPassage>,
    /// Why something did not come back.
    pub errors: Vec<String>,
}

/// One result of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebResult {
    /// Where it is from: an address, or `mcp:server/tool` where a tool names none.
    pub url: String,
    /// The host of the address; empty where there is none.
    pub domain: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// Its place among the results, from 1.
    pub rank: u32,
    /// When it was published or changed last, as its source says.
    pub published_at: Option<Timestamp>,
    /// The beginning of its text. Only in `full_io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
    /// The digest of its text, as it was read.
    pub content_hash: Digest,
    /// The size of its text.
    pub bytes: u64,
    /// Its text, as an artifact of its own. Only in `full_io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_uri: Option<ArtifactUri>,
}

/// What the report cites: some lines of a result, or all of it where its text could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebPassage {
    /// Its id in this bundle: `w1` and so on.
    pub id: String,
    /// The result's address.
    pub url: String,
    /// The digest of the result's text.
    pub content_hash: Digest,
    /// The lines of that text. Only in `full_io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<LineRange>,
    /// The digest of these lines, line ends and all; that of the whole text where no lines are cited.
    pub digest: Digest,
    /// What it was found for: `goal`, `criterion 1`, `constraint 1` and so on.
    pub found_for: String,
    /// These lines. Only in `full_io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
