//! `windlass bot watch`

use windlass_contract::ExitCode;
use windlass_domain::id::Seq;

use crate::args::bot::WatchArgs;
use crate::failure::Failure;
use crate::follow::{is_over, to_the_end};
use crate::reach::Need;
use crate::render::event::line;
use crate::resolve::run_id;
use crate::session::Session;

/// Prints a run's events as they are recorded, one a line, each sent off at once, until the run ends.
///
/// # Errors
/// Those of `Control::watch_run`.
pub(crate) async fn run(session: &Session, args: WatchArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let run_id = run_id(session.control(Need::Read).await?, &args.run).await?;
    let from = Seq(args.from);
    if from > Seq(1) && is_over(session, Need::Read, run_id, from).await? {
        return Ok(ExitCode::Success);
    }
    let fresh = to_the_end(session, Need::Read, run_id, from, |event| {
        if output.json() {
            output.line(event)?
        } else {
            output.text(&line(event))?
        }
        Ok(())
    })
    .await?;
    if let Some(fresh) = fresh {
        fresh.leave().await;
    }
    output.next(&[format!("windlass bot show --run {run_id}")])?;
    Ok(ExitCode::Success)
}
