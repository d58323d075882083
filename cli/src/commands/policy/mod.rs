//! `windlass policy …`

mod check;
mod explain;
mod init;
mod show;

use windlass_contract::ExitCode;

use crate::args::policy::PolicyCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: PolicyCommand) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Show(args) => show::run(session, args).await,
        PolicyCommand::Init(args) => init::run(session, &args),
        PolicyCommand::Check(args) => check::run(session, args),
        PolicyCommand::Explain(args) => explain::run(session, args).await,
    }
}
