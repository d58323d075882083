//! `windlass service start`

use windlass_contract::{ErrorCode, ExitCode, Fault};

use super::{fault, manager, print_unit};
use crate::failure::Failure;
use crate::service::crashes::Crashes;
use crate::service::files::UNIT;
use crate::session::Session;

/// Clears the crash counter and starts the service. One that runs with its runs paused is started anew.
///
/// # Errors
/// `bus_unavailable` where there is no user manager; `io` where it cannot start the service.
pub(super) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let crashes = Crashes::of(&session.folders.state);
    // Cleared first and in any case: however the service is started next, its runs go on.
    let unpaused = crashes.clear().map_err(|error| {
        let text = format!("cannot clear the crash counter {}: {error}", crashes.path().display());
        Fault::new(ErrorCode::Io, text)
    })?;
    let manager = manager().await?;
    let started = if unpaused { manager.restart(UNIT).await } else { manager.start(UNIT).await };
    started.map_err(|error| fault(&error))?;
    print_unit(session, &manager, unpaused).await
}
