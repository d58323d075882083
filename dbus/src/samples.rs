//! Contract values of every shape, for tests: what could go wrong on the bus is in them (NUL, empty texts, absent options,
//! `null`s that are data, numbers at their limits, arrays of mixed kinds).

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use windlass_contract::request::{AnswerContext, EditItem, ListRuns, SubmitRun};
use windlass_contract::view::{ArtifactView, ItemView, RunSummary, RunView};
use windlass_contract::{ErrorBody, ErrorCode, Fault};
use windlass_domain::artifact::{Artifact, ArtifactPath, ArtifactUri};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, Epoch, HoldId, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::item::{
    IntakeForm, ItemBody, ItemChanges, ItemEvent, PlanState, Priority, ReturnState, StateName, TaskState,
    WorkItem,
};
use windlass_domain::maieutic::{AcceptanceCriterion, MaieuticContext};
use windlass_domain::run::event::{
    Admission, AttemptLoss, CancelRequest, Checkpoint, PolicyDecision, PolicyVerdict, RunEvent,
};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OnLost, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{AttentionReason, BlockedReason, Ended, Outcome, Phase, RunStatus};
use windlass_domain::time::Timestamp;

/// Texts, with what is hard to carry.
pub(crate) fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => "[ -~]{0,12}",
        1 => any::<String>(),
        1 => Just("a\0b".to_owned()),
        1 => Just("\u{1b}[31m\u{fffd}\u{10ffff}".to_owned()),
    ]
}

/// Any JSON that an event may hold, no deeper than an engine's results.
pub(crate) fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u32>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        (-1e12..1e12_f64).prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            btree_map("[a-z_]{0,6}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn run_id() -> impl Strategy<Value = RunId> {
    any::<[u8; 16]>().prop_map(RunId::from_bytes)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(Timestamp::from_millis)
}

fn item_id() -> impl Strategy<Value = ItemId> {
    "[A-Z]{1,4}-[0-9]{1,4}".prop_map(|id| ItemId::new(id).expect("the pattern fits"))
}

fn step() -> impl Strategy<Value = StepKey> {
    ("[a-z:]{1,8}", any::<u32>()).prop_map(|(name, occurrence)| StepKey {
        name: StepName::new(&BranchPath::default().child("head"), &name),
        occurrence,
    })
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(Phase::Prepare), Just(Phase::Execute), Just(Phase::Finalize), Just(Phase::Publish)]
}

fn kind() -> impl Strategy<Value = RunKind> {
    prop_oneof![Just(RunKind::Research), Just(RunKind::Review)]
}

fn artifact() -> impl Strategy<Value = Artifact> {
    ("[a-z]{1,8}/[a-z_]{1,8}\\.json", digest(), any::<u64>()).prop_map(|(path, digest, bytes)| Artifact {
        path: ArtifactPath::new(path).expect("the pattern fits"),
        digest,
        bytes,
        media_type: "application/json".to_owned(),
        class: DataClass::Output,
    })
}

fn budget() -> impl Strategy<Value = Budget> {
    (of(any::<u64>()), of(any::<u64>())).prop_map(|(max_duration_ms, max_cost_micro_usd)| Budget {
        max_duration_ms,
        max_cost_micro_usd,
        ..Budget::default()
    })
}

fn run_request() -> impl Strategy<Value = RunRequest> {
    let names = (any::<[u8; 16]>(), item_id(), kind(), of(run_id()), time());
    let rest = (of(text()), of(text()), vec(text(), 0..3), budget(), any::<bool>());
    (names, rest).prop_map(|((workspace, work_item_id, kind, continues, requested_at), rest)| {
        let (base, dedupe_key, capabilities, budget, headless) = rest;
        RunRequest {
            workspace_id: WorkspaceId::from_bytes(workspace),
            work_item_id,
            kind,
            capture_mode: CaptureMode::PromptsOnly,
            write_mode: WriteMode::Worktree,
            preset: Preset::Deep,
            scopes: Scope::ALL.to_vec(),
            base,
            head: None,
            agent_profile: None,
            capabilities,
            budget,
            headless,
            continues,
            settlement: None,
            requested_at,
            trigger: Trigger { source: Door::Cli, dedupe_key, url: None },
        }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        text().prop_map(|reason| Outcome::Failed { reason }),
        Just(Outcome::Blocked { reason: BlockedReason::PolicyDenied }),
        step().prop_map(|step| Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step } }),
        Just(Outcome::NeedsAttention { reason: AttentionReason::RebaseConflict }),
        Just(Outcome::Cancelled),
    ]
}

fn run_event() -> impl Strategy<Value = RunEvent> {
    let early = prop_oneof![
        (run_request(), run_id(), digest()).prop_map(|(request, worktree_of, digest)| RunEvent::Submitted {
            request: Box::new(request),
            admission: Admission {
                policy_digest: digest,
                context_digest: digest,
                engine_version: 1,
                worktree_of,
                request_digest: digest,
            },
        }),
        Just(RunEvent::Queued {}),
        Just(RunEvent::Started {}),
        text().prop_map(|boot_id| RunEvent::AttemptStarted {
            epoch: Epoch(u64::MAX),
            boot_id,
            tool_version: String::new(),
        }),
        text().prop_map(|message| RunEvent::AttemptLost {
            epoch: Epoch(1),
            why: AttemptLoss::ActorFailed { message }
        }),
        Just(RunEvent::AttemptLost { epoch: Epoch(1), why: AttemptLoss::ProcessGone }),
        phase().prop_map(|phase| RunEvent::PhaseChanged { phase }),
    ];
    let steps = prop_oneof![
        (step(), digest(), any::<[u8; 16]>()).prop_map(|(key, input_digest, hold)| {
            let on_interrupt = OnInterrupt::Held { hold_id: HoldId::from_bytes(hold), on_lost: OnLost::Redo };
            RunEvent::StepStarted(StepIntent { key, input_digest, on_interrupt })
        }),
        (step(), json(), any::<u64>()).prop_map(|(key, value, duration_ms)| RunEvent::StepFinished {
            key,
            result: StepResult::Inline { value: Json::of(&value).expect("it is JSON") },
            duration_ms,
        }),
        (step(), text(), of(text()), of(any::<u8>())).prop_map(|(key, summary, resume_hint, percent)| {
            let phase = Phase::Execute;
            RunEvent::Checkpoint(Checkpoint {
                key,
                phase,
                summary,
                percent,
                resume_hint,
                analysis_base_commit: None,
            })
        }),
        (step(), text()).prop_map(|(key, subject)| {
            RunEvent::PolicyDecided(PolicyDecision {
                key,
                capability: "tool.run".to_owned(),
                subject,
                verdict: PolicyVerdict::Deny,
                rule: "standard".to_owned(),
            })
        }),
    ];
    let late = prop_oneof![
        artifact().prop_map(RunEvent::ArtifactStored),
        (text(), of(text())).prop_map(|(by, reason)| {
            RunEvent::CancelRequested(CancelRequest { by, door: Door::Dbus, reason })
        }),
        (outcome(), text()).prop_map(|(outcome, summary)| RunEvent::Ended { outcome, summary }),
    ];
    prop_oneof![early, steps, late]
}

/// Events of every kind of stream.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let data = prop_oneof![
        4 => (run_id(), run_event()).prop_map(|(run_id, event)| (Stream::Run { run_id }, EventData::Run(event))),
        1 => (item_id(), text()).prop_map(|(work_item_id, by)| {
            let workspace_id = WorkspaceId::from_bytes([9; 16]);
            let moved = ItemEvent::Moved { from: StateName::Planned, to: StateName::InProgress, by };
            (Stream::Item { workspace_id, work_item_id }, EventData::Item(moved))
        }),
    ];
    (data, any::<u64>(), time(), of(any::<u64>()), digest()).prop_map(
        |((stream, data), seq, at, attempt, hash)| Event {
            cursor: Cursor(seq),
            seq: Seq(seq),
            at,
            stream,
            attempt: attempt.map(Epoch),
            data,
            prev_hash: Digest::ZERO,
            hash,
        },
    )
}

fn context() -> impl Strategy<Value = MaieuticContext> {
    (text(), vec(text(), 0..3), text(), time()).prop_map(|(goal, accept, by, now)| {
        let mut context = MaieuticContext::from_flags(goal, accept, by, now);
        context
            .acceptance_criteria
            .push(AcceptanceCriterion { text: String::new(), how_verified: String::new() });
        context
    })
}

/// Submissions.
pub(crate) fn submit_run() -> impl Strategy<Value = SubmitRun> {
    let keys = (text(), item_id(), kind());
    let options = (of(text()), of(text()), vec(text(), 0..3), budget(), of(context()), any::<bool>());
    (keys, options).prop_map(|((folder, id, kind), (base, dedupe_key, allow, budget, context, hold))| {
        SubmitRun {
            folder,
            id,
            kind,
            base,
            head: None,
            capture_mode: CaptureMode::FullIo,
            write_mode: WriteMode::None,
            preset: Preset::Quick,
            scopes: vec![Scope::Security],
            agent_profile: None,
            allow,
            budget,
            headless: false,
            hold,
            context,
            dedupe_key,
            url: None,
        }
    })
}

/// Edits.
pub(crate) fn edit_item() -> impl Strategy<Value = EditItem> {
    (text(), item_id(), of(text()), of(vec(text(), 0..3))).prop_map(
        |(folder, id, title, acceptance_criteria)| EditItem {
            folder,
            id,
            changes: ItemChanges {
                title,
                acceptance_criteria,
                priority: Some(Priority::P1),
                ..ItemChanges::default()
            },
        },
    )
}

/// Answers.
pub(crate) fn answer_context() -> impl Strategy<Value = AnswerContext> {
    (text(), item_id(), context()).prop_map(|(folder, id, context)| AnswerContext { folder, id, context })
}

/// Queries.
pub(crate) fn list_runs() -> impl Strategy<Value = ListRuns> {
    (of(text()), of(item_id()), of(text()), any::<u32>()).prop_map(|(folder, id, after, limit)| ListRuns {
        folder,
        id,
        kind: None,
        statuses: vec![RunStatus::NeedsAttention, RunStatus::Queued],
        after,
        limit,
    })
}

/// Items of every type.
pub(crate) fn item_view() -> impl Strategy<Value = ItemView> {
    let body = prop_oneof![
        Just(ItemBody::Project),
        vec(text(), 0..3).prop_map(|acceptance_criteria| ItemBody::Feature {
            state: PlanState::NeedsReview { return_state: ReturnState::InProgress },
            acceptance_criteria,
            priority: Priority::P0,
            intake: IntakeForm::default(),
        }),
        of(text()).prop_map(|prd_uri| ItemBody::Spec {
            state: PlanState::Backlog,
            prd_uri,
            intake: IntakeForm::default(),
        }),
        of(text()).prop_map(|result| ItemBody::Task { state: TaskState::Open, assignee: None, result }),
    ];
    (body, item_id(), text(), of(digest()), vec(run_id(), 0..3), of(context())).prop_map(
        |(body, id, title, context, active_runs, answers)| {
            let item = WorkItem {
                workspace_id: WorkspaceId::from_bytes([7; 16]),
                id,
                body,
                title,
                description: String::new(),
                parent_id: None,
                created_at: Timestamp::from_millis(0),
                updated_at: Timestamp::from_millis(1),
                version: 3,
                context,
            };
            ItemView {
                state_name: item.state_name().map(|state| state.word().to_owned()),
                quality_score: item.quality_score(),
                item,
                active_runs,
                allowed_moves: vec!["planned".to_owned()],
                answers,
            }
        },
    )
}

/// Runs.
pub(crate) fn run_view() -> impl Strategy<Value = RunView> {
    let facts = (run_id(), run_request(), of(phase()), of((outcome(), time())), text());
    let rest = (vec(artifact(), 0..3), vec(text(), 0..3), of(text()), any::<u64>(), digest());
    (facts, rest).prop_map(|((run_id, request, phase, ended, summary), rest)| {
        let (artifacts, open_steps, worktree_path, last_seq, capsule_head) = rest;
        let ended = ended.map(|(outcome, at)| Ended { outcome, summary: summary.clone(), at });
        let row = RunSummary {
            run_id,
            workspace_id: request.workspace_id,
            work_item_id: request.work_item_id.clone(),
            kind: request.kind,
            status: ended.as_ref().map_or(RunStatus::Running, |ended| ended.outcome.status()),
            phase: phase.map(Into::into),
            attempt: Epoch(2),
            submitted_at: request.requested_at,
            ended_at: ended.as_ref().map(|ended| ended.at),
            summary,
        };
        let uri = |path: &ArtifactPath| ArtifactUri {
            workspace_id: row.workspace_id,
            work_item_id: row.work_item_id.clone(),
            run_id,
            path: path.clone(),
        };
        let artifacts = artifacts
            .into_iter()
            .map(|artifact| ArtifactView { uri: uri(&artifact.path), artifact })
            .collect();
        RunView {
            request,
            queue_place: None,
            open_steps,
            cancelling: true,
            waiting_for: None,
            ended,
            artifacts,
            projection_paths: Vec::new(),
            unwritten_projections: Vec::new(),
            worktree_path,
            branch_name: None,
            last_seq: Seq(last_seq),
            capsule_head,
            origin: None,
            row,
        }
    })
}

/// Faults of one error or several.
pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    let body = (0..ErrorCode::ALL.len(), "[^\0]{0,20}", vec("[^\0]{0,20}", 0..3))
        .prop_map(|(code, message, hints)| ErrorBody { code: ErrorCode::ALL[code], message, hints });
    vec(body, 1..4).prop_map(|errors| Fault::of(errors).expect("there is at least one"))
}
