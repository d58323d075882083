//! `windlass service doctor`

use windlass_contract::ExitCode;
use windlass_contract::document::{DoctorReply, Document};

use crate::failure::Failure;
use crate::render::service::doctor;
use crate::render::table::Look;
use crate::service::doctor::look;
use crate::session::Session;

/// Looks for what keeps runs from going on.
///
/// # Errors
/// Standard output is gone; whatever else is wrong is a finding.
pub(super) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let reply = DoctorReply::of(look(&session.folders).await);
    let code = reply.worst.exit();
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(reply))?;
    } else {
        output.text(&doctor(Look::of(output), &reply))?;
    }
    Ok(code)
}
