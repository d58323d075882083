//! `windlass policy show`

use windlass_contract::document::{Document, PolicyReply, PresetLine};
use windlass_contract::request::ShowPolicy;
use windlass_contract::{ErrorCode, ExitCode};
use windlass_engine::review::preset::preset_table;

use crate::args::policy::ShowArgs;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::{policy, table::Look};
use crate::session::Session;

/// Shows the merged policy, and what each preset does.
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
    let presets = preset_table().into_iter().map(|row| PresetLine {
        what: row.what,
        scope: row.scope,
        from: row.from,
        does: row.does,
    });
    let reply = PolicyReply { policy: view, presets: presets.collect() };
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(reply))?;
    } else {
        output.text(&policy::show(Look::of(output), &reply))?;
    }
    output.next(&["windlass policy init".to_owned()])?;
    Ok(ExitCode::Success)
}
