//! A real MCP server for the tests of research, with one tool, `search`. Its first argument says how it behaves; every way
//! in which a server can be of no use is one of them.

use std::future::{pending, ready};
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServiceExt as _, transport::stdio};
use serde_json::{Value, json};

/// The server.
struct Server {
    behaviour: String,
    /// Its other arguments.
    arguments: Vec<String>,
}

impl Server {
    fn argument(&self, place: usize) -> &str {
        self.arguments.get(place).map_or("", String::as_str)
    }

    /// What it is to say: an argument, or the content of the file that an argument names behind an `@`.
    fn words(&self, place: usize) -> String {
        let argument = self.argument(place);
        argument.strip_prefix('@').map_or_else(
            || argument.to_owned(),
            |file| std::fs::read_to_string(file).unwrap_or_else(|error| format!("{file}: {error}")),
        )
    }

    async fn answer(&self, query: &str) -> CallToolResult {
        let text = |text: String| CallToolResult::success(vec![ContentBlock::text(text)]);
        match self.behaviour.as_str() {
            // Results with the address that the test gives.
            "results" => CallToolResult::structured(json!({"results": [
                {"url": self.argument(0), "title": "Anchors of the world", "snippet": self.words(1)},
                {"url": "https://elsewhere.invalid/", "title": "Elsewhere", "snippet": "nothing of note"},
            ]})),
            "text" => text(format!("{}: {query}", self.words(0))),
            // Says whether it reaches an address.
            "connect" => text(match std::net::TcpStream::connect(self.argument(0)) {
                Ok(_) => "an anchor: it is reached".to_owned(),
                Err(error) => format!("an anchor: it is not reached, {error}"),
            }),
            "error" => CallToolResult::error(vec![ContentBlock::text(self.words(0))]),
            "flood" => text("anchor ".repeat(1024 * 1024)),
            "leave" => std::process::exit(7),
            "hang" => pending().await,
            // Notes that it was asked, and answers when the test lets it.
            "gated" => {
                let mut log = std::fs::OpenOptions::new().append(true).create(true).open(self.argument(0));
                let noted = log.as_mut().map(|log| writeln!(log, "asked"));
                let gate = std::fs::File::open(self.argument(1))
                    .and_then(|mut gate| gate.read_to_string(&mut String::new()));
                text(format!("the gate opened: {:?} {:?}", noted.is_ok(), gate.is_ok()))
            }
            other => CallToolResult::error(vec![ContentBlock::text(format!("no such behaviour: {other}"))]),
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send + '_ {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), Value::from("object"));
        let reads = self.behaviour != "writes";
        let search = Tool::new("search", "finds what is asked for", schema)
            .with_annotations(ToolAnnotations::new().read_only(reads));
        ready(Ok(ListToolsResult::with_all_items(vec![search])))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or_default();
        Ok(self.answer(query).await.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let behaviour = arguments.next().unwrap_or_default();
    match behaviour.as_str() {
        // Neither speaks MCP.
        "garbage" => println!("this is no message"),
        "mute" => pending().await,
        _ => {
            let server = Server { behaviour, arguments: arguments.collect() };
            let Ok(service) = server.serve(stdio()).await else { return ExitCode::FAILURE };
            if service.waiting().await.is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
