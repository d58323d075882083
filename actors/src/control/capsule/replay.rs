//! Driving the engine of an ended run again over its journal.

use std::sync::Arc;

use async_trait::async_trait;
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::view::{ReplayedArtifact, ReplayedRun};
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::RunId;
use windlass_engine::ports::RecordError;
use windlass_engine::replay::{Blobs, ReplayError, Replayed, replay as drive_again};
use windlass_policy::Policy;

use super::import;
use crate::control::{faults, with_sources};
use crate::shared::Shared;
use crate::store::events_of;

/// Replays a run that has ended, and compares.
pub(crate) async fn replay(shared: &Arc<Shared>, run_id: RunId) -> Result<ReplayedRun, Fault> {
    let read = shared.store.read(move |reader| {
        let Some(run) = reader.run(run_id)? else { return Ok(None) };
        let policy = reader.blob(run.admission.policy_digest)?;
        Ok(Some((events_of(reader, &Stream::Run { run_id })?, policy)))
    });
    let Some((events, policy)) = read.await.map_err(faults::read)? else {
        return Err(import::refusal(shared, run_id).await?);
    };
    let policy: Policy = serde_json::from_slice(&policy).map_err(|error| {
        let text = format!("the policy of the run's admission cannot be read: {error}");
        Fault::new(ErrorCode::CapsuleDamaged, text).hint("windlass capsule verify")
    })?;
    let blobs = Arc::new(StoredBlobs { shared: Arc::clone(shared) });
    let replayed = drive_again(&events, Arc::new(policy), blobs).await;
    replayed.map(|replayed| view(run_id, replayed)).map_err(|error| refused(run_id, &error))
}

/// The blobs of the capsule.
struct StoredBlobs {
    shared: Arc<Shared>,
}

#[async_trait]
impl Blobs for StoredBlobs {
    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, RecordError> {
        let read = self.shared.store.read(move |reader| reader.blob(digest)).await;
        read.map_err(|error| RecordError::Corrupt(with_sources(&error)))
    }
}

fn view(run_id: RunId, replayed: Replayed) -> ReplayedRun {
    let same = replayed.is_same();
    let artifacts = replayed.artifacts.into_iter().map(|(path, digests)| ReplayedArtifact {
        path,
        stored: digests.stored,
        regenerated: digests.regenerated,
    });
    ReplayedRun {
        run_id,
        status: replayed.outcome.status(),
        driven_by: replayed.tool_version,
        stopped_at: replayed.stopped_at,
        artifacts: artifacts.collect(),
        problems: replayed.problems,
        same,
    }
}

fn refused(run_id: RunId, error: &ReplayError) -> Fault {
    let code = match error {
        ReplayError::NotEnded | ReplayError::EngineVersion { .. } => ErrorCode::BadRequest,
        ReplayError::Corrupt(_) | ReplayError::Record(_) => ErrorCode::CapsuleDamaged,
    };
    let fault = Fault::new(code, format!("run {run_id} cannot be replayed: {}", with_sources(error)));
    match error {
        ReplayError::NotEnded => fault.hint(format!("windlass bot watch --run {run_id}")),
        ReplayError::EngineVersion { .. } => fault,
        ReplayError::Corrupt(_) | ReplayError::Record(_) => fault.hint("windlass capsule verify"),
    }
}
