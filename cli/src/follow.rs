//! Following a run to its end, also when the service is started anew in between.

use futures::StreamExt;
use windlass_contract::request::{ReadEvents, RunRef, WatchRun};
use windlass_contract::{ErrorCode, EventStream, Fault};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::RunEvent;

use crate::failure::Failure;
use crate::reach::{Need, Reach};
use crate::session::Session;

/// How often in a row the way to the service may break without one event in between. Each new try makes the bus start the
/// service; one that dies so often will not tell more.
const MAX_BROKEN: u32 = 3;

/// Why a stream of events came to its end.
enum Stopped {
    /// The run ended.
    RunEnded,
    /// The way to it broke.
    Broken(Fault),
}

/// Hands every event from `from` on to `each`, until the run has ended. Gives the session that still works, when the given
/// one broke on the way.
///
/// # Errors
/// What `each` says; a fault that is not about the way to the service; the last of [`MAX_BROKEN`] faults in a row that are.
pub(crate) async fn to_the_end(
    session: &Session,
    need: Need,
    run_id: RunId,
    from: Seq,
    mut each: impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<Option<Session>, Failure> {
    let mut fresh: Option<Session> = None;
    match go_on(session, &mut fresh, need, run_id, from, &mut each).await {
        Ok(()) => Ok(fresh),
        Err(failure) => {
            if let Some(fresh) = fresh {
                fresh.leave().await;
            }
            Err(failure)
        }
    }
}

async fn go_on(
    session: &Session,
    fresh: &mut Option<Session>,
    need: Need,
    run_id: RunId,
    from: Seq,
    each: &mut impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut next = from;
    let mut broken = 0;
    loop {
        let current = fresh.as_ref().unwrap_or(session);
        let is_first = fresh.is_none();
        let before = next;
        let stopped = match open(current, need, run_id, next).await {
            Ok(_) if !is_driven(current, need, is_first) => {
                recorded(current, run_id, &mut next, each).await?
            }
            Ok(stream) => drain(stream, &mut next, each).await?,
            Err(fault) => Stopped::Broken(fault),
        };
        let fault = match stopped {
            Stopped::RunEnded => return Ok(()),
            Stopped::Broken(fault) => fault,
        };
        broken = if next > before { 1 } else { broken + 1 };
        let worth_a_try = fault.code() == ErrorCode::BusUnavailable
            && current.way() != Some(Reach::InProcess)
            && broken < MAX_BROKEN;
        if !worth_a_try {
            return Err(fault.into());
        }
        tracing::info!(reason = fault.first().message, "the service is gone; asking for it again");
        *fresh = Some(session.anew());
    }
}

async fn open(session: &Session, need: Need, run_id: RunId, from: Seq) -> Result<EventStream, Fault> {
    session.control_here(need).await?.watch_run(WatchRun { run_id, from }).await
}

/// Whether somebody drives a run that has not ended. A tree inside this process drives only what was submitted to it; waiting
/// there for any other run would be in vain, and would keep the writer's lock from the service that is to drive it.
fn is_driven(session: &Session, need: Need, is_first: bool) -> bool {
    session.way() != Some(Reach::InProcess) || (need == Need::Ephemeral && is_first)
}

/// Hands on what is recorded, without waiting for more.
async fn recorded(
    session: &Session,
    run_id: RunId,
    next: &mut Seq,
    each: &mut impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<Stopped, Failure> {
    loop {
        let request = ReadEvents { run_id, from: *next, limit: 0 };
        let page = session.control_here(Need::Read).await?.read_events(request).await?;
        for event in &page.events {
            each(event)?;
            *next = event.seq.next();
            if matches!(event.data, EventData::Run(RunEvent::Ended { .. })) {
                return Ok(Stopped::RunEnded);
            }
        }
        if !page.more {
            let text = format!("run {run_id} has not ended, and no service can be reached that drives it");
            let fault = Fault::new(ErrorCode::BusUnavailable, text).hint("windlass service run");
            return Ok(Stopped::Broken(fault));
        }
    }
}

async fn drain(
    mut stream: EventStream,
    next: &mut Seq,
    each: &mut impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<Stopped, Failure> {
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(fault) => return Ok(Stopped::Broken(fault)),
        };
        each(&event)?;
        *next = event.seq.next();
        if matches!(event.data, EventData::Run(RunEvent::Ended { .. })) {
            return Ok(Stopped::RunEnded);
        }
    }
    Ok(Stopped::Broken(Fault::new(
        ErrorCode::BusUnavailable,
        "the stream of events broke off before the run ended",
    )))
}

/// Whether a run is over: whoever asks for events past its last would wait for nothing.
///
/// # Errors
/// Those of `show_run`.
pub(crate) async fn is_over(session: &Session, need: Need, run_id: RunId, from: Seq) -> Result<bool, Fault> {
    let view = session.control_here(need).await?.show_run(RunRef { run_id }).await?;
    Ok(!view.row.status.is_active() && from > view.last_seq)
}
