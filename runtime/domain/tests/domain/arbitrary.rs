//! Arbitrary values of everything that is stored, for properties.

mod items;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{ApprovalId, Cursor, Epoch, HoldId, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::run::event::{
    Admission, ApprovalAnswer, AttemptLoss, CancelRequest, Checkpoint, InheritedStep, PolicyDecision,
    PolicyVerdict, RunEvent,
};
use windlass_domain::run::request::{
    Budget, Door, Preset, RunKind, RunRequest, Scope, Settlement, StepDecision, Trigger, WriteMode,
};
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OnLost, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{AttentionReason, BlockedReason, Outcome, Phase};
use windlass_domain::time::Timestamp;
use windlass_domain::workspace::{Workspace, WorkspaceEvent};

pub(crate) use items::{changes, item, item_event, state_name};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z./ -]{1,12}", "\\PC{0,8}", any::<String>()]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(values.to_vec())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn run_id() -> impl Strategy<Value = RunId> {
    any::<[u8; 16]>().prop_map(RunId::from_bytes)
}

fn workspace_id() -> impl Strategy<Value = WorkspaceId> {
    any::<[u8; 16]>().prop_map(WorkspaceId::from_bytes)
}

fn item_id() -> impl Strategy<Value = ItemId> {
    "[A-Za-z0-9][A-Za-z0-9_-]{0,20}".prop_map(|text| ItemId::new(text).expect("the pattern makes ids"))
}

fn time() -> impl Strategy<Value = Timestamp> {
    let years_0_to_9999 = -62_167_219_200_000..=253_402_207_200_000_i64;
    prop_oneof![4 => years_0_to_9999, 1 => any::<i64>()].prop_map(Timestamp::from_millis)
}

fn object_id() -> impl Strategy<Value = ObjectId> {
    prop_oneof!["[0-9a-f]{40}", "[0-9a-f]{64}"]
        .prop_map(|text| ObjectId::new(text).expect("the pattern makes ids"))
}

fn path() -> impl Strategy<Value = ArtifactPath> {
    "[a-z0-9_-][a-z0-9_.-]{0,8}(/[a-z0-9_-][a-z0-9_.-]{0,8}){0,2}"
        .prop_map(|text| ArtifactPath::new(text).expect("the pattern makes paths"))
}

fn class() -> impl Strategy<Value = DataClass> {
    one_of(&[DataClass::Metadata, DataClass::Output, DataClass::Prompt, DataClass::Io])
}

fn mode() -> impl Strategy<Value = CaptureMode> {
    one_of(&[CaptureMode::None, CaptureMode::PromptsOnly, CaptureMode::FullIo])
}

fn kind() -> impl Strategy<Value = RunKind> {
    one_of(&[RunKind::Research, RunKind::Review])
}

fn door() -> impl Strategy<Value = Door> {
    one_of(&[Door::Cli, Door::Dbus, Door::Tui, Door::Runtime])
}

fn phase() -> impl Strategy<Value = Phase> {
    one_of(&[Phase::Prepare, Phase::Execute, Phase::Finalize, Phase::Publish])
}

fn key() -> impl Strategy<Value = StepKey> {
    (vec(text(), 0..3), text(), any::<u32>()).prop_map(|(branches, name, occurrence)| {
        let branch = branches.iter().fold(BranchPath::default(), |branch, name| branch.child(name));
        StepKey { name: StepName::new(&branch, &name), occurrence }
    })
}

fn hold_id() -> impl Strategy<Value = HoldId> {
    any::<[u8; 16]>().prop_map(HoldId::from_bytes)
}

fn approval_id() -> impl Strategy<Value = ApprovalId> {
    any::<[u8; 16]>().prop_map(ApprovalId::from_bytes)
}

fn on_interrupt() -> impl Strategy<Value = OnInterrupt> {
    let on_lost = one_of(&[OnLost::Redo, OnLost::ResumeSession, OnLost::Ask]);
    prop_oneof![
        Just(OnInterrupt::Redo),
        Just(OnInterrupt::Ask),
        (hold_id(), on_lost).prop_map(|(hold_id, on_lost)| OnInterrupt::Held { hold_id, on_lost }),
    ]
}

fn number() -> impl Strategy<Value = serde_json::Value> {
    let finite = any::<f64>().prop_filter("JSON has no infinities", |number| number.is_finite());
    prop_oneof![
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        finite.prop_map(Into::into)
    ]
}

/// Any JSON value, as a step could give it.
pub(crate) fn json() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        number(),
        text().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            btree_map(text(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    value.prop_map(|value| Json::of(&value).expect("a JSON value has a canonical form")).boxed()
}

fn result() -> BoxedStrategy<StepResult> {
    prop_oneof![
        json().prop_map(|value| StepResult::Inline { value }),
        (digest(), any::<u64>()).prop_map(|(digest, bytes)| StepResult::Stored { digest, bytes }),
    ]
    .boxed()
}

fn budget() -> impl Strategy<Value = Budget> {
    let limit = || option::of(any::<u64>());
    (limit(), limit(), limit(), limit()).prop_map(
        |(max_duration_ms, max_tokens, max_cost_micro_usd, max_turns)| Budget {
            max_duration_ms,
            max_tokens,
            max_cost_micro_usd,
            max_turns,
        },
    )
}

fn trigger() -> impl Strategy<Value = Trigger> {
    (door(), option::of(text()), option::of(text())).prop_map(|(source, dedupe_key, url)| Trigger {
        source,
        dedupe_key,
        url,
    })
}

fn request() -> BoxedStrategy<RunRequest> {
    let write_mode = one_of(&[WriteMode::None, WriteMode::Worktree]);
    let preset = one_of(&[Preset::Quick, Preset::Standard, Preset::Deep, Preset::Exhaustive]);
    let work =
        (workspace_id(), item_id(), kind(), mode(), write_mode, preset, vec(one_of(&Scope::ALL), 0..6));
    let named = (option::of(text()), option::of(text()), option::of(text()), texts());
    let settlement = (key(), one_of(&[StepDecision::Done, StepDecision::Redo]))
        .prop_map(|(step, decision)| Settlement { step, decision });
    let continued = (option::of(run_id()), option::of(settlement));
    let rest = (budget(), any::<bool>(), continued, time(), trigger());
    (work, named, rest)
        .prop_map(|(work, named, rest)| {
            let (workspace_id, work_item_id, kind, capture_mode, write_mode, preset, scopes) = work;
            let (base, head, agent_profile, capabilities) = named;
            let (budget, headless, (continues, settlement), requested_at, trigger) = rest;
            RunRequest {
                workspace_id,
                work_item_id,
                kind,
                capture_mode,
                write_mode,
                preset,
                scopes,
                base,
                head,
                agent_profile,
                capabilities,
                budget,
                headless,
                continues,
                settlement,
                requested_at,
                trigger,
            }
        })
        .boxed()
}

fn admission() -> impl Strategy<Value = Admission> {
    (digest(), digest(), any::<u32>(), run_id(), digest()).prop_map(
        |(policy_digest, context_digest, engine_version, worktree_of, request_digest)| Admission {
            policy_digest,
            context_digest,
            engine_version,
            worktree_of,
            request_digest,
        },
    )
}

fn outcome() -> BoxedStrategy<Outcome> {
    let blocked = one_of(&[
        BlockedReason::ProviderUnavailable,
        BlockedReason::AgentUnavailable,
        BlockedReason::ApprovalDenied,
        BlockedReason::ApprovalExpired,
        BlockedReason::BudgetExhausted,
        BlockedReason::PolicyDenied,
        BlockedReason::CaptureBlocked,
    ]);
    let attention = prop_oneof![
        Just(AttentionReason::RebaseConflict),
        key().prop_map(|step| AttentionReason::StepInDoubt { step }),
        key().prop_map(|step| AttentionReason::JournalMismatch { step }),
        any::<u32>().prop_map(|needed| AttentionReason::EngineVersion { needed }),
    ];
    prop_oneof![
        Just(Outcome::Succeeded),
        Just(Outcome::Cancelled),
        text().prop_map(|reason| Outcome::Failed { reason }),
        blocked.prop_map(|reason| Outcome::Blocked { reason }),
        attention.prop_map(|reason| Outcome::NeedsAttention { reason }),
    ]
    .boxed()
}

fn loss() -> impl Strategy<Value = AttemptLoss> {
    prop_oneof![
        Just(AttemptLoss::ProcessGone),
        Just(AttemptLoss::MachineRestarted),
        text().prop_map(|message| AttemptLoss::ActorFailed { message }),
    ]
}

fn artifact() -> impl Strategy<Value = Artifact> {
    (path(), digest(), any::<u64>(), text(), class()).prop_map(|(path, digest, bytes, media_type, class)| {
        Artifact { path, digest, bytes, media_type, class }
    })
}

fn checkpoint() -> BoxedStrategy<Checkpoint> {
    let percent = option::of(0_u8..=100);
    (key(), phase(), text(), percent, option::of(text()), option::of(object_id()))
        .prop_map(|(key, phase, summary, percent, resume_hint, analysis_base_commit)| Checkpoint {
            key,
            phase,
            summary,
            percent,
            resume_hint,
            analysis_base_commit,
        })
        .boxed()
}

fn decision() -> BoxedStrategy<PolicyDecision> {
    let verdict = one_of(&[PolicyVerdict::Allow, PolicyVerdict::Ask, PolicyVerdict::Deny]);
    (key(), text(), text(), verdict, text())
        .prop_map(|(key, capability, subject, verdict, rule)| PolicyDecision {
            key,
            capability,
            subject,
            verdict,
            rule,
        })
        .boxed()
}

/// Any event of a run, whether or not it can follow another.
pub(crate) fn run_event() -> BoxedStrategy<RunEvent> {
    use RunEvent as E;
    let answer = one_of(&[ApprovalAnswer::Approved, ApprovalAnswer::Denied, ApprovalAnswer::Expired]);
    let epoch = || any::<u64>().prop_map(Epoch);
    let intent = (key(), digest(), on_interrupt()).prop_map(|(key, input_digest, on_interrupt)| StepIntent {
        key,
        input_digest,
        on_interrupt,
    });
    let inherited =
        (key(), digest(), on_interrupt(), result()).prop_map(|(key, input_digest, on_interrupt, result)| {
            InheritedStep { key, input_digest, on_interrupt, result }
        });
    let asked = (approval_id(), key(), text(), text(), text(), time());
    prop_oneof![
        (request(), admission())
            .prop_map(|(request, admission)| E::Submitted { request: request.into(), admission }),
        inherited.prop_map(E::StepInherited),
        Just(E::Queued {}),
        Just(E::Started {}),
        (epoch(), text(), text()).prop_map(|(epoch, boot_id, tool_version)| E::AttemptStarted {
            epoch,
            boot_id,
            tool_version
        }),
        (epoch(), loss()).prop_map(|(epoch, why)| E::AttemptLost { epoch, why }),
        intent.prop_map(E::StepStarted),
        (key(), result(), any::<u64>()).prop_map(|(key, result, duration_ms)| E::StepFinished {
            key,
            result,
            duration_ms
        }),
        phase().prop_map(|phase| E::PhaseChanged { phase }),
        checkpoint().prop_map(E::Checkpoint),
        decision().prop_map(E::PolicyDecided),
        asked.prop_map(|(approval_id, key, capability, subject, rule, expires_at)| E::ApprovalAsked {
            approval_id,
            key,
            capability,
            subject,
            rule,
            expires_at,
        }),
        (approval_id(), answer, text(), door()).prop_map(|(approval_id, answer, by, door)| {
            E::ApprovalAnswered { approval_id, answer, by, door }
        }),
        (key(), text(), class(), mode()).prop_map(|(key, target, class, mode)| E::CaptureBlocked {
            key,
            target,
            class,
            mode
        }),
        (key(), hold_id(), any::<u64>()).prop_map(|(key, hold_id, bytes)| E::SpoolLostTail {
            key,
            hold_id,
            bytes
        }),
        artifact().prop_map(E::ArtifactStored),
        (text(), door(), option::of(text()))
            .prop_map(|(by, door, reason)| E::CancelRequested(CancelRequest { by, door, reason })),
        (outcome(), text()).prop_map(|(outcome, summary)| E::Ended { outcome, summary }),
    ]
    .boxed()
}

fn workspace_event() -> BoxedStrategy<WorkspaceEvent> {
    (workspace_id(), text(), text(), text(), time())
        .prop_map(|(workspace_id, root, common_dir, name, created_at)| {
            WorkspaceEvent::Registered(Workspace { workspace_id, root, common_dir, name, created_at })
        })
        .boxed()
}

fn stream() -> BoxedStrategy<Stream> {
    prop_oneof![
        run_id().prop_map(|run_id| Stream::Run { run_id }),
        (workspace_id(), item_id())
            .prop_map(|(workspace_id, work_item_id)| Stream::Item { workspace_id, work_item_id }),
        workspace_id().prop_map(|workspace_id| Stream::Workspace { workspace_id }),
    ]
    .boxed()
}

/// Any event of the capsule.
pub(crate) fn event() -> BoxedStrategy<Event> {
    let data = prop_oneof![
        3 => run_event().prop_map(EventData::Run),
        2 => item_event().prop_map(EventData::Item),
        1 => workspace_event().prop_map(EventData::Workspace),
    ];
    let place = (any::<u64>(), any::<u64>(), time(), option::of(any::<u64>()));
    (place, stream(), data, digest(), digest())
        .prop_map(|((cursor, seq, at, attempt), stream, data, prev_hash, hash)| Event {
            cursor: Cursor(cursor),
            seq: Seq(seq),
            at,
            stream,
            attempt: attempt.map(Epoch),
            data,
            prev_hash,
            hash,
        })
        .boxed()
}
