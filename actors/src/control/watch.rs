//! Following a run: what is recorded, then what comes, woken by each commit to it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use tokio::sync::watch;
use windlass_contract::control::EventStream;
use windlass_contract::error::Fault;
use windlass_contract::request::WatchRun;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::Seq;
use windlass_domain::run::event::RunEvent;

use super::capsule::import;
use super::faults;
use crate::shared::Shared;

/// Events read at once: what a person or a pipe takes in a moment.
const READ_AT_ONCE: usize = 256;

struct Watching {
    shared: Arc<Shared>,
    stream: Stream,
    next: Seq,
    ready: VecDeque<Event>,
    head: watch::Receiver<Seq>,
    over: bool,
}

/// A run's events from one on, without gap or repeat, until it has ended.
pub(super) async fn watch(shared: &Arc<Shared>, request: WatchRun) -> Result<EventStream, Fault> {
    let run_id = request.run_id;
    let run = shared.store.read(move |reader| reader.run(run_id)).await.map_err(faults::read)?;
    if run.is_none() {
        return import::watch(shared, run_id, request.from).await;
    }
    let stream = Stream::Run { run_id };
    let watching = Watching {
        shared: Arc::clone(shared),
        head: shared.store.heads().follow(&stream),
        stream,
        next: Seq(request.from.0.max(1)),
        ready: VecDeque::new(),
        over: false,
    };
    Ok(stream::unfold(watching, next).boxed())
}

async fn next(mut watching: Watching) -> Option<(Result<Event, Fault>, Watching)> {
    loop {
        if let Some(event) = watching.ready.pop_front() {
            watching.next = event.seq.next();
            watching.over = matches!(event.data, EventData::Run(RunEvent::Ended { .. }));
            return Some((Ok(event), watching));
        }
        if watching.over {
            return None;
        }
        // Marked as seen before reading, so that a commit in between wakes the wait below.
        watching.head.borrow_and_update();
        let (stream, from) = (watching.stream.clone(), watching.next);
        let read = watching.shared.store.read(move |reader| {
            let events = reader.events(&stream, from, READ_AT_ONCE)?;
            let ended = events.is_empty() && reader.last_seq(&stream)? < from && is_over(reader, &stream)?;
            Ok((events, ended))
        });
        match read.await {
            Err(error) => {
                watching.over = true;
                return Some((Err(faults::read(error)), watching));
            }
            Ok((_, true)) => return None,
            Ok((events, false)) if events.is_empty() => watching.head.changed().await.ok()?,
            Ok((events, false)) => watching.ready.extend(events),
        }
    }
}

/// Whether nothing will come any more: asked for an event behind the last one.
fn is_over(reader: &windlass_capsule::Reader, stream: &Stream) -> Result<bool, windlass_capsule::ReadError> {
    let Stream::Run { run_id } = stream else { return Ok(false) };
    Ok(reader.run(*run_id)?.is_none_or(|run| !run.status().is_active()))
}
