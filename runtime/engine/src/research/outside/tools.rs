//! Calling one tool of an MCP server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_domain::child::{ChildEnd, ChildLimits, ChildSpec, EndedBecause, Sandbox, Walls};
use windlass_domain::digest::Json;
use windlass_domain::run::step::OnLost;
use windlass_domain::tool_call::{ToolAnswer, ToolCall, ToolItem};
use windlass_policy::{
    Approved, Capability, CheckOrigin, McpServer, Provider, RunTool, SandboxRule, SearchTool, secrets,
};

use super::{Answered, At, Facts, Outside, Texts, Told, holds_secret, unanswered};
use crate::context::HeldChild;
use crate::leave::{Leave, NoLeave, Wish};
use crate::ports::{ChildFinish, SandboxSupport, Surroundings};
use crate::research::search::Facet;
use crate::stop::Stop;

/// Longest conversation with a server, in milliseconds: one that starts slowly and searches far.
const CALL_TIME_MS: u64 = 60_000;
/// How much longer a server's client may live than the conversation.
const CLIENT_TIME_MS: u64 = 10_000;
/// Between the request to end a server and its end by force.
const GRACE_MS: u64 = 2_000;
/// Most that a client may write: what a server may say, each byte of it escaped.
const OUTPUT_BYTES: u64 = 32 * 1024 * 1024;

/// The step that calls one tool.
const STEP: &str = "ask";

/// What servers find on this machine. Fixed by the run's first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPlace {
    home: String,
    path: String,
    scratch: String,
    sandbox: SandboxSupport,
}

impl From<Surroundings> for ServerPlace {
    fn from(surroundings: Surroundings) -> Self {
        let Surroundings { home, path, scratch, sandbox, .. } = surroundings;
        Self { home, path, scratch, sandbox }
    }
}

impl Outside<'_> {
    /// Asks one tool about one part of the question.
    pub(super) async fn call(
        &self,
        server: &McpServer,
        tool: &SearchTool,
        facet: &Facet,
    ) -> Result<Answered, Stop> {
        let subject = server.subject_of(tool);
        let mut answered = unanswered(&server.name, subject.clone(), &facet.name);
        if !secrets::scan(&facet.text).is_empty() {
            return Ok(answered.failing(format!(
                "{subject}: the question holds what looks like a secret, and is not sent"
            )));
        }
        answered.request.query = Some(facet.text.clone());
        let no_json = |error| Stop::failed(format!("the arguments of {subject} have no JSON form: {error}"));
        answered.request.params = Json::of(&tool.asking(&facet.text)).map_err(no_json)?;
        let failed = |why: String| format!("{subject}: {why}");
        let leave = match self.leave_to_call(server, &subject).await? {
            Ok(leave) => leave,
            Err(NoLeave { why, .. }) => return Ok(answered.failing(failed(why))),
        };
        let spec = match self.spec(server, tool, answered.request.params.clone()) {
            Ok(spec) => spec,
            Err(why) => return Ok(answered.failing(failed(why))),
        };
        let asked = self.ask(server, &spec, &leave, &answered.request.params).await?;
        answered.request.retrieved_at = Some(asked.retrieved_at);
        match asked.answer {
            ToolAnswer::Failed { reason } => Ok(answered.failing(failed(reason))),
            ToolAnswer::Answered { items, dropped } => {
                if dropped > 0 {
                    answered
                        .request
                        .errors
                        .push(failed(format!("{dropped} more results were not looked at")));
                }
                items.into_iter().for_each(|item| answered.take(told(item, &subject)));
                Ok(answered)
            }
        }
    }

    /// Leave for the tool, for the network where the server has one, and for the server's start: one word against any of them
    /// is a word against the call.
    async fn leave_to_call(
        &self,
        server: &McpServer,
        subject: &str,
    ) -> Result<Result<Leave<RunTool>, NoLeave>, Stop> {
        let asking = self.asking();
        let wish = Wish { capability: Capability::AgentTool, subject, step: STEP, asking };
        let judge = |yes: Option<&Approved>| self.policy.permit_call(subject, yes);
        let mut withdrawn = match self.context.leave(&wish, judge).await? {
            Ok(Leave::Granted { .. }) => None,
            Ok(Leave::Withdrawn { rule, why }) => Some((rule, why)),
            Err(no_leave) => return Ok(Err(no_leave)),
        };
        if let Some(network) = server.network() {
            match self.leave_to_connect(&network, STEP).await? {
                Ok(Leave::Granted { .. }) => {}
                Ok(Leave::Withdrawn { rule, why }) => withdrawn = Some((rule, why)),
                Err(no_leave) => return Ok(Err(no_leave)),
            }
        }
        let command = server.argv.join(" ");
        let wish = Wish { capability: Capability::ToolRun, subject: &command, step: STEP, asking };
        let judge = |yes: Option<&Approved>| match yes {
            None => self.policy.permit_tool(&server.argv, CheckOrigin::User),
            Some(yes) => self.policy.permit_tool_approved(&server.argv, CheckOrigin::User, yes),
        };
        let started = self.context.leave(&wish, judge).await?;
        if self
            .still_named(&server.name, |named| matches!(named, Provider::Mcp(named) if named == server))
            .is_err()
        {
            withdrawn = Some((
                "built-in/no-rule".to_owned(),
                format!("policy does not name the MCP server `{}`", server.name),
            ));
        }
        Ok(match withdrawn {
            Some((rule, why)) => started.map(|_| Leave::Withdrawn { rule, why }),
            None => started,
        })
    }

    /// The child, or why there can be none.
    fn spec(&self, server: &McpServer, tool: &SearchTool, arguments: Json) -> Result<ChildSpec, String> {
        let place = self.place.ok_or("the run's first step found no place for it")?;
        let scratch = format!("{}/mcp-{}", place.scratch, server.name);
        let (private, temporary) = (format!("{scratch}/home"), format!("{scratch}/tmp"));
        let (home, sandbox) = match (server.sandbox, &place.sandbox) {
            (SandboxRule::Off, _) => (&place.home, Sandbox::Off),
            (SandboxRule::Required, SandboxSupport::Usable { .. }) => {
                let writable = vec![scratch.clone(), private.clone(), temporary.clone()];
                (&private, Sandbox::Bwrap(Walls { readable: server.readable.clone(), writable }))
            }
            (SandboxRule::Required, SandboxSupport::Unusable { reason }) => {
                return Err(format!("it must run in a sandbox and there is none: {reason}"));
            }
        };
        let env: BTreeMap<String, String> = [
            ("HOME", home.as_str()),
            ("TMPDIR", &temporary),
            ("PATH", &place.path),
            ("LANG", "C.UTF-8"),
            ("TERM", "dumb"),
            ("TZ", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let time_ms = CALL_TIME_MS.min(self.policy.command_time_ms());
        Ok(ChildSpec {
            argv: server.argv.clone(),
            cwd: temporary,
            env,
            sandbox,
            limits: ChildLimits {
                time_ms: time_ms.saturating_add(CLIENT_TIME_MS),
                output_bytes: OUTPUT_BYTES,
                grace_ms: GRACE_MS,
            },
            call: Some(ToolCall {
                tool: tool.name.clone(),
                arguments,
                keep_text: self.keeps_text(),
                time_ms,
            }),
        })
    }

    async fn ask(
        &self,
        server: &McpServer,
        spec: &ChildSpec,
        leave: &Leave<RunTool>,
        params: &Json,
    ) -> Result<At<ToolAnswer>, Stop> {
        let tool = spec.call.as_ref().map(|call| call.tool.as_str());
        let input = (&server.name, tool, params);
        // Policy names tools that only read: a lost question is asked again.
        let child = HeldChild { spec, leave, on_lost: OnLost::Redo };
        let record = &self.context.ports().record;
        let heard = |finish: &ChildFinish| At { retrieved_at: record.now(), answer: answer_of(finish) };
        if self.keeps_text() {
            self.context
                .held(STEP, &input, child, |finish| Texts(heard(finish)))
                .await
                .map(|Texts(asked)| asked)
        } else {
            self.context
                .held(STEP, &input, child, |finish| Facts(heard(finish)))
                .await
                .map(|Facts(asked)| asked)
        }
    }
}

/// What a server's client said.
fn answer_of(finish: &ChildFinish) -> ToolAnswer {
    let failed = |reason: String| ToolAnswer::Failed { reason };
    match &finish.end {
        ChildEnd::Exited { code: 0 } => match serde_json::from_slice(&finish.stdout) {
            Ok(answer) => without_secrets(answer),
            Err(_) => failed("its client gave an answer that cannot be read".to_owned()),
        },
        ChildEnd::Exited { code } => failed(format!("its client left with status {code}")),
        ChildEnd::Signalled { signal } => failed(format!("its client was ended by signal {signal}")),
        ChildEnd::NotStarted { reason } => failed(reason.clone()),
        ChildEnd::Ended { why: EndedBecause::TimeLimit } => failed("it did not end in time".to_owned()),
        ChildEnd::Ended { why: EndedBecause::OutputLimit } => failed("its client said too much".to_owned()),
        ChildEnd::Ended { why: EndedBecause::Cancelled } => failed("the run was cancelled".to_owned()),
    }
}

fn without_secrets(answer: ToolAnswer) -> ToolAnswer {
    match answer {
        ToolAnswer::Answered { items, dropped } => {
            let before = items.len();
            let clean = |item: &ToolItem| !holds_secret([&item.url, &item.title, &item.text]);
            let items: Vec<ToolItem> = items.into_iter().filter(clean).collect();
            let dropped = dropped + (before - items.len()) as u64;
            ToolAnswer::Answered { items, dropped }
        }
        ToolAnswer::Failed { reason } => ToolAnswer::Failed { reason: secrets::redact(&reason) },
    }
}

fn told(item: ToolItem, subject: &str) -> Told {
    let ToolItem { url, title, published_at, digest, bytes, text } = item;
    // Several of one tool must be told apart.
    let own = || format!("mcp:{subject}#{}", &digest.to_string()[..12]);
    Told { url: url.unwrap_or_else(own), title, published_at, digest, bytes, text }
}
