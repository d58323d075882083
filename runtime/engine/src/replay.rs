//! Drives the engine of a run that has ended again over its journal, and tells whether the artifacts come out as they are stored.
//!
//! What is kept of a run beside its journal, the same journal gives again: the engine is a function of its recorded steps, and the
//! log and the checkpoints are functions of the events. So a replay proves both that a report is what the recorded steps say, and that
//! this program still makes the same of them.
//!
//! **Invariant:** a replay has no effect. Its ports hold the recorded events and the stored blobs, and refuse everything else.

mod ports;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_domain::artifact::ArtifactPath;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::event::{Event, EventData};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{self, CorruptHistory, Outcome, Run};
use windlass_policy::Policy;

use crate::context::RunContext;
use crate::drive::{
    CHECKPOINTS, Conclusion, ENGINE_VERSION, LOG, checkpoints, conclude, engine, run_log, tool_version,
};
use crate::journal::Journal;
use crate::ports::{AttemptError, RecordError};
use crate::stop::Stop;

use ports::EndedRecord;

/// The stored blobs of the run.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// The bytes under this digest.
    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, RecordError>;
}

/// Why a run cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It goes on still.
    #[error("the run has not ended, and a replay would overtake it; wait for its end")]
    NotEnded,
    /// Its engine is not here.
    #[error(
        "the run was driven by engine version {needed} and this program has {ENGINE_VERSION}; replay it with {tool_version}"
    )]
    EngineVersion {
        /// The version that drove it.
        needed: u32,
        /// The program that has it.
        tool_version: String,
    },
    /// Its events cannot follow one another.
    #[error(transparent)]
    Corrupt(#[from] CorruptHistory),
    /// Something that is recorded cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How the record says that it ended.
    pub outcome: Outcome,
    /// The program that drove it to its end.
    pub tool_version: String,
    /// The step at which the record ended the engine; none where the engine came to its own end.
    pub stopped_at: Option<String>,
    /// The artifacts that are stored or came out, by their paths.
    pub artifacts: BTreeMap<ArtifactPath, Digests>,
    /// What else came out otherwise, in sentence fragments.
    pub problems: Vec<String>,
}

/// The digests of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// As it is recorded.
    pub stored: Option<Digest>,
    /// As it came out.
    pub regenerated: Option<Digest>,
}

impl Replayed {
    /// Whether every artifact has its stored bytes and nothing else came out otherwise.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.problems.is_empty()
            && self.artifacts.values().all(|digests| digests.stored == digests.regenerated)
    }
}

/// Replays a run from all of its events and the policy of its admission.
///
/// # Errors
/// [`ReplayError`]; what merely comes out otherwise is told in [`Replayed`].
pub async fn replay(
    events: &[Event],
    policy: Arc<Policy>,
    blobs: Arc<dyn Blobs>,
) -> Result<Replayed, ReplayError> {
    let (before, recorded) = until_the_end(events).ok_or(ReplayError::NotEnded)?;
    let run = run_of(before)?.ok_or(ReplayError::NotEnded)?;
    let tool_version = tool_version(before);
    let needed = run.admission.engine_version;
    if needed != ENGINE_VERSION {
        return Err(ReplayError::EngineVersion { needed, tool_version });
    }
    let record = Arc::new(EndedRecord::new(&run, before, &recorded.outcome, blobs));
    let context =
        RunContext::new(ports::closed_but(Arc::clone(&record)), &run, Journal::of(&finished(before)));
    let concluded = engine(&context, &run, policy).await;
    let (stopped_at, mut regenerated) = record.came_to();
    let mut problems = Vec::new();
    match (concluded, &stopped_at) {
        // The record ended the engine there, as it did when the run was driven.
        (_, Some(_)) if recorded.outcome != Outcome::Succeeded => {}
        (_, Some(step)) => {
            problems.push(format!("step `{step}` is asked for, and the record has no result of it"));
        }
        (Err(Stop::Attempt(AttemptError::Record(error))), None) => return Err(error.into()),
        (Ok(conclusion), None) => problems.extend(differs(&conclusion, &recorded)),
        (Err(stop), None) => match conclude(stop) {
            Ok(conclusion) => problems.extend(differs(&conclusion, &recorded)),
            Err(error) => problems.push(error.to_string()),
        },
    }
    let no_json = |error: windlass_domain::digest::NotJson| RecordError::Corrupt(error.to_string());
    let log = canonical_json(&run_log(&run, before, &recorded)).map_err(no_json)?;
    let progress = canonical_json(&checkpoints(before)).map_err(no_json)?;
    for (path, json) in [(LOG, log), (CHECKPOINTS, progress)] {
        let path = ArtifactPath::new(path).map_err(|error| RecordError::Corrupt(error.to_string()))?;
        regenerated.insert(path, Digest::of(json.as_bytes()));
    }
    let cut_short = match recorded.outcome {
        Outcome::Succeeded => false,
        Outcome::Cancelled | Outcome::Failed { .. } => true,
        Outcome::Blocked { .. } | Outcome::NeedsAttention { .. } => stopped_at.is_some(),
    };
    let artifacts = compare(events, regenerated, cut_short);
    Ok(Replayed { outcome: recorded.outcome, tool_version, stopped_at, artifacts, problems })
}

/// The events before those of the last commit, which hold what the driver itself stores, and how the run ended.
fn until_the_end(events: &[Event]) -> Option<(&[Event], Conclusion)> {
    let EventData::Run(RunEvent::Ended { outcome, summary }) = &events.last()?.data else { return None };
    let is_last_commit = |event: &Event| match &event.data {
        EventData::Run(RunEvent::ArtifactStored(artifact)) => artifact.path.as_str() == CHECKPOINTS,
        _ => false,
    };
    let end = events.iter().position(is_last_commit).unwrap_or(events.len() - 1);
    Some((&events[..end], Conclusion { outcome: outcome.clone(), summary: summary.clone() }))
}

/// The run as it stood before its end.
fn run_of(events: &[Event]) -> Result<Option<Run>, CorruptHistory> {
    let mut run: Option<Run> = None;
    for event in events {
        if let (EventData::Run(data), windlass_domain::event::Stream::Run { run_id }) =
            (&event.data, &event.stream)
        {
            run = Some(run::apply(run, *run_id, data, event.at)?);
        }
    }
    Ok(run)
}

/// The events without the intents of steps that came to no result: nothing more will come of them.
fn finished(events: &[Event]) -> Vec<Event> {
    let with_result = |event: &Event| match &event.data {
        EventData::Run(RunEvent::StepFinished { key, .. }) => Some(key.clone()),
        _ => None,
    };
    let done: std::collections::BTreeSet<_> = events.iter().filter_map(with_result).collect();
    let counts = |event: &&Event| match &event.data {
        EventData::Run(RunEvent::StepStarted(intent)) => done.contains(&intent.key),
        _ => true,
    };
    events.iter().filter(counts).cloned().collect()
}

/// What the engine concludes, where that is not how the run ended. A cancel can come when everything is done, and a run can be given up
/// without its engine.
fn differs(conclusion: &Conclusion, recorded: &Conclusion) -> Option<String> {
    let apart = match &recorded.outcome {
        Outcome::Cancelled | Outcome::Failed { .. } => false,
        Outcome::Succeeded => conclusion != recorded,
        Outcome::Blocked { .. } | Outcome::NeedsAttention { .. } => conclusion.outcome != recorded.outcome,
    };
    apart.then(|| {
        let told = |of: &Conclusion| format!("{} ({})", of.outcome.status().word(), of.summary);
        format!("the engine concludes {}, and the record says {}", told(conclusion), told(recorded))
    })
}

/// Every stored artifact beside what came out. A run that was cut short has not stored all that its engine would have.
fn compare(
    events: &[Event],
    regenerated: BTreeMap<ArtifactPath, Digest>,
    cut_short: bool,
) -> BTreeMap<ArtifactPath, Digests> {
    let mut artifacts: BTreeMap<ArtifactPath, Digests> = BTreeMap::new();
    for event in events {
        if let EventData::Run(RunEvent::ArtifactStored(artifact)) = &event.data {
            artifacts.entry(artifact.path.clone()).or_default().stored = Some(artifact.digest);
        }
    }
    for (path, digest) in regenerated {
        if !cut_short || artifacts.contains_key(&path) {
            artifacts.entry(path).or_default().regenerated = Some(digest);
        }
    }
    artifacts
}
