//! One call of a tool of an MCP server, as a process of its own: it starts the server, asks it, writes down what came of it,
//! and leaves. The only crate that names rmcp.
//!
//! It stands under a holder, which ends it with everything that the server started, whatever becomes of the service. It is
//! no judge: what it starts and calls was permitted before. **Invariants:**
//!
//! - what a server says is data: nothing of it names a tool, a program or a file to this process;
//! - where texts are not kept, none leaves this process: digests, addresses and titles do;
//! - a server that says too much, or nothing, costs a bounded amount of memory and time.

mod answer;
mod bounded;
mod conversation;

use std::io::{Read, Write};
use std::process::ExitCode;

use windlass_domain::tool_call::{ToolAnswer, ToolCall};

pub use conversation::MAX_ANSWER_BYTES;

/// Largest accepted call, in bytes: a question is at most some sentences.
const MAX_CALL_BYTES: u64 = 1024 * 1024;

/// Reads a call from standard input, makes it of the server with this command line, and writes the answer to standard
/// output. A call that failed is an answer too; the exit status is not 0 only where there is no answer.
#[must_use]
pub fn run(argv: &[String]) -> ExitCode {
    let mut input = Vec::new();
    let read = std::io::stdin().lock().take(MAX_CALL_BYTES).read_to_end(&mut input);
    let call: ToolCall =
        match read.map_err(serde_json::Error::io).and_then(|_| serde_json::from_slice(&input)) {
            Ok(call) => call,
            Err(error) => return complain(&format!("standard input holds no call of a tool: {error}")),
        };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot make a runtime: {error}")),
    };
    let answer = runtime
        .block_on(conversation::ask(argv, &call))
        .unwrap_or_else(|error| ToolAnswer::Failed { reason: error.in_words(call.keep_text) });
    let written = serde_json::to_vec(&answer).map_err(std::io::Error::from);
    match written.and_then(|bytes| std::io::stdout().lock().write_all(&bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("cannot write the answer: {error}")),
    }
}

fn complain(message: &str) -> ExitCode {
    // Whoever could read it is gone where this cannot be written.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
    ExitCode::FAILURE
}
