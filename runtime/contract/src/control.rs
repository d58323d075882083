//! The one trait that every surface calls. It is implemented in process by the actors and over the bus by its client.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use futures::stream::BoxStream;
use windlass_domain::event::Event;
use windlass_domain::workspace::Workspace;

use crate::error::Fault;
use crate::request::{
    AddItem, AnswerApproval, AnswerContext, BackupCapsule, Caller, CancelRun, EditItem, ExplainPolicy,
    ExportRun, GetArtifact, HoldItem, Init, ItemRef, ListApprovals, ListItems, ListRuns, MoveItem,
    ReadEvents, RebuildProjections, ResumeRun, RunRef, ShowPolicy, SubmitRun, VerifyCapsule, WatchRun,
};
use crate::view::{
    Accepted, ApprovalList, ArtifactBytes, CapsuleCopy, CapsuleStats, EventPage, ExportedRun, ImportList,
    Imported, ItemList, ItemView, PolicyExplanation, PolicyView, RebuiltProjections, ReplayedRun, RunPage,
    RunView, ServiceStatus, Verification,
};

/// A run's events, from the one asked for to `run.ended`, then the end of the stream. It never skips and never repeats.
pub type EventStream = BoxStream<'static, Result<Event, Fault>>;

/// What can be asked of Windlass. A reply to anything that changes something means that it is on disk.
#[async_trait]
pub trait Control: Send + Sync {
    /// Makes a repository known; asking again changes nothing.
    async fn init(&self, caller: Caller, request: Init) -> Result<Workspace, Fault>;

    /// Adds a work item.
    async fn add_item(&self, caller: Caller, request: AddItem) -> Result<ItemView, Fault>;
    /// Lists work items.
    async fn list_items(&self, request: ListItems) -> Result<ItemList, Fault>;
    /// Shows a work item.
    async fn show_item(&self, request: ItemRef) -> Result<ItemView, Fault>;
    /// Changes fields of a work item.
    async fn edit_item(&self, caller: Caller, request: EditItem) -> Result<ItemView, Fault>;
    /// Moves a work item.
    async fn move_item(&self, caller: Caller, request: MoveItem) -> Result<ItemView, Fault>;
    /// Moves a work item into a holding state.
    async fn hold_item(&self, caller: Caller, request: HoldItem) -> Result<ItemView, Fault>;
    /// Keeps the answers that a run needs.
    async fn answer_context(&self, caller: Caller, request: AnswerContext) -> Result<ItemView, Fault>;

    /// Submits a run.
    async fn submit_run(&self, caller: Caller, request: SubmitRun) -> Result<Accepted, Fault>;
    /// Shows a run.
    async fn show_run(&self, request: RunRef) -> Result<RunView, Fault>;
    /// Lists runs.
    async fn list_runs(&self, request: ListRuns) -> Result<RunPage, Fault>;
    /// Asks a run to stop.
    async fn cancel_run(&self, caller: Caller, request: CancelRun) -> Result<RunView, Fault>;
    /// Continues an ended run with a new one, which does not do again what was done. The reply means that it is on disk.
    async fn resume_run(&self, caller: Caller, request: ResumeRun) -> Result<Accepted, Fault>;
    /// Lists the questions that runs wait on, the oldest first, at most 500, and says whether there are more.
    async fn list_approvals(&self, request: ListApprovals) -> Result<ApprovalList, Fault>;
    /// Answers a question that a run waits on.
    async fn answer_approval(&self, caller: Caller, request: AnswerApproval) -> Result<RunView, Fault>;
    /// Follows a run's events.
    async fn watch_run(&self, request: WatchRun) -> Result<EventStream, Fault>;

    /// Reads recorded events.
    async fn read_events(&self, request: ReadEvents) -> Result<EventPage, Fault>;
    /// Reads an artifact.
    async fn get_artifact(&self, request: GetArtifact) -> Result<ArtifactBytes, Fault>;
    /// Verifies the capsule.
    async fn verify_capsule(&self, request: VerifyCapsule) -> Result<Verification, Fault>;

    /// Drives the engine of a run that has ended again over its journal, without any effect, and compares what comes out with what
    /// is stored.
    async fn replay_run(&self, request: RunRef) -> Result<ReplayedRun, Fault>;
    /// Writes a run that has ended into a file.
    async fn export_run(&self, request: ExportRun) -> Result<ExportedRun, Fault>;
    /// Checks an exported run and keeps it beside the capsule, read-only.
    async fn import_run(&self, file: OwnedFd) -> Result<Imported, Fault>;
    /// Lists the runs that were imported.
    async fn list_imports(&self) -> Result<ImportList, Fault>;
    /// Tells how much is in the capsule.
    async fn capsule_stats(&self) -> Result<CapsuleStats, Fault>;
    /// Copies the capsule as it is now into a new folder, and verifies the copy.
    async fn backup_capsule(&self, request: BackupCapsule) -> Result<CapsuleCopy, Fault>;

    /// Makes the files for people of ended runs again from the record, or only looks how they stand.
    async fn rebuild_projections(&self, request: RebuildProjections) -> Result<RebuiltProjections, Fault>;

    /// Shows the merged policy.
    async fn show_policy(&self, request: ShowPolicy) -> Result<PolicyView, Fault>;
    /// Says what policy says to one act, and why.
    async fn explain_policy(&self, request: ExplainPolicy) -> Result<PolicyExplanation, Fault>;
    /// Shows the state of the service.
    async fn service_status(&self) -> Result<ServiceStatus, Fault>;
}
