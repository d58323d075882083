//! A call of an MCP server's tool as data: what is asked, and what came back.
//!
//! The server is a child like any other, started for one call and ended after it. A client of ours stands between it and
//! its holder, so that what the capture mode does not store leaves that client as digests alone.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Json};
use crate::time::Timestamp;

/// What is asked of the child, which speaks MCP on its standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct ToolCall {
    /// The tool.
    pub tool: String,
    /// Its arguments, a JSON object.
    pub arguments: Json,
    /// Whether texts come back. Without, only their digests and where they are from.
    pub keep_text: bool,
    /// Longest conversation, in milliseconds.
    pub time_ms: u64,
}

/// What came of a call. Its client writes it to standard output as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToolAnswer {
    /// The tool answered.
    Answered {
        /// The results, in the tool's order.
        items: Vec<ToolItem>,
        /// How many more there were than are looked at.
        dropped: u64,
    },
    /// It did not.
    Failed {
        /// Why, in a sentence fragment.
        reason: String,
    },
}

/// One result of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolItem {
    /// Where it is from, as the tool says.
    pub url: Option<String>,
    /// What it is called, as the tool says.
    pub title: Option<String>,
    /// When it was published, as the tool says.
    pub published_at: Option<Timestamp>,
    /// The digest of its text.
    pub digest: Digest,
    /// The size of its text.
    pub bytes: u64,
    /// Its text, where texts come back.
    pub text: Option<String>,
}
