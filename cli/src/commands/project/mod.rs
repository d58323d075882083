//! `windlass project …`

mod rebuild;

use windlass_contract::ExitCode;

use crate::args::project::ProjectCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: ProjectCommand) -> Result<ExitCode, Failure> {
    match command {
        ProjectCommand::Rebuild(args) => rebuild::run(session, args).await,
    }
}
