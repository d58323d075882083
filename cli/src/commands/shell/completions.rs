//! `windlass completions`

use clap::CommandFactory;
use windlass_contract::ExitCode;

use crate::args::Cli;
use crate::args::shell::CompletionsArgs;
use crate::failure::Failure;
use crate::session::Session;

/// Prints a completion script.
///
/// # Errors
/// Only those of writing it.
pub(crate) fn run(session: &Session, args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "windlass", &mut script);
    session.output.bytes(&script)?;
    Ok(ExitCode::Success)
}
