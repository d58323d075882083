//! `windlass policy explain`

use windlass_contract::document::Document;
use windlass_contract::request::ExplainPolicy;
use windlass_contract::{ErrorCode, ExitCode};

use crate::args::policy::ExplainArgs;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::policy::explanation;
use crate::render::table::Look;
use crate::session::Session;

/// Says what policy says to one act, and why. A denial is an answer, so the command succeeds.
///
/// # Errors
/// Those of `Control::explain_policy`.
pub(crate) async fn run(session: &Session, args: ExplainArgs) -> Result<ExitCode, Failure> {
    let request = ExplainPolicy {
        folder: if args.user { None } else { Some(here()?) },
        capability: args.capability.to_string(),
        subject: args.subject,
        origin: args.origin,
        allow: args.allow.iter().map(ToString::to_string).collect(),
    };
    let told = session.control(Need::Read).await?.explain_policy(request).await;
    let told = told.map_err(|fault| match fault.code() {
        ErrorCode::UnknownWorkspace => fault.hint("windlass policy explain --user …"),
        _ => fault,
    })?;
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(told))?;
    } else {
        output.text(&explanation(Look::of(output), &told))?;
    }
    output.next(&["windlass policy show".to_owned()])?;
    Ok(ExitCode::Success)
}
