//! Ports of which only the record is open: these engines reach for nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use windlass_domain::child::ChildSpec;
use windlass_domain::diff::{ObjectId, Patch, Rebase};
use windlass_domain::digest::Digest;
use windlass_domain::id::{ApprovalId, HoldId};
use windlass_domain::projection::Projection;
use windlass_domain::run::approval::Question;
use windlass_domain::run::step::StepKey;
use windlass_domain::time::Timestamp;
use windlass_engine::ports::{
    Answered, Approvals, Change, CheckCache, Children, ChildrenError, FileForPeople, Held, ListedFile,
    PageAnswer, PageRequest, Ports, Projections, Record, RecordError, Repository, RepositoryError,
    Surroundings, Web, WorktreeRole,
};
use windlass_policy::{Connect, Permit, RunTool, WriteWorktree};

struct Closed;

/// The ports of an engine that has a record only.
pub(crate) fn ports(record: Arc<dyn Record>) -> Ports {
    let closed = Arc::new(Closed);
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

fn closed<T>() -> Result<T, RepositoryError> {
    Err(RepositoryError { message: "this engine has no repository".to_owned() })
}

#[async_trait]
impl Repository for Closed {
    async fn resolve(&self, _: &str) -> Result<Option<ObjectId>, RepositoryError> {
        closed()
    }
    async fn tree_of(&self, _: &ObjectId) -> Result<ObjectId, RepositoryError> {
        closed()
    }
    async fn patch(&self, _: Option<&ObjectId>, _: &ObjectId) -> Result<Patch, RepositoryError> {
        closed()
    }
    async fn files(&self, _: &ObjectId) -> Result<Vec<String>, RepositoryError> {
        closed()
    }
    async fn listing(&self, _: &ObjectId) -> Result<Vec<ListedFile>, RepositoryError> {
        closed()
    }
    async fn changes_of(&self, _: &ObjectId, _: &str, _: u32) -> Result<Vec<Change>, RepositoryError> {
        closed()
    }
    async fn read(&self, _: &ObjectId, _: &str, _: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        closed()
    }
    async fn make_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &WorktreeRole,
        _: &ObjectId,
    ) -> Result<String, RepositoryError> {
        closed()
    }
    async fn commit_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &str,
    ) -> Result<Option<ObjectId>, RepositoryError> {
        closed()
    }
    async fn rebase(&self, _: &ObjectId, _: &ObjectId, _: &ObjectId) -> Result<Rebase, RepositoryError> {
        closed()
    }
    async fn move_bot_branch(
        &self,
        _: &Permit<WriteWorktree>,
        _: &ObjectId,
        _: &ObjectId,
        _: &ObjectId,
    ) -> Result<(), RepositoryError> {
        closed()
    }
    async fn remove_analysis_worktree(
        &self,
        _: &Permit<WriteWorktree>,
        _: &WorktreeRole,
        _: &ObjectId,
    ) -> Result<(), RepositoryError> {
        closed()
    }
    async fn has_worktree(&self, _: &WorktreeRole) -> Result<bool, RepositoryError> {
        closed()
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
        Err(ChildrenError { message: "this engine has no children".to_owned() })
    }
    async fn end(&self, _: HoldId) -> Result<(), ChildrenError> {
        Err(ChildrenError { message: "this engine has no children".to_owned() })
    }
    async fn discard(&self, _: HoldId) {}
    async fn tidy(&self) {}
    async fn surroundings(&self) -> Result<Surroundings, ChildrenError> {
        Err(ChildrenError { message: "this engine has no children".to_owned() })
    }
}

#[async_trait]
impl Web for Closed {
    async fn page(&self, _: &Permit<Connect>, _: &PageRequest) -> Option<PageAnswer> {
        Some(PageAnswer::Failed { reason: "this engine has no network".to_owned() })
    }
}

#[async_trait]
impl Approvals for Closed {
    fn draw(&self) -> (ApprovalId, Timestamp) {
        (ApprovalId::from_bytes([0; 16]), Timestamp::from_millis(0))
    }
    async fn answer_to(&self, _: &Question) -> Result<Answered, RecordError> {
        Err(RecordError::Unavailable("this engine asks nobody".to_owned()))
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
