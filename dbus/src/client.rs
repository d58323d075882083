//! `Control` over the bus: what the command line and other programs call.

mod call;
mod watch;

use std::fs::File;
use std::io::{Read, Seek};

use async_trait::async_trait;
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
use windlass_contract::{Control, ErrorCode, EventStream, Fault};
use windlass_domain::workspace::Workspace;
use zbus::fdo::DBusProxy;
use zbus::names::{BusName, WellKnownName};
use zbus::{Connection, OwnedFd};

use crate::bus::Bus;
use crate::convert::Received;
use crate::fault;
use crate::names::BUS_NAME;
use call::{Arguments, Deadline};

/// The service, over the bus. Cheap to clone; clones share one connection.
///
/// The service records the caller that the bus vouches for; of the [`Caller`] that a call is given only the door is told to it.
#[derive(Debug, Clone)]
pub struct BusControl {
    connection: Connection,
}

impl BusControl {
    /// Connects to the bus; whether the service is there shows with the first call, which starts it where the bus can.
    ///
    /// # Errors
    /// `bus_unavailable` when there is no bus.
    pub async fn connect(bus: &Bus) -> Result<Self, Fault> {
        let connection = bus.builder().build().await.map_err(|error| fault::not_connected(&error))?;
        Ok(Self { connection })
    }

    /// A client of whoever is at the other end.
    #[cfg(test)]
    pub(crate) const fn over(connection: Connection) -> Self {
        Self { connection }
    }

    /// Whether a service is on the bus right now. It starts none.
    pub async fn is_running(&self) -> bool {
        let asked = async {
            let bus = DBusProxy::new(&self.connection).await?;
            zbus::Result::Ok(bus.name_has_owner(BusName::try_from(BUS_NAME)?).await?)
        };
        asked.await.unwrap_or(false)
    }

    /// Whether a call would reach a service: one is on the bus, or the bus can start one. It starts none.
    pub async fn is_reachable(&self) -> bool {
        if self.is_running().await {
            return true;
        }
        let asked = async {
            let bus = DBusProxy::new(&self.connection).await?;
            zbus::Result::Ok(bus.list_activatable_names().await?.iter().any(|name| name.as_str() == BUS_NAME))
        };
        asked.await.unwrap_or(false)
    }

    /// Has the bus start the service, and waits until it is there.
    ///
    /// # Errors
    /// `bus_unavailable` when it does not come up, with what the bus says of it.
    pub async fn start(&self) -> Result<(), Fault> {
        let asked = async {
            let bus = DBusProxy::new(&self.connection).await?;
            zbus::Result::Ok(bus.start_service_by_name(WellKnownName::try_from(BUS_NAME)?, 0).await?)
        };
        asked.await.map(drop).map_err(|error| fault::from_bus(&error))
    }
}

#[async_trait]
impl Control for BusControl {
    async fn init(&self, caller: Caller, request: Init) -> Result<Workspace, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let folder = arguments.text("folder")?;
        self.view("Init", &(folder, arguments.options_from(&caller))).await
    }

    async fn add_item(&self, caller: Caller, request: AddItem) -> Result<ItemView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let keys = (arguments.text("folder")?, arguments.text("type")?, arguments.text("id")?);
        let title = arguments.text("title")?;
        self.view("AddItem", &(keys.0, keys.1, keys.2, title, arguments.options_from(&caller))).await
    }

    async fn list_items(&self, request: ListItems) -> Result<ItemList, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let folder = arguments.text("folder")?;
        let (items,): (Vec<Received>,) = self.call("ListItems", &(folder, arguments.options())).await?;
        Ok(ItemList { items: call::views(items)?, unreadable: Vec::new() })
    }

    async fn show_item(&self, request: ItemRef) -> Result<ItemView, Fault> {
        self.view("ShowItem", &(request.folder, request.id.as_str())).await
    }

    async fn edit_item(&self, caller: Caller, request: EditItem) -> Result<ItemView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (folder, id) = (arguments.text("folder")?, arguments.text("id")?);
        let changes = arguments.fields("changes")?;
        self.view("EditItem", &(folder, id, changes, arguments.options_from(&caller))).await
    }

    async fn move_item(&self, caller: Caller, request: MoveItem) -> Result<ItemView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (folder, id, to) = (arguments.text("folder")?, arguments.text("id")?, arguments.text("to")?);
        self.view("MoveItem", &(folder, id, to, arguments.options_from(&caller))).await
    }

    async fn hold_item(&self, caller: Caller, request: HoldItem) -> Result<ItemView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (folder, id, kind) = (arguments.text("folder")?, arguments.text("id")?, arguments.text("kind")?);
        self.view("HoldItem", &(folder, id, kind, arguments.options_from(&caller))).await
    }

    async fn answer_context(&self, caller: Caller, request: AnswerContext) -> Result<ItemView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (folder, id) = (arguments.text("folder")?, arguments.text("id")?);
        let context = arguments.fields("context")?;
        self.view("AnswerContext", &(folder, id, context, arguments.options_from(&caller))).await
    }

    async fn submit_run(&self, caller: Caller, request: SubmitRun) -> Result<Accepted, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (folder, id, kind) = (arguments.text("folder")?, arguments.text("id")?, arguments.text("kind")?);
        self.accepted("Submit", &(folder, id, kind, arguments.options_from(&caller))).await
    }

    async fn resume_run(&self, caller: Caller, request: ResumeRun) -> Result<Accepted, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let run_id = arguments.text("run_id")?;
        self.accepted("ResumeRun", &(run_id, arguments.options_from(&caller))).await
    }

    async fn show_run(&self, request: RunRef) -> Result<RunView, Fault> {
        self.view("ShowRun", &(request.run_id.to_string(),)).await
    }

    async fn list_runs(&self, request: ListRuns) -> Result<RunPage, Fault> {
        let filter = Arguments::of(&request)?.options();
        let (runs, next): (Vec<Received>, String) = self.call("ListRuns", &(filter,)).await?;
        let next = Some(next).filter(|next| !next.is_empty());
        Ok(RunPage { runs: call::views(runs)?, unreadable: Vec::new(), next })
    }

    async fn cancel_run(&self, caller: Caller, request: CancelRun) -> Result<RunView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let run_id = arguments.text("run_id")?;
        self.view("CancelRun", &(run_id, arguments.options_from(&caller))).await
    }

    async fn list_approvals(&self, request: ListApprovals) -> Result<ApprovalList, Fault> {
        let filter = Arguments::of(&request)?.options();
        let (approvals, more): (Vec<Received>, bool) = self.call("ListApprovals", &(filter,)).await?;
        Ok(ApprovalList { approvals: call::views(approvals)?, more })
    }

    async fn answer_approval(&self, caller: Caller, request: AnswerApproval) -> Result<RunView, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (id, answer) = (arguments.text("id")?, arguments.text("answer")?);
        self.view("AnswerApproval", &(id, answer, arguments.options_from(&caller))).await
    }

    async fn watch_run(&self, request: WatchRun) -> Result<EventStream, Fault> {
        watch::watch(self.clone(), request).await
    }

    async fn read_events(&self, request: ReadEvents) -> Result<EventPage, Fault> {
        let body = (request.run_id.to_string(), request.from.0, request.limit);
        let (events, more): (Vec<Received>, bool) = self.call("ReadEvents", &body).await?;
        Ok(EventPage { events: call::views(events)?, more })
    }

    async fn get_artifact(&self, request: GetArtifact) -> Result<ArtifactBytes, Fault> {
        let (media_type, file): (String, OwnedFd) = self.call("GetArtifact", &(request.uri,)).await?;
        let read = || {
            let mut file = File::from(std::os::fd::OwnedFd::from(file));
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        let bytes = read().map_err(|error| {
            Fault::new(ErrorCode::Io, format!("the artifact that was passed cannot be read: {error}"))
        })?;
        Ok(ArtifactBytes { media_type, bytes })
    }

    async fn verify_capsule(&self, request: VerifyCapsule) -> Result<Verification, Fault> {
        let options = Arguments::of(&request)?.options();
        let (found,) = self.call_within(Deadline::None, "VerifyCapsule", &(options,)).await?;
        call::view(found)
    }

    async fn replay_run(&self, request: RunRef) -> Result<ReplayedRun, Fault> {
        let body = (request.run_id.to_string(),);
        let (replayed,) = self.call_within(Deadline::None, "ReplayRun", &body).await?;
        call::view(replayed)
    }

    async fn export_run(&self, request: ExportRun) -> Result<ExportedRun, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let body = (arguments.text("run_id")?, arguments.options());
        let (export, file): (Received, OwnedFd) =
            self.call_within(Deadline::None, "ExportRun", &body).await?;
        Ok(ExportedRun { export: call::view(export)?, file: file.into() })
    }

    async fn import_run(&self, file: std::os::fd::OwnedFd) -> Result<Imported, Fault> {
        let (imported,) = self.call_within(Deadline::None, "ImportRun", &(zbus::Fd::from(file),)).await?;
        call::view(imported)
    }

    async fn list_imports(&self) -> Result<ImportList, Fault> {
        let (imports,): (Vec<Received>,) = self.call("ListImports", &()).await?;
        Ok(ImportList { imports: call::views(imports)? })
    }

    async fn capsule_stats(&self) -> Result<CapsuleStats, Fault> {
        let (stats,) = self.call_within(Deadline::None, "CapsuleStats", &()).await?;
        call::view(stats)
    }

    async fn backup_capsule(&self, request: BackupCapsule) -> Result<CapsuleCopy, Fault> {
        let (copy,) = self.call_within(Deadline::None, "BackupCapsule", &(request.folder,)).await?;
        call::view(copy)
    }

    async fn rebuild_projections(&self, request: RebuildProjections) -> Result<RebuiltProjections, Fault> {
        let options = Arguments::of(&request)?.options();
        let (rebuilt,) = self.call_within(Deadline::None, "RebuildProjections", &(options,)).await?;
        call::view(rebuilt)
    }

    async fn show_policy(&self, request: ShowPolicy) -> Result<PolicyView, Fault> {
        self.view("ShowPolicy", &(Arguments::of(&request)?.options(),)).await
    }

    async fn explain_policy(&self, request: ExplainPolicy) -> Result<PolicyExplanation, Fault> {
        let mut arguments = Arguments::of(&request)?;
        let (capability, subject) = (arguments.text("capability")?, arguments.text("subject")?);
        self.view("ExplainPolicy", &(capability, subject, arguments.options())).await
    }

    async fn service_status(&self) -> Result<ServiceStatus, Fault> {
        self.view("ServiceStatus", &()).await
    }
}
