//! `windlass service status`; `service run` is a process of its own kind and never comes here.

use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::service::ServiceCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: ServiceCommand) -> Result<ExitCode, Failure> {
    match command {
        ServiceCommand::Status => super::bot::status::run(session).await,
        ServiceCommand::Run(_) => {
            Err(Fault::new(ErrorCode::BadRequest, "a service needs a process of its own").into())
        }
    }
}
