//! The record as a whole and by parts: events, artifacts, verification, exports, imports, backup, numbers.

pub(crate) mod backup;
pub(crate) mod export;
pub(crate) mod import;
pub(super) mod replay;
pub(super) mod stats;

use windlass_capsule::VerifyOptions;
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{GetArtifact, ReadEvents, VerifyCapsule};
use windlass_contract::view::{ArtifactBytes, EventPage, Verification};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;

use super::{faults, with_sources};
use crate::shared::Shared;

/// Most events in one answer: about a megabyte on the bus.
const EVENTS_AT_MOST: u32 = 1_000;

/// Recorded events of a run.
pub(super) async fn read_events(shared: &Shared, request: ReadEvents) -> Result<EventPage, Fault> {
    let run_id = request.run_id;
    let limit = match request.limit {
        0 => EVENTS_AT_MOST,
        limit => limit.min(EVENTS_AT_MOST),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let read = shared.store.read(move |reader| {
        if reader.run(run_id)?.is_none() {
            return Ok(None);
        }
        reader.events(&Stream::Run { run_id }, request.from, limit.saturating_add(1)).map(Some)
    });
    let events = read.await.map_err(faults::read)?;
    let mut events = match events {
        Some(events) => events,
        None => import::events(shared, run_id, request.from, limit.saturating_add(1)).await?,
    };
    let more = events.len() > limit;
    events.truncate(limit);
    Ok(EventPage { events, more })
}

/// An artifact's bytes.
pub(super) async fn get_artifact(shared: &Shared, request: GetArtifact) -> Result<ArtifactBytes, Fault> {
    let uri: ArtifactUri =
        request.uri.parse().map_err(|error: windlass_domain::artifact::BadArtifactUri| {
            Fault::new(ErrorCode::BadRequest, error.to_string()).hint("windlass bot show latest")
        })?;
    let wanted = uri.clone();
    let read = shared.store.read(move |reader| {
        let Some(run) = reader.run(wanted.run_id)? else { return Ok(None) };
        let belongs = run.request.workspace_id == wanted.workspace_id
            && run.request.work_item_id == wanted.work_item_id;
        match reader.artifact(wanted.run_id, &wanted.path)? {
            Some(artifact) if belongs => {
                let bytes = reader.blob(artifact.digest)?;
                Ok(Some(Some(ArtifactBytes { media_type: artifact.media_type, bytes })))
            }
            _ => Ok(Some(None)),
        }
    });
    let found = match read.await.map_err(faults::read)? {
        Some(of_capsule) => of_capsule,
        None => import::artifact(shared, uri.clone()).await?,
    };
    found.ok_or_else(|| {
        Fault::new(ErrorCode::UnknownArtifact, format!("there is no artifact {uri}"))
            .hint(format!("windlass bot show --run {}", uri.run_id))
    })
}

/// Checks the whole record.
pub(super) async fn verify(shared: &Shared, request: VerifyCapsule) -> Result<Verification, Fault> {
    let head = request.head.as_deref().map(str::parse::<Digest>).transpose();
    let head = head.map_err(|error| faults::bad_head(&error))?;
    let read = shared.store.read(move |reader| {
        let options = VerifyOptions { head, ..VerifyOptions::default() };
        let report = windlass_capsule::verify(reader, options)?;
        Ok((report, reader.head()?))
    });
    let (report, head) = match read.await {
        Ok(read) => read,
        // So damaged that it cannot be walked through.
        Err(error) if error.is_damage() => {
            return Ok(Verification {
                sound: false,
                events: 0,
                links: 0,
                blobs: 0,
                first_problem: Some(with_sources(&error)),
                capsule_head: Digest::ZERO,
            });
        }
        Err(error) => return Err(faults::read(error)),
    };
    Ok(Verification {
        sound: report.is_sound(),
        events: report.events,
        links: report.links,
        blobs: report.blobs,
        first_problem: report.first().map(ToString::to_string),
        capsule_head: head.hash,
    })
}
