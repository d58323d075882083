//! What callers get back, besides documents.

use std::os::fd::OwnedFd;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::artifact::{Artifact, ArtifactPath, ArtifactUri};
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::id::{ApprovalId, Cursor, Epoch, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::projection::UnwrittenFile;
use windlass_domain::run::event::PolicyVerdict;
use windlass_domain::run::request::{RunKind, RunRequest};
use windlass_domain::run::{Ended, RunStatus, ShownPhase};
use windlass_domain::time::Timestamp;

/// A work item with what is going on for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemView {
    /// The item.
    #[serde(flatten)]
    pub item: WorkItem,
    /// Its state in one word; none for a project.
    pub state_name: Option<String>,
    /// The score of its intake form, for a feature or a spec.
    pub quality_score: Option<u32>,
    /// Its active runs.
    pub active_runs: Vec<RunId>,
    /// Where it can be moved.
    pub allowed_moves: Vec<String>,
    /// The answers that its runs rely on, once there are some; left out of lists.
    #[serde(default)]
    pub answers: Option<MaieuticContext>,
}

/// A list of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemList {
    /// In the order of their creation.
    pub items: Vec<ItemView>,
    /// What belongs in the list and cannot be read, where a damaged record is looked at for what is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The run.
    pub run_id: RunId,
    /// Whether this request made it; false when an equal request had made it before.
    pub new: bool,
    /// Its place in the queue, from 1; 0 when it goes on at once.
    pub queue_place: u32,
    /// What the caller should know, for instance that lingering is off.
    pub warnings: Vec<String>,
}

/// A run in one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// Its id.
    pub run_id: RunId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its work item.
    pub work_item_id: ItemId,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub status: RunStatus,
    /// What it is at, while it runs: its phase, or that it waits for a person.
    pub phase: Option<ShownPhase>,
    /// Its newest attempt; 0 before the first.
    pub attempt: Epoch,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// One sentence for people, once it ended.
    pub summary: String,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunPage {
    /// The newest first.
    pub runs: Vec<RunSummary>,
    /// What belongs on the page and cannot be read, where a damaged record is looked at for what is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Pass it as `after` for the next page; none at the end.
    pub next: Option<String>,
}

/// Everything about one run but its events and the bytes of its artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    /// In one row.
    #[serde(flatten)]
    pub row: RunSummary,
    /// What was asked for.
    pub request: RunRequest,
    /// Its place in the queue, from 1, while it waits.
    pub queue_place: Option<u32>,
    /// Steps without a result.
    pub open_steps: Vec<String>,
    /// Whether a cancel was asked for.
    pub cancelling: bool,
    /// The question that it waits on, while it waits.
    #[serde(default)]
    pub waiting_for: Option<ApprovalView>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Its artifacts so far.
    pub artifacts: Vec<ArtifactView>,
    /// Its files for people.
    pub projection_paths: Vec<String>,
    /// The files for people that could not be written.
    #[serde(default)]
    pub unwritten_projections: Vec<UnwrittenFile>,
    /// Its bot worktree, in write mode.
    pub worktree_path: Option<String>,
    /// Its bot branch, in write mode.
    pub branch_name: Option<String>,
    /// The place of its newest event.
    pub last_seq: Seq,
    /// The head of the capsule when this was read.
    pub capsule_head: Digest,
    /// Where it is from, when it was imported: it is read-only then, and no run of this capsule.
    #[serde(default)]
    pub origin: Option<RunOrigin>,
}

/// A question that a run waits on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalView {
    /// Its id.
    pub approval_id: ApprovalId,
    /// The run that waits.
    pub run_id: RunId,
    /// The run's workspace.
    pub workspace_id: WorkspaceId,
    /// The run's work item.
    pub work_item_id: ItemId,
    /// What the run does.
    pub kind: RunKind,
    /// The step that waits.
    pub step: String,
    /// What is to be allowed.
    pub capability: String,
    /// For what.
    pub subject: String,
    /// The rule of policy that asks.
    pub rule: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When nobody can answer it any more.
    pub expires_at: Timestamp,
}

/// The questions that runs wait on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalList {
    /// The oldest first.
    pub approvals: Vec<ApprovalView>,
    /// Whether there are more than these.
    pub more: bool,
}

/// An artifact with its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactView {
    /// Its address.
    pub uri: ArtifactUri,
    /// What is stored about it.
    #[serde(flatten)]
    pub artifact: Artifact,
}

/// An artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactBytes {
    /// Its media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The state of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// The program.
    pub tool_version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The folder of the capsule.
    pub capsule: String,
    /// Runs that go on.
    pub running: u32,
    /// Runs that wait for their turn.
    pub queued: u32,
    /// Whether commands can be run in a sandbox: `bwrap <version>`, or why not, with the mend.
    pub sandbox: String,
    /// Why no run is placed, and the command that lets them go on; none while runs go on as they should.
    pub paused: Option<String>,
    /// Whether the whole record was looked at after the last unclean stop.
    pub verification: StoreVerification,
    /// The newest event.
    pub head_cursor: Cursor,
    /// The head of the capsule.
    pub capsule_head: Digest,
}

/// How the full verification stands that an unclean stop asks for. Counts are of events and links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StoreVerification {
    /// Nothing asks for one.
    NotNeeded,
    /// It is to be done, or to be gone on with, by the service.
    Due {
        /// How many were looked at.
        done: u64,
        /// Of how many; 0 when it has not begun.
        of: u64,
    },
    /// It goes on.
    Verifying {
        /// How many were looked at.
        done: u64,
        /// Of how many; 0 when it has just begun.
        of: u64,
    },
    /// It came to its end and found nothing.
    Verified,
    /// It found damage; nothing more is recorded.
    Damaged {
        /// What.
        what: String,
    },
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Whether everything fits.
    pub sound: bool,
    /// Events that were checked.
    pub events: u64,
    /// Links that were checked.
    pub links: u64,
    /// Blobs that were checked.
    pub blobs: u64,
    /// The first thing that does not fit.
    pub first_problem: Option<String>,
    /// The head of the capsule.
    pub capsule_head: Digest,
}

/// What an export of a run holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportView {
    /// The run.
    pub run_id: RunId,
    /// The workspace that it belonged to.
    pub workspace_id: WorkspaceId,
    /// What that workspace was called.
    pub workspace_name: String,
    /// The work item that it was about.
    pub work_item_id: ItemId,
    /// What it did.
    pub kind: RunKind,
    /// How it ended.
    pub status: RunStatus,
    /// How much the export may hold.
    pub exported_as: CaptureMode,
    /// How many events there are.
    pub events: u64,
    /// How many links of the capsule's chain bind them.
    pub links: u64,
    /// How many blobs there are.
    pub blobs: u64,
    /// How many results and artifacts are left out; their digests are there.
    pub left_out: u64,
    /// The head of the capsule when the run was exported.
    pub capsule_head: Digest,
}

/// An exported run: a description, and the file behind a descriptor, to be read from its start.
#[derive(Debug)]
pub struct ExportedRun {
    /// What it holds.
    pub export: ExportView,
    /// The file. It has no name, and nobody else has it.
    pub file: OwnedFd,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// What is here now.
    pub import: ExportView,
    /// Whether it was put here now; otherwise the same record was here before.
    pub new: bool,
}

/// The runs that were imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportList {
    /// In the order of their ids.
    pub imports: Vec<ExportView>,
}

/// Where a run that was imported is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunOrigin {
    /// What its workspace was called there.
    pub workspace_name: String,
    /// How much its export holds.
    pub exported_as: CaptureMode,
}

/// How much is in the capsule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapsuleStats {
    /// The folder.
    pub capsule: String,
    /// How many events there are.
    pub events: u64,
    /// How many links.
    pub links: u64,
    /// How many workspaces are known.
    pub workspaces: u64,
    /// How many work items there are.
    pub items: u64,
    /// How many runs.
    pub runs: u64,
    /// How many runs stand where, without the statuses that no run has.
    pub runs_by_status: Vec<StatusCount>,
    /// When the oldest run was submitted.
    pub oldest_run_at: Option<Timestamp>,
    /// When the newest run was submitted.
    pub newest_run_at: Option<Timestamp>,
    /// How many artifacts all runs have.
    pub artifacts: u64,
    /// How many blobs stand in the store.
    pub inline_blobs: u64,
    /// How many are files.
    pub file_blobs: u64,
    /// The bytes of those files.
    pub file_blob_bytes: u64,
    /// The bytes of the store's file.
    pub store_bytes: u64,
    /// The bytes up to which it can grow.
    pub map_bytes: u64,
    /// How many runs are imported; they are not counted above.
    pub imports: u64,
    /// The head of the capsule.
    pub capsule_head: Digest,
}

/// How many runs have a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusCount {
    /// The status.
    pub status: RunStatus,
    /// How many runs have it.
    pub runs: u64,
}

/// A copy of the capsule that was made, or put in place, and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapsuleCopy {
    /// The folder.
    pub folder: String,
    /// How many events it has.
    pub events: u64,
    /// How many links.
    pub links: u64,
    /// How many files of blobs.
    pub file_blobs: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its head.
    pub capsule_head: Digest,
}

/// What making the files for people again came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuiltProjections {
    /// How many ended runs there are.
    pub runs: u64,
    /// How many files were written.
    pub written: u64,
    /// How many stood as they should.
    pub unchanged: u64,
    /// How many are missing or hold something else, where it was only looked.
    pub outdated: u64,
    /// How many could not be written.
    pub failed: u64,
    /// How many stand in the folder of a run and belong to nobody. They are left alone.
    pub strangers: u64,
    /// All of them but those that stood as they should, run by run, the newest first; at most 1,000.
    pub files: Vec<RebuiltFile>,
    /// How many more there are.
    pub more: u64,
}

/// A file for people that was made again, or looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuiltFile {
    /// Whose.
    pub run_id: RunId,
    /// Where, absolute.
    pub path: String,
    /// What became of it.
    pub state: RebuiltState,
    /// Why it could not be written.
    #[serde(default)]
    pub why: Option<String>,
}

/// What became of a file for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuiltState {
    /// It was written.
    Written,
    /// It is missing or holds something else, and was only looked at.
    Outdated,
    /// It could not be written.
    Failed,
    /// It belongs to nobody.
    Stranger,
}

/// What driving an ended run's engine again over its journal came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedRun {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// The program that drove it to its end.
    pub driven_by: String,
    /// The step at which the record ended the engine; none where the engine came to its own end.
    #[serde(default)]
    pub stopped_at: Option<String>,
    /// Every artifact that is stored or came out of it, in the order of their paths.
    pub artifacts: Vec<ReplayedArtifact>,
    /// What else came out otherwise, in sentence fragments.
    pub problems: Vec<String>,
    /// Whether every artifact has its stored bytes and nothing else came out otherwise.
    pub same: bool,
}

/// An artifact that was made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedArtifact {
    /// Where it stands in its run.
    pub path: ArtifactPath,
    /// The digest that is recorded; none where none is stored under this path.
    pub stored: Option<Digest>,
    /// The digest of what came out; none where nothing did.
    pub regenerated: Option<Digest>,
}

impl ReplayedArtifact {
    /// Whether what came out is what is stored.
    #[must_use]
    pub fn same(&self) -> bool {
        self.stored == self.regenerated
    }
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// In the order of their stream.
    pub events: Vec<windlass_domain::event::Event>,
    /// Whether more are recorded.
    pub more: bool,
}

/// What policy says, as text and as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    /// The digest of the merged policy.
    pub digest: Digest,
    /// The layers with their rules, as JSON.
    pub policy: windlass_domain::digest::Json,
}

/// What policy says to one act, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyExplanation {
    /// What was to be done.
    pub capability: String,
    /// To what.
    pub subject: String,
    /// Where the command comes from, as far as it was said.
    pub origin: Option<String>,
    /// The answer.
    pub verdict: PolicyVerdict,
    /// The rule that made it.
    pub rule: String,
    /// Why that rule and no other, in a sentence.
    pub why: String,
    /// The layers in the order of authority.
    pub layers: Vec<LayerSaid>,
}

/// What one layer says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerSaid {
    /// Which.
    pub layer: String,
    /// What it says; none where none of its rules speaks.
    pub verdict: Option<PolicyVerdict>,
    /// Its rules of this capability, as they stand.
    pub rules: Vec<RuleLooked>,
}

/// A rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleLooked {
    /// `<layer>/<id>`, as recorded decisions name it.
    pub rule: String,
    /// What it says to whom it speaks of.
    pub verdict: PolicyVerdict,
    /// Whether it speaks of what was asked.
    pub speaks: bool,
    /// Why it does or does not.
    pub why: String,
}
