//! `windlass service uninstall`

use windlass_contract::ExitCode;
use windlass_contract::document::ServiceFilesReply;
use windlass_process::{ManagerError, UserManager, lingering, reload_session_bus};

use super::{bus_warning, fault, print_files};
use crate::failure::Failure;
use crate::service::files::{UNIT, activation_path, remove, unit_path};
use crate::session::Session;

/// Stops the service and takes away what install wrote. The capsule stays as it is.
///
/// # Errors
/// `io` where a file cannot be removed or the user manager refuses something.
pub(super) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let manager = match UserManager::on_session_bus().await {
        Ok(manager) => Some(manager),
        Err(ManagerError::NoBus(_) | ManagerError::NoManager) => None,
        Err(error) => return Err(fault(&error).into()),
    };
    // The bus first: else the next call would start the service again.
    let activation = remove(&activation_path()?)?;
    let warnings = bus_warning(reload_session_bus().await).into_iter().collect();
    if let Some(manager) = &manager {
        match manager.stop(UNIT).await {
            Ok(()) | Err(ManagerError::NoSuchUnit { .. }) => {}
            Err(error) => return Err(fault(&error).into()),
        }
        manager.disable(UNIT).await.map_err(|error| fault(&error))?;
    }
    let unit = remove(&unit_path()?)?;
    if let Some(manager) = &manager {
        manager.reload().await.map_err(|error| fault(&error))?;
    }
    let reply = ServiceFilesReply {
        files: vec![unit, activation],
        program: None,
        enabled: manager.map(|_| false),
        lingering: lingering(),
        warnings,
    };
    print_files(session, reply)
}
