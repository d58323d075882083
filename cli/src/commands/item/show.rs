//! `windlass item show`

use windlass_contract::ExitCode;

use super::{item_ref, print};
use crate::args::item::ShowArgs;
use crate::failure::Failure;
use crate::reach::Need;
use crate::session::Session;

/// Shows a work item.
///
/// # Errors
/// Those of `Control::show_item`.
pub(crate) async fn run(session: &Session, args: ShowArgs) -> Result<ExitCode, Failure> {
    let request = item_ref(args.item.named())?;
    let view = session.control(Need::Look).await?.show_item(request).await?;
    print(session, "", view)
}
