//! `windlass bot run`

use uuid::Uuid;
use windlass_contract::request::SubmitRun;
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::run::request::Budget;

use super::admitted;
use crate::answers;
use crate::args::bot::{RunArgs, scopes};
use crate::caller::caller;
use crate::failure::Failure;
use crate::folders::here;
use crate::progress::Progress;
use crate::session::Session;

/// Submits a run, and follows it to its end when asked to.
///
/// # Errors
/// Those of `Control::submit_run`, and of following it.
pub(crate) async fn run(session: &Session, args: RunArgs) -> Result<ExitCode, Failure> {
    let need = admitted::need(args.manner.ephemeral);
    let waits = args.manner.wait || args.manner.ephemeral;
    let (item, kind) = (args.id.clone(), args.kind);
    let request = request(session, args)?;
    let submitting = Progress::new(&session.output, "submitting");
    let control = session.control_here(need).await.map_err(|fault| admitted::or_ephemeral(need, fault))?;
    let accepted = submitting.during(control.submit_run(caller(), request)).await?;
    admitted::go_on(session, need, waits, accepted, item, kind).await
}

fn request(session: &Session, args: RunArgs) -> Result<SubmitRun, Fault> {
    let scopes = scopes(&args.look.scope, &args.look.no_scope).ok_or_else(|| {
        Fault::new(ErrorCode::BadRequest, "--no-scope takes away every scope that --scope names")
            .hint("windlass bot run --help")
    })?;
    Ok(SubmitRun {
        folder: here()?,
        id: args.id,
        kind: args.kind,
        base: args.look.base,
        head: args.look.head,
        capture_mode: args.bounds.capture,
        write_mode: args.bounds.write_mode,
        preset: args.look.preset,
        scopes,
        agent_profile: args.bounds.agent,
        allow: args.bounds.allow.iter().map(ToString::to_string).collect(),
        budget: Budget {
            max_duration_ms: args.bounds.max_duration,
            max_tokens: args.bounds.max_tokens,
            max_cost_micro_usd: args.bounds.max_cost_usd,
            max_turns: args.bounds.max_turns,
        },
        // A run that this process drives holds the record, so that no other process could answer a question.
        headless: args.manner.headless || args.manner.ephemeral || !session.output.has_person(),
        hold: args.manner.hold,
        context: answers::of(&args.answers)?,
        // A key of its own makes a request that is sent again after a broken connection the same request.
        dedupe_key: Some(args.manner.dedupe_key.unwrap_or_else(|| format!("cli:{}", Uuid::now_v7()))),
        url: args.url,
    })
}
