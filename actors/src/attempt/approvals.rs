//! Questions to people for the engine: asked once, waited for without polling, and lapsing by wall time.

use std::sync::Arc;

use async_trait::async_trait;
use ractor::ActorRef;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use windlass_capsule::{Op, WriteError};
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{ApprovalId, RunId};
use windlass_domain::run::approval::Question;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::{ApprovalAnswer, RunEvent};
use windlass_domain::run::request::Door;
use windlass_domain::run::{Refusal, Run};
use windlass_domain::time::Timestamp;
use windlass_engine::ports::{Answered, Approvals, RecordError};

use super::record::refused;
use super::work_time::WorkTime;
use crate::alarm::Alarm;
use crate::clock;
use crate::shared::Shared;
use crate::store::{StoreError, events_of};
use crate::tree::lock::LockMessage;

/// The questions of one attempt.
pub(crate) struct RunApprovals {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: Arc<Run>,
    pub(crate) cancel: CancellationToken,
    pub(crate) work_time: Arc<WorkTime>,
    pub(crate) lock: ActorRef<LockMessage>,
    /// How long a question waits, in milliseconds.
    pub(crate) time_ms: u64,
}

/// A run that rests gives its place to others, and takes it again when this is dropped.
struct Resting<'a> {
    lock: &'a ActorRef<LockMessage>,
    run_id: RunId,
}

impl<'a> Resting<'a> {
    fn of(lock: &'a ActorRef<LockMessage>, run_id: RunId) -> Self {
        // A queue that is being built anew starts its runs anew too.
        let _ = lock.cast(LockMessage::Rests(run_id));
        Self { lock, run_id }
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        let _ = self.lock.cast(LockMessage::GoesOn(self.run_id));
    }
}

#[async_trait]
impl Approvals for RunApprovals {
    fn draw(&self) -> (ApprovalId, Timestamp) {
        let after = i64::try_from(self.time_ms).unwrap_or(i64::MAX);
        let expires_at = Timestamp::from_millis(clock::now().as_millis().saturating_add(after));
        (ApprovalId::from_uuid(Uuid::now_v7()), expires_at)
    }

    async fn answer_to(&self, question: &Question) -> Result<Answered, RecordError> {
        let stream = Stream::Run { run_id: self.run.run_id };
        let mut head = self.shared.store.heads().follow(&stream);
        let unarmed = |error| RecordError::Unavailable(format!("a deadline cannot be armed: {error}"));
        let alarm = Alarm::at(question.expires_at).map_err(unarmed)?;
        let _standing = self.work_time.stand();
        let _resting = Resting::of(&self.lock, self.run.run_id);
        loop {
            // Marked as seen before reading, so that an answer in between wakes the wait below.
            head.borrow_and_update();
            if let Some(answered) = self.recorded(question.approval_id).await? {
                return Ok(answered);
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Ok(Answered::Cancelled),
                changed = head.changed() => {
                    changed.map_err(|_| RecordError::Unavailable("the store is closing".to_owned()))?;
                }
                rang = alarm.rings() => {
                    rang.map_err(unarmed)?;
                    self.lapse(question.approval_id).await?;
                }
            }
        }
    }
}

impl RunApprovals {
    /// What the record says became of a question; none while it is open.
    async fn recorded(&self, approval_id: ApprovalId) -> Result<Option<Answered>, RecordError> {
        let run_id = self.run.run_id;
        let read = self.shared.store.read(move |reader| {
            let run = reader.run(run_id)?;
            let open = run.as_ref().and_then(Run::waiting);
            if open.is_some_and(|question| question.approval_id == approval_id) {
                return Ok(None);
            }
            let events = events_of(reader, &Stream::Run { run_id })?;
            let answer = events.iter().find_map(|event| match &event.data {
                EventData::Run(RunEvent::ApprovalAnswered { approval_id: of, answer, .. })
                    if *of == approval_id =>
                {
                    Some(*answer)
                }
                _ => None,
            });
            Ok(Some(answer.map_or(Answered::Cancelled, Answered::By)))
        });
        read.await.map_err(|error| RecordError::Corrupt(error.to_string()))
    }

    /// Records that nobody answered in time. Whoever answered or cancelled first wins, and is read afterwards.
    async fn lapse(&self, approval_id: ApprovalId) -> Result<(), RecordError> {
        let command = RunCommand::AnswerApproval {
            approval_id,
            answer: ApprovalAnswer::Expired,
            by: "windlass".to_owned(),
            door: Door::Runtime,
            at: clock::now(),
        };
        let op = Op::Run { run_id: self.run.run_id, commands: vec![command], blobs: Vec::new() };
        match self.shared.store.write(op).await {
            Ok(_) => Ok(()),
            Err(StoreError::Write(error)) if is_overtaken(&error) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }
}

/// Whether somebody was faster, or the clock was set back in between.
fn is_overtaken(error: &WriteError) -> bool {
    matches!(error, WriteError::Run(Refusal::NotAsked { .. } | Refusal::NotLapsed { .. }))
}
