//! One operation means the same whichever way it is reached: every operation and every refusal that a caller can provoke, told
//! as a transcript, must read the same in process and over the bus, and as it is kept here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use regex::Regex;
use serde::Serialize;
use windlass_actors::Recover;
use windlass_contract::control::Control;
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{
    AddItem, AnswerApproval, AnswerContext, BackupCapsule, Caller, CancelRun, EditItem, ExplainPolicy,
    ExportRun, GetArtifact, HoldItem, Init, ItemRef, ListApprovals, ListItems, ListRuns, MoveItem,
    PersonsAnswer, ReadEvents, RebuildProjections, ResumeRun, RunRef, ShowPolicy, SubmitRun, VerifyCapsule,
    WatchRun,
};
use windlass_contract::view::{ExportView, ReplayedRun};
use windlass_domain::capture::CaptureMode;
use windlass_domain::event::EventData;
use windlass_domain::id::{ItemId, RunId, Seq};
use windlass_domain::item::{ItemChanges, ItemType, StateName};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::{Door, RunKind, StepDecision, WriteMode};
use windlass_domain::time::Timestamp;
use windlass_tests::{Gate, Home, PrivateBus, Repository};

/// What was asked and what came of it, with ids, times, digests and paths replaced by names that repeat.
struct Transcript {
    lines: Vec<String>,
    names: BTreeMap<String, String>,
    varying: Regex,
    folder: String,
    name: String,
    home: String,
}

impl Transcript {
    fn new(repository: &Repository, home: &Home) -> Self {
        let varying = [
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"\b[0-9a-f]{64}\b",
            r"\b[0-9a-f]{40}\b",
            r"\d{4}-\d\d-\d\dT[0-9:.]+Z",
        ];
        Self {
            lines: Vec::new(),
            names: BTreeMap::new(),
            varying: Regex::new(&varying.join("|")).unwrap(),
            folder: repository.text(),
            name: repository.path().file_name().unwrap().to_str().unwrap().to_owned(),
            home: home.path().to_str().unwrap().to_owned(),
        }
    }

    fn tell<T: Serialize>(&mut self, what: &str, result: Result<T, Fault>) -> Option<T> {
        let text = match &result {
            Ok(value) => serde_json::to_string(value).unwrap(),
            Err(fault) => format!("refused: {}", serde_json::to_string(&fault.clone().errors()).unwrap()),
        };
        let text =
            text.replace(&self.folder, "FOLDER").replace(&self.name, "NAME").replace(&self.home, "HOME");
        let varying = self.varying.clone();
        let named = varying.replace_all(&text, |found: &regex::Captures<'_>| {
            let kind = match found[0].len() {
                36 => "id",
                64 => "digest",
                40 => "commit",
                _ => return "TIME".to_owned(),
            };
            let next = format!("{kind}{}", self.names.len());
            self.names.entry(found[0].to_owned()).or_insert(next).clone()
        });
        self.lines.push(format!("{what}\n    {named}"));
        result.ok()
    }
}

fn caller() -> Caller {
    Caller { name: "somebody".to_owned(), door: Door::Dbus }
}

fn id(text: &str) -> ItemId {
    ItemId::new(text).unwrap()
}

fn context(goal: &str) -> MaieuticContext {
    let now = Timestamp::from_millis(1_800_000_000_000);
    MaieuticContext::from_flags(goal.to_owned(), vec!["it is so".to_owned()], "somebody".to_owned(), now)
}

fn submission(folder: &str, item: &str) -> SubmitRun {
    SubmitRun {
        folder: folder.to_owned(),
        id: id(item),
        kind: RunKind::Review,
        base: None,
        head: None,
        capture_mode: CaptureMode::PromptsOnly,
        write_mode: WriteMode::None,
        preset: windlass_domain::run::request::Preset::Standard,
        scopes: Vec::new(),
        agent_profile: None,
        allow: Vec::new(),
        budget: windlass_domain::run::request::Budget::default(),
        headless: true,
        hold: false,
        context: Some(context("look")),
        dedupe_key: None,
        url: None,
    }
}

fn add(folder: &str, item_type: ItemType, item: &str, parent: Option<&str>) -> AddItem {
    AddItem {
        folder: folder.to_owned(),
        item_type,
        id: id(item),
        title: format!("About {item}"),
        description: String::new(),
        parent_id: parent.map(id),
    }
}

async fn items(told: &mut Transcript, control: &dyn Control, folder: &str, elsewhere: &str) {
    let init = |folder: &str| Init { folder: folder.to_owned() };
    told.tell("init nowhere", control.init(caller(), init(elsewhere)).await);
    told.tell("init relative", control.init(caller(), init("a/b")).await);
    told.tell(
        "list before init",
        control.list_items(ListItems { folder: folder.to_owned(), ..ListItems::default() }).await,
    );
    told.tell("init", control.init(caller(), init(folder)).await);
    told.tell("init again", control.init(caller(), init(folder)).await);
    for (item_type, item, parent) in [
        (ItemType::Project, "P-1", None),
        (ItemType::Feature, "F-1", Some("P-1")),
        (ItemType::Task, "T-1", None),
        (ItemType::Task, "T-1", None),
        (ItemType::Project, "P-2", Some("T-1")),
        (ItemType::Task, "T-9", Some("NONE")),
    ] {
        told.tell(
            &format!("add {item}"),
            control.add_item(caller(), add(folder, item_type, item, parent)).await,
        );
    }
    let untitled = AddItem { title: " ".to_owned(), ..add(folder, ItemType::Task, "T-8", None) };
    told.tell("add without a title", control.add_item(caller(), untitled).await);
    let item = |item: &str| ItemRef { folder: folder.to_owned(), id: id(item) };
    told.tell("show", control.show_item(item("F-1")).await);
    told.tell("show unknown", control.show_item(item("NONE")).await);
    let edit = |item: &str, changes| EditItem { folder: folder.to_owned(), id: id(item), changes };
    let title = ItemChanges { title: Some("Better".to_owned()), ..ItemChanges::default() };
    told.tell("edit", control.edit_item(caller(), edit("T-1", title)).await);
    let wrong = ItemChanges { priority: Some(windlass_domain::item::Priority::P0), ..ItemChanges::default() };
    told.tell("edit a field that a task lacks", control.edit_item(caller(), edit("T-1", wrong)).await);
    let move_to = |item: &str, to| MoveItem { folder: folder.to_owned(), id: id(item), to };
    told.tell("move a task", control.move_item(caller(), move_to("T-1", StateName::Completed)).await);
    told.tell("move it back", control.move_item(caller(), move_to("T-1", StateName::Open)).await);
    told.tell("move illegally", control.move_item(caller(), move_to("F-1", StateName::Completed)).await);
    told.tell("plan an empty form", control.move_item(caller(), move_to("F-1", StateName::Planned)).await);
    let hold = |kind| HoldItem { folder: folder.to_owned(), id: id("F-1"), kind };
    told.tell("hold for review too early", control.hold_item(caller(), hold(RunKind::Review)).await);
    told.tell("hold for research", control.hold_item(caller(), hold(RunKind::Research)).await);
    let filter = ListItems {
        folder: folder.to_owned(),
        state: Some(StateName::NeedsResearch),
        ..ListItems::default()
    };
    told.tell("list holds", control.list_items(filter).await);
}

async fn refused_submissions(told: &mut Transcript, control: &dyn Control, folder: &str) {
    let base = || submission(folder, "T-1");
    let cases = [
        ("unknown item", SubmitRun { id: id("NONE"), ..base() }),
        ("no context", SubmitRun { context: None, ..base() }),
        ("empty goal", SubmitRun { context: Some(context("")), ..base() }),
        ("capture none", SubmitRun { capture_mode: CaptureMode::None, ..base() }),
        (
            "research that writes",
            SubmitRun { kind: RunKind::Research, write_mode: WriteMode::Worktree, ..base() },
        ),
        ("an unknown agent profile", SubmitRun { agent_profile: Some("nobody".to_owned()), ..base() }),
        ("a project", SubmitRun { id: id("P-1"), ..base() }),
        ("a feature held for research", SubmitRun { id: id("F-1"), ..base() }),
        ("an unknown base", SubmitRun { base: Some("nowhere".to_owned()), ..base() }),
        ("an unknown head", SubmitRun { head: Some("nowhere".to_owned()), ..base() }),
        ("an unknown capability", SubmitRun { allow: vec!["everything".to_owned()], ..base() }),
        ("a folder without a repository", SubmitRun { folder: "/".to_owned(), ..base() }),
    ];
    for (what, request) in cases {
        told.tell(&format!("submit: {what}"), control.submit_run(caller(), request).await);
    }
}

/// The feature that is held for research is researched, and goes back.
async fn researched(told: &mut Transcript, control: &dyn Control, folder: &str) {
    let agent = SubmitRun {
        kind: RunKind::Research,
        agent_profile: Some("nobody".to_owned()),
        ..submission(folder, "F-1")
    };
    told.tell("submit: research with an agent", control.submit_run(caller(), agent).await);
    let asked = SubmitRun { kind: RunKind::Research, ..submission(folder, "F-1") };
    let accepted = told.tell("submit research", control.submit_run(caller(), asked).await).unwrap();
    let watched = control.watch_run(WatchRun { run_id: accepted.run_id, from: Seq(1) }).await.unwrap();
    let events: Vec<_> = watched.try_collect().await.unwrap();
    told.tell("watch it", Ok(events.iter().map(|event| event.data.type_name()).collect::<Vec<_>>()));
    let shown = control.show_run(RunRef { run_id: accepted.run_id }).await.map(plain).unwrap();
    let paths: Vec<_> = shown.artifacts.iter().map(|artifact| artifact.artifact.path.as_str()).collect();
    told.tell("its artifacts", Ok((paths, &shown.row.summary)));
    let item = ItemRef { folder: folder.to_owned(), id: id("F-1") };
    told.tell("show the item after research", control.show_item(item).await);
}

/// A run that waits at the gate, is met twice, cancelled, and read.
async fn one_run(told: &mut Transcript, control: &dyn Control, folder: &str, gate: &Gate) -> RunId {
    let answer = AnswerContext { folder: folder.to_owned(), id: id("T-1"), context: context("kept") };
    told.tell("answer", control.answer_context(caller(), answer).await);
    let keyed = SubmitRun { dedupe_key: Some("key".to_owned()), context: None, ..submission(folder, "T-1") };
    let accepted = told.tell("submit", control.submit_run(caller(), keyed.clone()).await);
    let accepted = accepted.unwrap_or_else(|| panic!("{:?}", told.lines.last()));
    let run_id = accepted.run_id;
    let held = gate.meet();
    let early = ExportRun { run_id, capture_mode: CaptureMode::PromptsOnly };
    told.tell("export while active", control.export_run(early).await.map(|_| ()));
    told.tell("submit the same", control.submit_run(caller(), keyed.clone()).await);
    let other = SubmitRun { headless: false, ..keyed };
    told.tell("submit another under the key", control.submit_run(caller(), other).await);
    told.tell("submit while active", control.submit_run(caller(), submission(folder, "T-1")).await);
    let cancel = CancelRun { run_id, reason: Some("enough".to_owned()) };
    let view = control.cancel_run(caller(), cancel.clone()).await.unwrap();
    assert!(view.cancelling || view.ended.is_some());
    let watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    let events: Vec<_> = watched.try_collect().await.unwrap();
    drop(held);
    let kinds: Vec<&str> = events.iter().map(|event| event.data.type_name()).collect();
    assert_eq!(kinds.last(), Some(&"run.ended"));
    told.tell("watch", Ok(kinds));
    let tail = control.watch_run(WatchRun { run_id, from: events.last().unwrap().seq.next() }).await.unwrap();
    told.tell("watch behind the end", tail.try_collect::<Vec<_>>().await);
    told.tell("cancel what has ended", control.cancel_run(caller(), cancel).await);
    resumed(told, control, run_id, gate).await;
    let read = ReadEvents { run_id, from: Seq(1), limit: 2 };
    told.tell("read two events", control.read_events(read).await);
    let shown = told.tell("show the run", control.show_run(RunRef { run_id }).await.map(plain)).unwrap();
    let uri = shown.artifacts.iter().find(|artifact| artifact.artifact.path.as_str() == "checkpoints.json");
    let bytes = control.get_artifact(GetArtifact { uri: uri.unwrap().uri.to_string() }).await.unwrap();
    told.tell("get an artifact", Ok(String::from_utf8(bytes.bytes).unwrap()));
    run_id
}

/// The cancelled run is continued by another, which the gate lets go.
async fn resumed(told: &mut Transcript, control: &dyn Control, run_id: RunId, gate: &Gate) {
    let resume = |run_id, step| ResumeRun { run_id, hold: false, step, headless: true, dedupe_key: None };
    let nobody = RunId::from_bytes([7; 16]);
    told.tell("resume an unknown run", control.resume_run(caller(), resume(nobody, None)).await);
    let settled = resume(run_id, Some(StepDecision::Done));
    told.tell("settle a step that is not in doubt", control.resume_run(caller(), settled).await);
    let accepted = told.tell("resume", control.resume_run(caller(), resume(run_id, None)).await).unwrap();
    let held = gate.meet();
    told.tell("resume what goes on", control.resume_run(caller(), resume(accepted.run_id, None)).await);
    drop(held);
    let watched = control.watch_run(WatchRun { run_id: accepted.run_id, from: Seq(1) }).await.unwrap();
    let events: Vec<_> = watched.try_collect().await.unwrap();
    told.tell("watch it", Ok(events.iter().map(|event| event.data.type_name()).collect::<Vec<_>>()));
    told.tell("resume again", control.resume_run(caller(), resume(run_id, None)).await);
    told.tell("resume what succeeded", control.resume_run(caller(), resume(accepted.run_id, None)).await);
}

/// A run that waits for a person: how it is listed, shown and answered, and what is refused.
async fn approvals(told: &mut Transcript, control: &dyn Control, folder: &str, home: &Home) {
    let asks = windlass_policy::TEMPLATES[1].text.replace("sandbox = \"required\"", "sandbox = \"off\"");
    let policy = home.config().join("policy.toml");
    let before = std::fs::read(&policy).unwrap();
    std::fs::write(&policy, asks).unwrap();
    let interactive = SubmitRun { headless: false, ..submission(folder, "T-1") };
    let accepted =
        told.tell("submit what policy asks about", control.submit_run(caller(), interactive).await);
    let run_id = accepted.unwrap().run_id;
    let mut events = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    let asked = loop {
        let event = events.try_next().await.unwrap().unwrap();
        if event.data.type_name() == "approval.asked" {
            break event;
        }
    };
    told.tell("watch it ask", Ok(&asked.data));
    let here = ListApprovals { folder: Some(folder.to_owned()) };
    let list = told.tell("list approvals", control.list_approvals(here).await).unwrap();
    let elsewhere = ListApprovals { folder: Some("/".to_owned()) };
    told.tell("list approvals elsewhere", control.list_approvals(elsewhere).await);
    let everywhere = control.list_approvals(ListApprovals::default()).await.unwrap();
    assert_eq!(everywhere, list);
    let waiting = control.show_run(RunRef { run_id }).await;
    told.tell("show what it waits for", waiting.map(|run| (run.row.phase, run.waiting_for)));
    let answer = |id: String, answer| AnswerApproval { id, answer };
    for id in ["x".to_owned(), RunId::from_bytes([7; 16]).to_string()] {
        let refused = control.answer_approval(caller(), answer(id.clone(), PersonsAnswer::Allow)).await;
        told.tell("answer nothing", refused);
    }
    let approval_id = list.approvals[0].approval_id.to_string();
    let denied = control.answer_approval(caller(), answer(run_id.to_string(), PersonsAnswer::Deny)).await;
    told.tell("answer", denied.map(|run| run.waiting_for));
    let again = control.answer_approval(caller(), answer(approval_id, PersonsAnswer::Allow)).await;
    told.tell("answer again", again);
    let rest: Vec<_> = events.try_collect().await.unwrap();
    told.tell("watch it end", Ok(rest.iter().map(|event| event.data.type_name()).collect::<Vec<_>>()));
    told.tell(
        "and why",
        Ok(rest.iter().map(|event| &event.data).filter(|data| !differs(data)).collect::<Vec<_>>()),
    );
    let late = control.answer_approval(caller(), answer(run_id.to_string(), PersonsAnswer::Allow)).await;
    told.tell("answer a run that has ended", late);
    std::fs::write(&policy, before).unwrap();
}

/// What policy says before a run exists: nobody can be asked, and what is denied stays denied.
async fn judged(told: &mut Transcript, control: &dyn Control, folder: &str, home: &Home) {
    let policy = home.config().join("policy.toml");
    let before = std::fs::read_to_string(&policy).unwrap();
    let writes = SubmitRun { write_mode: WriteMode::Worktree, ..submission(folder, "T-1") };
    for verdict in ["ask", "deny"] {
        let rule = "capability = \"fs.write\"\nverdict = ";
        let text = before.replace(&format!("{rule}\"allow\""), &format!("{rule}\"{verdict}\""));
        std::fs::write(&policy, text).unwrap();
        let refused = control.submit_run(caller(), writes.clone()).await;
        told.tell(&format!("submit what policy says {verdict} to"), refused);
    }
    std::fs::write(&policy, before).unwrap();
}

/// Whether the event differs between two equal runs: durations are in the log's bytes, and the bus vouches for who answers.
fn differs(event: &EventData) -> bool {
    matches!(event, EventData::Run(RunEvent::ArtifactStored(_) | RunEvent::ApprovalAnswered { .. }))
}

async fn explanations(told: &mut Transcript, control: &dyn Control, folder: &str) {
    let explain = |capability: &str, subject: &str| ExplainPolicy {
        folder: Some(folder.to_owned()),
        capability: capability.to_owned(),
        subject: subject.to_owned(),
        origin: Some("base_commit".to_owned()),
        allow: Vec::new(),
    };
    let cases = [
        ("a check", explain("tool.run", "cargo test")),
        ("the network", explain("net.connect", "example.org")),
        ("without an origin", ExplainPolicy { origin: None, ..explain("tool.run", "cargo test") }),
        ("the user's alone", ExplainPolicy { folder: None, ..explain("fs.read", "/") }),
        ("an unknown capability", explain("everything", "x")),
        ("an unknown origin", ExplainPolicy { origin: Some("x".to_owned()), ..explain("tool.run", "x") }),
        ("an unknown grant", ExplainPolicy { allow: vec!["x".to_owned()], ..explain("tool.run", "x") }),
    ];
    for (what, request) in cases {
        told.tell(&format!("explain {what}"), control.explain_policy(request).await);
    }
}

/// The view without what differs between two equal runs: durations are in the log, and change its digest.
fn plain(mut view: windlass_contract::view::RunView) -> windlass_contract::view::RunView {
    for artifact in &mut view.artifacts {
        artifact.artifact.bytes = 0;
    }
    view
}

/// The replay without what differs between two equal runs.
fn plain_replay(replayed: ReplayedRun) -> (bool, Vec<String>, Vec<String>) {
    let paths = replayed.artifacts.into_iter().map(|artifact| artifact.path.to_string()).collect();
    (replayed.same, paths, replayed.problems)
}

/// What is done with the record as a whole.
async fn keeping(told: &mut Transcript, control: &dyn Control, home: &Home, run_id: RunId) {
    let export = |run_id, capture_mode| ExportRun { run_id, capture_mode };
    let nobody = RunId::from_bytes([7; 16]);
    let exported = control.export_run(export(nobody, CaptureMode::PromptsOnly)).await;
    told.tell("export an unknown run", exported.map(|_| ()));
    let exported = control.export_run(export(run_id, CaptureMode::None)).await;
    told.tell("export nothing", exported.map(|_| ()));
    let exported = control.export_run(export(run_id, CaptureMode::FullIo)).await.unwrap();
    // How many transactions a run took depends on what happened to be committed together.
    assert!(exported.export.links > 0);
    told.tell("export", Ok(ExportView { links: 0, ..exported.export }));
    told.tell("import a run of its own", control.import_run(exported.file).await);
    let kept = std::fs::File::open(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../runtime/capsule/fixtures/export-1/run.tar"
    ));
    let imported = control.import_run(kept.unwrap().into()).await;
    let imported = told.tell("import", imported).unwrap().import.run_id;
    let nothing = std::fs::File::open("/dev/null").unwrap();
    told.tell("import what is no file", control.import_run(nothing.into()).await);
    let manifest = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    told.tell("import what is no export", control.import_run(manifest.into()).await);
    told.tell("list imports", control.list_imports().await);
    let shown = told.tell("show the import", control.show_run(RunRef { run_id: imported }).await).unwrap();
    let read = ReadEvents { run_id: imported, from: Seq(2), limit: 1 };
    told.tell("read an event of it", control.read_events(read).await);
    let watched = control.watch_run(WatchRun { run_id: imported, from: shown.last_seq }).await.unwrap();
    told.tell("watch it", watched.try_collect::<Vec<_>>().await);
    let report = GetArtifact { uri: shown.artifacts[1].uri.to_string() };
    let report = control.get_artifact(report).await;
    told.tell("get an artifact of it", report.map(|found| String::from_utf8(found.bytes).unwrap()));
    let cancel = CancelRun { run_id: imported, reason: None };
    told.tell("cancel it", control.cancel_run(caller(), cancel).await);
    let again = control.export_run(export(imported, CaptureMode::PromptsOnly)).await;
    told.tell("export it again", again.map(|_| ()));
    told.tell("replay", control.replay_run(RunRef { run_id }).await.map(plain_replay));
    told.tell("replay an import", control.replay_run(RunRef { run_id: imported }).await);
    told.tell("replay an unknown run", control.replay_run(RunRef { run_id: nobody }).await);
    let look = RebuildProjections { folder: None, check: true };
    told.tell("look at projections", control.rebuild_projections(look).await);
    let outside = RebuildProjections { folder: Some("/".to_owned()), check: false };
    told.tell("rebuild projections of no repository", control.rebuild_projections(outside).await);
    std::fs::remove_dir_all(home.state().join("projections")).unwrap();
    told.tell("rebuild projections", control.rebuild_projections(RebuildProjections::default()).await);
    let stats = control.capsule_stats().await.unwrap();
    told.tell("stats", Ok((stats.runs, stats.runs_by_status, stats.workspaces, stats.items, stats.imports)));
    let backup =
        |folder: &str| BackupCapsule { folder: home.path().join(folder).to_str().unwrap().to_owned() };
    let copy = control.backup_capsule(backup("saved")).await;
    told.tell("back up", copy.map(|copy| (copy.folder, copy.file_blobs)));
    told.tell("back up into what is there", control.backup_capsule(backup("saved")).await);
    let inside = backup("state/windlass/capsule/blobs/saved");
    told.tell("back up into itself", control.backup_capsule(inside).await);
    let relative = BackupCapsule { folder: "saved".to_owned() };
    told.tell("back up relative", control.backup_capsule(relative).await);
    let through_a_file = backup("config/windlass/policy.toml/saved");
    told.tell("back up below a file", control.backup_capsule(through_a_file).await);
}

async fn reading(told: &mut Transcript, control: &dyn Control, folder: &str) {
    let nobody = RunId::from_bytes([7; 16]);
    told.tell("show an unknown run", control.show_run(RunRef { run_id: nobody }).await);
    told.tell(
        "cancel an unknown run",
        control.cancel_run(caller(), CancelRun { run_id: nobody, reason: None }).await,
    );
    let watch = control.watch_run(WatchRun { run_id: nobody, from: Seq(1) }).await;
    told.tell("watch an unknown run", watch.map(|_| "a stream"));
    let read = ReadEvents { run_id: nobody, from: Seq(1), limit: 0 };
    told.tell("read an unknown run", control.read_events(read).await);
    told.tell(
        "get nonsense",
        control.get_artifact(GetArtifact { uri: "mv2://x".to_owned() }).await.map(|_| ()),
    );
    let uri = format!("mv2://{nobody}/T-1/{nobody}/artifact/a.json");
    told.tell("get an unknown artifact", control.get_artifact(GetArtifact { uri }).await.map(|_| ()));
    let runs = ListRuns { folder: Some(folder.to_owned()), id: Some(id("T-1")), ..ListRuns::default() };
    told.tell("list runs", control.list_runs(runs).await);
    let bad = ListRuns { after: Some("x".to_owned()), ..ListRuns::default() };
    told.tell("list from nowhere", control.list_runs(bad).await);
    let adrift = ListRuns { id: Some(id("T-1")), ..ListRuns::default() };
    told.tell("list an item of nowhere", control.list_runs(adrift).await);
    let verified = control.verify_capsule(VerifyCapsule::default()).await.unwrap();
    assert!(verified.sound, "{verified:?}");
    let head = VerifyCapsule { head: Some(verified.capsule_head.to_string()) };
    told.tell("verify with its own head", control.verify_capsule(head).await.map(|found| found.sound));
    let foreign = VerifyCapsule { head: Some("00".repeat(32)) };
    told.tell("verify with a foreign head", control.verify_capsule(foreign).await.map(|found| found.sound));
    told.tell(
        "verify with nonsense",
        control.verify_capsule(VerifyCapsule { head: Some("x".to_owned()) }).await,
    );
    told.tell("show policy", control.show_policy(ShowPolicy { folder: Some(folder.to_owned()) }).await);
    let status = control.service_status().await;
    told.tell("status", status.map(|status| (status.running, status.queued)));
}

async fn walk(control: &dyn Control, repository: &Repository, home: &Home, gate: &Gate) -> String {
    let mut told = Transcript::new(repository, home);
    let folder = repository.text();
    let elsewhere = home.path().to_str().unwrap().to_owned();
    items(&mut told, control, &folder, &elsewhere).await;
    refused_submissions(&mut told, control, &folder).await;
    researched(&mut told, control, &folder).await;
    let run_id = one_run(&mut told, control, &folder, gate).await;
    approvals(&mut told, control, &folder, home).await;
    judged(&mut told, control, &folder, home).await;
    explanations(&mut told, control, &folder).await;
    reading(&mut told, control, &folder).await;
    keeping(&mut told, control, home, run_id).await;
    told.lines.join("\n")
}

fn subject(home: &Home) -> (Repository, Gate) {
    let gate = Gate::new(home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    (repository, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process() {
    let home = Home::new();
    let (repository, gate) = subject(&home);
    let runtime = home.runtime(Recover::All).await;
    let told = walk(&runtime.control(), &repository, &home, &gate).await;
    runtime.stop().await;
    insta::assert_snapshot!("transcript", told);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_bus() {
    let home = Home::new();
    let (repository, gate) = subject(&home);
    let bus = PrivateBus::start(&home);
    let told = walk(&bus.control().await, &repository, &home, &gate).await;
    insta::assert_snapshot!("transcript", told);
}

/// Whether a caller can provoke it here. The others are states of the machine, and `refusals.rs` makes them.
const fn is_told_here(code: ErrorCode) -> bool {
    match code {
        ErrorCode::BadRequest
        | ErrorCode::UnknownWorkspace
        | ErrorCode::UnknownItem
        | ErrorCode::ItemNotEligible
        | ErrorCode::IllegalMove
        | ErrorCode::MaieuticIncomplete
        | ErrorCode::CaptureNone
        | ErrorCode::AlreadyActive
        | ErrorCode::DedupeConflict
        | ErrorCode::UnknownRun
        | ErrorCode::RunEnded
        | ErrorCode::UnknownProfile
        | ErrorCode::UnknownArtifact
        | ErrorCode::UnknownApproval
        | ErrorCode::NeedsApproval
        | ErrorCode::PolicyDenied
        | ErrorCode::Io => true,
        ErrorCode::Overloaded
        | ErrorCode::CapsuleLocked
        | ErrorCode::CapsuleDamaged
        | ErrorCode::CapsuleNewer
        | ErrorCode::DiskFull
        | ErrorCode::BusUnavailable
        | ErrorCode::WouldPrompt => false,
    }
}

#[test]
fn every_refusal_that_a_caller_can_provoke_is_told() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/conformance__transcript.snap");
    let transcript = std::fs::read_to_string(file).unwrap();
    assert!(!transcript.contains("\"hints\":[]"), "each refusal says what to do next");
    for code in ErrorCode::ALL {
        let told = transcript.contains(&format!("\"code\":\"{}\"", code.word()));
        assert_eq!(told, is_told_here(code), "{}", code.word());
    }
}

#[test]
fn every_operation_is_asked_for() {
    let operations = Regex::new(r"async fn (\w+)\(").unwrap();
    let operations = operations.captures_iter(include_str!("../../runtime/contract/src/control.rs"));
    let operations: Vec<String> = operations.map(|found| found[1].to_owned()).collect();
    assert!(operations.len() > 25, "{operations:?}");
    for operation in operations {
        let asked = format!("control.{operation}(");
        assert!(include_str!("conformance.rs").contains(&asked), "nothing asks for {operation}");
    }
}
