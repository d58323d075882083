//! `WorktreeActor`: one for each workspace, on demand. Everything that changes a worktree or a bot branch goes through it, one
//! thing at a time, so that an attempt never meets what an earlier one has still under way.

use std::path::PathBuf;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use windlass_domain::diff::ObjectId;
use windlass_domain::run::Run;
use windlass_domain::time::Timestamp;
use windlass_engine::ports::{RepositoryError, WorktreeRole};
use windlass_failpoint::{Place, pass};
use windlass_git::{BotBranch, Repository, Worktree, WorktreeSpec};
use windlass_policy::{Permit, WriteWorktree};

use crate::control::with_sources;
use crate::folders::Folders;
use crate::store::blocking;

/// The actor of one workspace's worktrees.
pub(crate) struct WorktreeActor;

/// What it is asked, with where the answer goes.
pub(crate) enum WorktreeMessage {
    /// Make a worktree, or find it as it is.
    Make(Job<Make, String>),
    /// Commit all changes of a bot worktree.
    Commit(Job<Commit, Option<ObjectId>>),
    /// Move a bot branch with its worktree.
    MoveBranch(Job<MoveBranch, ()>),
    /// Remove a worktree whose content is recorded.
    Remove(Job<Remove, ()>),
}

/// One thing to do.
pub(crate) struct Job<Ask, Answer> {
    pub(crate) repository: Arc<Repository>,
    pub(crate) permit: Permit<WriteWorktree>,
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer, RepositoryError>>,
}

/// A worktree to make.
pub(crate) struct Make {
    pub(crate) names: WorktreeNames,
    pub(crate) role: WorktreeRole,
    pub(crate) at: ObjectId,
}

/// Changes to commit.
pub(crate) struct Commit {
    pub(crate) names: WorktreeNames,
    pub(crate) message: String,
    /// The time of the commit: fixed by the run, so that doing it again makes the same commit.
    pub(crate) at: Timestamp,
}

/// A bot branch to move to where its change was carried.
pub(crate) struct MoveBranch {
    pub(crate) names: WorktreeNames,
    /// Where the change begins.
    pub(crate) base: ObjectId,
    /// Where it ends.
    pub(crate) from: ObjectId,
    pub(crate) to: ObjectId,
}

/// A worktree to remove.
pub(crate) struct Remove {
    pub(crate) names: WorktreeNames,
    pub(crate) role: WorktreeRole,
    /// The commit that it was made at.
    pub(crate) at: ObjectId,
}

/// Where a run's worktrees stand and what its branch is called.
#[derive(Debug, Clone)]
pub(crate) struct WorktreeNames {
    pub(crate) base: PathBuf,
    pub(crate) head: PathBuf,
    pub(crate) bot: PathBuf,
    pub(crate) branch: String,
    bot_branch: BotBranch,
    quarantine: PathBuf,
}

/// The names for a run; one that continues another uses that one's.
pub(crate) fn worktree_names(folders: &Folders, run: &Run) -> WorktreeNames {
    let of = run.admission.worktree_of;
    let folder = folders.worktrees(run.request.workspace_id, &run.request.work_item_id, of);
    let bot_branch = BotBranch::new(run.request.work_item_id.clone(), of);
    WorktreeNames {
        base: folder.join("base"),
        head: folder.join("head"),
        bot: folder.join("bot"),
        branch: bot_branch.to_string(),
        bot_branch,
        quarantine: folders.quarantine().join(of.to_string()),
    }
}

impl WorktreeNames {
    pub(crate) const fn path(&self, role: WorktreeRole) -> &PathBuf {
        match role {
            WorktreeRole::Base => &self.base,
            WorktreeRole::Head => &self.head,
            WorktreeRole::Bot => &self.bot,
        }
    }
}

impl Actor for WorktreeActor {
    type Msg = WorktreeMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: WorktreeMessage,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            WorktreeMessage::Make(job) => job.run(make).await,
            WorktreeMessage::Commit(job) => job.run(commit).await,
            WorktreeMessage::MoveBranch(job) => job.run(move_branch).await,
            WorktreeMessage::Remove(job) => job.run(remove).await,
        }
        Ok(())
    }
}

impl<Ask: Send + 'static, Answer: Send + 'static> Job<Ask, Answer> {
    async fn run(
        self,
        work: fn(&Repository, &Permit<WriteWorktree>, Ask) -> Result<Answer, RepositoryError>,
    ) {
        let Self { repository, permit, ask, reply } = self;
        let answer = blocking(move || work(&repository, &permit, ask)).await;
        // The attempt that asked may be gone; the next one asks again and finds what was done.
        let _ = reply.send(answer);
    }
}

/// A failure of the git adapter, in words for the run.
pub(crate) fn failed(error: &dyn std::error::Error) -> RepositoryError {
    RepositoryError { message: with_sources(error) }
}

fn make(
    repository: &Repository,
    permit: &Permit<WriteWorktree>,
    ask: Make,
) -> Result<String, RepositoryError> {
    let path = ask.names.path(ask.role).clone();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(&error))?;
    }
    let made = match ask.role {
        WorktreeRole::Base | WorktreeRole::Head => {
            Worktree::create_detached(permit, repository, &path, &ask.at)
        }
        WorktreeRole::Bot => {
            let spec = WorktreeSpec { path, branch: ask.names.bot_branch, at: ask.at };
            Worktree::create(permit, repository, &spec)
        }
    };
    let made = made.inspect(|_| pass(Place::WorktreeMade));
    made.map(|made| made.path().to_string_lossy().into_owned()).map_err(|error| failed(&error))
}

fn commit(
    repository: &Repository,
    permit: &Permit<WriteWorktree>,
    ask: Commit,
) -> Result<Option<ObjectId>, RepositoryError> {
    let found = Worktree::find(repository, &ask.names.bot).map_err(|error| failed(&error))?;
    let Some(worktree) = found else {
        let message = format!("the bot worktree {} is not there", ask.names.bot.display());
        return Err(RepositoryError { message });
    };
    worktree.commit_all(permit, &ask.message, ask.at).map_err(|error| failed(&error))
}

fn move_branch(
    repository: &Repository,
    permit: &Permit<WriteWorktree>,
    ask: MoveBranch,
) -> Result<(), RepositoryError> {
    let MoveBranch { names, base, from, to } = ask;
    let branch = &names.bot_branch;
    let found = repository.bot_branch(branch).map_err(|error| failed(&error))?;
    let carried = |found: &ObjectId| repository.is_carried(&base, &from, found);
    // The run that this one continues had carried the same change onto an older target. Anything else there is not ours to move.
    let from = match found {
        Some(found) if found != from && carried(&found).map_err(|error| failed(&error))? => found,
        _ => from,
    };
    repository.move_bot_branch(permit, branch, &from, &to).map_err(|error| failed(&error))
}

fn remove(
    repository: &Repository,
    permit: &Permit<WriteWorktree>,
    ask: Remove,
) -> Result<(), RepositoryError> {
    let path = ask.names.path(ask.role);
    let place = match ask.role {
        WorktreeRole::Base => "base",
        WorktreeRole::Head => "head",
        WorktreeRole::Bot => "bot",
    };
    let quarantine = ask.names.quarantine.join(place);
    std::fs::create_dir_all(&ask.names.quarantine).map_err(|error| failed(&error))?;
    let removed = repository.remove_worktree(permit, path, &[ask.at], &quarantine);
    removed.map_err(|error| failed(&error))
}
