//! Drives an engine to the end of its run: makes the outcome of what it gave, writes the log, ends the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_contract::document::{
    AttemptLog, BotRunCheckpoints, BotRunLog, CheckpointLog, Header, ModelUsage, ToolUse,
};
use windlass_contract::error::{ErrorBody, ErrorCode};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::DataClass;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::event::{Event, EventData};
use windlass_domain::projection::file_of;
use windlass_domain::run::command::Act;
use windlass_domain::run::event::{PolicyVerdict, RunEvent};
use windlass_domain::run::{Outcome, Phase, Refusal, Run};
use windlass_failpoint::{Place, pass};

use crate::context::RunContext;
use crate::journal::Journal;
use crate::ports::{AttemptError, FileForPeople, Payload, Ports, Projections, Record, RecordError};
use crate::stop::Stop;
use crate::{failpoint, progress, research, review};

/// How an engine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// With what outcome.
    pub outcome: Outcome,
    /// One sentence for people.
    pub summary: String,
}

/// The artifact with the run's progress.
pub(crate) const CHECKPOINTS: &str = "checkpoints.json";
/// The artifact with the run's log, which is also a file for people.
pub(crate) const LOG: &str = "run_log.json";

/// The version of each engine's journal. A run keeps the one it started with. 1: the first.
pub const ENGINE_VERSION: u32 = 1;

/// Goes on with a run from where its record ends, up to and including `run.ended`.
///
/// # Errors
/// [`AttemptError`]; the run has not ended then, and another attempt may go on.
pub async fn drive(
    ports: Ports,
    run: &Run,
    policy: Arc<windlass_policy::Policy>,
) -> Result<(), AttemptError> {
    let events = ports.record.events().await?;
    let needed = run.admission.engine_version;
    let context = RunContext::new(ports.clone(), run, Journal::of(&events));
    let concluded = if needed == ENGINE_VERSION {
        progress::recording(ports.record.as_ref(), engine(&context, run, policy)).await?
    } else {
        Err(Stop::NeedsAttention {
            reason: windlass_domain::run::AttentionReason::EngineVersion { needed },
            message: format!(
                "the run was started with engine version {needed}, this program has {ENGINE_VERSION}"
            ),
        })
    };
    let conclusion = match concluded {
        Ok(conclusion) => conclusion,
        Err(stop) => conclude(stop)?,
    };
    ports.children.tidy().await;
    publish(ports.record.as_ref(), ports.projections.as_ref(), run, conclusion).await?;
    pass(Place::RunEnded);
    Ok(())
}

pub(crate) async fn engine(
    context: &RunContext,
    run: &Run,
    policy: Arc<windlass_policy::Policy>,
) -> Result<Conclusion, Stop> {
    use windlass_domain::run::request::RunKind;
    match run.request.kind {
        RunKind::Review => review::procedure::run(context, policy).await,
        RunKind::Research => research::procedure::run(context, policy).await,
    }
}

pub(crate) fn conclude(stop: Stop) -> Result<Conclusion, AttemptError> {
    Ok(match stop {
        Stop::Cancelled => Conclusion { outcome: Outcome::Cancelled, summary: "cancelled".to_owned() },
        Stop::Blocked { reason, message } => {
            Conclusion { outcome: Outcome::Blocked { reason }, summary: message }
        }
        Stop::NeedsAttention { reason, message } => {
            Conclusion { outcome: Outcome::NeedsAttention { reason }, summary: message }
        }
        Stop::Failed { message } => {
            Conclusion { outcome: Outcome::Failed { reason: message.clone() }, summary: message }
        }
        Stop::Attempt(error) => return Err(error),
    })
}

/// Stores the checkpoints and the log and ends the run, all in one commit. A cancel that was committed first wins. The files for
/// people are written before it, so that no run has ended without them; a crash between has them written again.
async fn publish(
    record: &dyn Record,
    projections: &dyn Projections,
    run: &Run,
    conclusion: Conclusion,
) -> Result<(), RecordError> {
    record.commit(vec![Act::EnterPhase(Phase::Publish)], Vec::new()).await?;
    let events = record.events().await?;
    let (mut acts, mut payloads) = (Vec::new(), Vec::new());
    let mut store = |path: &str, json: Result<String, windlass_domain::digest::NotJson>| {
        let bytes = json.map_err(|error| RecordError::Corrupt(error.to_string()))?.into_bytes();
        let kept = bytes.clone();
        acts.push(Act::StoreArtifact(Artifact {
            path: ArtifactPath::new(path).map_err(|error| RecordError::Corrupt(error.to_string()))?,
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
            media_type: "application/json".to_owned(),
            class: DataClass::Metadata,
        }));
        payloads.push(Payload { class: DataClass::Metadata, bytes });
        Ok::<_, RecordError>(kept)
    };
    store(CHECKPOINTS, canonical_json(&checkpoints(&events)))?;
    let log = store(LOG, canonical_json(&run_log(run, &events, &conclusion)))?;
    let projection = projections.write(files_for_people(record, &events, log).await?).await;
    failpoint::pass(run.run_id, Place::ProjectionWritten);
    let Conclusion { outcome, summary } = conclusion;
    acts.push(Act::End { outcome, summary });
    match record.end(acts, payloads, projection).await {
        Ok(()) => Ok(()),
        Err(RecordError::Refused(Refusal::CancelMismatch { requested: true, .. })) => {
            let cancelled = Conclusion {
                outcome: Outcome::Cancelled,
                summary: "cancelled when its work was already done".to_owned(),
            };
            Box::pin(publish(record, projections, run, cancelled)).await
        }
        Err(error) => Err(error),
    }
}

/// What the run's folder will hold: the artifacts that were stored before, and the log that is stored with the end.
async fn files_for_people(
    record: &dyn Record,
    events: &[Event],
    log: Vec<u8>,
) -> Result<Vec<FileForPeople>, RecordError> {
    let mut files = Vec::new();
    for event in events {
        if let EventData::Run(RunEvent::ArtifactStored(artifact)) = &event.data
            && let Some(file) = file_of(&artifact.path)
        {
            files.push(FileForPeople { file, bytes: record.payload(artifact.digest).await? });
        }
    }
    files.push(FileForPeople { file: LOG, bytes: log });
    Ok(files)
}

pub(crate) fn checkpoints(events: &[Event]) -> BotRunCheckpoints {
    let checkpoints = events
        .iter()
        .filter_map(|event| match &event.data {
            EventData::Run(RunEvent::Checkpoint(checkpoint)) => Some(CheckpointLog {
                checkpoint_at: event.at,
                phase: checkpoint.phase,
                summary: checkpoint.summary.clone(),
                percent: checkpoint.percent,
                resume_hint: checkpoint.resume_hint.clone(),
                analysis_base_commit: checkpoint.analysis_base_commit.clone(),
            }),
            _ => None,
        })
        .collect();
    BotRunCheckpoints { header: Header::by(&tool_version(events), BotRunCheckpoints::SCHEMA), checkpoints }
}

/// The log, from the record alone: the same events give the same bytes.
pub(crate) fn run_log(run: &Run, events: &[Event], conclusion: &Conclusion) -> BotRunLog {
    let last_at = events.last().map_or(run.submitted_at, |event| event.at);
    let mut log = BotRunLog {
        header: Header::by(&tool_version(events), BotRunLog::SCHEMA),
        run_id: run.run_id,
        workspace_id: run.request.workspace_id,
        work_item_id: run.request.work_item_id.clone(),
        kind: run.request.kind,
        started_at: run.submitted_at,
        finished_at: last_at,
        duration_ms: 0,
        capture_mode: run.request.capture_mode,
        attempts: Vec::new(),
        tool_usage: Vec::new(),
        usage: ModelUsage::default(),
        status: conclusion.outcome.status(),
        errors: errors(conclusion),
    };
    let mut tools: BTreeMap<String, ToolUse> = BTreeMap::new();
    for event in events {
        let EventData::Run(data) = &event.data else { continue };
        match data {
            RunEvent::Started {} => log.started_at = event.at,
            RunEvent::AttemptStarted { epoch, .. } => {
                log.attempts.push(AttemptLog { epoch: *epoch, started: event.at, ended: None, why: None });
            }
            RunEvent::AttemptLost { epoch, why } => {
                if let Some(attempt) = log.attempts.iter_mut().find(|attempt| attempt.epoch == *epoch) {
                    attempt.ended = Some(event.at);
                    attempt.why = Some(loss_in_words(why));
                }
            }
            RunEvent::StepFinished { key, duration_ms, .. } => {
                log.duration_ms += duration_ms;
                let used = tool(&mut tools, key.name.as_str());
                used.count += 1;
                used.total_ms += duration_ms;
            }
            RunEvent::PolicyDecided(decision) if decision.verdict == PolicyVerdict::Deny => {
                tool(&mut tools, &decision.capability).denied += 1;
            }
            _ => {}
        }
    }
    log.tool_usage = tools.into_values().collect();
    log
}

/// The program of the newest attempt.
pub(crate) fn tool_version(events: &[Event]) -> String {
    let said = |event: &Event| match &event.data {
        EventData::Run(RunEvent::AttemptStarted { tool_version, .. }) => Some(tool_version.clone()),
        _ => None,
    };
    events.iter().rev().find_map(said).unwrap_or_default()
}

fn tool<'a>(tools: &'a mut BTreeMap<String, ToolUse>, name: &str) -> &'a mut ToolUse {
    let unused = || ToolUse { name: name.to_owned(), count: 0, total_ms: 0, denied: 0 };
    tools.entry(name.to_owned()).or_insert_with(unused)
}

fn loss_in_words(why: &windlass_domain::run::event::AttemptLoss) -> String {
    use windlass_domain::run::event::AttemptLoss;
    match why {
        AttemptLoss::ProcessGone => "the process that drove it was gone".to_owned(),
        AttemptLoss::MachineRestarted => "the machine was started anew".to_owned(),
        AttemptLoss::ActorFailed { message } => format!("its actor failed: {message}"),
    }
}

fn errors(conclusion: &Conclusion) -> Vec<ErrorBody> {
    match &conclusion.outcome {
        Outcome::Failed { reason } => {
            vec![ErrorBody { code: ErrorCode::Io, message: reason.clone(), hints: Vec::new() }]
        }
        _ => Vec::new(),
    }
}

/// Ends a run as failed without asking its engine: the engine cannot be had, or fails each time.
///
/// # Errors
/// [`RecordError`] when this attempt cannot write.
pub async fn give_up(
    record: &dyn Record,
    projections: &dyn Projections,
    run: &Run,
    reason: String,
) -> Result<(), RecordError> {
    let conclusion = if run.cancel().is_some() {
        Conclusion { outcome: Outcome::Cancelled, summary: format!("cancelled; {reason}") }
    } else {
        Conclusion { outcome: Outcome::Failed { reason: reason.clone() }, summary: reason }
    };
    publish(record, projections, run, conclusion).await
}
