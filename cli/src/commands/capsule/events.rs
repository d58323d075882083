//! `windlass capsule events`

use windlass_contract::request::ReadEvents;
use windlass_contract::{Control, ExitCode};
use windlass_domain::id::{RunId, Seq};

use crate::args::capsule::EventsArgs;
use crate::failure::Failure;
use crate::reach::Need;
use crate::render::event::line;
use crate::resolve::run_id;
use crate::session::Session;

/// Longest page that the contract allows.
const PAGE: u32 = 1000;

/// Prints recorded events: all of them as text, a page as JSON.
///
/// # Errors
/// Those of `Control::read_events`.
pub(crate) async fn run(session: &Session, args: EventsArgs) -> Result<ExitCode, Failure> {
    let control = session.control(Need::Look).await?;
    let run_id = run_id(control, &args.run).await?;
    let from = Seq(args.from);
    if session.output.json() {
        let page =
            control.read_events(ReadEvents { run_id, from, limit: args.limit.unwrap_or(PAGE) }).await?;
        session.document(page)?;
    } else {
        print(session, control, run_id, from, args.limit).await?;
    }
    Ok(ExitCode::Success)
}

async fn print(
    session: &Session,
    control: &dyn Control,
    run_id: RunId,
    from: Seq,
    limit: Option<u32>,
) -> Result<(), Failure> {
    let mut next = from;
    loop {
        let page =
            control.read_events(ReadEvents { run_id, from: next, limit: limit.unwrap_or(PAGE) }).await?;
        let text: String = page.events.iter().map(line).collect();
        session.output.text(&text)?;
        match page.events.last() {
            Some(last) if page.more && limit.is_none() => next = last.seq.next(),
            Some(last) if page.more => {
                let command = format!("windlass capsule events --run {run_id} --from {}", last.seq.next().0);
                return Ok(session.output.next(&[command])?);
            }
            Some(_) | None => return Ok(()),
        }
    }
}
