//! [`Local`]: `Control` in this process. It collects what an operation needs, asks the writer, and makes replies of what the
//! store says.

mod admit;
mod approvals;
pub(crate) mod capsule;
pub(crate) mod faults;
mod items;
mod places;
mod policy;
mod projections;
mod range;
mod resume;
mod runs;
mod submit;
mod surroundings;
mod views;
mod watch;

use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use windlass_contract::control::{Control, EventStream};
use windlass_contract::document::TOOL_VERSION;
use windlass_contract::error::Fault;
use windlass_contract::request::{
    AddItem, AnswerApproval, AnswerContext, BackupCapsule, Caller, CancelRun, EditItem, ExplainPolicy,
    ExportRun, GetArtifact, HoldItem, Init, ItemRef, ListApprovals, ListItems, ListRuns, MoveItem,
    ReadEvents, RebuildProjections, ResumeRun, RunRef, ShowPolicy, SubmitRun, VerifyCapsule, WatchRun,
};
use windlass_contract::view::{
    Accepted, ApprovalList, ArtifactBytes, CapsuleCopy, CapsuleStats, EventPage, ExportedRun, ImportList,
    Imported, ItemList, ItemView, PolicyExplanation, PolicyView, RebuiltProjections, ReplayedRun, RunPage,
    RunView, ServiceStatus, Verification,
};
use windlass_domain::workspace::Workspace;
use windlass_engine::ports::SandboxSupport;

use crate::shared::Shared;

/// `Control` in this process.
#[derive(Clone)]
pub struct Local {
    pub(crate) shared: Arc<Shared>,
}

impl Local {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// An error with its causes, in one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[async_trait]
impl Control for Local {
    async fn init(&self, _caller: Caller, request: Init) -> Result<Workspace, Fault> {
        places::init(&self.shared, request).await
    }

    async fn add_item(&self, _caller: Caller, request: AddItem) -> Result<ItemView, Fault> {
        items::add(&self.shared, request).await
    }

    async fn list_items(&self, request: ListItems) -> Result<ItemList, Fault> {
        items::list(&self.shared, request).await
    }

    async fn show_item(&self, request: ItemRef) -> Result<ItemView, Fault> {
        items::show(&self.shared, request).await
    }

    async fn edit_item(&self, caller: Caller, request: EditItem) -> Result<ItemView, Fault> {
        items::edit(&self.shared, caller, request).await
    }

    async fn move_item(&self, caller: Caller, request: MoveItem) -> Result<ItemView, Fault> {
        items::move_to(&self.shared, caller, request).await
    }

    async fn hold_item(&self, caller: Caller, request: HoldItem) -> Result<ItemView, Fault> {
        items::hold(&self.shared, caller, request).await
    }

    async fn answer_context(&self, caller: Caller, request: AnswerContext) -> Result<ItemView, Fault> {
        items::answer_context(&self.shared, caller, request).await
    }

    async fn submit_run(&self, caller: Caller, request: SubmitRun) -> Result<Accepted, Fault> {
        let mut accepted = submit::submit(&self.shared, caller, request).await?;
        accepted.warnings.extend(surroundings::warnings(&self.shared));
        Ok(accepted)
    }

    async fn show_run(&self, request: RunRef) -> Result<RunView, Fault> {
        runs::show(&self.shared, request.run_id).await
    }

    async fn list_runs(&self, request: ListRuns) -> Result<RunPage, Fault> {
        runs::list(&self.shared, request).await
    }

    async fn cancel_run(&self, caller: Caller, request: CancelRun) -> Result<RunView, Fault> {
        runs::cancel(&self.shared, caller, request).await
    }

    async fn resume_run(&self, caller: Caller, request: ResumeRun) -> Result<Accepted, Fault> {
        let mut accepted = resume::resume(&self.shared, caller, request).await?;
        accepted.warnings.extend(surroundings::warnings(&self.shared));
        Ok(accepted)
    }

    async fn list_approvals(&self, request: ListApprovals) -> Result<ApprovalList, Fault> {
        approvals::list(&self.shared, request).await
    }

    async fn answer_approval(&self, caller: Caller, request: AnswerApproval) -> Result<RunView, Fault> {
        approvals::answer(&self.shared, caller, request).await
    }

    async fn watch_run(&self, request: WatchRun) -> Result<EventStream, Fault> {
        watch::watch(&self.shared, request).await
    }

    async fn read_events(&self, request: ReadEvents) -> Result<EventPage, Fault> {
        capsule::read_events(&self.shared, request).await
    }

    async fn get_artifact(&self, request: GetArtifact) -> Result<ArtifactBytes, Fault> {
        capsule::get_artifact(&self.shared, request).await
    }

    async fn verify_capsule(&self, request: VerifyCapsule) -> Result<Verification, Fault> {
        capsule::verify(&self.shared, request).await
    }

    async fn replay_run(&self, request: RunRef) -> Result<ReplayedRun, Fault> {
        capsule::replay::replay(&self.shared, request.run_id).await
    }

    async fn export_run(&self, request: ExportRun) -> Result<ExportedRun, Fault> {
        capsule::export::export(&self.shared, request).await
    }

    async fn import_run(&self, file: OwnedFd) -> Result<Imported, Fault> {
        capsule::import::import(&self.shared, file).await
    }

    async fn list_imports(&self) -> Result<ImportList, Fault> {
        capsule::import::list(&self.shared).await
    }

    async fn capsule_stats(&self) -> Result<CapsuleStats, Fault> {
        capsule::stats::stats(&self.shared).await
    }

    async fn backup_capsule(&self, request: BackupCapsule) -> Result<CapsuleCopy, Fault> {
        capsule::backup::backup(&self.shared, request).await
    }

    async fn rebuild_projections(&self, request: RebuildProjections) -> Result<RebuiltProjections, Fault> {
        projections::rebuild(&self.shared, request).await
    }

    async fn show_policy(&self, request: ShowPolicy) -> Result<PolicyView, Fault> {
        policy::show(&self.shared, request).await
    }

    async fn explain_policy(&self, request: ExplainPolicy) -> Result<PolicyExplanation, Fault> {
        policy::explain(&self.shared, request).await
    }

    async fn service_status(&self) -> Result<ServiceStatus, Fault> {
        let head = self.shared.store.read(windlass_capsule::Reader::head).await.map_err(faults::read)?;
        let activity = *self.shared.activity.borrow();
        Ok(ServiceStatus {
            tool_version: TOOL_VERSION.to_owned(),
            pid: std::process::id(),
            started_at: self.shared.started_at,
            capsule: self.shared.folders.capsule().to_string_lossy().into_owned(),
            running: activity.running,
            queued: activity.queued,
            sandbox: match &self.shared.sandbox {
                SandboxSupport::Usable { version } => version.clone(),
                SandboxSupport::Unusable { reason } => format!("unusable: {reason}"),
            },
            paused: surroundings::paused(&self.shared),
            verification: self.shared.verification.borrow().clone(),
            head_cursor: head.cursor,
            capsule_head: head.hash,
        })
    }
}
