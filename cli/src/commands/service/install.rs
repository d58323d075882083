//! `windlass service install`

use windlass_contract::document::{ServiceFile, ServiceFilesReply, ServiceWarning};
use windlass_contract::{ExitCode, Fault};
use windlass_process::{ManagerError, UserManager, lingering, reload_session_bus};

use super::{bus_warning, fault, print_files};
use crate::failure::Failure;
use crate::reach::this_program;
use crate::service::files::{UNIT, wanted, write};
use crate::session::Session;

/// Writes the unit and the activation file, and tells systemd and the bus of them.
///
/// # Errors
/// `io` where a file cannot be written or the user manager refuses it.
pub(super) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let program = this_program()?;
    let files: Vec<ServiceFile> = wanted(&program)?.iter().map(write).collect::<Result<_, _>>()?;
    let mut warnings = Vec::new();
    let enabled = match UserManager::on_session_bus().await {
        Ok(manager) => {
            enable(&manager).await?;
            Some(true)
        }
        Err(error) => {
            warnings.push(nobody_told(&error));
            None
        }
    };
    warnings.extend(bus_warning(reload_session_bus().await));
    let lingering = lingering();
    if lingering == Some(false) {
        warnings.push(no_lingering());
    }
    let program = Some(program.to_string_lossy().into_owned());
    print_files(session, ServiceFilesReply { files, program, enabled, lingering, warnings })
}

async fn enable(manager: &UserManager) -> Result<(), Fault> {
    let told = async {
        manager.reload().await?;
        manager.enable(UNIT).await?;
        // What was enabled is read anew, so that the next boot's state is also this one's.
        manager.reload().await
    };
    told.await.map_err(|error| fault(&error).hint("systemctl --user show-environment"))
}

/// The files are there, and nobody reads them now.
fn nobody_told(error: &ManagerError) -> ServiceWarning {
    ServiceWarning {
        message: format!("{error}; the files are in place for when there is one"),
        hints: vec!["windlass service doctor".to_owned()],
    }
}

fn no_lingering() -> ServiceWarning {
    ServiceWarning {
        message: "lingering is off: runs stop when you log out, and go on when you log in".to_owned(),
        hints: vec!["loginctl enable-linger".to_owned()],
    }
}
