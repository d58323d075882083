//! The step journal over a real capsule: what is recorded is not done again, what a crash left in doubt is never repeated in
//! silence, and a replay that asks for something else is stopped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use windlass_capsule::{Class, LockText, MAX_PAGE, Op, Options, Reader, Submission, Writer, Written};
use windlass_domain::artifact::ArtifactPath;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{HoldId, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::{ItemBody, ItemType, TaskState, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::projection::Projection;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{Admission, AttemptLoss, CancelRequest, RunEvent};
use windlass_domain::run::request::{Door, RunRequest, Settlement, StepDecision};
use windlass_domain::run::{AttentionReason, BlockedReason, Outcome, Phase, RunState};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::Workspace;
use windlass_engine::journal::Journal;
use windlass_engine::ports::{Asked, Payload, Ports, Record, RecordError};
use windlass_engine::{Recorded, RunContext, Stop};

mod approvals;
mod closed;

/// The run's record straight over the capsule's writer.
struct Direct {
    writer: Writer,
    reader: Reader,
    run_id: RunId,
}

impl Direct {
    fn run(&self) -> windlass_domain::run::Run {
        self.reader.run(self.run_id).unwrap().unwrap()
    }

    fn all(&self) -> Vec<Event> {
        self.reader.events(&Stream::Run { run_id: self.run_id }, Seq(1), MAX_PAGE).unwrap()
    }
}

#[async_trait::async_trait]
impl Record for Direct {
    async fn commit(&self, acts: Vec<Act>, payloads: Vec<Payload>) -> Result<Vec<Event>, RecordError> {
        let run = self.run();
        let stage = |payload: Payload| {
            self.writer.stage(payload.class, run.request.capture_mode, payload.bytes).unwrap()
        };
        let blobs = payloads.into_iter().map(stage).collect();
        let commands = acts.into_iter().map(|act| RunCommand::Act { epoch: run.epoch, act }).collect();
        match self.writer.write_blocking(Class::Durable, Op::Run { run_id: self.run_id, commands, blobs }) {
            Ok(written) => Ok(written.events().to_vec()),
            Err(windlass_capsule::WriteError::Run(refusal)) => Err(refusal.into()),
            Err(error) => Err(RecordError::Unavailable(error.to_string())),
        }
    }

    async fn end(&self, acts: Vec<Act>, payloads: Vec<Payload>, _: Projection) -> Result<(), RecordError> {
        self.commit(acts, payloads).await.map(drop)
    }

    async fn payload(&self, digest: Digest) -> Result<Vec<u8>, RecordError> {
        Ok(self.reader.blob(digest).unwrap())
    }

    async fn events(&self) -> Result<Vec<Event>, RecordError> {
        Ok(self.all())
    }

    async fn item_type(&self) -> Result<ItemType, RecordError> {
        Ok(ItemType::Task)
    }

    async fn asked(&self) -> Result<Asked, RecordError> {
        Err(RecordError::Unavailable("this engine has no item".to_owned()))
    }

    fn is_out_of_time(&self) -> bool {
        false
    }

    async fn checkpoint_due(&self) {
        std::future::pending().await
    }

    fn draw_hold_id(&self) -> HoldId {
        HoldId::from_bytes([1; 16])
    }

    fn boot_clock_ms(&self) -> u64 {
        0
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// A run in a capsule of its own, and the attempts at it.
struct Story {
    record: Arc<Direct>,
    _folder: tempfile::TempDir,
}

impl Story {
    fn new(capture: CaptureMode) -> Self {
        Self::of(capture, true)
    }

    /// One in which a person can be asked.
    fn interactive() -> Self {
        Self::of(CaptureMode::PromptsOnly, false)
    }

    fn of(capture: CaptureMode, headless: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockText { pid: 1, host: String::new(), start: String::new(), version: String::new() };
        let options = Options { map_bytes: 64 << 20, ..Options::default() };
        let opened = windlass_capsule::create_or_open(
            &folder.path().join("capsule"),
            options,
            &lock,
            Box::new(|_, _| {}),
        );
        let (writer, reader) = opened.unwrap();
        let run_id = RunId::from_bytes([2; 16]);
        submit(&writer, run_id, capture, headless);
        Self { record: Arc::new(Direct { writer, reader, run_id }), _folder: folder }
    }

    /// Begins the next attempt, as a start after a crash does.
    fn attempt(&self) -> RunContext {
        self.attempt_with(closed::ports(self.record.clone()))
    }

    fn attempt_with(&self, ports: Ports) -> RunContext {
        let run = self.record.run();
        let start = RunCommand::StartAttempt {
            epoch: run.epoch.next(),
            boot_id: "boot".to_owned(),
            tool_version: "test".to_owned(),
            loss: AttemptLoss::ProcessGone,
        };
        let op = Op::Run { run_id: run.run_id, commands: vec![start], blobs: Vec::new() };
        self.record.writer.write_blocking(Class::Durable, op).unwrap();
        RunContext::new(ports, &self.record.run(), Journal::of(&self.record.all()))
    }

    fn cancel(&self) {
        let (by, door) = ("somebody".to_owned(), Door::Cli);
        let cancel = RunCommand::RequestCancel(CancelRequest { by, door, reason: None });
        let op = Op::Run { run_id: self.record.run_id, commands: vec![cancel], blobs: Vec::new() };
        self.record.writer.write_blocking(Class::Durable, op).unwrap();
    }

    fn count(&self, fits: impl Fn(&RunEvent) -> bool) -> usize {
        self.record
            .all()
            .iter()
            .filter(|event| matches!(&event.data, EventData::Run(event) if fits(event)))
            .count()
    }
}

impl Story {
    /// Ends the run.
    fn end(&self, outcome: Outcome) {
        let run = self.record.run();
        let act = Act::End { outcome, summary: "over".to_owned() };
        let commands =
            [Act::EnterPhase(Phase::Publish), act].map(|act| RunCommand::Act { epoch: run.epoch, act });
        let op = Op::Run { run_id: run.run_id, commands: commands.to_vec(), blobs: Vec::new() };
        self.record.writer.write_blocking(Class::Durable, op).unwrap();
    }

    /// Goes on as the run that continues the ended one, with this said about its step in doubt.
    fn continue_with(&mut self, decision: StepDecision) {
        let before = self.record.run();
        let RunState::Ended(ended) = &before.state else { panic!("{before:?}") };
        let Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step } } = &ended.outcome else {
            panic!("{ended:?}")
        };
        let (writer, reader) = (self.record.writer.clone(), self.record.reader.clone());
        let run_id = RunId::from_bytes([4; 16]);
        let request = RunRequest {
            continues: Some(before.run_id),
            settlement: Some(Settlement { step: step.clone(), decision }),
            ..before.request
        };
        let policy = writer.stage(DataClass::Metadata, CaptureMode::PromptsOnly, b"{}".to_vec()).unwrap();
        let (admission, context, hold, expected_item_version) = (before.admission, None, None, None);
        let submission =
            Submission { run_id, request, admission, context, hold, expected_item_version, policy };
        writer.write_blocking(Class::Durable, Op::Submit(Box::new(submission))).unwrap();
        self.record = Arc::new(Direct { writer, reader, run_id });
    }
}

fn submit(writer: &Writer, run_id: RunId, capture: CaptureMode, headless: bool) {
    let write = |op| writer.write_blocking(Class::Durable, op).unwrap();
    let (workspace_id, now) = (WorkspaceId::from_bytes([3; 16]), Timestamp::from_millis(0));
    write(Op::RegisterWorkspace(Workspace {
        workspace_id,
        root: "/r".to_owned(),
        common_dir: "/r/.git".to_owned(),
        name: "r".to_owned(),
        created_at: now,
    }));
    let id = ItemId::new("T-1").unwrap();
    write(Op::CreateItem(Box::new(WorkItem {
        workspace_id,
        id: id.clone(),
        body: ItemBody::Task { state: TaskState::Open, assignee: None, result: None },
        title: "Something".to_owned(),
        description: String::new(),
        parent_id: None,
        created_at: now,
        updated_at: now,
        version: 1,
        context: None,
    })));
    let context =
        MaieuticContext::from_flags("goal".to_owned(), vec!["done".to_owned()], "me".to_owned(), now);
    let request: RunRequest = serde_json::from_value(serde_json::json!({
        "workspace_id": workspace_id, "work_item_id": id, "kind": "review", "capture_mode": capture,
        "write_mode": "none", "preset": "quick", "scopes": [], "base": null, "head": null, "agent_profile": null,
        "capabilities": [], "budget": {}, "headless": headless, "continues": null, "requested_at": now,
        "trigger": {"source": "cli", "dedupe_key": null, "url": null},
    }))
    .unwrap();
    let policy = writer.stage(DataClass::Metadata, CaptureMode::PromptsOnly, b"{}".to_vec()).unwrap();
    let admission = Admission {
        policy_digest: policy.digest(),
        context_digest: Digest::of_json(&context).unwrap(),
        engine_version: 1,
        worktree_of: run_id,
        request_digest: Digest::ZERO,
    };
    let submission = Submission {
        run_id,
        request,
        admission,
        context: Some(context),
        hold: None,
        expected_item_version: None,
        policy,
    };
    assert!(matches!(write(Op::Submit(Box::new(submission))), Written::Submitted { new: true, .. }));
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Number(u32);

/// What a step gave, or nothing where a person says that it was done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Perhaps(Option<Number>);

impl Recorded for Perhaps {
    const CLASS: DataClass = DataClass::Metadata;
}

impl Recorded for Number {
    const CLASS: DataClass = DataClass::Metadata;
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Long(String);

impl Recorded for Long {
    const CLASS: DataClass = DataClass::Output;
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said(String);

impl Recorded for Said {
    const CLASS: DataClass = DataClass::Io;
}

/// Counts how often an effect happens.
#[derive(Default)]
struct Effect(AtomicU32);

impl Effect {
    async fn happen(&self) -> Result<Number, Stop> {
        Ok(Number(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn times(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An effect that the process does not survive: its future is dropped in the middle, as a kill drops it.
async fn dies() -> Result<Number, Stop> {
    std::future::pending().await
}

async fn pends() -> Result<Perhaps, Stop> {
    std::future::pending().await
}

async fn happens(effect: &Effect) -> Result<Perhaps, Stop> {
    effect.happen().await.map(|number| Perhaps(Some(number)))
}

#[tokio::test]
async fn a_recorded_step_is_not_done_again_and_gives_what_was_stored() {
    let (story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
    for _ in 0..3 {
        let context = story.attempt();
        assert_eq!(context.step("count", &1, || effect.happen()).await.unwrap(), Number(1));
    }
    assert_eq!(effect.times(), 1);
    assert_eq!(story.count(|event| matches!(event, RunEvent::StepFinished { .. })), 1);
}

#[tokio::test]
async fn an_interrupted_step_is_redone_where_that_is_allowed() {
    let (story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
    let context = story.attempt();
    assert!(context.step::<_, Number, _, _>("count", &1, dies).now_or_never().is_none());
    let context = story.attempt();
    assert_eq!(context.step("count", &1, || effect.happen()).await.unwrap(), Number(1));
    assert_eq!(story.count(|event| matches!(event, RunEvent::StepStarted(_))), 2);
}

#[tokio::test]
async fn a_step_in_doubt_is_never_repeated_unasked() {
    let (story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
    let context = story.attempt();
    assert!(context.step_once::<_, Number, _, _>("send", &1, dies).now_or_never().is_none());
    for _ in 0..2 {
        let stopped = story.attempt().step_once("send", &1, || effect.happen()).await.unwrap_err();
        let Stop::NeedsAttention { reason: AttentionReason::StepInDoubt { step }, .. } = stopped else {
            panic!("{stopped:?}")
        };
        assert_eq!(step.to_string(), "send#0");
    }
    assert_eq!(effect.times(), 0);
}

#[tokio::test]
async fn a_person_settles_a_step_in_doubt() {
    for (decision, times) in [(StepDecision::Done, 0), (StepDecision::Redo, 1)] {
        let (mut story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
        let context = story.attempt();
        assert_eq!(context.step("count", &1, || effect.happen()).await.unwrap(), Number(1));
        assert!(context.step_once::<_, Perhaps, _, _>("send", &1, pends).now_or_never().is_none());
        let stopped = story.attempt();
        assert_eq!(stopped.step("count", &1, || effect.happen()).await.unwrap(), Number(1));
        let error = stopped.step_once("send", &1, || happens(&effect)).await.unwrap_err();
        let Stop::NeedsAttention { reason, .. } = error else { panic!("{error:?}") };
        story.end(Outcome::NeedsAttention { reason });
        story.continue_with(decision);
        let context = story.attempt();
        assert_eq!(context.step("count", &1, || effect.happen()).await.unwrap(), Number(1), "done before");
        let sent = context.step_once("send", &1, || happens(&effect)).await.unwrap();
        assert_eq!((sent.0.is_some(), effect.times()), (times == 1, 1 + times), "{decision:?}");
    }
}

#[tokio::test]
async fn a_replay_that_asks_for_something_else_is_stopped() {
    let (story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
    story.attempt().step("count", &1, || effect.happen()).await.unwrap();
    let other_name = story.attempt().step("weigh", &1, || effect.happen()).await.unwrap_err();
    let other_input = story.attempt().step("count", &2, || effect.happen()).await.unwrap_err();
    for stopped in [other_name, other_input] {
        assert!(
            matches!(stopped, Stop::NeedsAttention { reason: AttentionReason::JournalMismatch { .. }, .. }),
            "{stopped:?}"
        );
    }
    assert_eq!(effect.times(), 1);
}

#[tokio::test]
async fn branches_are_journaled_and_compared_each_on_its_own() {
    let (story, left, right) = (Story::new(CaptureMode::PromptsOnly), Effect::default(), Effect::default());
    let context = story.attempt();
    let (one, two) = (context.branch("left"), context.branch("right"));
    one.step("count", &1, || left.happen()).await.unwrap();
    assert!(two.step::<_, Number, _, _>("count", &1, dies).now_or_never().is_none());

    let context = story.attempt();
    let (one, two) = (context.branch("left"), context.branch("right"));
    // The other way round than recorded: order between branches means nothing.
    let both = context
        .join(vec![
            async { two.step("count", &1, || right.happen()).await }.boxed(),
            async { one.step("count", &1, || left.happen()).await }.boxed(),
        ])
        .await
        .unwrap();
    assert_eq!(both, [Number(1), Number(1)]);
    assert_eq!((left.times(), right.times()), (1, 1));
}

#[tokio::test]
async fn a_large_result_is_kept_as_a_blob_and_read_back() {
    let story = Story::new(CaptureMode::PromptsOnly);
    let text = "x".repeat(100_000);
    let make = || async { Ok(Long(text.clone())) };
    assert_eq!(story.attempt().step("make", &1, make).await.unwrap(), Long(text.clone()));
    let never = || async { Err(Stop::failed("done already")) };
    assert_eq!(story.attempt().step::<_, Long, _, _>("make", &1, never).await.unwrap(), Long(text));
}

#[tokio::test]
async fn what_the_capture_mode_forbids_reaches_neither_record_nor_engine() {
    for (mode, kept) in [(CaptureMode::PromptsOnly, false), (CaptureMode::FullIo, true)] {
        let story = Story::new(mode);
        let context = story.attempt();
        let said = context.step("listen", &1, || async { Ok(Said("what it said".to_owned())) }).await;
        let path = ArtifactPath::new("transcript.txt").unwrap();
        let stored = context.store(path, "text/plain", DataClass::Io, b"what it said".to_vec()).await;
        assert_eq!((said.is_ok(), stored.is_ok()), (kept, kept), "{mode:?}");
        let blocked = story.count(|event| matches!(event, RunEvent::CaptureBlocked { .. }));
        assert_eq!(blocked, if kept { 0 } else { 2 }, "{mode:?}");
        let text = windlass_capsule::snapshot(&story.record.reader).unwrap();
        assert_eq!(text.contains("what it said"), kept, "{mode:?}");
        if !kept {
            let stop = said.unwrap_err();
            assert!(matches!(stop, Stop::Blocked { reason: BlockedReason::CaptureBlocked, .. }), "{stop:?}");
        }
    }
}

#[tokio::test]
async fn an_older_attempt_is_fenced() {
    let (story, effect) = (Story::new(CaptureMode::PromptsOnly), Effect::default());
    let before = story.record.run();
    story.attempt();
    story.attempt();
    let act = Act::EnterPhase(windlass_domain::run::Phase::Execute);
    let stale = RunCommand::Act { epoch: before.epoch.next(), act };
    let op = Op::Run { run_id: before.run_id, commands: vec![stale], blobs: Vec::new() };
    let refused = story.record.writer.write_blocking(Class::Durable, op).unwrap_err();
    assert!(refused.to_string().contains("attempt 1 was replaced"), "{refused}");
    assert_eq!(effect.times(), 0);
}
