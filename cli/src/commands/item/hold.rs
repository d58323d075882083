//! `windlass item hold`

use windlass_contract::ExitCode;
use windlass_contract::request::{HoldItem, ItemRef};

use super::{item_ref, print};
use crate::args::item::HoldArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::reach::Need;
use crate::session::Session;

/// Moves a work item into the holding state of a kind of run.
///
/// # Errors
/// Those of `Control::hold_item`.
pub(crate) async fn run(session: &Session, args: HoldArgs) -> Result<ExitCode, Failure> {
    let ItemRef { folder, id } = item_ref(args.item.named())?;
    let request = HoldItem { folder, id, kind: args.kind };
    let view = session.control(Need::Change).await?.hold_item(caller(), request).await?;
    let state = view.state_name.clone().unwrap_or_default();
    print(session, &format!("is now {state}"), view)
}
