//! `windlass capsule …`

mod events;
mod get;
mod verify;

use windlass_contract::ExitCode;

use crate::args::capsule::CapsuleCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: CapsuleCommand) -> Result<ExitCode, Failure> {
    match command {
        CapsuleCommand::Verify(args) => verify::run(session, args).await,
        CapsuleCommand::Events(args) => events::run(session, args).await,
        CapsuleCommand::Get(args) => get::run(session, args).await,
    }
}
