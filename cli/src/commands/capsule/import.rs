//! `windlass capsule import`

use windlass_contract::ExitCode;
use windlass_contract::document::Document;

use super::export_file::{self, blocking};
use super::verify::held;
use crate::args::capsule::ImportArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::session::Session;

/// Has an exported run checked and kept.
///
/// # Errors
/// Those of `Control::import_run`.
pub(crate) async fn run(session: &Session, args: ImportArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let importing = Progress::new(output, "importing the run");
    let opening =
        blocking(move || export_file::open_file(&args.file, args.passphrase.passphrase_file.as_deref()));
    let file = importing.during(opening).await?;
    let control = session.control(Need::Change).await?;
    let imported = importing.during(control.import_run(file.into())).await?;
    if output.json() {
        output.document(&Document::of(imported))?;
        return Ok(ExitCode::Success);
    }
    output.text(&held(&imported.import))?;
    if !imported.new {
        output.note("the same record was imported before; nothing was changed");
    }
    output.next(&[format!("windlass bot show --run {}", imported.import.run_id)])?;
    Ok(ExitCode::Success)
}
