//! `windlass capsule export`

use std::fs::File;

use windlass_contract::ExitCode;
use windlass_contract::document::ExportReply;
use windlass_contract::request::ExportRun;

use super::export_file::{self, blocking};
use super::verify::held;
use crate::args::capsule::ExportArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::text::shell_word;
use crate::resolve::run_id;
use crate::session::Session;

/// Writes an ended run into a new file.
///
/// # Errors
/// Those of `Control::export_run`; `bad_request` where the file is there already.
pub(crate) async fn run(session: &Session, args: ExportArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    export_file::check_free(&args.out)?;
    let control = session.control(Need::Look).await?;
    let run_id = run_id(control, &args.run).await?;
    let exporting = Progress::new(output, "exporting the run");
    let request = ExportRun { run_id, capture_mode: args.capture };
    let exported = exporting.during(control.export_run(request)).await?;
    let (export, mut from) = (exported.export, File::from(exported.file));
    let (path, passphrase) = (args.out.clone(), args.passphrase.passphrase_file);
    let encrypted = passphrase.is_some();
    exporting.say("writing the file");
    let writing = blocking(move || export_file::write(&path, &mut from, passphrase.as_deref()));
    let bytes = exporting.during(writing).await?;
    let file = args.out.to_string_lossy().into_owned();
    if output.json() {
        session.document(ExportReply { file, bytes, encrypted, export })?;
        return Ok(ExitCode::Success);
    }
    output.text(&held(&export))?;
    output.note(&format!("{bytes} bytes written to {file}"));
    let head = export.capsule_head;
    output.next(&[format!("windlass capsule verify {} --head {head}", shell_word(&file))])?;
    Ok(ExitCode::Success)
}
