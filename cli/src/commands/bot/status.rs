//! `windlass bot status`

use windlass_contract::ExitCode;
use windlass_contract::document::StatusReply;
use windlass_contract::request::ListRuns;
use windlass_domain::run::RunStatus;

use crate::caller::now;
use crate::failure::Failure;
use crate::reach::Need;
use crate::render::{service, table::Look};
use crate::session::Session;

/// Most active runs that are listed: the longest page.
const MAX_LISTED: u32 = 500;

/// Shows the service and the active runs of all repositories.
///
/// # Errors
/// Those of `Control::service_status` and `Control::list_runs`.
pub(crate) async fn run(session: &Session) -> Result<ExitCode, Failure> {
    let control = session.control(Need::Look).await?;
    let active = ListRuns {
        statuses: vec![RunStatus::Queued, RunStatus::Running],
        limit: MAX_LISTED,
        ..ListRuns::default()
    };
    let (service, page) = tokio::try_join!(control.service_status(), control.list_runs(active))?;
    let reply = StatusReply { service, active_runs: page.runs, unreadable: page.unreadable };
    let output = &session.output;
    session.name_unreadable(&reply.unreadable);
    let next = match reply.active_runs.first() {
        Some(run) => format!("windlass bot watch --run {}", run.run_id),
        None => "windlass bot runs --all".to_owned(),
    };
    if output.json() {
        session.document(reply)?;
    } else {
        output.text(&service::status(Look::of(output), &reply, session.unserved().is_none(), now()))?;
    }
    output.next(&[next])?;
    Ok(ExitCode::Success)
}
