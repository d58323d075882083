//! `windlass approvals …`

mod answer;
mod list;

use windlass_contract::ExitCode;

use crate::args::approvals::ApprovalsCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: ApprovalsCommand) -> Result<ExitCode, Failure> {
    match command {
        ApprovalsCommand::List(args) => list::run(session, args).await,
        ApprovalsCommand::Answer(args) => answer::run(session, args).await,
    }
}
