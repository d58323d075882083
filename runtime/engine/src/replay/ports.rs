//! Ports without hands: the recorded events, the stored blobs, and a refusal of everything else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use windlass_domain::artifact::ArtifactPath;
use windlass_domain::capture::CaptureMode;
use windlass_domain::child::ChildSpec;
use windlass_domain::diff::{ObjectId, Patch, Rebase};
use windlass_domain::digest::Digest;
use windlass_domain::event::Event;
use windlass_domain::id::{ApprovalId, HoldId};
use windlass_domain::item::ItemType;
use windlass_domain::projection::Projection;
use windlass_domain::run::approval::Question;
use windlass_domain::run::command::Act;
use windlass_domain::run::step::StepKey;
use windlass_domain::run::{BlockedReason, Outcome, Refusal, Run};
use windlass_domain::time::Timestamp;
use windlass_policy::{Connect, Permit, RunTool, WriteWorktree};

use super::Blobs;
use crate::ports::{
    Answered, Approvals, Asked, Change, CheckCache, Children, ChildrenError, FileForPeople, Held, ListedFile,
    PageAnswer, PageRequest, Payload, Ports, Projections, Record, RecordError, Repository, RepositoryError,
    Surroundings, Web, WorktreeRole,
};

/// The record of a run that has ended. It takes what is recorded already, and ends the engine where there is more.
pub(super) struct EndedRecord {
    events: Vec<Event>,
    blobs: Arc<dyn Blobs>,
    capture_mode: CaptureMode,
    cancelled: bool,
    out_of_time: bool,
    came_to: Mutex<CameTo>,
}

/// What the engine came to so far.
#[derive(Default)]
struct CameTo {
    /// Where it first asked for more than is recorded.
    stopped_at: Option<StepKey>,
    artifacts: BTreeMap<ArtifactPath, Digest>,
}

impl EndedRecord {
    pub(super) fn new(run: &Run, events: &[Event], outcome: &Outcome, blobs: Arc<dyn Blobs>) -> Self {
        Self {
            events: events.to_vec(),
            blobs,
            capture_mode: run.request.capture_mode,
            cancelled: run.cancel().is_some(),
            out_of_time: *outcome == Outcome::Blocked { reason: BlockedReason::BudgetExhausted },
            came_to: Mutex::default(),
        }
    }

    /// Where the engine asked for more than is recorded, and the artifacts that it stored.
    pub(super) fn came_to(&self) -> (Option<String>, BTreeMap<ArtifactPath, Digest>) {
        let came_to = self.lock();
        (came_to.stopped_at.as_ref().map(ToString::to_string), came_to.artifacts.clone())
    }

    fn lock(&self) -> MutexGuard<'_, CameTo> {
        // Nothing panics while it is held.
        self.came_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record holds no more of this: the run ended here.
    fn ends_at(&self, step: StepKey) -> RecordError {
        self.lock().stopped_at.get_or_insert_with(|| step.clone());
        if self.cancelled {
            return Refusal::Cancelling { step }.into();
        }
        RecordError::Unavailable(format!("the record ends at step `{step}`"))
    }

    fn take(&self, act: Act) -> Result<(), RecordError> {
        match act {
            Act::BeginStep(intent) => Err(self.ends_at(intent.key)),
            Act::FinishStep { key, .. } | Act::LoseTail { key, .. } | Act::AskApproval { key, .. } => {
                Err(self.ends_at(key))
            }
            Act::StoreArtifact(artifact) => {
                if self.capture_mode.keeps(artifact.class) {
                    self.lock().artifacts.insert(artifact.path, artifact.digest);
                }
                Ok(())
            }
            Act::EnterPhase(_)
            | Act::Checkpoint(_)
            | Act::RecordDecision(_)
            | Act::BlockCapture { .. }
            | Act::End { .. } => Ok(()),
        }
    }
}

#[async_trait]
impl Record for EndedRecord {
    async fn commit(&self, acts: Vec<Act>, _: Vec<Payload>) -> Result<Vec<Event>, RecordError> {
        acts.into_iter().try_for_each(|act| self.take(act))?;
        Ok(Vec::new())
    }

    async fn end(&self, _: Vec<Act>, _: Vec<Payload>, _: Projection) -> Result<(), RecordError> {
        Err(closed())
    }

    async fn payload(&self, digest: Digest) -> Result<Vec<u8>, RecordError> {
        self.blobs.blob(digest).await
    }

    async fn events(&self) -> Result<Vec<Event>, RecordError> {
        Ok(self.events.clone())
    }

    async fn item_type(&self) -> Result<ItemType, RecordError> {
        Err(closed())
    }

    async fn asked(&self) -> Result<Asked, RecordError> {
        Err(closed())
    }

    fn is_out_of_time(&self) -> bool {
        self.out_of_time
    }

    async fn checkpoint_due(&self) {
        // Progress is recorded already, and none is made.
        std::future::pending().await
    }

    fn draw_hold_id(&self) -> HoldId {
        HoldId::from_bytes([0; 16])
    }

    fn boot_clock_ms(&self) -> u64 {
        0
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// Everything that a replay does not have.
struct Closed {
    cancelled: bool,
}

/// Ports of which only the record is open.
pub(super) fn closed_but(record: Arc<EndedRecord>) -> Ports {
    let closed = Arc::new(Closed { cancelled: record.cancelled });
    Ports {
        record,
        repository: closed.clone(),
        children: closed.clone(),
        web: closed.clone(),
        approvals: closed.clone(),
        cache: closed.clone(),
        projections: closed,
    }
}

const REASON: &str = "a replay has no effect, and what it asks for here is in no recorded step";

fn closed() -> RecordError {
    RecordError::Corrupt(REASON.to_owned())
}

fn no_repository<T>() -> Result<T, RepositoryError> {
    Err(RepositoryError { message: REASON.to_owned() })
}

fn no_children<T>() -> Result<T, ChildrenError> {
    Err(ChildrenError { message: REASON.to_owned() })
}

#[async_trait]
impl Repository for Closed {
    async fn resolve(&self, _: &str) -> Result<Option<ObjectId>, RepositoryError> {
        no_repository()
    }
    async fn tree_of(&self, _: &ObjectId) -> Result<ObjectId, RepositoryError> {
        no_repository()
    }
    async fn patch(&self, _: Option<&ObjectId>, _: &ObjectId) -> Result<Patch, RepositoryError> {
        no_repository()
    }
    async fn files(&self, _: &ObjectId) -> Result<Vec<String>, RepositoryError> {
        no_repository()
    }
    async fn listing(&self, _: &ObjectId) -> Result<Vec<ListedFile>, RepositoryError> {
        no_repository()
    }
    async fn changes_of(&self, _: &ObjectId, _: &str, _: u32) -> Result<Vec<Change>, RepositoryError> {
        no_repository()
    }
    async fn read(&self, _: &ObjectId, _: &str, _: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        no_repository()
    }
    async fn make_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &WorktreeRole,
        _: &ObjectId,
    ) -> Result<String, RepositoryError> {
        no_repository()
    }
    async fn commit_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &str,
    ) -> Result<Option<ObjectId>, RepositoryError> {
        no_repository()
    }
    async fn rebase(&self, _: &ObjectId, _: &ObjectId, _: &ObjectId) -> Result<Rebase, RepositoryError> {
        no_repository()
    }
    async fn move_bot_branch(
        &self,
        _: &Permit<WriteWorktree>,
        _: &ObjectId,
        _: &ObjectId,
        _: &ObjectId,
    ) -> Result<(), RepositoryError> {
        no_repository()
    }
    async fn remove_analysis_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &WorktreeRole,
        _: &ObjectId,
    ) -> Result<(), RepositoryError> {
        no_repository()
    }
    /// A recorded worktree counts as there: nothing will be done in it.
    async fn has_worktree(&self, _: &WorktreeRole) -> Result<bool, RepositoryError> {
        Ok(true)
    }
    fn worktree_path(&self, _: &WorktreeRole) -> String {
        String::new()
    }
    fn git_folder(&self) -> String {
        String::new()
    }
    fn bot_branch(&self) -> String {
        String::new()
    }
}

#[async_trait]
impl Children for Closed {
    async fn hold(
        &self,
        _: &Permit<RunTool>,
        _: HoldId,
        _: &StepKey,
        _: &ChildSpec,
    ) -> Result<Held, ChildrenError> {
        no_children()
    }
    async fn end(&self, _: HoldId) -> Result<(), ChildrenError> {
        no_children()
    }
    async fn discard(&self, _: HoldId) {}
    async fn tidy(&self) {}
    async fn surroundings(&self) -> Result<Surroundings, ChildrenError> {
        no_children()
    }
}

#[async_trait]
impl Web for Closed {
    async fn page(&self, _: &Permit<Connect>, _: &PageRequest) -> Option<PageAnswer> {
        Some(PageAnswer::Failed { reason: REASON.to_owned() })
    }
}

#[async_trait]
impl Approvals for Closed {
    fn draw(&self) -> (ApprovalId, Timestamp) {
        (ApprovalId::from_bytes([0; 16]), Timestamp::from_millis(0))
    }
    /// A question that was open when the run ended was withdrawn by its cancel.
    async fn answer_to(&self, _: &Question) -> Result<Answered, RecordError> {
        if self.cancelled { Ok(Answered::Cancelled) } else { Err(closed()) }
    }
}

#[async_trait]
impl CheckCache for Closed {
    async fn get(&self, _: Digest) -> Option<Vec<u8>> {
        None
    }
    async fn put(&self, _: Digest, _: Vec<u8>) {}
}

#[async_trait]
impl Projections for Closed {
    async fn write(&self, _: Vec<FileForPeople>) -> Projection {
        Projection::default()
    }
}
