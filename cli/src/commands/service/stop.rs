//! `windlass service stop`

use windlass_contract::ExitCode;

use super::{fault, manager, print_unit};
use crate::failure::Failure;
use crate::service::files::UNIT;
use crate::session::Session;

/// Stops the service. Children that a run waits for go on under their holders.
///
/// # Errors
/// `bus_unavailable` where there is no user manager; `io` where it does not stop the service.
pub(super) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let manager = manager().await?;
    manager.stop(UNIT).await.map_err(|error| fault(&error))?;
    print_unit(session, &manager, false).await
}
