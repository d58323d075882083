//! The run's repository for its engine: reads on blocking threads, changes through the workspace's `WorktreeActor`.

use std::sync::Arc;

use async_trait::async_trait;
use ractor::ActorRef;
use tokio::sync::oneshot;
use windlass_domain::diff::{ObjectId, Patch, Rebase};
use windlass_domain::time::Timestamp;
use windlass_engine::ports::{
    Change, ListedFile, Repository as RepositoryPort, RepositoryError, WorktreeRole,
};
use windlass_git::{LogEntry, OpenError, ReadError, Repository, TrackedFile, Worktree};
use windlass_policy::{Permit, WriteWorktree};

use super::Attempt;
use crate::store::blocking;
use crate::tree::worktree::{
    Commit, Job, Make, MoveBranch, Remove, WorktreeMessage, WorktreeNames, failed, worktree_names,
};

/// The run's repository and the names of its worktrees.
pub(crate) struct RunRepository {
    repository: Arc<Repository>,
    names: WorktreeNames,
    submitted_at: Timestamp,
    actor: ActorRef<WorktreeMessage>,
}

impl RunRepository {
    /// Opens the repository of the run's workspace.
    pub(super) async fn open(attempt: &Attempt) -> Result<Self, OpenError> {
        let workspace_id = attempt.run.request.workspace_id;
        let workspace = attempt.shared.store.read(move |reader| reader.workspace(workspace_id)).await;
        let root = workspace.ok().flatten().map(|workspace| workspace.root).unwrap_or_default();
        let repository = blocking(move || Repository::open(root.as_ref())).await?;
        Ok(Self {
            repository: Arc::new(repository),
            names: worktree_names(&attempt.shared.folders, &attempt.run),
            submitted_at: attempt.run.submitted_at,
            actor: attempt.worktrees.clone(),
        })
    }

    async fn read<T: Send + 'static, E: std::error::Error + 'static>(
        &self,
        read: impl FnOnce(&Repository) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        let repository = Arc::clone(&self.repository);
        blocking(move || read(&repository).map_err(|error| failed(&error))).await
    }

    async fn change<Ask, Answer>(
        &self,
        permit: &Permit<WriteWorktree>,
        ask: Ask,
        message: fn(Job<Ask, Answer>) -> WorktreeMessage,
    ) -> Result<Answer, RepositoryError> {
        let (reply, answer) = oneshot::channel();
        let repository = Arc::clone(&self.repository);
        let job = Job { repository, permit: permit.for_same(), ask, reply };
        let gone = || RepositoryError {
            message: "the worktree actor is gone; the run goes on in its next attempt".to_owned(),
        };
        self.actor.cast(message(job)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl RepositoryPort for RunRepository {
    async fn resolve(&self, revision: &str) -> Result<Option<ObjectId>, RepositoryError> {
        let revision = revision.to_owned();
        self.read(move |repository| match repository.resolve(&revision) {
            Ok(commit) => Ok(Some(commit)),
            Err(ReadError::UnknownRevision { .. }) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, RepositoryError> {
        let commit = commit.clone();
        self.read(move |repository| repository.tree_of(&commit)).await
    }

    async fn patch(&self, base: Option<&ObjectId>, head: &ObjectId) -> Result<Patch, RepositoryError> {
        let (base, head) = (base.cloned(), head.clone());
        self.read(move |repository| repository.diff(base.as_ref(), &head)).await
    }

    async fn files(&self, commit: &ObjectId) -> Result<Vec<String>, RepositoryError> {
        let commit = commit.clone();
        let files = self.read(move |repository| repository.files_at(&commit)).await?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    async fn listing(&self, commit: &ObjectId) -> Result<Vec<ListedFile>, RepositoryError> {
        let commit = commit.clone();
        let files = self.read(move |repository| repository.files_at(&commit)).await?;
        let listed =
            |file: TrackedFile| ListedFile { regular: file.is_regular(), path: file.path, bytes: file.bytes };
        Ok(files.into_iter().map(listed).collect())
    }

    async fn changes_of(
        &self,
        commit: &ObjectId,
        path: &str,
        limit: u32,
    ) -> Result<Vec<Change>, RepositoryError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        let entries = self.read(move |repository| repository.log(&commit, &[path.as_ref()], limit)).await?;
        let change = |entry: LogEntry| Change { commit: entry.id, at: entry.at, subject: entry.subject };
        Ok(entries.into_iter().map(change).collect())
    }

    async fn read(
        &self,
        commit: &ObjectId,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RepositoryError> {
        let (commit, path) = (commit.clone(), path.to_owned());
        self.read(move |repository| repository.read_blob_at(&commit, path.as_ref(), limit)).await
    }

    async fn make_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        which: &WorktreeRole,
        at: &ObjectId,
    ) -> Result<String, RepositoryError> {
        let ask = Make { names: self.names.clone(), role: *which, at: at.clone() };
        self.change(permit, ask, WorktreeMessage::Make).await
    }

    async fn commit_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        message: &str,
    ) -> Result<Option<ObjectId>, RepositoryError> {
        let ask = Commit { names: self.names.clone(), message: message.to_owned(), at: self.submitted_at };
        self.change(permit, ask, WorktreeMessage::Commit).await
    }

    async fn rebase(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        onto: &ObjectId,
    ) -> Result<Rebase, RepositoryError> {
        let (base, head, onto) = (base.clone(), head.clone(), onto.clone());
        self.read(move |repository| repository.rebase(&base, &head, &onto)).await
    }

    async fn move_bot_branch(
        &self,
        permit: &Permit<WriteWorktree>,
        base: &ObjectId,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<(), RepositoryError> {
        let (names, base) = (self.names.clone(), base.clone());
        let ask = MoveBranch { names, base, from: from.clone(), to: to.clone() };
        self.change(permit, ask, WorktreeMessage::MoveBranch).await
    }

    async fn remove_analysis_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        which: &WorktreeRole,
        at: &ObjectId,
    ) -> Result<(), RepositoryError> {
        let ask = Remove { names: self.names.clone(), role: *which, at: at.clone() };
        self.change(permit, ask, WorktreeMessage::Remove).await
    }

    async fn has_worktree(&self, which: &WorktreeRole) -> Result<bool, RepositoryError> {
        let path = self.names.path(*which).clone();
        self.read(move |repository| Worktree::find(repository, &path).map(|found| found.is_some())).await
    }

    fn worktree_path(&self, which: &WorktreeRole) -> String {
        self.names.path(*which).to_string_lossy().into_owned()
    }

    fn git_folder(&self) -> String {
        self.repository.common_dir().to_string_lossy().into_owned()
    }

    fn bot_branch(&self) -> String {
        self.names.branch.clone()
    }
}
