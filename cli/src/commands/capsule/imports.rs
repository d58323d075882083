//! `windlass capsule imports`

use windlass_contract::ExitCode;
use windlass_contract::document::Document;
use windlass_contract::view::ImportList;

use crate::args::choice::word;
use crate::failure::Failure;
use crate::reach::Need;
use crate::render::table::{Look, cell, status, table};
use crate::session::Session;

/// Lists what was imported.
///
/// # Errors
/// Those of `Control::list_imports`.
pub(crate) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let list = session.control(Need::Read).await?.list_imports().await?;
    if output.json() {
        output.document(&Document::of(list))?;
    } else if list.imports.is_empty() {
        output.note("no run was imported");
        output.next(&["windlass capsule import FILE".to_owned()])?;
    } else {
        output.text(&text(Look::of(output), &list))?;
    }
    Ok(ExitCode::Success)
}

fn text(look: Look, list: &ImportList) -> String {
    let rows = list.imports.iter().map(|import| {
        vec![
            cell(&import.run_id.to_string()),
            cell(&import.workspace_name),
            cell(import.work_item_id.as_str()),
            cell(import.kind.word()),
            status(import.status),
            cell(&word(&import.exported_as)),
        ]
    });
    table(look, &["run", "from", "item", "kind", "status", "holds"], rows.collect())
}
