//! One value of every kind and variant that is stored, the same each time.

use std::collections::BTreeMap;

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{ApprovalId, Cursor, Epoch, HoldId, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::{
    DeepIntake, IntakeForm, ItemBody, ItemChanges, ItemEvent, PlanState, Priority, ReturnState, StateName,
    TaskState, WorkItem,
};
use windlass_domain::maieutic::AcceptanceCriterion;
use windlass_domain::projection::{ProjectedFile, UnwrittenFile};
use windlass_domain::run::approval::Question;
use windlass_domain::run::event::{
    Admission, ApprovalAnswer, AttemptLoss, CancelRequest, Checkpoint, InheritedStep, PolicyDecision,
    PolicyVerdict, RunEvent,
};
use windlass_domain::run::request::{
    Budget, Door, Preset, RunKind, RunRequest, Scope, Settlement, StepDecision, Trigger, WriteMode,
};
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OnLost, OpenStep, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{AttentionReason, BlockedReason, Ended, Outcome, Phase, Progress, Run, RunState};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::{Workspace, WorkspaceEvent};

use super::encode;
use crate::canonical::Scratch;
use crate::rows::{CapsuleHead, Link, LinkHead, RunRow, StreamHead};

/// The stored bytes of every sample, with names.
pub(crate) fn records() -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    let mut add = |name: String, bytes| records.push((name, bytes));
    for event in events() {
        add(format!("event/{}/{}", event.cursor.0, event.data.type_name()), encode(&event).unwrap());
    }
    for (number, item) in items().iter().enumerate() {
        add(format!("item/{number}/{}", item.id), encode(item).unwrap());
    }
    for (number, row) in runs().iter().enumerate() {
        add(format!("run/{number}/{}", row.run.status().word()), encode(row).unwrap());
    }
    let head = StreamHead { seq: Seq(300), hash: digest("head") };
    add("stream_head".to_owned(), encode(&head).unwrap());
    let heads = streams().map(|stream| LinkHead { stream, seq: Seq(7), hash: digest("head") }).to_vec();
    add("link".to_owned(), encode(&Link { prev: digest("prev"), seq: 70_000, heads }).unwrap());
    let head = CapsuleHead {
        cursor: Cursor(1 << 33),
        link_seq: 9,
        hash: digest("link"),
        runs: 3,
        items: 2,
        workspaces: 1,
    };
    add("capsule_head".to_owned(), encode(&head).unwrap());
    add("workspace".to_owned(), encode(&workspace()).unwrap());
    add("artifact".to_owned(), encode(&artifact()).unwrap());
    let deduped = Deduped { run_id: run_id(), request_digest: digest("request") };
    add("dedupe".to_owned(), encode(&deduped).unwrap());
    records
}

/// One event of every type, each with a hash.
pub(crate) fn events() -> Vec<Event> {
    let [run, item, at_home] = streams();
    let data = run_events()
        .into_iter()
        .map(|event| (run.clone(), EventData::Run(event)))
        .chain(item_events().into_iter().map(|event| (item.clone(), EventData::Item(event))))
        .chain([(at_home, EventData::Workspace(WorkspaceEvent::Registered(workspace())))]);
    data.enumerate()
        .map(|(number, (stream, data))| {
            let number = number as u64 + 1;
            let mut event = Event {
                cursor: Cursor(number * 100),
                seq: Seq(number),
                at: time(number),
                attempt: matches!(stream, Stream::Run { .. }).then_some(Epoch(number)),
                stream,
                data,
                prev_hash: digest("prev"),
                hash: Digest::ZERO,
            };
            event.hash = Scratch::default().event_hash(&event).unwrap();
            event
        })
        .collect()
}

pub(crate) fn run_events() -> Vec<RunEvent> {
    let text = str::to_owned;
    let key = || step("look", 2);
    let step_started = |on_interrupt| {
        RunEvent::StepStarted(StepIntent { key: key(), input_digest: digest("input"), on_interrupt })
    };
    let lost = |why| RunEvent::AttemptLost { epoch: Epoch(1), why };
    let ended = |outcome| RunEvent::Ended { outcome, summary: text("over") };
    let mut events = vec![
        RunEvent::Submitted { request: Box::new(request()), admission: admission() },
        RunEvent::StepInherited(InheritedStep {
            key: key(),
            input_digest: digest("input"),
            on_interrupt: OnInterrupt::Redo,
            result: StepResult::Inline { value: Json::null() },
        }),
        RunEvent::Queued {},
        RunEvent::Started {},
        RunEvent::AttemptStarted { epoch: Epoch(1), boot_id: text("b"), tool_version: text("0.1.0") },
        lost(AttemptLoss::ProcessGone),
        lost(AttemptLoss::MachineRestarted),
        lost(AttemptLoss::ActorFailed { message: text("panic \"x\"\n") }),
        step_started(OnInterrupt::Redo),
        step_started(OnInterrupt::Ask),
        RunEvent::StepFinished {
            key: key(),
            result: StepResult::Inline {
                value: Json::of(&serde_json::json!({"b": [1, 2.5], "ä": null})).unwrap(),
            },
            duration_ms: 1 << 40,
        },
        RunEvent::StepFinished {
            key: key(),
            result: StepResult::Stored { digest: digest("blob"), bytes: 20_000 },
            duration_ms: 0,
        },
        RunEvent::PhaseChanged { phase: Phase::Execute },
        RunEvent::Checkpoint(Checkpoint {
            key: key(),
            phase: Phase::Finalize,
            summary: text("half"),
            percent: Some(50),
            resume_hint: Some(text("go on")),
            analysis_base_commit: ObjectId::new("c".repeat(40)).ok(),
        }),
        RunEvent::ApprovalAsked {
            approval_id: approval_id(),
            key: key(),
            capability: text("tool.run"),
            subject: text("make all"),
            rule: text("user/ask-first"),
            expires_at: time(9),
        },
        RunEvent::CaptureBlocked {
            key: key(),
            target: text("raw.txt"),
            class: DataClass::Io,
            mode: CaptureMode::PromptsOnly,
        },
        RunEvent::SpoolLostTail { key: key(), hold_id: hold_id(), bytes: 12 },
        RunEvent::ArtifactStored(artifact()),
        RunEvent::CancelRequested(cancel()),
    ];
    for on_lost in [OnLost::Redo, OnLost::ResumeSession, OnLost::Ask] {
        events.push(step_started(OnInterrupt::Held { hold_id: hold_id(), on_lost }));
    }
    for verdict in [PolicyVerdict::Allow, PolicyVerdict::Ask, PolicyVerdict::Deny] {
        let (capability, subject, rule) = (text("fs.write"), text("/x"), text("builtin.1"));
        events.push(RunEvent::PolicyDecided(PolicyDecision {
            key: key(),
            capability,
            subject,
            verdict,
            rule,
        }));
    }
    for answer in [ApprovalAnswer::Approved, ApprovalAnswer::Denied, ApprovalAnswer::Expired] {
        let (by, door) = (text("crew"), Door::Dbus);
        events.push(RunEvent::ApprovalAnswered { approval_id: approval_id(), answer, by, door });
    }
    events.extend(outcomes().into_iter().map(ended));
    events
}

pub(crate) fn item_events() -> Vec<ItemEvent> {
    let by = "crew".to_owned();
    let mut events: Vec<_> =
        items().into_iter().map(|item| ItemEvent::Created { item: Box::new(item) }).collect();
    events.extend([
        ItemEvent::Edited { changes: Box::new(ItemChanges::default()), by: by.clone() },
        ItemEvent::Edited { changes: Box::new(changes()), by: by.clone() },
        ItemEvent::Moved { from: StateName::Backlog, to: StateName::NeedsResearch, by: by.clone() },
        ItemEvent::Returned { from: StateName::NeedsResearch, to: StateName::Backlog, run_id: run_id() },
        ItemEvent::ContextAnswered { digest: digest("context"), by },
        ItemEvent::ProjectionWritten {
            run_id: run_id(),
            rule: "built-in/own-projections".to_owned(),
            files: vec![projected_file()],
            unwritten: vec![UnwrittenFile { path: "/x/b.md".to_owned(), why: "a link".to_owned() }],
        },
        ItemEvent::ProjectionIntended { run_id: run_id(), files: vec![projected_file()] },
    ]);
    events
}

fn projected_file() -> ProjectedFile {
    ProjectedFile { path: "/x/a.md".to_owned(), digest: digest("a") }
}

fn outcomes() -> Vec<Outcome> {
    let blocked = [
        BlockedReason::ProviderUnavailable,
        BlockedReason::AgentUnavailable,
        BlockedReason::ApprovalDenied,
        BlockedReason::ApprovalExpired,
        BlockedReason::BudgetExhausted,
        BlockedReason::PolicyDenied,
        BlockedReason::CaptureBlocked,
    ];
    let attention = [
        AttentionReason::RebaseConflict,
        AttentionReason::StepInDoubt { step: step("push", 0) },
        AttentionReason::JournalMismatch { step: step("push", 1) },
        AttentionReason::EngineVersion { needed: 4 },
    ];
    let mut outcomes =
        vec![Outcome::Succeeded, Outcome::Failed { reason: "leak".to_owned() }, Outcome::Cancelled];
    outcomes.extend(blocked.map(|reason| Outcome::Blocked { reason }));
    outcomes.extend(attention.map(|reason| Outcome::NeedsAttention { reason }));
    outcomes
}

fn runs() -> Vec<RunRow> {
    let progress = Progress {
        started_at: time(4),
        phase: Phase::Publish,
        open: BTreeMap::from([(
            step("look", 1),
            OpenStep { input_digest: digest("input"), on_interrupt: OnInterrupt::Redo, epoch: Epoch(2) },
        )]),
        artifacts: BTreeMap::from([(path("a/b.json"), digest("blob"))]),
        recorded: BTreeMap::from([(step("look", 0).name, 1)]),
        waiting: Some(Box::new(Question {
            approval_id: approval_id(),
            key: step("look", 1),
            capability: "tool.run".to_owned(),
            subject: "make all".to_owned(),
            rule: "user/ask-first".to_owned(),
            asked_at: time(8),
            expires_at: time(9),
        })),
        cancel: None,
    };
    let mut states = vec![
        RunState::Queued { cancel: None, inherited: BTreeMap::from([(step("look", 0).name, 1)]) },
        RunState::Queued { cancel: Some(cancel()), inherited: BTreeMap::new() },
        RunState::Running(progress.clone()),
        RunState::Running(Progress { waiting: None, cancel: Some(cancel()), ..progress }),
    ];
    states.extend(
        outcomes()
            .into_iter()
            .map(|outcome| RunState::Ended(Ended { outcome, summary: "over".to_owned(), at: time(5) })),
    );
    let row = |state| RunRow {
        submitted: Cursor(12),
        run: Run {
            run_id: run_id(),
            request: request(),
            admission: admission(),
            submitted_at: time(3),
            epoch: Epoch(2),
            state,
        },
    };
    states.into_iter().map(row).collect()
}

fn items() -> Vec<WorkItem> {
    let return_state = ReturnState::InProgress;
    let states = [
        PlanState::Backlog,
        PlanState::Planned,
        PlanState::InProgress,
        PlanState::NeedsResearch { return_state: ReturnState::Backlog },
        PlanState::NeedsReview { return_state },
        PlanState::Completed,
        PlanState::Deprecated,
        PlanState::Archived,
    ];
    let priorities = [Priority::P0, Priority::P1, Priority::P2, Priority::P3];
    let mut bodies = vec![ItemBody::Project];
    for (state, priority) in states.into_iter().zip(priorities.into_iter().cycle()) {
        let acceptance_criteria = vec!["it floats".to_owned()];
        bodies.push(ItemBody::Feature { state, acceptance_criteria, priority, intake: intake() });
    }
    bodies.push(ItemBody::Spec { state: states[4], prd_uri: Some("doc:1".to_owned()), intake: intake() });
    for state in [TaskState::Open, TaskState::Completed, TaskState::Failed] {
        let (assignee, result) = (Some("crew".to_owned()), None);
        bodies.push(ItemBody::Task { state, assignee, result });
    }
    let item = |(number, body): (usize, ItemBody)| WorkItem {
        workspace_id: workspace_id(),
        id: ItemId::new(format!("I-{number}")).unwrap(),
        body,
        title: "Tïtle".to_owned(),
        description: "Long".to_owned(),
        parent_id: (number > 0).then(|| ItemId::new("I-0").unwrap()),
        created_at: time(1),
        updated_at: time(2),
        version: number as u64 + 1,
        context: (number % 2 == 0).then(|| digest("context")),
    };
    bodies.into_iter().enumerate().map(item).collect()
}

fn changes() -> ItemChanges {
    let some = |text: &str| Some(text.to_owned());
    ItemChanges {
        title: some("New"),
        description: some("More"),
        acceptance_criteria: Some(vec!["it sails".to_owned()]),
        priority: Some(Priority::P0),
        prd_uri: some("doc:2"),
        assignee: some("mate"),
        result: some("sailed"),
        intake: Some(intake()),
    }
}

fn intake() -> IntakeForm {
    let (text, list) = (|text: &str| text.to_owned(), |text: &str| vec![text.to_owned()]);
    IntakeForm {
        problem: text("sinks"),
        outcome: text("floats"),
        scope_in: list("hull"),
        non_goals: list("sails"),
        acceptance_criteria: vec![AcceptanceCriterion { text: text("dry"), how_verified: text("look") }],
        integration_points: list("keel"),
        constraints: list("wood"),
        risks: list("rot"),
        assumptions: list("water"),
        open_questions: list("when"),
        deep: DeepIntake {
            components: text("1"),
            dataflows: text("2"),
            integration_mapping: text("3"),
            test_plan: text("4"),
            threat_model: text("5"),
            rollout_plan: text("6"),
            risk_register: text("7"),
            non_goals_rationale: text("8"),
        },
    }
}

fn request() -> RunRequest {
    RunRequest {
        workspace_id: workspace_id(),
        work_item_id: ItemId::new("I-1").unwrap(),
        kind: RunKind::Review,
        capture_mode: CaptureMode::FullIo,
        write_mode: WriteMode::Worktree,
        preset: Preset::Exhaustive,
        scopes: Scope::ALL.to_vec(),
        base: Some("main".to_owned()),
        head: Some("topic".to_owned()),
        agent_profile: Some("careful".to_owned()),
        capabilities: vec!["net.connect".to_owned()],
        budget: Budget {
            max_duration_ms: Some(1),
            max_tokens: Some(u64::MAX),
            max_cost_micro_usd: None,
            max_turns: Some(300),
        },
        headless: false,
        continues: Some(run_id()),
        settlement: Some(Settlement { step: step("look", 0), decision: StepDecision::Done }),
        requested_at: time(0),
        trigger: Trigger { source: Door::Tui, dedupe_key: Some("once".to_owned()), url: None },
    }
}

fn admission() -> Admission {
    Admission {
        policy_digest: digest("policy"),
        context_digest: digest("context"),
        engine_version: 3,
        worktree_of: run_id(),
        request_digest: digest("request"),
    }
}

fn cancel() -> CancelRequest {
    CancelRequest { by: "crew".to_owned(), door: Door::Runtime, reason: Some("storm".to_owned()) }
}

fn artifact() -> Artifact {
    let media_type = "application/json".to_owned();
    Artifact {
        path: path("a/b.json"),
        digest: digest("blob"),
        bytes: 20_000,
        media_type,
        class: DataClass::Prompt,
    }
}

fn workspace() -> Workspace {
    Workspace {
        workspace_id: workspace_id(),
        root: "/boat".to_owned(),
        common_dir: "/boat/.git".to_owned(),
        name: "boat".to_owned(),
        created_at: time(0),
    }
}

fn streams() -> [Stream; 3] {
    [
        Stream::Run { run_id: run_id() },
        Stream::Item { workspace_id: workspace_id(), work_item_id: ItemId::new("I-1").unwrap() },
        Stream::Workspace { workspace_id: workspace_id() },
    ]
}

fn step(name: &str, occurrence: u32) -> StepKey {
    StepKey { name: StepName::new(&BranchPath::default().child("base"), name), occurrence }
}

fn path(text: &str) -> ArtifactPath {
    ArtifactPath::new(text).unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_123 + i64::try_from(seconds).unwrap() * 1000)
}

fn run_id() -> RunId {
    RunId::from_bytes([0x11; 16])
}

fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_bytes([0x22; 16])
}

fn hold_id() -> HoldId {
    HoldId::from_bytes([0x33; 16])
}

fn approval_id() -> ApprovalId {
    ApprovalId::from_bytes([0x44; 16])
}
