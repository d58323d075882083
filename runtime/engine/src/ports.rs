//! What an engine needs from outside, as traits. The actors implement them with the capsule and the adapters.

use async_trait::async_trait;
use windlass_domain::child::{ChildEnd, ChildSpec};
use windlass_domain::diff::{ObjectId, Patch, Rebase};
use windlass_domain::digest::Digest;
use windlass_domain::event::Event;
use windlass_domain::id::{ApprovalId, HoldId};
use windlass_domain::item::ItemType;
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::projection::Projection;
use windlass_domain::run::Refusal;
use windlass_domain::run::approval::Question;
use windlass_domain::run::command::Act;
use windlass_domain::run::event::ApprovalAnswer;
use windlass_domain::run::step::StepKey;
use windlass_domain::time::Timestamp;
use windlass_policy::{Connect, Permit, RunTool, WebAddress, WriteWorktree};

/// The run's own record, open for one attempt.
#[async_trait]
pub trait Record: Send + Sync {
    /// Commits acts of this attempt, all or none, with the payloads that they name. What they caused comes back after it
    /// is on disk.
    async fn commit(&self, acts: Vec<Act>, payloads: Vec<Payload>) -> Result<Vec<Event>, RecordError>;

    /// Commits the acts that end the run, and beside them what became of its files, all or none.
    async fn end(
        &self,
        acts: Vec<Act>,
        payloads: Vec<Payload>,
        projection: Projection,
    ) -> Result<(), RecordError>;

    /// The bytes of a stored payload.
    async fn payload(&self, digest: Digest) -> Result<Vec<u8>, RecordError>;

    /// All events of the run so far.
    async fn events(&self) -> Result<Vec<Event>, RecordError>;

    /// The type of the run's work item, which never changes.
    async fn item_type(&self) -> Result<ItemType, RecordError>;

    /// What was asked: the item as it stands, and the answers that the run was admitted with.
    async fn asked(&self) -> Result<Asked, RecordError>;

    /// Whether the run's time is used up. Finalization still gets its steps.
    fn is_out_of_time(&self) -> bool;

    /// Waits until people should hear of a run that works for long. The wait begins when this is called.
    async fn checkpoint_due(&self);

    /// A fresh id for a start of a child.
    fn draw_hold_id(&self) -> HoldId;

    /// Milliseconds of the boot clock, for measuring steps.
    fn boot_clock_ms(&self) -> u64;

    /// Wall time, for use inside steps only: when something was read.
    fn now(&self) -> Timestamp;
}

/// What a run was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The item's title.
    pub title: String,
    /// The answers.
    pub context: MaieuticContext,
    /// Their digest.
    pub context_digest: Digest,
}

/// Bytes to be stored with acts that name them.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What kind of data it is; the capture mode decides whether it may be stored.
    pub class: windlass_domain::capture::DataClass,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why the record did not take something.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A rule of the run refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The capture mode forbids it.
    #[error("the capture mode forbids to store {class:?} data")]
    CaptureForbidden {
        /// What kind of data it was.
        class: windlass_domain::capture::DataClass,
    },
    /// The capsule cannot be written or read.
    #[error("the capsule cannot be used: {0}")]
    Unavailable(String),
    /// What was read is not what was written.
    #[error("the record of the run does not fit: {0}")]
    Corrupt(String),
}

/// Why an attempt cannot go on. The next one may: the run has not ended.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The record did not take or give something.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A holder could not be started or reached.
    #[error(transparent)]
    Children(#[from] ChildrenError),
}

/// The repository of the run's workspace, and the worktrees that the run has of it.
#[async_trait]
pub trait Repository: Send + Sync {
    /// The commit that a revision names; none when there is no such commit.
    async fn resolve(&self, revision: &str) -> Result<Option<ObjectId>, RepositoryError>;
    /// The tree of a commit.
    async fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, RepositoryError>;
    /// The change between two commits; from the empty tree without a base.
    async fn patch(&self, base: Option<&ObjectId>, head: &ObjectId) -> Result<Patch, RepositoryError>;
    /// The paths of the files in a commit.
    async fn files(&self, commit: &ObjectId) -> Result<Vec<String>, RepositoryError>;
    /// The files in a commit, with what tells whether one is worth reading.
    async fn listing(&self, commit: &ObjectId) -> Result<Vec<ListedFile>, RepositoryError>;
    /// The newest changes of a file behind a commit, newest first, at most `limit`.
    async fn changes_of(
        &self,
        commit: &ObjectId,
        path: &str,
        limit: u32,
    ) -> Result<Vec<Change>, RepositoryError>;
    /// A file of a commit; none when it is not there. At most `limit` bytes: a larger one is an error.
    async fn read(
        &self,
        commit: &ObjectId,
        path: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RepositoryError>;
    /// Makes sure that the worktree is there and stands as made; says where. Redone freely.
    async fn make_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        which: &WorktreeRole,
        at: &ObjectId,
    ) -> Result<String, RepositoryError>;
    /// Commits all changes of the bot worktree; none when there are none.
    async fn commit_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        message: &str,
    ) -> Result<Option<ObjectId>, RepositoryError>;
    /// Carries `base..head` onto another commit, in memory.
    async fn rebase(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        onto: &ObjectId,
    ) -> Result<Rebase, RepositoryError>;
    /// Moves the bot branch with its worktree to where the change `base..from` was carried: from the change itself, or from where
    /// an earlier run had carried it.
    async fn move_bot_branch(
        &self,
        permit: &Permit<WriteWorktree>,
        base: &ObjectId,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<(), RepositoryError>;
    /// Removes a worktree for analysis; its content is all in commits.
    async fn remove_analysis_worktree(
        &self,
        permit: &Permit<WriteWorktree>,
        which: &WorktreeRole,
        at: &ObjectId,
    ) -> Result<(), RepositoryError>;
    /// Whether a worktree of the run is there.
    async fn has_worktree(&self, which: &WorktreeRole) -> Result<bool, RepositoryError>;
    /// Where a worktree of the run stands, or will stand.
    fn worktree_path(&self, which: &WorktreeRole) -> String;
    /// The shared `.git` folder, for the sandbox to show read-only.
    fn git_folder(&self) -> String;
    /// The name of the bot branch.
    fn bot_branch(&self) -> String;
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path, relative to the repository.
    pub path: String,
    /// Whether it is a file, and no link or submodule.
    pub regular: bool,
    /// Its size; none where its content is not here.
    pub bytes: Option<u64>,
}

/// A commit that changed a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The commit.
    pub commit: ObjectId,
    /// When it was committed.
    pub at: Timestamp,
    /// The first paragraph of its message on one line.
    pub subject: String,
}

/// Which of a run's worktrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeRole {
    /// The base commit, for analysis.
    Base,
    /// The head commit, for analysis.
    Head,
    /// The one that fixers and agents may change, on the bot branch.
    Bot,
}

/// What the repository refused or could not do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RepositoryError {
    /// What failed, on what, and what to do.
    pub message: String,
}

/// Child processes under holders.
#[async_trait]
pub trait Children: Send + Sync {
    /// Starts the child of this hold, or finds it again, and follows it until it ends or turns out to be lost. When the
    /// run is cancelled, the child is told to end, then made to.
    async fn hold(
        &self,
        permit: &Permit<RunTool>,
        hold_id: HoldId,
        key: &StepKey,
        spec: &ChildSpec,
    ) -> Result<Held, ChildrenError>;
    /// Ends the child of a hold that an earlier attempt started, if there is one, and waits until it is gone.
    async fn end(&self, hold_id: HoldId) -> Result<(), ChildrenError>;
    /// Forgets a hold whose step has its result.
    async fn discard(&self, hold_id: HoldId);
    /// Removes what the run's children left in its scratch folder. Called when none will be started any more.
    async fn tidy(&self);
    /// The folders and programs that checks need here.
    async fn surroundings(&self) -> Result<Surroundings, ChildrenError>;
}

/// How a hold came out.
#[derive(Debug, Clone)]
pub enum Held {
    /// The child ended, and all it said is there.
    Finished(ChildFinish),
    /// The child is gone and nobody knows how it ended.
    Lost {
        /// What was found.
        why: String,
    },
}

/// How a child ended, with what it said.
#[derive(Debug, Clone)]
pub struct ChildFinish {
    /// How it ended.
    pub end: ChildEnd,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// How long it ran, in milliseconds of the boot clock.
    pub duration_ms: u64,
    /// Bytes that a crash took from its output.
    pub lost_bytes: u64,
}

/// A holder could not be started or reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ChildrenError {
    /// What failed, on what, and what to do.
    pub message: String,
}

/// The folders and programs that checks need on this machine. Fixed by the run's first step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Surroundings {
    /// The user's home folder, where toolchains and package caches are looked for.
    pub home: String,
    /// Where programs are looked up.
    pub path: String,
    /// A private folder of the run for HOME, temporary files and build folders.
    pub scratch: String,
    /// Whether a sandbox can be had.
    pub sandbox: SandboxSupport,
    /// The user's own checks file with its name, where there is one.
    pub user_checks: Option<UserChecks>,
}

/// The user's own checks file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UserChecks {
    /// Its name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Whether a sandbox can be had.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SandboxSupport {
    /// It works.
    Usable {
        /// The program's version.
        version: String,
    },
    /// It does not.
    Unusable {
        /// Why, with the mend.
        reason: String,
    },
}

/// Pages of the web.
#[async_trait]
pub trait Web: Send + Sync {
    /// Reads a page once. A redirect is an answer. None when the run was cancelled meanwhile.
    async fn page(&self, permit: &Permit<Connect>, request: &PageRequest) -> Option<PageAnswer>;
}

/// A page to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Where it is.
    pub address: WebAddress,
    /// Whether it may be on this machine or in a private network: policy names exactly this page.
    pub any_network: bool,
    /// Whether its text comes back. Without, only its digest.
    pub keep_text: bool,
    /// Longest time for it, in milliseconds.
    pub time_ms: u64,
}

/// What came of a request for a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PageAnswer {
    /// The page.
    Page(Page),
    /// It is elsewhere, as the server says in these words.
    Redirect {
        /// Where.
        location: String,
    },
    /// It cannot be had.
    Failed {
        /// Why, in a sentence fragment.
        reason: String,
    },
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Page {
    /// Its title.
    pub title: Option<String>,
    /// When it was changed last, as the server says.
    pub published_at: Option<Timestamp>,
    /// The digest of its text.
    pub digest: Digest,
    /// The size of its text.
    pub bytes: u64,
    /// Its text, where that comes back.
    pub text: Option<String>,
}

/// Questions to people.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// A fresh id for a question that is asked now, and when it will lapse.
    fn draw(&self) -> (ApprovalId, Timestamp);
    /// Waits until the question is answered, which may have happened before, or the run is cancelled. A question that lapses
    /// is recorded as such by this.
    async fn answer_to(&self, question: &Question) -> Result<Answered, RecordError>;
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It was answered, or it lapsed.
    By(ApprovalAnswer),
    /// The run was cancelled, and waits for nobody.
    Cancelled,
}

/// Results of checks on trees that were looked at before. A cache: losing it costs time, never a record.
#[async_trait]
pub trait CheckCache: Send + Sync {
    /// What is kept under this key.
    async fn get(&self, key: Digest) -> Option<Vec<u8>>;
    /// Keeps it.
    async fn put(&self, key: Digest, value: Vec<u8>);
}

/// Files for people, made of what the run stored. They are copies: whatever becomes of them, the run ends as it ends.
#[async_trait]
pub trait Projections: Send + Sync {
    /// Writes these files to the run's folder, and says which of them stand. Done again, it comes to the same.
    async fn write(&self, files: Vec<FileForPeople>) -> Projection;
}

/// A file of a run's projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileForPeople {
    /// Where, relative to the run's folder.
    pub file: &'static str,
    /// The bytes of an artifact.
    pub bytes: Vec<u8>,
}

/// Bundles what an engine needs.
#[derive(Clone)]
pub struct Ports {
    /// The run's record.
    pub record: std::sync::Arc<dyn Record>,
    /// The workspace's repository.
    pub repository: std::sync::Arc<dyn Repository>,
    /// Child processes.
    pub children: std::sync::Arc<dyn Children>,
    /// Pages of the web.
    pub web: std::sync::Arc<dyn Web>,
    /// Questions to people.
    pub approvals: std::sync::Arc<dyn Approvals>,
    /// Earlier results.
    pub cache: std::sync::Arc<dyn CheckCache>,
    /// Files for people.
    pub projections: std::sync::Arc<dyn Projections>,
}
