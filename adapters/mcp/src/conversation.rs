//! The conversation: start the server, greet it, look at its tools, call one.

use std::process::Stdio;
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, JsonObject};
use rmcp::service::{ClientInitializeError, ServiceError};
use tokio::process::Command;
use windlass_domain::tool_call::{ToolAnswer, ToolCall};

use crate::answer;
use crate::bounded::Bounded;

/// Most that a server may say in one conversation, in bytes: some hundred pages of text.
pub const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no program is named")]
    NoProgram,
    #[error("`{program}` cannot be started: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("it does not speak MCP, or left before it did")]
    Greeting(#[source] Box<ClientInitializeError>),
    #[error("it did not answer within {0} ms")]
    Silent(u64),
    #[error("it said more than {MAX_ANSWER_BYTES} bytes")]
    Talkative,
    #[error("it has no tool `{0}`")]
    NoTool(String),
    #[error("its tool `{0}` says of itself that it changes something; research calls only tools that read")]
    Changes(String),
    #[error("the arguments of tool `{0}` are no JSON object")]
    Arguments(String),
    #[error("it left in the middle of the conversation")]
    Left,
    #[error("it answered with an error")]
    Service(#[source] Box<ServiceError>),
    #[error("its tool `{tool}` says that it failed")]
    Tool { tool: String, said: String },
}

impl CallError {
    /// For a report. What the server said about it is added only where its words may be kept.
    pub(crate) fn in_words(&self, keep_text: bool) -> String {
        let said = match self {
            _ if !keep_text => None,
            Self::Greeting(source) => Some(source.to_string()),
            Self::Service(source) => Some(source.to_string()),
            Self::Tool { said, .. } => Some(said.clone()),
            _ => None,
        };
        match said.filter(|said| !said.is_empty()) {
            Some(said) => format!("{self}: {}", answer::shortened(&said)),
            None => self.to_string(),
        }
    }
}

/// Makes one call of the server with this command line, and lets the server go.
pub(crate) async fn ask(argv: &[String], call: &ToolCall) -> Result<ToolAnswer, CallError> {
    let (program, arguments) = argv.split_first().ok_or(CallError::NoProgram)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    // What it complains of may be what it read, and would reach the spool.
    command.stderr(Stdio::null()).kill_on_drop(true);
    let mut server =
        command.spawn().map_err(|source| CallError::Start { program: program.clone(), source })?;
    let (input, output) = (server.stdin.take(), server.stdout.take());
    let input = input.expect("was asked to be piped");
    let (output, overrun) = Bounded::new(output.expect("was asked to be piped"), MAX_ANSWER_BYTES);
    let conversation =
        tokio::time::timeout(Duration::from_millis(call.time_ms), converse(output, input, call));
    match conversation.await {
        Err(_elapsed) => Err(CallError::Silent(call.time_ms)),
        Ok(Err(_)) if overrun.happened() => Err(CallError::Talkative),
        Ok(answered) => answered,
    }
}

async fn converse<R, W>(output: R, input: W, call: &ToolCall) -> Result<ToolAnswer, CallError>
where
    R: tokio::io::AsyncRead + Send + Unpin + 'static,
    W: tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let client = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("windlass", env!("CARGO_PKG_VERSION")),
    );
    let service =
        client.serve((output, input)).await.map_err(|error| CallError::Greeting(Box::new(error)))?;
    let peer = service.peer();
    let tools = peer.list_all_tools().await.map_err(in_service)?;
    let no_tool = || CallError::NoTool(call.tool.clone());
    let tool = tools.iter().find(|tool| tool.name == call.tool).ok_or_else(no_tool)?;
    if tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(false) {
        return Err(CallError::Changes(call.tool.clone()));
    }
    let arguments: JsonObject = call.arguments.read().map_err(|_| CallError::Arguments(call.tool.clone()))?;
    let request = CallToolRequestParams::new(call.tool.clone()).with_arguments(arguments);
    let result = peer.call_tool(request).await.map_err(in_service)?;
    if result.is_error == Some(true) {
        return Err(CallError::Tool { tool: call.tool.clone(), said: answer::words_of(&result) });
    }
    Ok(answer::of(&result, call.keep_text))
}

fn in_service(error: ServiceError) -> CallError {
    match error {
        ServiceError::TransportClosed | ServiceError::TransportSend(_) => CallError::Left,
        error => CallError::Service(Box::new(error)),
    }
}
