//! What a subject does: a few threads submit, start, step, cancel and end runs on one capsule, each as the record and its dice
//! say, and tell every acknowledgement after it was given.
//!
//! It comes up as the service does: what is active is taken up where the record ends, under the next epoch.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use clap::Args;
use uuid::Uuid;
use windlass_capsule::{
    Class, LastStop, LockText, Op, Options, Reader, StagedBlob, Submission, WriteError, Writer,
    create_or_open, last_stop,
};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json};
use windlass_domain::id::{Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::item::{ItemBody, TaskState, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{Admission, AttemptLoss, CancelRequest};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Trigger, WriteMode};
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OpenStep, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{AttentionReason, Outcome, Progress, Run, RunState};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;

use crate::controls::Misbehaviour;
use crate::model::{Acknowledged, Effects};

/// What the parent asks for.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// The capsule's folder.
    #[arg(long)]
    capsule: PathBuf,
    /// The file that every effect adds a line to.
    #[arg(long)]
    ledger: PathBuf,
    /// Where the dice begin.
    #[arg(long)]
    seed: u64,
    /// How many writes to ask for.
    #[arg(long)]
    writes: u32,
    /// How many threads ask.
    #[arg(long)]
    threads: u8,
    /// End every run afterwards.
    #[arg(long)]
    ends: bool,
    /// Let the wall clock jump before each transaction.
    #[arg(long)]
    clock_jumps: bool,
    /// A promise that it breaks.
    #[arg(long)]
    misbehaves: Option<Misbehaviour>,
}

/// One thread at work.
struct Worker<'a> {
    orders: &'a Orders,
    writer: &'a Writer,
    reader: &'a Reader,
    dice: fastrand::Rng,
    left: &'a AtomicU32,
    /// The attempts that this thread has begun.
    own: BTreeSet<(RunId, Epoch)>,
}

/// More than the store's limit for what stands inside of it, in bytes.
const LARGE: usize = 20_000;

/// The item that every thread works on; each has one of its own besides.
const SHARED: u8 = 0;

/// Where a jumping clock can stand at most, in milliseconds since 1970: in the year 2100.
const LAST_MOMENT_MS: i64 = 4_102_444_800_000;

/// How many dedupe keys an item's requests use in turn.
const KEYS: u32 = 4;

/// Works until it is done or dies.
pub(crate) fn run(orders: &Orders) -> ExitCode {
    match work(orders) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = std::io::stderr().write_all(format!("the subject stops: {error:#}\n").as_bytes());
            // Nobody is left to tell when that fails.
            told.map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
        }
    }
}

fn work(orders: &Orders) -> anyhow::Result<()> {
    if orders.misbehaves == Some(Misbehaviour::StartsAnew) && last_stop(&orders.capsule)? == LastStop::Unclean
    {
        std::fs::remove_dir_all(&orders.capsule)?;
    }
    let mut options = Options { map_bytes: 256 << 20, ..Options::default() };
    if orders.clock_jumps {
        let mut dice = fastrand::Rng::with_seed(orders.seed);
        options.clock = Box::new(move || Timestamp::from_millis(dice.i64(0..LAST_MOMENT_MS)));
    }
    let holder = LockText {
        pid: std::process::id(),
        host: "torture".to_owned(),
        start: String::new(),
        version: String::new(),
    };
    let (writer, reader) = create_or_open(&orders.capsule, options, &holder, Box::new(|_, _| {}))?;
    let left = AtomicU32::new(orders.writes);
    let worker = |thread: u8| Worker {
        orders,
        writer: &writer,
        reader: &reader,
        dice: fastrand::Rng::with_seed(orders.seed ^ u64::from(thread) << 32),
        left: &left,
        own: BTreeSet::new(),
    };
    worker(SHARED).outfit()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=orders.threads)
            .map(|thread| {
                let mut worker = worker(thread);
                scope.spawn(move || worker.work(thread))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a worker returns its errors"))
    })?;
    if orders.ends {
        worker(SHARED).end_all()?;
    }
    writer.close()?;
    Ok(())
}

impl Worker<'_> {
    /// Makes workspace and items known; all that is there already is no news.
    fn outfit(&mut self) -> anyhow::Result<()> {
        self.write(Op::RegisterWorkspace(workspace()))?;
        for number in SHARED..=self.orders.threads {
            let id = item_id(number);
            if self.reader.item(workspace_id(), &id)?.is_none() {
                self.write(Op::CreateItem(Box::new(item(&id))))?;
            }
            if self.reader.item(workspace_id(), &id)?.is_some_and(|item| item.context.is_none()) {
                let (context, by) = (Box::new(context()), "crew".to_owned());
                let workspace_id = workspace_id();
                self.write(Op::AnswerContext { workspace_id, work_item_id: id, context, by })?;
            }
        }
        Ok(())
    }

    fn work(&mut self, thread: u8) -> anyhow::Result<()> {
        while self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        {
            let number = if self.dice.u8(..4) == 0 { SHARED } else { thread };
            match self.reader.active_run(workspace_id(), &item_id(number), RunKind::Review)? {
                None => self.submit(number)?,
                Some(run_id) => {
                    // It may have ended meanwhile, by another thread.
                    if let Some(run) = self.reader.run(run_id)? {
                        self.go_on(&run)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes every run that is left to its end.
    fn end_all(&mut self) -> anyhow::Result<()> {
        loop {
            let runs = self.reader.active_runs()?;
            if runs.is_empty() {
                return Ok(());
            }
            for run in runs {
                match &run.state {
                    RunState::Running(progress) if self.own.contains(&(run.run_id, run.epoch)) => {
                        match progress.open.iter().next() {
                            Some((key, open)) => self.take_up(&run, key, open)?,
                            None => self.end(&run, progress)?,
                        }
                    }
                    RunState::Queued { .. } | RunState::Running(_) => self.start(&run)?,
                    RunState::Ended(_) => {}
                }
            }
        }
    }

    fn submit(&mut self, number: u8) -> anyhow::Result<()> {
        let key = format!("{}-{}", item_id(number), self.dice.u32(..KEYS));
        let known = self.reader.deduped(&key)?.is_some();
        // A key that was used is asked again now and then, and gives the same run; more work needs a new one.
        let fresh = || format!("{}-{}", item_id(number), Uuid::now_v7());
        let key = if known && self.dice.bool() { fresh() } else { key };
        let (run_id, request) = (RunId::from_uuid(Uuid::now_v7()), request(number, key));
        let admission = Admission {
            policy_digest: Digest::of(b"policy"),
            context_digest: Digest::of_json(&context())?,
            engine_version: 1,
            worktree_of: run_id,
            request_digest: Digest::of_json(&request)?,
        };
        let policy = self.writer.stage(DataClass::Metadata, CaptureMode::FullIo, b"policy".to_vec())?;
        let submission = Submission {
            run_id,
            request,
            admission,
            context: None,
            hold: None,
            expected_item_version: None,
            policy,
        };
        self.write(Op::Submit(Box::new(submission))).map(|_| ())
    }

    /// One more write for a run, as the record says what can come next.
    fn go_on(&mut self, run: &Run) -> anyhow::Result<()> {
        let progress = match &run.state {
            RunState::Running(progress) if self.own.contains(&(run.run_id, run.epoch)) => progress,
            RunState::Queued { .. } | RunState::Running(_) => return self.start(run),
            RunState::Ended(_) => return Ok(()),
        };
        if let Some((key, open)) = progress.open.iter().next() {
            return self.take_up(run, key, open);
        }
        match self.dice.u8(..16) {
            0 => self.end(run, progress),
            1 => self.cancel(run),
            2 | 3 => self.store(run, progress),
            _ if progress.cancel.is_some() => self.end(run, progress),
            _ => self.step(run, progress),
        }
    }

    fn start(&mut self, run: &Run) -> anyhow::Result<()> {
        let epoch = run.epoch.next();
        let command = RunCommand::StartAttempt {
            epoch,
            boot_id: "boot".to_owned(),
            tool_version: "0".to_owned(),
            loss: AttemptLoss::ProcessGone,
        };
        if self.command(run, vec![command], Vec::new())? {
            self.own.insert((run.run_id, epoch));
        }
        Ok(())
    }

    fn cancel(&mut self, run: &Run) -> anyhow::Result<()> {
        let request = CancelRequest { by: "crew".to_owned(), door: Door::Cli, reason: None };
        self.command(run, vec![RunCommand::RequestCancel(request)], Vec::new()).map(|_| ())
    }

    fn end(&mut self, run: &Run, progress: &Progress) -> anyhow::Result<()> {
        let outcome = if progress.cancel.is_some() { Outcome::Cancelled } else { Outcome::Succeeded };
        self.act(run, Act::End { outcome, summary: "done".to_owned() }, Vec::new()).map(|_| ())
    }

    /// An open step of this attempt gets its result; one that an earlier attempt left is begun again, or is in doubt.
    fn take_up(&mut self, run: &Run, key: &StepKey, open: &OpenStep) -> anyhow::Result<()> {
        if open.epoch == run.epoch {
            return self.finish(run, key);
        }
        if open.on_interrupt == OnInterrupt::Ask {
            let outcome = match run.cancel() {
                Some(_) => Outcome::Cancelled,
                None => {
                    Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step: key.clone() } }
                }
            };
            return self
                .act(run, Act::End { outcome, summary: "in doubt".to_owned() }, Vec::new())
                .map(|_| ());
        }
        if run.cancel().is_some() {
            return self
                .act(
                    run,
                    Act::End { outcome: Outcome::Cancelled, summary: "cancelled".to_owned() },
                    Vec::new(),
                )
                .map(|_| ());
        }
        self.begin(run, key.clone(), open.on_interrupt)
    }

    /// The next step, whose intent is committed before its effect.
    fn step(&mut self, run: &Run, progress: &Progress) -> anyhow::Result<()> {
        let name = StepName::new(&BranchPath::default(), if self.dice.bool() { "look" } else { "mend" });
        let occurrence = progress.recorded.get(&name).copied().unwrap_or(0);
        if let Some(before) = occurrence.checked_sub(1)
            && self.orders.misbehaves == Some(Misbehaviour::RepeatsSteps)
        {
            self.effect(run, &StepKey { name: name.clone(), occurrence: before })?;
        }
        let on_interrupt = if self.dice.u8(..4) == 0 { OnInterrupt::Ask } else { OnInterrupt::Redo };
        self.begin(run, StepKey { name, occurrence }, on_interrupt)
    }

    fn begin(&mut self, run: &Run, key: StepKey, on_interrupt: OnInterrupt) -> anyhow::Result<()> {
        let input_digest = Digest::of(key.to_string().as_bytes());
        let effect_first = self.orders.misbehaves == Some(Misbehaviour::ActsFirst);
        if effect_first {
            self.effect(run, &key)?;
        }
        let intent = StepIntent { key: key.clone(), input_digest, on_interrupt };
        if self.act(run, Act::BeginStep(intent), Vec::new())? && !effect_first {
            self.effect(run, &key)?;
        }
        Ok(())
    }

    fn finish(&mut self, run: &Run, key: &StepKey) -> anyhow::Result<()> {
        let large = self.dice.u8(..4) == 0;
        if !large {
            let result = StepResult::Inline { value: Json::of(&self.dice.u32(..))? };
            let finish = Act::FinishStep { key: key.clone(), result, duration_ms: 1 };
            return self.act(run, finish, Vec::new()).map(|_| ());
        }
        let bytes = self.large();
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        let result = StepResult::Stored { digest, bytes: size };
        let finish = Act::FinishStep { key: key.clone(), result, duration_ms: 1 };
        self.act_with_blob(run, finish, bytes)
    }

    fn store(&mut self, run: &Run, progress: &Progress) -> anyhow::Result<()> {
        let bytes = self.large();
        let artifact = Artifact {
            path: ArtifactPath::new(format!("part/{}", progress.artifacts.len()))?,
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
            media_type: "text/plain".to_owned(),
            class: DataClass::Output,
        };
        self.act_with_blob(run, Act::StoreArtifact(artifact), bytes)
    }

    /// The blob is stored before the event that names it.
    fn act_with_blob(&mut self, run: &Run, act: Act, bytes: Vec<u8>) -> anyhow::Result<()> {
        let stage = || self.writer.stage(DataClass::Output, CaptureMode::FullIo, bytes);
        if self.orders.misbehaves == Some(Misbehaviour::StoresLate) {
            self.act(run, act, Vec::new())?;
            stage()?;
            return Ok(());
        }
        let blob = stage()?;
        self.act(run, act, vec![blob]).map(|_| ())
    }

    /// Text that no other is like, too large to stand in the store.
    fn large(&mut self) -> Vec<u8> {
        let text = self.dice.u64(..).to_string();
        text.bytes().cycle().take(LARGE + self.dice.usize(..LARGE)).collect()
    }

    /// What a step does outside of the record: one line in the ledger, in one write.
    fn effect(&self, run: &Run, key: &StepKey) -> anyhow::Result<()> {
        let line = Effects::line(run.run_id, run.epoch, key);
        let mut ledger = OpenOptions::new().create(true).append(true).open(&self.orders.ledger)?;
        ledger.write_all(line.as_bytes()).context("the ledger takes no line")
    }

    fn act(&self, run: &Run, act: Act, blobs: Vec<StagedBlob>) -> anyhow::Result<bool> {
        self.command(run, vec![RunCommand::Act { epoch: run.epoch, act }], blobs)
    }

    fn command(&self, run: &Run, commands: Vec<RunCommand>, blobs: Vec<StagedBlob>) -> anyhow::Result<bool> {
        self.write(Op::Run { run_id: run.run_id, commands, blobs })
    }

    /// Writes, and tells the parent after the answer. Refusals are what threads that share an item meet.
    fn write(&self, op: Op) -> anyhow::Result<bool> {
        match self.writer.write_blocking(Class::Durable, op) {
            Ok(written) => tell(&Acknowledged::line(written.events())).map(|()| true),
            Err(error @ (WriteError::Fatal { .. } | WriteError::Closed)) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }
}

/// One line in one write, so that a death leaves it whole or not at all.
fn tell(line: &str) -> anyhow::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes())?;
    stdout.flush().context("the parent does not listen")
}

fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_bytes([1, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1])
}

fn item_id(number: u8) -> ItemId {
    ItemId::new(format!("T-{number}")).expect("a letter and a number are an id")
}

fn workspace() -> Workspace {
    Workspace {
        workspace_id: workspace_id(),
        root: "/boat".to_owned(),
        common_dir: "/boat/.git".to_owned(),
        name: "boat".to_owned(),
        created_at: Timestamp::from_millis(0),
    }
}

fn item(id: &ItemId) -> WorkItem {
    WorkItem {
        workspace_id: workspace_id(),
        id: id.clone(),
        body: ItemBody::Task { state: TaskState::Open, assignee: None, result: None },
        title: "Something".to_owned(),
        description: String::new(),
        parent_id: None,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        version: 1,
        context: None,
    }
}

fn context() -> MaieuticContext {
    let (goal, accept) = ("Float".to_owned(), vec!["it floats".to_owned()]);
    MaieuticContext::from_flags(goal, accept, "crew".to_owned(), Timestamp::from_millis(0))
}

fn request(number: u8, key: String) -> RunRequest {
    RunRequest {
        workspace_id: workspace_id(),
        work_item_id: item_id(number),
        kind: RunKind::Review,
        capture_mode: CaptureMode::PromptsOnly,
        write_mode: WriteMode::None,
        preset: Preset::Quick,
        scopes: Vec::new(),
        base: None,
        head: None,
        agent_profile: None,
        capabilities: Vec::new(),
        budget: Budget::default(),
        headless: true,
        continues: None,
        settlement: None,
        requested_at: Timestamp::from_millis(0),
        trigger: Trigger { source: Door::Cli, dedupe_key: Some(key), url: None },
    }
}
