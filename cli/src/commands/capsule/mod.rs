//! `windlass capsule …`

mod backup;
mod events;
mod export;
mod export_file;
mod get;
mod import;
mod imports;
mod replay;
mod restore;
mod stats;
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
        CapsuleCommand::Replay(args) => replay::run(session, args).await,
        CapsuleCommand::Export(args) => export::run(session, args).await,
        CapsuleCommand::Import(args) => import::run(session, args).await,
        CapsuleCommand::Imports => imports::run(session).await,
        CapsuleCommand::Stats => stats::run(session).await,
        CapsuleCommand::Backup(args) => backup::run(session, args).await,
        CapsuleCommand::Restore(args) => restore::run(session, args).await,
    }
}
