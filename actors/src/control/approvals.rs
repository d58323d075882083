//! Questions to people: listing the open ones, and answering one.

use std::sync::Arc;

use windlass_capsule::{MAX_PAGE, Op, OpenApproval};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{AnswerApproval, Caller, ListApprovals, PersonsAnswer};
use windlass_contract::view::{ApprovalList, RunView};
use windlass_domain::id::{ApprovalId, RunId};
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::ApprovalAnswer;

use super::{faults, places, runs, views};
use crate::clock;
use crate::shared::Shared;

/// The open questions, the oldest first.
pub(super) async fn list(shared: &Shared, request: ListApprovals) -> Result<ApprovalList, Fault> {
    let workspace = match &request.folder {
        Some(folder) => Some(places::workspace(shared, folder).await?.1.workspace_id),
        None => None,
    };
    let open = shared.store.read(move |reader| reader.open_approvals(workspace, MAX_PAGE)).await;
    let (open, more) = open.map_err(faults::read)?;
    Ok(ApprovalList { approvals: open.into_iter().map(views::approval).collect(), more })
}

/// Commits a person's answer. Whoever waits for it is woken by the commit, or finds it when it starts.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    caller: Caller,
    request: AnswerApproval,
) -> Result<RunView, Fault> {
    let open = find(shared, &request.id).await?;
    let (run_id, approval_id) = (open.run_id, open.question.approval_id);
    let answer = match request.answer {
        PersonsAnswer::Allow => ApprovalAnswer::Approved,
        PersonsAnswer::Deny => ApprovalAnswer::Denied,
    };
    let (by, door, at) = (caller.name, caller.door, clock::now());
    let commands = vec![RunCommand::AnswerApproval { approval_id, answer, by, door, at }];
    shared.store.write(Op::Run { run_id, commands, blobs: Vec::new() }).await.map_err(faults::write)?;
    runs::show(shared, run_id).await
}

/// The open question of this id, or of the run of this id.
async fn find(shared: &Shared, id: &str) -> Result<OpenApproval, Fault> {
    let no_id = |_| {
        let text = format!("`{}` is the id of no approval and of no run", id.escape_debug());
        Fault::new(ErrorCode::BadRequest, text).hint("windlass approvals list")
    };
    let approval_id: ApprovalId = id.parse().map_err(no_id)?;
    let named: RunId = id.parse().map_err(no_id)?;
    let found = shared.store.read(move |reader| {
        let run_id = reader.waiting_on(approval_id)?.unwrap_or(named);
        Ok(reader.run(run_id)?.map(|run| OpenApproval::of(&run)))
    });
    match found.await.map_err(faults::read)? {
        Some(Some(open)) => Ok(open),
        Some(None) => {
            let text = format!("run {named} waits for no approval");
            Err(Fault::new(ErrorCode::UnknownApproval, text).hint(format!("windlass bot show --run {named}")))
        }
        None => Err(faults::unknown_approval(approval_id)),
    }
}
