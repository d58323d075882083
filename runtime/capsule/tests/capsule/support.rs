//! A capsule in a temporary folder, with a fixed clock, and the values that tests write into it.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use windlass_capsule::{
    Class, LockText, Op, OpenError, Options, Reader, StagedBlob, Submission, VerifyOptions, WriteError,
    Writer, Written, create_or_open, verify,
};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::id::{ApprovalId, Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::item::{IntakeForm, ItemBody, PlanState, Priority, TaskState, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{Admission, ApprovalAnswer, AttemptLoss, CancelRequest, Checkpoint};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};
use windlass_domain::run::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepName, StepResult};
use windlass_domain::run::{Outcome, Phase};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;

pub(crate) const START_MS: i64 = 1_790_000_000_000;

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + seconds * 1000)
}

/// A clock that goes on by one second with each transaction.
pub(crate) fn options() -> Options {
    let now = AtomicI64::new(0);
    Options {
        map_bytes: 256 << 20,
        max_waiting: 1024,
        clock: Box::new(move || time(now.fetch_add(1, Ordering::Relaxed))),
    }
}

pub(crate) fn holder() -> LockText {
    LockText {
        pid: std::process::id(),
        host: "ship".to_owned(),
        start: "2026-11-21T00:00:00Z".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

pub(crate) fn open(folder: &Path) -> Result<(Writer, Reader), OpenError> {
    create_or_open(folder, options(), &holder(), Box::new(|_, _| {}))
}

/// A capsule in a folder of its own.
pub(crate) struct Ship {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
}

impl Ship {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (writer, reader) = open(folder.path()).unwrap();
        Self { folder, writer, reader }
    }

    /// With a workspace and the task `T-1`, which has a complete context.
    pub(crate) fn with_task() -> Self {
        let ship = Self::new();
        ship.outfit(1);
        ship
    }

    /// Adds a workspace and tasks from `T-1` on, each with a complete context.
    pub(crate) fn outfit(&self, tasks: usize) {
        self.write(Op::RegisterWorkspace(workspace()));
        for number in 1..=tasks {
            let name = format!("T-{number}");
            self.write(Op::CreateItem(Box::new(task(&name))));
            self.write(answered(&name));
        }
    }

    /// With an admitted, started run.
    pub(crate) fn with_run() -> (Self, RunId) {
        let ship = Self::with_task();
        let run_id = run_id(1);
        ship.write(submit(submission(1, "T-1")));
        ship.write(act(run_id, vec![start(1)]));
        (ship, run_id)
    }

    pub(crate) fn write(&self, op: Op) -> Written {
        self.try_write(op).unwrap()
    }

    pub(crate) fn try_write(&self, op: Op) -> Result<Written, WriteError> {
        self.writer.write_blocking(Class::Durable, op)
    }

    pub(crate) fn refused(&self, op: Op) -> WriteError {
        let before = self.reader.head().unwrap();
        let error = self.try_write(op).unwrap_err();
        assert_eq!(self.reader.head().unwrap(), before, "a refused entry changed something: {error}");
        error
    }

    /// Everything is as the log makes it, and the log is whole.
    pub(crate) fn is_sound(&self) {
        let report = verify(&self.reader, VerifyOptions::default()).unwrap();
        let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
        assert!(report.is_sound(), "{faults:#?}");
        assert_eq!(report.events, self.reader.head().unwrap().cursor.0);
        assert_eq!(report.links, self.reader.head().unwrap().link_seq);
    }

    pub(crate) fn start_run(&self, number: u16, item: &str) -> RunId {
        self.write(submit(submission(number, item)));
        self.write(act(run_id(number), vec![start(1)]));
        run_id(number)
    }
}

pub(crate) fn id(number: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = 1;
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_bytes(id(0xF00))
}

pub(crate) fn run_id(number: u16) -> RunId {
    RunId::from_bytes(id(number))
}

pub(crate) fn item_id(text: &str) -> ItemId {
    ItemId::new(text).unwrap()
}

pub(crate) fn workspace() -> Workspace {
    Workspace {
        workspace_id: workspace_id(),
        root: "/home/crew/boat".to_owned(),
        common_dir: "/home/crew/boat/.git".to_owned(),
        name: "boat".to_owned(),
        created_at: time(0),
    }
}

fn work_item(name: &str, body: ItemBody) -> WorkItem {
    WorkItem {
        workspace_id: workspace_id(),
        id: item_id(name),
        body,
        title: format!("Do {name}"),
        description: String::new(),
        parent_id: None,
        created_at: time(0),
        updated_at: time(0),
        version: 1,
        context: None,
    }
}

pub(crate) fn project(name: &str) -> WorkItem {
    work_item(name, ItemBody::Project)
}

pub(crate) fn task(name: &str) -> WorkItem {
    work_item(name, ItemBody::Task { state: TaskState::Open, assignee: None, result: None })
}

pub(crate) fn feature(name: &str, state: PlanState) -> WorkItem {
    let (acceptance_criteria, priority, intake) =
        (vec!["it floats".to_owned()], Priority::P1, IntakeForm::default());
    work_item(name, ItemBody::Feature { state, acceptance_criteria, priority, intake })
}

pub(crate) fn context() -> MaieuticContext {
    MaieuticContext::from_flags("Float".to_owned(), vec!["it floats".to_owned()], "crew".to_owned(), time(0))
}

pub(crate) fn answered(item: &str) -> Op {
    Op::AnswerContext {
        workspace_id: workspace_id(),
        work_item_id: item_id(item),
        context: Box::new(context()),
        by: "crew".to_owned(),
    }
}

pub(crate) fn request(item: &str, kind: RunKind) -> RunRequest {
    RunRequest {
        workspace_id: workspace_id(),
        work_item_id: item_id(item),
        kind,
        capture_mode: CaptureMode::PromptsOnly,
        write_mode: WriteMode::None,
        preset: Preset::Quick,
        scopes: vec![Scope::Correctness, Scope::Security],
        base: Some("main".to_owned()),
        head: None,
        agent_profile: None,
        capabilities: Vec::new(),
        budget: Budget { max_turns: Some(7), ..Budget::default() },
        headless: true,
        continues: None,
        settlement: None,
        requested_at: time(0),
        trigger: Trigger { source: Door::Cli, dedupe_key: None, url: None },
    }
}

/// A submission for a review with its complete context, whose request digest follows from the request.
pub(crate) fn submission(number: u16, item: &str) -> Submission {
    submission_of(run_id(number), request(item, RunKind::Review))
}

pub(crate) fn submission_of(run_id: RunId, request: RunRequest) -> Submission {
    let admission = Admission {
        policy_digest: Digest::of(b"policy"),
        context_digest: Digest::of_json(&context()).unwrap(),
        engine_version: 1,
        worktree_of: run_id,
        request_digest: Digest::of_json(&request).unwrap(),
    };
    let policy = policy();
    Submission { run_id, request, admission, context: None, hold: None, expected_item_version: None, policy }
}

/// Staged once: a small blob belongs to no capsule before it is written.
fn policy() -> StagedBlob {
    static POLICY: OnceLock<StagedBlob> = OnceLock::new();
    let stage = || Ship::new().writer.stage(DataClass::Metadata, CaptureMode::FullIo, b"policy".to_vec());
    POLICY.get_or_init(|| stage().unwrap()).clone()
}

pub(crate) fn submit(submission: Submission) -> Op {
    Op::Submit(Box::new(submission))
}

pub(crate) fn act(run_id: RunId, commands: Vec<RunCommand>) -> Op {
    Op::Run { run_id, commands, blobs: Vec::new() }
}

pub(crate) fn start(epoch: u64) -> RunCommand {
    RunCommand::StartAttempt {
        epoch: Epoch(epoch),
        boot_id: "boot".to_owned(),
        tool_version: "0.1.0".to_owned(),
        loss: AttemptLoss::ProcessGone,
    }
}

pub(crate) fn of(epoch: u64, act: Act) -> RunCommand {
    RunCommand::Act { epoch: Epoch(epoch), act }
}

pub(crate) fn key(name: &str, occurrence: u32) -> StepKey {
    StepKey { name: StepName::new(&BranchPath::default(), name), occurrence }
}

pub(crate) fn begin(name: &str, occurrence: u32) -> RunCommand {
    of(
        1,
        Act::BeginStep(StepIntent {
            key: key(name, occurrence),
            input_digest: Digest::of(name.as_bytes()),
            on_interrupt: OnInterrupt::Redo,
        }),
    )
}

pub(crate) fn finish(name: &str, occurrence: u32, result: StepResult) -> RunCommand {
    of(1, Act::FinishStep { key: key(name, occurrence), result, duration_ms: 12 })
}

pub(crate) fn inline(text: &str) -> StepResult {
    StepResult::Inline { value: Json::of(&text).unwrap() }
}

pub(crate) fn checkpoint(occurrence: u32) -> RunCommand {
    of(
        1,
        Act::Checkpoint(Checkpoint {
            key: key("progress", occurrence),
            phase: Phase::Prepare,
            summary: format!("did {occurrence}"),
            percent: Some(10),
            resume_hint: None,
            analysis_base_commit: ObjectId::new("a".repeat(40)).ok(),
        }),
    )
}

pub(crate) fn approval_id(number: u8) -> ApprovalId {
    ApprovalId::from_bytes([number; 16])
}

/// Asks a question that lapses 99 seconds after the start.
pub(crate) fn ask(epoch: u64, number: u8) -> RunCommand {
    let (capability, subject) = ("tool.run".to_owned(), "make".to_owned());
    let (approval_id, key, rule) = (approval_id(number), key("look", 1), "user/ask".to_owned());
    of(epoch, Act::AskApproval { approval_id, key, capability, subject, rule, expires_at: time(99) })
}

pub(crate) fn answer(number: u8, answer: ApprovalAnswer, at: i64) -> RunCommand {
    let (by, door) = ("crew".to_owned(), Door::Tui);
    RunCommand::AnswerApproval { approval_id: approval_id(number), answer, by, door, at: time(at) }
}

pub(crate) fn cancel() -> RunCommand {
    RunCommand::RequestCancel(CancelRequest { by: "crew".to_owned(), door: Door::Cli, reason: None })
}

pub(crate) fn end(epoch: u64, outcome: Outcome) -> RunCommand {
    of(epoch, Act::End { outcome, summary: "done".to_owned() })
}

pub(crate) const OUTPUT: DataClass = DataClass::Output;
