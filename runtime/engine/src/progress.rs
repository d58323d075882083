//! Checkpoints of a run that works for long without coming to another phase: what it does meanwhile, for people who look.
//!
//! They are made of the record alone and have a name of their own, so that a replay passes them by.

use std::future::Future;
use std::pin::pin;

use futures::future::{Either, select};
use windlass_domain::event::{Event, EventData};
use windlass_domain::run::Phase;
use windlass_domain::run::command::Act;
use windlass_domain::run::event::{Checkpoint, RunEvent};
use windlass_domain::run::step::{BranchPath, StepKey, StepName};

use crate::ports::{Record, RecordError};

/// The name of these checkpoints. No step of an engine has it.
const NAME: &str = "meanwhile";

/// Works to the end, and records a checkpoint whenever one is due. Work stands while a checkpoint is written, so that none comes
/// after the run's end.
///
/// # Errors
/// [`RecordError`] when the record does not take one; the work is dropped then.
pub(crate) async fn recording<T>(
    record: &dyn Record,
    working: impl Future<Output = T>,
) -> Result<T, RecordError> {
    let mut working = pin!(working);
    loop {
        match select(working, record.checkpoint_due()).await {
            Either::Left((done, _)) => return Ok(done),
            Either::Right(((), still)) => working = still,
        }
        let checkpoint = checkpoint(&record.events().await?);
        record.commit(vec![Act::Checkpoint(checkpoint)], Vec::new()).await?;
    }
}

/// How far a run has come, from what is recorded.
fn checkpoint(events: &[Event]) -> Checkpoint {
    let name = StepName::new(&BranchPath::default(), NAME);
    let (mut occurrence, mut done, mut phase, mut asks) = (0, 0_u64, Phase::Prepare, false);
    let (mut open, mut percent, mut analysis_base_commit) = (Vec::new(), None, None);
    for event in events {
        let EventData::Run(event) = &event.data else { continue };
        match event {
            RunEvent::PhaseChanged { phase: entered } => phase = *entered,
            RunEvent::StepStarted(intent) if !open.contains(&&intent.key) => open.push(&intent.key),
            RunEvent::StepFinished { key, .. } => {
                open.retain(|open| *open != key);
                done += 1;
            }
            RunEvent::ApprovalAsked { .. } => asks = true,
            RunEvent::ApprovalAnswered { .. } => asks = false,
            RunEvent::Checkpoint(before) => {
                occurrence += u32::from(before.key.name == name);
                percent = before.percent.or(percent);
                analysis_base_commit = before.analysis_base_commit.clone().or(analysis_base_commit);
            }
            _ => {}
        }
    }
    let doing = match open.as_slice() {
        _ if asks => "a person is asked".to_owned(),
        [] => "between two steps".to_owned(),
        open => open.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
    };
    Checkpoint {
        key: StepKey { name, occurrence },
        phase,
        summary: format!("{done} steps done; now {doing}"),
        percent,
        resume_hint: Some("it goes on by itself".to_owned()),
        analysis_base_commit,
    }
}
