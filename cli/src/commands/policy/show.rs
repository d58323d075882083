//! `windlass policy show`

use windlass_contract::document::Document;
use windlass_contract::request::ShowPolicy;
use windlass_contract::{ErrorCode, ExitCode};

use crate::args::policy::ShowArgs;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::{policy, table::Look};
use crate::session::Session;

/// Shows the merged policy.
///
/// # Errors
/// Those of `Control::show_policy`.
pub(crate) async fn run(session: &Session, args: ShowArgs) -> Result<ExitCode, Failure> {
    let folder = if args.user { None } else { Some(here()?) };
    let shown = session.control(Need::Read).await?.show_policy(ShowPolicy { folder }).await;
    let view = shown.map_err(|fault| match fault.code() {
        ErrorCode::UnknownWorkspace => fault.hint("windlass policy show --user"),
        _ => fault,
    })?;
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(view))?;
    } else {
        output.text(&policy::show(Look::of(output), &view))?;
    }
    output.next(&["windlass policy init".to_owned()])?;
    Ok(ExitCode::Success)
}
