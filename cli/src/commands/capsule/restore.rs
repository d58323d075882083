//! `windlass capsule restore`

use windlass_contract::ExitCode;
use windlass_contract::document::Document;

use super::backup::text;
use super::export_file::blocking;
use crate::args::capsule::RestoreArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::session::Session;

/// Puts a backup in place. No service is asked: where one works, there is a record already.
///
/// # Errors
/// Those of `windlass_actors::restore_capsule`.
pub(crate) async fn run(session: &Session, args: RestoreArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let folders = session.folders.for_actors()?;
    let restoring = blocking(move || windlass_actors::restore_capsule(&folders, &args.folder));
    let copy = Progress::new(output, "restoring the capsule").during(restoring).await?;
    if output.json() {
        output.document(&Document::of(copy))?;
        return Ok(ExitCode::Success);
    }
    output.text(&text(&copy))?;
    output.next(&["windlass capsule verify".to_owned(), "windlass bot runs --all".to_owned()])?;
    Ok(ExitCode::Success)
}
