//! `windlass item edit`

use windlass_contract::request::{EditItem, ItemRef};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::item::ItemChanges;

use super::{item_ref, print};
use crate::args::item::EditArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::reach::Need;
use crate::session::Session;

/// Changes fields of a work item.
///
/// # Errors
/// Those of `Control::edit_item`; `bad_request` when nothing is to be changed.
pub(crate) async fn run(session: &Session, args: EditArgs) -> Result<ExitCode, Failure> {
    let ItemRef { folder, id } = item_ref(args.item.named())?;
    let changes = ItemChanges {
        title: args.title,
        description: args.description,
        acceptance_criteria: (!args.accept.is_empty()).then_some(args.accept),
        priority: args.priority,
        prd_uri: args.prd_uri,
        assignee: args.assignee,
        result: args.result,
        intake: None,
    };
    if changes == ItemChanges::default() {
        return Err(Fault::new(ErrorCode::BadRequest, format!("nothing of `{id}` is to be changed"))
            .hint("windlass item edit --help")
            .into());
    }
    let request = EditItem { folder, id, changes };
    let view = session.control(Need::Change).await?.edit_item(caller(), request).await?;
    print(session, "was changed", view)
}
