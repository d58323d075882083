//! `windlass item add`

use windlass_contract::ExitCode;
use windlass_contract::request::AddItem;

use super::print;
use crate::args::item::AddArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::session::Session;

/// Adds a work item.
///
/// # Errors
/// Those of `Control::add_item`.
pub(crate) async fn run(session: &Session, args: AddArgs) -> Result<ExitCode, Failure> {
    let request = AddItem {
        folder: here()?,
        item_type: args.item_type,
        id: args.id,
        title: args.title,
        description: args.description,
        parent_id: args.parent,
    };
    let view = session.control(Need::Change).await?.add_item(caller(), request).await?;
    print(session, "was added", view)
}
