//! `windlass item list`

use windlass_contract::ExitCode;
use windlass_contract::request::ListItems;

use crate::args::item::ListArgs;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::{item, table::Look};
use crate::session::Session;

/// Lists work items.
///
/// # Errors
/// Those of `Control::list_items`.
pub(crate) async fn run(session: &Session, args: ListArgs) -> Result<ExitCode, Failure> {
    let request =
        ListItems { folder: here()?, item_type: args.item_type, state: args.state, active: args.active };
    let list = session.control(Need::Look).await?.list_items(request).await?;
    let output = &session.output;
    session.name_unreadable(&list.unreadable);
    let next = match list.items.last() {
        Some(view) => format!("windlass item show {}", view.item.id),
        None => "windlass item add --type task --id T-0001 --title 'What is to be done'".to_owned(),
    };
    if output.json() {
        session.document(list)?;
    } else if list.items.is_empty() {
        output.note("no work item fits");
    } else {
        output.text(&item::list(Look::of(output), &list))?;
    }
    output.next(&[next])?;
    Ok(ExitCode::Success)
}
