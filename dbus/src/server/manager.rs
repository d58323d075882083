//! The object that can do everything: each operation of `Control` as a method.

use windlass_contract::document::TOOL_VERSION;
use windlass_contract::request::{
    AddItem, AnswerApproval, AnswerContext, BackupCapsule, EditItem, ExplainPolicy, ExportRun, HoldItem,
    Init, ItemRef, ListApprovals, ListItems, ListRuns, MoveItem, RebuildProjections, ResumeRun, RunRef,
    ShowPolicy, SubmitRun, VerifyCapsule,
};
use windlass_contract::view::Accepted;
use windlass_contract::{ErrorCode, Fault};
use zbus::message::Header;
use zbus::names::OwnedUniqueName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, OwnedObjectPath, interface};

use super::desk::{Desk, answer, answers, document, request, run_id};
use super::sealed::sealed;
use crate::convert::{Received, Sent};
use crate::fault::Refused;
use crate::names::run_path;

/// The manager on the bus.
pub(crate) struct Manager {
    /// Does the work.
    pub(crate) desk: Desk,
}

/// What `Submit` and `ResumeRun` answer: the run, its object, whether it is new, its place in the queue, and warnings.
type AcceptedRun = (String, OwnedObjectPath, bool, u32, Vec<String>);

impl Manager {
    /// The answer for an accepted run. That it is shown is a convenience and must not turn the answer into an error.
    async fn accepted(&self, accepted: Accepted) -> AcceptedRun {
        let Accepted { run_id, new, queue_place, warnings } = accepted;
        let object = OwnedObjectPath::try_from(run_path(run_id))
            .expect("a fixed path and hexadecimal digits are an object path");
        if let Err(fault) = self.desk.registry.place(run_id).await {
            tracing::warn!(%run_id, %fault, "the run has no object on the bus");
        }
        (run_id.to_string(), object, new, queue_place, warnings)
    }
}

#[interface(name = "dev.windlass.Manager1")]
impl Manager {
    /// Makes the repository around `folder` known; asking again changes nothing.
    #[zbus(out_args("workspace"))]
    async fn init(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let request: Init = request([("folder", folder.into())], options)?;
        answer(&self.desk.control.init(caller, request).await?)
    }

    /// Adds a work item. `type`: `project`, `feature`, `spec` or `task`. Options: `description` (s), `parent_id` (s).
    #[zbus(out_args("item"))]
    #[expect(clippy::too_many_arguments, reason = "the key arguments are native, and zbus adds two")]
    async fn add_item(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        r#type: String,
        id: String,
        title: String,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let arguments =
            [("folder", folder.into()), ("type", r#type.into()), ("id", id.into()), ("title", title.into())];
        let request: AddItem = request(arguments, options)?;
        answer(&self.desk.control.add_item(caller, request).await?)
    }

    /// Lists the work items of the repository around `folder`. Filter: `type` (s), `state` (s), `active` (b).
    #[zbus(out_args("items"))]
    async fn list_items(&self, folder: String, filter: Received) -> Result<Vec<Sent>, Refused> {
        let _call = self.desk.begin()?;
        let request: ListItems = request([("folder", folder.into())], filter)?;
        answers(&self.desk.control.list_items(request).await?.items)
    }

    /// Shows a work item.
    #[zbus(out_args("item"))]
    async fn show_item(&self, folder: String, id: String) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let request: ItemRef = request([("folder", folder.into()), ("id", id.into())], Received::new())?;
        answer(&self.desk.control.show_item(request).await?)
    }

    /// Changes fields of a work item; fields that are not in `changes` stay.
    #[zbus(out_args("item"))]
    async fn edit_item(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        id: String,
        changes: Received,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let changes = document("changes", changes)?;
        let request: EditItem =
            request([("folder", folder.into()), ("id", id.into()), ("changes", changes)], options)?;
        answer(&self.desk.control.edit_item(caller, request).await?)
    }

    /// Moves a work item to another state.
    #[zbus(out_args("item"))]
    async fn move_item(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        id: String,
        to: String,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let request: MoveItem =
            request([("folder", folder.into()), ("id", id.into()), ("to", to.into())], options)?;
        answer(&self.desk.control.move_item(caller, request).await?)
    }

    /// Moves a work item into the holding state of a kind of run: `research` or `review`.
    #[zbus(out_args("item"))]
    async fn hold_item(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        id: String,
        kind: String,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let request: HoldItem =
            request([("folder", folder.into()), ("id", id.into()), ("kind", kind.into())], options)?;
        answer(&self.desk.control.hold_item(caller, request).await?)
    }

    /// Keeps the answers that a run of this item needs: its maieutic context.
    #[zbus(out_args("item"))]
    async fn answer_context(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        id: String,
        context: Received,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let context = document("context", context)?;
        let request: AnswerContext =
            request([("folder", folder.into()), ("id", id.into()), ("context", context)], options)?;
        answer(&self.desk.control.answer_context(caller, request).await?)
    }

    /// Submits a run of `kind` (`research` or `review`) for a work item. The answer means that it is on disk. `new` is false when
    /// an equal request with the same `dedupe_key` had made the run; `queue_place` is 0 when it goes on at once.
    /// Options: `base` (s), `head` (s), `capture_mode` (s), `write_mode` (s), `preset` (s), `scopes` (as), `agent_profile` (s),
    /// `allow` (as), `budget` (a{sv}), `headless` (b), `hold` (b), `context` (a{sv}), `dedupe_key` (s), `url` (s).
    #[zbus(out_args("run_id", "object", "new", "queue_place", "warnings"))]
    async fn submit(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        folder: String,
        id: String,
        kind: String,
        mut options: Received,
    ) -> Result<AcceptedRun, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let request: SubmitRun =
            request([("folder", folder.into()), ("id", id.into()), ("kind", kind.into())], options)?;
        let accepted = self.desk.control.submit_run(caller, request).await?;
        Ok(self.accepted(accepted).await)
    }

    /// Continues a run that was cancelled, blocked or needs attention with a new one, which does not do again what was done.
    /// Answers as `Submit`. Options: `hold` (b), `step` (s: `done` or `redo`, for a step in doubt), `headless` (b),
    /// `dedupe_key` (s).
    #[zbus(out_args("run_id", "object", "new", "queue_place", "warnings"))]
    async fn resume_run(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        run_id: String,
        mut options: Received,
    ) -> Result<AcceptedRun, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let run_id = self::run_id(&run_id)?.to_string();
        let request: ResumeRun = request([("run_id", run_id.into())], options)?;
        let accepted = self.desk.control.resume_run(caller, request).await?;
        Ok(self.accepted(accepted).await)
    }

    /// Everything about a run but its events and the bytes of its artifacts.
    #[zbus(out_args("run"))]
    async fn show_run(&self, run_id: String) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        self.desk.show_run(self::run_id(&run_id)?).await
    }

    /// Lists runs, the newest first. Filter: `folder` (s), `id` (s), `kind` (s), `statuses` (as), `limit` (u), `after` (s): the `next`
    /// of the page before. `next` is empty at the end.
    #[zbus(out_args("runs", "next"))]
    async fn list_runs(&self, filter: Received) -> Result<(Vec<Sent>, String), Refused> {
        let _call = self.desk.begin()?;
        let request: ListRuns = request::<_, 0>([], filter)?;
        let page = self.desk.control.list_runs(request).await?;
        Ok((answers(&page.runs)?, page.next.unwrap_or_default()))
    }

    /// Asks a run to stop. Option: `reason` (s). The answer is the run as it stands then.
    #[zbus(out_args("run"))]
    async fn cancel_run(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        run_id: String,
        options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        self.desk.cancel_run(connection, &call, self::run_id(&run_id)?, options).await
    }

    /// Lists the questions that runs wait on, the oldest first, at most 500, and whether there are more. Filter: `folder` (s), for
    /// the repository around it.
    #[zbus(out_args("approvals", "more"))]
    async fn list_approvals(&self, filter: Received) -> Result<(Vec<Sent>, bool), Refused> {
        let _call = self.desk.begin()?;
        let request: ListApprovals = request::<_, 0>([], filter)?;
        let list = self.desk.control.list_approvals(request).await?;
        Ok((answers(&list.approvals)?, list.more))
    }

    /// Answers a question that a run waits on: `id` is the approval's or the run's, `answer` is `allow` or `deny`. The answer to
    /// the call is the run as it stands then.
    #[zbus(out_args("run"))]
    async fn answer_approval(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        id: String,
        answer: String,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let caller = self.desk.caller(connection, &call, &mut options).await?;
        let request: AnswerApproval = request([("id", id.into()), ("answer", answer.into())], options)?;
        self::answer(&self.desk.control.answer_approval(caller, request).await?)
    }

    /// A run began to wait for a person. Sent to everybody.
    #[zbus(signal)]
    pub(crate) async fn approval_asked(
        emitter: &SignalEmitter<'_>,
        run_id: String,
        approval_id: String,
        capability: String,
        subject: String,
        expires_at: String,
    ) -> zbus::Result<()>;

    /// A question was answered: `approved` or `denied` by a person, or it `expired`. Sent to everybody.
    #[zbus(signal)]
    pub(crate) async fn approval_answered(
        emitter: &SignalEmitter<'_>,
        run_id: String,
        approval_id: String,
        answer: String,
    ) -> zbus::Result<()>;

    /// Reads recorded events of a run from the one with the sequence number `from` on, at most `limit` (0: 1,000), fewer when
    /// they are large. `more`: whether further ones are recorded.
    #[zbus(out_args("events", "more"))]
    async fn read_events(&self, run_id: String, from: u64, limit: u32) -> Result<(Vec<Sent>, bool), Refused> {
        let _call = self.desk.begin()?;
        self.desk.read_events(self::run_id(&run_id)?, from, limit).await
    }

    /// Asks for `RunEvent` of one run, to this caller alone, until it unsubscribes as often or leaves the bus. To miss nothing:
    /// subscribe first, then read from the first event wanted, then go on with the signals, and read again after a gap.
    async fn subscribe(&self, #[zbus(header)] call: Header<'_>, run_id: String) -> Result<(), Refused> {
        let _call = self.desk.begin()?;
        let run_id = self::run_id(&run_id)?;
        self.desk.registry.follow(run_id).await?;
        Ok(self.desk.registry.subscribe(sender(&call)?, run_id).await?)
    }

    /// Takes one subscription back; without one, it changes nothing.
    async fn unsubscribe(&self, #[zbus(header)] call: Header<'_>, run_id: String) -> Result<(), Refused> {
        let _call = self.desk.begin()?;
        Ok(self.desk.registry.unsubscribe(sender(&call)?, self::run_id(&run_id)?).await?)
    }

    /// Something happened to a run. Sent to its subscribers only.
    #[zbus(signal)]
    pub(crate) async fn run_event(
        emitter: &SignalEmitter<'_>,
        run_id: String,
        event: Sent,
    ) -> zbus::Result<()>;

    /// An artifact's bytes, as a sealed file behind a descriptor, to be read from its start.
    #[zbus(out_args("media_type", "file"))]
    async fn get_artifact(&self, uri: String) -> Result<(String, OwnedFd), Refused> {
        let _call = self.desk.begin()?;
        let artifact = self.desk.get_artifact(uri).await?;
        let file = sealed(&artifact.bytes).map_err(|error| {
            Fault::new(ErrorCode::Io, format!("the artifact cannot be put behind a descriptor: {error}"))
        })?;
        Ok((artifact.media_type, OwnedFd::from(file)))
    }

    /// An artifact that is a JSON document of at most a mebibyte, as native values: for callers that cannot take a descriptor.
    #[zbus(out_args("document"))]
    async fn read_document(&self, uri: String) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        self.desk.read_document(uri).await
    }

    /// An artifact that is text of at most a mebibyte, such as a patch or a report: for callers that cannot take a descriptor.
    #[zbus(out_args("text"))]
    async fn read_text(&self, uri: String) -> Result<String, Refused> {
        let _call = self.desk.begin()?;
        self.desk.read_text(uri).await
    }

    /// Verifies the capsule; takes as long as it takes. Option: `head` (s), a head that was noted earlier.
    #[zbus(out_args("verification"))]
    async fn verify_capsule(&self, options: Received) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let request: VerifyCapsule = request::<_, 0>([], options)?;
        answer(&self.desk.control.verify_capsule(request).await?)
    }

    /// Drives the engine of a run that has ended again over its journal, without any effect, and compares what comes out with what is
    /// stored.
    #[zbus(out_args("replayed"))]
    async fn replay_run(&self, run_id: String) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let run_id = self::run_id(&run_id)?;
        answer(&self.desk.control.replay_run(RunRef { run_id }).await?)
    }

    /// Writes a run that has ended into a file without a name behind a descriptor, to be read from its start. Option:
    /// `capture_mode` (s), how much it may hold: `prompts_only` (the default) or `full_io`.
    #[zbus(out_args("export", "file"))]
    async fn export_run(&self, run_id: String, options: Received) -> Result<(Sent, OwnedFd), Refused> {
        let _call = self.desk.begin()?;
        let request: ExportRun = request([("run_id", run_id.into())], options)?;
        let exported = self.desk.control.export_run(request).await?;
        Ok((answer(&exported.export)?, OwnedFd::from(exported.file)))
    }

    /// Checks an exported run, a plain file behind a descriptor, and keeps it beside the capsule, read-only. `new` is false when
    /// the same record was here before.
    #[zbus(out_args("imported"))]
    async fn import_run(&self, file: OwnedFd) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        answer(&self.desk.control.import_run(file.into()).await?)
    }

    /// Lists the runs that were imported. `ShowRun`, `ReadEvents` and `GetArtifact` read them.
    #[zbus(out_args("imports"))]
    async fn list_imports(&self) -> Result<Vec<Sent>, Refused> {
        let _call = self.desk.begin()?;
        answers(&self.desk.control.list_imports().await?.imports)
    }

    /// How much is in the capsule.
    #[zbus(out_args("stats"))]
    async fn capsule_stats(&self) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        answer(&self.desk.control.capsule_stats().await?)
    }

    /// Copies the capsule as it is now into `folder`, which is made, and verifies the copy; takes as long as it takes.
    #[zbus(out_args("copy"))]
    async fn backup_capsule(&self, folder: String) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        answer(&self.desk.control.backup_capsule(BackupCapsule { folder }).await?)
    }

    /// Makes the files for people of ended runs again; takes as long as it takes. Options: `folder` (s), for the repository around it
    /// alone; `check` (b), to look only.
    #[zbus(out_args("rebuilt"))]
    async fn rebuild_projections(&self, options: Received) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let request: RebuildProjections = request::<_, 0>([], options)?;
        answer(&self.desk.control.rebuild_projections(request).await?)
    }

    /// The merged policy. Option: `folder` (s), for the repository around it.
    #[zbus(out_args("policy"))]
    async fn show_policy(&self, options: Received) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let request: ShowPolicy = request::<_, 0>([], options)?;
        answer(&self.desk.control.show_policy(request).await?)
    }

    /// What policy says to one act, and why: every layer and rule that was looked at. Options: `folder` (s), for the repository
    /// around it; `origin` (s), for `tool.run`: `default`, `base_commit` or `user`; `allow` (as), as with `Submit`.
    #[zbus(out_args("explanation"))]
    async fn explain_policy(
        &self,
        capability: String,
        subject: String,
        options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        let arguments = [("capability", capability.into()), ("subject", subject.into())];
        let request: ExplainPolicy = request(arguments, options)?;
        answer(&self.desk.control.explain_policy(request).await?)
    }

    /// The state of the service.
    #[zbus(out_args("status"))]
    async fn service_status(&self) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        answer(&self.desk.control.service_status().await?)
    }

    /// The program that serves this.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        TOOL_VERSION
    }
}

/// The connection that called.
fn sender(call: &Header<'_>) -> Result<OwnedUniqueName, Fault> {
    let sender = call.sender().map(|name| OwnedUniqueName::from(name.to_owned()));
    sender.ok_or_else(|| {
        Fault::new(ErrorCode::BadRequest, "only a caller with a name on the bus can subscribe")
    })
}
