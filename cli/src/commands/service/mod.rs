//! `windlass service …`; `service run` is a process of its own kind and never comes here.

mod doctor;
mod install;
mod start;
mod stop;
mod uninstall;

use windlass_contract::document::{Document, ServiceFilesReply, ServiceUnitReply, ServiceWarning};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_process::{ManagerError, UserManager};

use crate::args::service::ServiceCommand;
use crate::failure::Failure;
use crate::render::service::{files, unit};
use crate::service::files::UNIT;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: ServiceCommand) -> Result<ExitCode, Failure> {
    match command {
        ServiceCommand::Install => install::run(session).await,
        ServiceCommand::Uninstall => uninstall::run(session).await,
        ServiceCommand::Start => start::run(session).await,
        ServiceCommand::Stop => stop::run(session).await,
        ServiceCommand::Status => super::bot::status::run(session).await,
        ServiceCommand::Doctor => doctor::run(session).await,
        ServiceCommand::Run(_) => {
            Err(Fault::new(ErrorCode::BadRequest, "a service needs a process of its own").into())
        }
    }
}

/// The user manager, or why there is none, with what helps.
async fn manager() -> Result<UserManager, Fault> {
    UserManager::on_session_bus().await.map_err(|error| fault(&error))
}

/// What the user manager did not do, as callers see it.
fn fault(error: &ManagerError) -> Fault {
    let text = crate::service::with_source(error);
    match error {
        ManagerError::NoBus(_) | ManagerError::NoManager => Fault::new(ErrorCode::BusUnavailable, text)
            .hint("windlass service run")
            .hint("windlass service doctor"),
        ManagerError::NoSuchUnit { .. } => Fault::new(ErrorCode::Io, text).hint("windlass service install"),
        ManagerError::Failed { .. } | ManagerError::Refused { .. } => Fault::new(ErrorCode::Io, text)
            .hint("windlass service doctor")
            .hint(format!("journalctl --user -u {UNIT} -e")),
    }
}

/// What the bus said to being asked to read its services anew; having no bus is said elsewhere.
fn bus_warning(reloaded: Result<(), ManagerError>) -> Option<ServiceWarning> {
    match reloaded {
        Ok(()) | Err(ManagerError::NoBus(_)) => None,
        Err(error) => Some(ServiceWarning {
            message: crate::service::with_source(&error),
            hints: vec!["windlass service doctor".to_owned()],
        }),
    }
}

fn print_files(session: &Session, reply: ServiceFilesReply) -> Result<ExitCode, Failure> {
    let output = &session.output;
    for warning in &reply.warnings {
        output.note(&format!("warning: {}", warning.message));
        for hint in &warning.hints {
            output.note(&format!("  try: {hint}"));
        }
    }
    if output.json() {
        output.document(&Document::of(reply))?;
    } else {
        output.text(&files(&reply))?;
    }
    Ok(ExitCode::Success)
}

/// Prints the unit as it is now.
async fn print_unit(session: &Session, manager: &UserManager, unpaused: bool) -> Result<ExitCode, Failure> {
    let state = manager.unit(UNIT).await.map_err(|error| fault(&error))?.active_state;
    let reply = ServiceUnitReply { unit: UNIT.to_owned(), state, unpaused };
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(reply))?;
    } else {
        output.text(&unit(&reply))?;
    }
    output.next(&["windlass service status".to_owned()])?;
    Ok(ExitCode::Success)
}
