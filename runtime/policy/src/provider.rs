//! What research may draw on beside the repository: pages of the web, and tools of MCP servers.
//!
//! To be named here grants nothing: each connection, each start of a server and each call of a tool is judged by the rules.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::AddressPattern;
use crate::layer::SandboxRule;

/// What stands for the question in an argument of a tool.
const QUERY: &str = "{query}";

/// Most providers of one policy: each is a wait of every research run.
pub(crate) const MAX_PROVIDERS: usize = 16;

/// Something that research may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Provider {
    /// Pages of the web, by their addresses.
    Urls(UrlProvider),
    /// Tools of an MCP server, which is a program.
    Mcp(McpServer),
}

/// Pages of the web, by their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlProvider {
    /// Its name.
    pub name: String,
    /// Pages that every research run reads, and patterns of pages that it may read where a question or a search names one.
    pub urls: Vec<AddressPattern>,
}

/// An MCP server that speaks on its standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// Its name.
    pub name: String,
    /// Its program and arguments.
    pub argv: Vec<String>,
    /// `required`: inside the sandbox, without a network. `off`: as you, with all that you may do.
    #[serde(default = "walled")]
    pub sandbox: SandboxRule,
    /// Folders that it may read inside the sandbox, with absolute paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
    /// The tools that are called. Nothing that a server says names another.
    pub tool: Vec<SearchTool>,
}

const fn walled() -> SandboxRule {
    SandboxRule::Required
}

/// A tool that answers a question, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchTool {
    /// Its name.
    pub name: String,
    /// Its arguments; `{query}` in a text stands for the question.
    pub arguments: BTreeMap<String, Argument>,
}

/// An argument of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Argument {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Argument>),
}

/// Why a provider is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProvider {
    /// Its name would not do in a record.
    #[error("the provider's name `{0}` must be 1 to 40 lower-case letters, digits and `-`")]
    Name(String),
    /// It has nothing to ask.
    #[error("the provider `{0}` has {1}")]
    Lacks(String, &'static str),
    /// A folder that is not absolute.
    #[error("the provider `{0}` names the folder `{1}`; write its full path")]
    Relative(String, String),
}

impl Provider {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Urls(provider) => &provider.name,
            Self::Mcp(server) => &server.name,
        }
    }

    pub(crate) fn check(&self) -> Result<(), BadProvider> {
        let name = self.name();
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fits) {
            return Err(BadProvider::Name(name.escape_debug().to_string()));
        }
        let lacks = |what| Err(BadProvider::Lacks(name.to_owned(), what));
        match self {
            Self::Urls(provider) if provider.urls.is_empty() => lacks("no address"),
            Self::Mcp(server) if server.argv.first().is_none_or(String::is_empty) => lacks("no program"),
            Self::Mcp(server) if server.tool.is_empty() => lacks("no tool"),
            Self::Mcp(server) if !server.tool.iter().all(SearchTool::takes_the_question) => {
                lacks("a tool without `{query}` in its arguments: it would be asked nothing")
            }
            Self::Mcp(server) => match server.readable.iter().find(|folder| !folder.starts_with('/')) {
                Some(folder) => Err(BadProvider::Relative(name.to_owned(), folder.clone())),
                None => Ok(()),
            },
            Self::Urls(_) => Ok(()),
        }
    }
}

impl McpServer {
    /// How a tool of it is judged under `agent.tool`.
    #[must_use]
    pub fn subject_of(&self, tool: &SearchTool) -> String {
        format!("{}/{}", self.name, tool.name)
    }

    /// How its network is judged under `net.connect`; none where its walls leave it none.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        (self.sandbox == SandboxRule::Off).then(|| format!("mcp:{}", self.name))
    }
}

impl SearchTool {
    /// The arguments with a question in the place of `{query}`.
    #[must_use]
    pub fn asking(&self, question: &str) -> BTreeMap<String, Argument> {
        let arguments = self.arguments.iter();
        arguments.map(|(name, argument)| (name.clone(), argument.asking(question))).collect()
    }

    fn takes_the_question(&self) -> bool {
        self.arguments.values().any(Argument::takes_the_question)
    }
}

impl Argument {
    fn asking(&self, question: &str) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.replace(QUERY, question)),
            Self::List(several) => Self::List(several.iter().map(|one| one.asking(question)).collect()),
            Self::Flag(_) | Self::Number(_) => self.clone(),
        }
    }

    fn takes_the_question(&self) -> bool {
        match self {
            Self::Text(text) => text.contains(QUERY),
            Self::List(several) => several.iter().any(Self::takes_the_question),
            Self::Flag(_) | Self::Number(_) => false,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Urls(provider) => {
                let urls: Vec<String> = provider.urls.iter().map(ToString::to_string).collect();
                write!(f, "{}: {}", provider.name, urls.join(" "))
            }
            Self::Mcp(server) => write!(f, "{}: the MCP server `{}`", server.name, server.argv.join(" ")),
        }
    }
}
