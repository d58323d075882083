//! `windlass capsule verify`

use std::path::Path;

use windlass_contract::document::VerificationReply;
use windlass_contract::error::ErrorBody;
use windlass_contract::request::VerifyCapsule;
use windlass_contract::view::{ExportView, Verification};
use windlass_contract::{ErrorCode, ExitCode, Fault};

use super::export_file::{self, blocking};
use crate::args::capsule::VerifyArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::style::GOOD;
use crate::render::table::facts;
use crate::render::text::{safe, shell_word};
use crate::session::Session;

/// Verifies the capsule; what does not fit makes the exit code 3.
///
/// # Errors
/// `capsule_damaged` when something does not fit; those of `Control::verify_capsule`.
pub(crate) async fn run(session: &Session, args: VerifyArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let (found, export) = match &args.file {
        Some(file) => of_file(session, file, &args).await?,
        None => {
            let control = session.control(Need::Look).await?;
            let verifying = Progress::new(output, "verifying the capsule");
            let request = VerifyCapsule { head: args.head.clone() };
            (verifying.during(control.verify_capsule(request)).await?, None)
        }
    };
    let damage = damage(&found, args.file.as_deref());
    if output.json() {
        let (code, errors) = match &damage {
            None => (ExitCode::Success, Vec::new()),
            Some(error) => (ExitCode::Failed, vec![error.clone()]),
        };
        session.document(VerificationReply { verification: found, export, exit_code: code as u8, errors })?;
        return Ok(code);
    }
    output.text(&export.as_ref().map(held).unwrap_or_default())?;
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
    output.next(&[match &args.file {
        None => format!("windlass capsule verify --head {}", found.capsule_head),
        Some(file) => format!("windlass capsule import {}", shell_word(&file.to_string_lossy())),
    }])?;
    Ok(ExitCode::Success)
}

/// Checks an exported run, with nothing but the file.
async fn of_file(
    session: &Session,
    file: &Path,
    args: &VerifyArgs,
) -> Result<(Verification, Option<ExportView>), Failure> {
    let verifying = Progress::new(&session.output, "verifying the exported run");
    let (file, head) = (file.to_owned(), args.head.clone());
    let passphrase = args.passphrase.passphrase_file.clone();
    let work = blocking(move || {
        let export = export_file::open(&file, passphrase.as_deref())?;
        windlass_actors::verify_export(export, head.as_deref())
    });
    Ok(verifying.during(work).await?)
}

/// What a file holds, as text.
pub(super) fn held(export: &ExportView) -> String {
    let left_out = match export.left_out {
        0 => String::new(),
        count => format!("{count} results and artifacts; their digests are there"),
    };
    facts(&[
        ("run", export.run_id.to_string()),
        ("item", format!("{} in {}", export.work_item_id, safe(&export.workspace_name))),
        ("kind", export.kind.word().to_owned()),
        ("status", export.status.word().to_owned()),
        ("left out", left_out),
    ])
}

fn damage(found: &Verification, file: Option<&Path>) -> Option<ErrorBody> {
    if found.sound {
        return None;
    }
    let problem = found.first_problem.as_deref().unwrap_or("something does not fit");
    let (message, hint) = match file {
        None => (format!("the capsule is damaged: {problem}"), "windlass service status"),
        Some(file) => {
            (format!("`{}` is damaged: {problem}", file.display()), "export the run again where it is from")
        }
    };
    Some(ErrorBody { code: ErrorCode::CapsuleDamaged, message, hints: vec![hint.to_owned()] })
}
