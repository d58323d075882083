//! A capsule with tasks and runs, and what an attempt records: the material of the measures of the store.
//!
//! The acts are those of a review: steps with an intent and a small result, one after the other, each name many times.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use windlass_capsule::{
    Class, LockText, Op, Options, Reader, StagedBlob, Submission, WriteError, Writer, create_or_open,
    wait_until_closed,
};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json};
use windlass_domain::id::{Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::item::{ItemBody, TaskState, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::Outcome;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{Admission, AttemptLoss, RunEvent};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};
use windlass_domain::run::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepName, StepResult};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;

/// When everything was asked for.
const ASKED: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// How many writes wait at once while a store is filled: enough for whole transactions, well below the writer's bound.
const FILL_AHEAD: usize = 1024;

/// The number of the first task of runs that have not ended.
const FURTHER_TASKS: u64 = 100_000;

/// How long the last reader of a store may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// Every this many runs one fails, so that a list of ended runs has more than one status.
const FAILS_EVERY: u64 = 10;

/// The steps of a review, as its journal names them.
const STEPS: [&str; 8] = [
    "base/check:fmt",
    "base/check:clippy",
    "base/check:test",
    "head/check:fmt",
    "head/check:clippy",
    "head/check:test",
    "look:correctness",
    "look:security",
];

/// A capsule in a folder of its own, open for writing.
pub(crate) struct Store {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    policy: StagedBlob,
    // Dropped last: the store above stands in it.
    folder: Folder,
}

/// Where a store stands: in a folder of its own, which goes with it, or in one that stays.
pub(crate) enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

impl From<TempDir> for Folder {
    fn from(folder: TempDir) -> Self {
        Self::Own(folder)
    }
}

impl From<PathBuf> for Folder {
    fn from(folder: PathBuf) -> Self {
        Self::Given(folder)
    }
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}

impl Store {
    /// With a workspace and tasks from 0 on, each with a complete context.
    pub(crate) fn with_tasks(folder: impl Into<Folder>, tasks: u64) -> anyhow::Result<Self> {
        let folder = folder.into();
        let (writer, reader) = open(folder.path())?;
        let policy = writer
            .stage(DataClass::Metadata, CaptureMode::FullIo, br#"{"rules":[]}"#.to_vec())
            .context("the policy cannot be kept")?;
        let store = Self { writer, reader, policy, folder };
        let mut fill = Fill::of(&store.writer);
        fill.put(Op::RegisterWorkspace(workspace()))?;
        for number in 0..tasks {
            fill.put(Op::CreateItem(Box::new(task(number))))?;
            fill.put(Op::AnswerContext {
                workspace_id: workspace_id(),
                work_item_id: item_id(number),
                context: Box::new(context()),
                by: "crew".to_owned(),
            })?;
        }
        fill.finish()?;
        Ok(store)
    }

    /// Starts one run for each of these tasks; the run has its task's number.
    pub(crate) fn start_runs(&self, tasks: u64) -> anyhow::Result<Vec<RunId>> {
        let mut fill = Fill::of(&self.writer);
        for number in 0..tasks {
            fill.put(self.submission(number, number))?;
            fill.put(Op::Run { run_id: run_id(number), commands: vec![start()], blobs: Vec::new() })?;
        }
        fill.finish()?;
        Ok((0..tasks).map(run_id).collect())
    }

    /// Admits and ends this many runs, in turn over this many tasks.
    pub(crate) fn end_runs(&self, runs: u64, tasks: u64) -> anyhow::Result<()> {
        let mut fill = Fill::of(&self.writer);
        for number in 0..runs {
            fill.put(self.submission(number, number % tasks))?;
            let outcome = match number % FAILS_EVERY {
                0 => Outcome::Failed { reason: "the base commit does not build".to_owned() },
                _ => Outcome::Succeeded,
            };
            let end = act(Act::End { outcome, summary: "2 findings in 14 files".to_owned() });
            fill.put(Op::Run { run_id: run_id(number), commands: vec![start(), end], blobs: Vec::new() })?;
        }
        fill.finish()
    }

    /// Begins one run for each of this many further tasks, which then has done this many steps.
    pub(crate) fn begin_runs(&self, runs: u64, steps: u32) -> anyhow::Result<()> {
        let mut fill = Fill::of(&self.writer);
        for number in 0..runs {
            let task = FURTHER_TASKS + number;
            fill.put(Op::CreateItem(Box::new(self::task(task))))?;
            let (workspace_id, work_item_id) = (workspace_id(), item_id(task));
            let (context, by) = (Box::new(context()), "crew".to_owned());
            fill.put(Op::AnswerContext { workspace_id, work_item_id, context, by })?;
            fill.put(self.submission(number, task))?;
            let mut commands = vec![start()];
            let mut done = Steps::new();
            for _ in 0..steps {
                commands.extend(done.next_commands());
            }
            fill.put(Op::Run { run_id: run_id(number), commands, blobs: Vec::new() })?;
        }
        fill.finish()
    }

    /// Closes the store, so that another process may have it.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let folder = self.folder.path().to_owned();
        self.writer.close()?;
        drop(self);
        ensure!(wait_until_closed(&folder, CLOSING), "the store is still open");
        Ok(())
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> anyhow::Result<u64> {
        Ok(self.reader.head().context("the head cannot be read")?.cursor.0)
    }

    fn submission(&self, run: u64, task: u64) -> Op {
        let request = request(task);
        let run_id = run_id(run);
        let admission = Admission {
            policy_digest: self.policy.digest(),
            context_digest: Digest::of_json(&context()).expect("a context holds what JSON can express"),
            engine_version: 1,
            worktree_of: run_id,
            request_digest: Digest::of_json(&request).expect("a request holds what JSON can express"),
        };
        let policy = self.policy.clone();
        Op::Submit(Box::new(Submission {
            run_id,
            request,
            admission,
            context: None,
            hold: None,
            expected_item_version: None,
            policy,
        }))
    }
}

fn open(folder: &Path) -> anyhow::Result<(Writer, Reader)> {
    let holder = LockText {
        pid: std::process::id(),
        host: "bench".to_owned(),
        start: ASKED.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    create_or_open(folder, Options::default(), &holder, Box::new(|_, _| {})).context("no capsule can be made")
}

/// Many writes, as fast as the writer takes them; every one must succeed.
struct Fill<'a> {
    writer: &'a Writer,
    answer: SyncSender<Result<(), WriteError>>,
    answers: Receiver<Result<(), WriteError>>,
    ahead: usize,
}

impl<'a> Fill<'a> {
    fn of(writer: &'a Writer) -> Self {
        // Room for every answer that can be on its way: the writer's thread never waits for this one.
        let (answer, answers) = sync_channel(FILL_AHEAD);
        Self { writer, answer, answers, ahead: 0 }
    }

    fn put(&mut self, op: Op) -> anyhow::Result<()> {
        if self.ahead == FILL_AHEAD {
            self.take_answer()?;
        }
        let answer = self.answer.clone();
        // The receiver goes only when filling has failed, and then nobody asks.
        let reply = Box::new(move |result: Result<_, _>| drop(answer.send(result.map(drop))));
        self.writer.write(Class::Durable, op, reply)?;
        self.ahead += 1;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        while self.ahead > 0 {
            self.take_answer()?;
        }
        Ok(())
    }

    fn take_answer(&mut self) -> anyhow::Result<()> {
        self.ahead -= 1;
        self.answers.recv().context("the writer ended")?.context("the store cannot be filled")
    }
}

/// The steps of one run, in order, without end.
pub(crate) struct Steps {
    done: u32,
}

impl Steps {
    pub(crate) const fn new() -> Self {
        Self { done: 0 }
    }

    /// The next step as commands to a run.
    pub(crate) fn next_commands(&mut self) -> [RunCommand; 2] {
        let Step { intent, result, duration_ms } = self.next();
        let key = intent.key.clone();
        [act(Act::BeginStep(intent)), act(Act::FinishStep { key, result, duration_ms })]
    }

    /// The next step as the events that those commands cause.
    pub(crate) fn next_events(&mut self) -> [RunEvent; 2] {
        let Step { intent, result, duration_ms } = self.next();
        let key = intent.key.clone();
        [RunEvent::StepStarted(intent), RunEvent::StepFinished { key, result, duration_ms }]
    }

    fn next(&mut self) -> Step {
        let count = u32::try_from(STEPS.len()).expect("there are few names");
        let path = STEPS[(self.done % count) as usize];
        let root = BranchPath::default();
        let (branch, name) = match path.split_once('/') {
            Some((branch, name)) => (root.child(branch), name),
            None => (root, path),
        };
        let key = StepKey { name: StepName::new(&branch, name), occurrence: self.done / count };
        let input_digest = Digest::of(&self.done.to_be_bytes());
        let value = serde_json::json!({
            "argv": ["cargo", "clippy", "--all-targets", "--", "-D", "warnings"],
            "exit_code": 0,
            "output_digest": input_digest,
            "rule": "standard.checks",
            "warnings": self.done % 7,
        });
        let result = StepResult::Inline { value: Json::of(&value).expect("the value is JSON") };
        let duration_ms = u64::from(self.done % 997);
        self.done += 1;
        Step {
            intent: StepIntent { key, input_digest, on_interrupt: OnInterrupt::Redo },
            result,
            duration_ms,
        }
    }
}

struct Step {
    intent: StepIntent,
    result: StepResult,
    duration_ms: u64,
}

/// What the first attempt of a run does.
fn act(act: Act) -> RunCommand {
    RunCommand::Act { epoch: Epoch(1), act }
}

fn start() -> RunCommand {
    RunCommand::StartAttempt {
        epoch: Epoch(1),
        boot_id: "7b0e3f4c-5d2a-4f6b-9c1e-2a3b4c5d6e7f".to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        loss: AttemptLoss::ProcessGone,
    }
}

/// The id of a number, in the form of version 7 and in its order.
fn id(number: u64) -> [u8; 16] {
    let mut bytes = [0x01, 0x9a, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let number = number.to_be_bytes();
    bytes[2..6].copy_from_slice(&number[4..]);
    bytes
}

pub(crate) fn run_id(number: u64) -> RunId {
    RunId::from_bytes(id(number))
}

pub(crate) fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_bytes(id(u64::from(u32::MAX)))
}

fn item_id(number: u64) -> ItemId {
    ItemId::new(format!("T-{number:04}")).expect("letters and digits are an id")
}

fn workspace() -> Workspace {
    Workspace {
        workspace_id: workspace_id(),
        root: "/srv/boat".to_owned(),
        common_dir: "/srv/boat/.git".to_owned(),
        name: "boat".to_owned(),
        created_at: ASKED,
    }
}

fn task(number: u64) -> WorkItem {
    WorkItem {
        workspace_id: workspace_id(),
        id: item_id(number),
        body: ItemBody::Task { state: TaskState::Open, assignee: None, result: None },
        title: format!("Review change {number}"),
        description: String::new(),
        parent_id: None,
        created_at: ASKED,
        updated_at: ASKED,
        version: 1,
        context: None,
    }
}

/// Complete answers.
pub(crate) fn context() -> MaieuticContext {
    let goal = "Find what would break users of the public interface".to_owned();
    MaieuticContext::from_flags(goal, vec!["every finding names a line".to_owned()], "crew".to_owned(), ASKED)
}

fn request(task: u64) -> RunRequest {
    RunRequest {
        workspace_id: workspace_id(),
        work_item_id: item_id(task),
        kind: RunKind::Review,
        capture_mode: CaptureMode::PromptsOnly,
        write_mode: WriteMode::None,
        preset: Preset::Standard,
        scopes: Scope::ALL.to_vec(),
        base: Some("main".to_owned()),
        head: None,
        agent_profile: None,
        capabilities: Vec::new(),
        budget: Budget::default(),
        headless: true,
        continues: None,
        settlement: None,
        requested_at: ASKED,
        trigger: Trigger { source: Door::Cli, dedupe_key: None, url: None },
    }
}
