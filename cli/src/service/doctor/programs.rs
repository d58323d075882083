//! The programs that Windlass cannot do without.

use std::path::Path;

use windlass_contract::document::{DoctorCheck, DoctorFinding};
use windlass_process::sandbox::{SandboxSupport, probe};

use super::{ok, problem, warning};

/// Whether commands can be run in a sandbox, found out by running one.
pub(super) async fn sandbox() -> DoctorFinding {
    match probe().await {
        SandboxSupport::Bwrap { path, version } => {
            ok(DoctorCheck::Sandbox, format!("{version} works, as {}", path.display()))
        }
        SandboxSupport::Unusable { reason, mend } => {
            let text = format!("checks cannot be run in a sandbox, so most policies refuse them: {reason}");
            problem(DoctorCheck::Sandbox, text, &[&mend])
        }
    }
}

/// Whether git is there and young enough.
pub(super) async fn git() -> DoctorFinding {
    let asked = tokio::task::spawn_blocking(|| windlass_git::check_program(Path::new("/")));
    match asked.await {
        Ok(Ok(version)) => ok(DoctorCheck::Git, version),
        Ok(Err(error)) => {
            problem(DoctorCheck::Git, crate::service::with_source(&error), &["sudo apt install git"])
        }
        Err(error) => warning(DoctorCheck::Git, format!("it could not be asked: {error}"), &["git version"]),
    }
}
