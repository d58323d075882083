//! `windlass bot …`

mod admitted;
mod cancel;
pub(super) mod result;
mod resume;
mod run;
mod runs;
mod show;
pub(crate) mod status;
mod watch;

use windlass_contract::ExitCode;

use crate::args::bot::BotCommand;
use crate::failure::Failure;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: BotCommand) -> Result<ExitCode, Failure> {
    match command {
        BotCommand::Run(args) => run::run(session, *args).await,
        BotCommand::Status => status::run(session).await,
        BotCommand::Runs(args) => runs::run(session, args).await,
        BotCommand::Show(args) => show::run(session, args).await,
        BotCommand::Watch(args) => watch::run(session, args).await,
        BotCommand::Cancel(args) => cancel::run(session, args).await,
        BotCommand::Resume(args) => resume::run(session, args).await,
    }
}
