//! The run's record for its engine: the capsule, with every write under this attempt's epoch.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;
use windlass_capsule::{Op, StagedBlob, WriteError, Written};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::HoldId;
use windlass_domain::item::ItemType;
use windlass_domain::projection::Projection;
use windlass_domain::run::Run;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::time::Timestamp;
use windlass_engine::ports::{Asked, Payload, Record, RecordError};

use super::work_time::WorkTime;
use crate::clock;
use crate::shared::Shared;
use crate::store::{StoreError, events_of};

/// The run's record, open for one attempt.
pub(crate) struct RunRecord {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: Arc<Run>,
    /// The time that the run may still work.
    pub(crate) work_time: Arc<WorkTime>,
}

impl RunRecord {
    /// The acts as commands of this attempt.
    fn commands(&self, acts: Vec<Act>) -> Vec<RunCommand> {
        let epoch = self.run.epoch;
        acts.into_iter().map(|act| RunCommand::Act { epoch, act }).collect()
    }

    async fn stage(&self, payloads: Vec<Payload>) -> Result<Vec<StagedBlob>, RecordError> {
        let mode = self.run.request.capture_mode;
        let mut blobs = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let staged = self.shared.store.stage_for_step(payload.class, mode, payload.bytes).await;
            blobs.push(staged.map_err(refused)?);
        }
        Ok(blobs)
    }

    async fn write(&self, op: Op) -> Result<Vec<Event>, RecordError> {
        match self.shared.store.write(op).await.map_err(refused)? {
            Written::Run { events } => Ok(events),
            other => Err(RecordError::Corrupt(format!("the writer answered {other:?} to a run's command"))),
        }
    }
}

#[async_trait]
impl Record for RunRecord {
    async fn commit(&self, acts: Vec<Act>, payloads: Vec<Payload>) -> Result<Vec<Event>, RecordError> {
        let (run_id, commands, blobs) = (self.run.run_id, self.commands(acts), self.stage(payloads).await?);
        self.write(Op::Run { run_id, commands, blobs }).await
    }

    async fn end(
        &self,
        acts: Vec<Act>,
        payloads: Vec<Payload>,
        projection: Projection,
    ) -> Result<(), RecordError> {
        let (run_id, commands, blobs) = (self.run.run_id, self.commands(acts), self.stage(payloads).await?);
        self.write(Op::EndRun { run_id, commands, blobs, projection }).await.map(drop)
    }

    async fn payload(&self, digest: Digest) -> Result<Vec<u8>, RecordError> {
        let read = self.shared.store.read(move |reader| reader.blob(digest)).await;
        read.map_err(|error| RecordError::Corrupt(error.to_string()))
    }

    async fn events(&self) -> Result<Vec<Event>, RecordError> {
        let stream = Stream::Run { run_id: self.run.run_id };
        let read = self.shared.store.read(move |reader| events_of(reader, &stream)).await;
        read.map_err(|error| RecordError::Corrupt(error.to_string()))
    }

    async fn item_type(&self) -> Result<ItemType, RecordError> {
        let (workspace_id, id) = (self.run.request.workspace_id, self.run.request.work_item_id.clone());
        let read = self.shared.store.read(move |reader| reader.item(workspace_id, &id)).await;
        let item = read.map_err(|error| RecordError::Corrupt(error.to_string()))?;
        item.map(|item| item.item_type())
            .ok_or_else(|| RecordError::Corrupt("the run's work item is gone".to_owned()))
    }

    async fn asked(&self) -> Result<Asked, RecordError> {
        let (workspace_id, id) = (self.run.request.workspace_id, self.run.request.work_item_id.clone());
        let context_digest = self.run.admission.context_digest;
        let read = self.shared.store.read(move |reader| {
            let context = reader.context(context_digest)?;
            Ok(reader.item(workspace_id, &id)?.map(|item| (item.title, context)))
        });
        let found = read.await.map_err(|error| RecordError::Corrupt(error.to_string()))?;
        let gone = || RecordError::Corrupt("the run's work item is gone".to_owned());
        let (title, context) = found.ok_or_else(gone)?;
        Ok(Asked { title, context, context_digest })
    }

    fn is_out_of_time(&self) -> bool {
        self.work_time.is_used_up()
    }

    async fn checkpoint_due(&self) {
        tokio::time::sleep(self.shared.checkpoint_every).await;
    }

    fn draw_hold_id(&self) -> HoldId {
        HoldId::from_uuid(Uuid::now_v7())
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn boot_clock_ms(&self) -> u64 {
        clock::boot_clock_ms()
    }
}

pub(super) fn refused(error: StoreError) -> RecordError {
    match error {
        StoreError::Write(error) => match *error {
            WriteError::Run(refusal) => RecordError::Refused(refusal),
            WriteError::CaptureForbids { class, .. } => RecordError::CaptureForbidden { class },
            other => RecordError::Unavailable(crate::control::with_sources(&other)),
        },
        other => RecordError::Unavailable(crate::control::with_sources(&other)),
    }
}
