//! `windlass init`

use windlass_contract::document::Document;
use windlass_contract::request::Init;
use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::InitArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::folders::{here, text_of};
use crate::reach::Need;
use crate::render::text::safe;
use crate::session::Session;

/// Makes a repository known.
///
/// # Errors
/// Those of `Control::init`.
pub(crate) async fn run(session: &Session, args: InitArgs) -> Result<ExitCode, Failure> {
    let folder = match args.folder {
        None => here()?,
        Some(folder) => text_of(&std::path::absolute(&folder).map_err(|error| {
            Fault::new(ErrorCode::BadRequest, format!("`{}` is no folder: {error}", folder.display()))
        })?)?,
    };
    let workspace = session.control(Need::Change).await?.init(caller(), Init { folder }).await?;
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(workspace))?;
        return Ok(ExitCode::Success);
    }
    output.text(&format!(
        "{} is known, as workspace {} in {}\n",
        safe(&workspace.name),
        workspace.workspace_id,
        safe(&workspace.root)
    ))?;
    output.next(&["windlass item add --type task --id T-0001 --title 'What is to be done'".to_owned()])?;
    Ok(ExitCode::Success)
}
