//! Following a run to its end, also when the service is started anew in between.

use futures::StreamExt;
use windlass_contract::request::{RunRef, WatchRun};
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
    let mut next = from;
    let mut broken = 0;
    loop {
        let current = fresh.as_ref().unwrap_or(session);
        let before = next;
        let stopped = match open(current, need, run_id, next).await {
            Ok(stream) => drain(stream, &mut next, &mut each).await?,
            Err(fault) => Stopped::Broken(fault),
        };
        let fault = match stopped {
            Stopped::RunEnded => return Ok(fresh),
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
        fresh = Some(session.anew());
    }
}

async fn open(session: &Session, need: Need, run_id: RunId, from: Seq) -> Result<EventStream, Fault> {
    session.control(need).await?.watch_run(WatchRun { run_id, from }).await
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
    let view = session.control(need).await?.show_run(RunRef { run_id }).await?;
    Ok(!view.row.status.is_active() && from > view.last_seq)
}
