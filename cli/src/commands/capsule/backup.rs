//! `windlass capsule backup`

use windlass_contract::ExitCode;
use windlass_contract::document::Document;
use windlass_contract::request::BackupCapsule;
use windlass_contract::view::CapsuleCopy;
use windlass_contract::{ErrorCode, Fault};

use crate::args::capsule::BackupArgs;
use crate::failure::Failure;
use crate::folders::text_of;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::table::facts;
use crate::render::text::{safe, shell_word};
use crate::session::Session;

/// Has the record copied.
///
/// # Errors
/// Those of `Control::backup_capsule`.
pub(crate) async fn run(session: &Session, args: BackupArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let folder = std::path::absolute(&args.out).map_err(|error| {
        let text = format!("cannot make `{}` an absolute path: {error}", args.out.display());
        Fault::new(ErrorCode::BadRequest, text)
    })?;
    let request = BackupCapsule { folder: text_of(&folder)? };
    let control = session.control(Need::Read).await?;
    let copy = Progress::new(output, "copying the capsule").during(control.backup_capsule(request)).await?;
    if output.json() {
        output.document(&Document::of(copy))?;
        return Ok(ExitCode::Success);
    }
    output.text(&text(&copy))?;
    output.next(&[format!("windlass capsule restore {}", shell_word(&copy.folder))])?;
    Ok(ExitCode::Success)
}

/// A copy, as text.
pub(super) fn text(copy: &CapsuleCopy) -> String {
    facts(&[
        ("folder", safe(&copy.folder).into_owned()),
        ("events", copy.events.to_string()),
        ("links", copy.links.to_string()),
        ("size", format!("{} bytes, with {} files of blobs", copy.bytes, copy.file_blobs)),
        ("head", copy.capsule_head.to_string()),
    ])
}
