//! `windlass bot cancel`

use windlass_contract::ExitCode;
use windlass_contract::request::CancelRun;

use super::result;
use crate::args::bot::CancelArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::reach::Need;
use crate::resolve::definite_run_id;
use crate::session::Session;

/// Asks a run to stop.
///
/// # Errors
/// Those of `Control::cancel_run`.
pub(crate) async fn run(session: &Session, args: CancelArgs) -> Result<ExitCode, Failure> {
    let control = session.control(Need::Change).await?;
    let run_id = definite_run_id(control, &args.run).await?;
    let view = control.cancel_run(caller(), CancelRun { run_id, reason: args.reason }).await?;
    let output = &session.output;
    let summary = if view.row.status.is_active() {
        "is asked to stop; its log and its partial results are still stored".to_owned()
    } else {
        format!("is {}", view.row.status.word())
    };
    if output.json() {
        output.document(&result::of(&view, ExitCode::Success, summary))?;
    } else {
        output.text(&format!("run {run_id} {summary}\n"))?;
    }
    output.next(&[format!("windlass bot watch --run {run_id}")])?;
    Ok(ExitCode::Success)
}
