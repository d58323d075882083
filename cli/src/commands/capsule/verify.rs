//! `windlass capsule verify`

use windlass_contract::document::{Document, VerificationReply};
use windlass_contract::error::ErrorBody;
use windlass_contract::request::VerifyCapsule;
use windlass_contract::view::Verification;
use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::capsule::VerifyArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::style::GOOD;
use crate::render::table::facts;
use crate::session::Session;

/// Verifies the capsule; what does not fit makes the exit code 3.
///
/// # Errors
/// `capsule_damaged` when something does not fit; those of `Control::verify_capsule`.
pub(crate) async fn run(session: &Session, args: VerifyArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let control = session.control(Need::Read).await?;
    let verifying = Progress::new(output, "verifying the capsule");
    let found = verifying.during(control.verify_capsule(VerifyCapsule { head: args.head })).await?;
    let damage = damage(&found);
    if output.json() {
        let (code, errors) = match &damage {
            None => (ExitCode::Success, Vec::new()),
            Some(error) => (ExitCode::Failed, vec![error.clone()]),
        };
        output.document(&Document::of(VerificationReply {
            verification: found,
            exit_code: code as u8,
            errors,
        }))?;
        return Ok(code);
    }
    output.text(&facts(&[
        ("events", found.events.to_string()),
        ("links", found.links.to_string()),
        ("blobs", found.blobs.to_string()),
        ("head", found.capsule_head.to_string()),
    ]))?;
    if let Some(fault) = damage.and_then(|error| Fault::of(vec![error])) {
        return Err(fault.into());
    }
    output.text(&format!("{GOOD}sound{GOOD:#}: nothing was changed afterwards\n"))?;
    output.next(&[format!("windlass capsule verify --head {}", found.capsule_head)])?;
    Ok(ExitCode::Success)
}

fn damage(found: &Verification) -> Option<ErrorBody> {
    if found.sound {
        return None;
    }
    let problem = found.first_problem.as_deref().unwrap_or("something does not fit");
    Some(ErrorBody {
        code: ErrorCode::CapsuleDamaged,
        message: format!("the capsule is damaged: {problem}"),
        hints: vec!["windlass service status".to_owned()],
    })
}
