//! `windlass approvals answer`

use windlass_contract::ExitCode;
use windlass_contract::request::{AnswerApproval, PersonsAnswer};

use crate::args::approvals::AnswerArgs;
use crate::caller::caller;
use crate::commands::bot::result;
use crate::failure::Failure;
use crate::reach::Need;
use crate::session::Session;

/// Answers a question that a run waits on.
///
/// # Errors
/// Those of `Control::answer_approval`.
pub(crate) async fn run(session: &Session, args: AnswerArgs) -> Result<ExitCode, Failure> {
    let (answer, summary) = if args.answer.allow {
        (PersonsAnswer::Allow, "goes on: it is allowed")
    } else {
        (PersonsAnswer::Deny, "is denied that, and ends as blocked")
    };
    let control = session.control(Need::Change).await?;
    let view = control.answer_approval(caller(), AnswerApproval { id: args.id, answer }).await?;
    let (output, run_id) = (&session.output, view.row.run_id);
    if output.json() {
        output.document(&result::of(&view, ExitCode::Success, summary.to_owned()))?;
    } else {
        output.text(&format!("run {run_id} {summary}\n"))?;
    }
    output.next(&[format!("windlass bot watch --run {run_id}")])?;
    Ok(ExitCode::Success)
}
