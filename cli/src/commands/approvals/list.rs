//! `windlass approvals list`

use windlass_contract::ExitCode;
use windlass_contract::document::Document;
use windlass_contract::request::ListApprovals;

use crate::args::approvals::ListArgs;
use crate::caller::now;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::approval;
use crate::render::table::Look;
use crate::session::Session;

/// Lists the questions that runs wait on, the oldest first.
///
/// # Errors
/// Those of `Control::list_approvals`.
pub(crate) async fn run(session: &Session, args: ListArgs) -> Result<ExitCode, Failure> {
    let folder = if args.all { None } else { Some(here()?) };
    let list = session.control(Need::Read).await?.list_approvals(ListApprovals { folder }).await?;
    let output = &session.output;
    let next = list.approvals.first().map(approval::commands).into_iter().flatten().collect::<Vec<_>>();
    if output.json() {
        output.document(&Document::of(list))?;
    } else if list.approvals.is_empty() {
        output.note("no run waits for an approval");
    } else {
        output.text(&approval::list(Look::of(output), &list.approvals, now()))?;
        if list.more {
            output.note("there are more questions than these; the others are listed once some are answered");
        }
    }
    output.next(&next)?;
    Ok(ExitCode::Success)
}
