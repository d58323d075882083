//! `windlass item move`

use windlass_contract::ExitCode;
use windlass_contract::request::{ItemRef, MoveItem};

use super::{item_ref, print};
use crate::args::item::MoveArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::reach::Need;
use crate::session::Session;

/// Moves a work item to another state.
///
/// # Errors
/// Those of `Control::move_item`.
pub(crate) async fn run(session: &Session, args: MoveArgs) -> Result<ExitCode, Failure> {
    let ItemRef { folder, id } = item_ref(args.item.named())?;
    let request = MoveItem { folder, id, to: args.to };
    let view = session.control(Need::Change).await?.move_item(caller(), request).await?;
    print(session, &format!("is now {}", args.to.word()), view)
}
