//! Short names for runs, items, commands and events, so that a case fits on a line.

use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json};
use windlass_domain::id::{ApprovalId, Epoch, HoldId, ItemId, RunId, WorkspaceId};
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{
    Admission, ApprovalAnswer, AttemptLoss, CancelRequest, Checkpoint, InheritedStep, PolicyDecision,
    PolicyVerdict, RunEvent,
};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Trigger, WriteMode};
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OnLost, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{Outcome, Phase, Refusal, Run, apply, decide};
use windlass_domain::time::Timestamp;

pub(crate) const RUN: RunId = RunId::from_bytes([7; 16]);
pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([1; 16]);

/// The n-th moment of a test.
pub(crate) fn at(moment: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + moment)
}

pub(crate) fn item_id() -> ItemId {
    ItemId::new("T-1").unwrap()
}

pub(crate) fn request(kind: RunKind, capture_mode: CaptureMode) -> RunRequest {
    RunRequest {
        workspace_id: WORKSPACE,
        work_item_id: item_id(),
        kind,
        capture_mode,
        write_mode: WriteMode::None,
        preset: Preset::Standard,
        scopes: Vec::new(),
        base: None,
        head: None,
        agent_profile: None,
        capabilities: Vec::new(),
        budget: Budget::default(),
        headless: false,
        continues: None,
        settlement: None,
        requested_at: at(0),
        trigger: Trigger { source: Door::Cli, dedupe_key: None, url: None },
    }
}

pub(crate) fn admission() -> Admission {
    Admission {
        policy_digest: Digest::of(b"policy"),
        context_digest: Digest::of(b"context"),
        engine_version: 1,
        worktree_of: RUN,
        request_digest: Digest::of(b"request"),
    }
}

pub(crate) fn submitted(capture_mode: CaptureMode) -> RunEvent {
    let request = Box::new(request(RunKind::Review, capture_mode));
    RunEvent::Submitted { request, admission: admission() }
}

/// A run that was just admitted.
pub(crate) fn queued_run(capture_mode: CaptureMode) -> Run {
    [submitted(capture_mode), RunEvent::Queued {}]
        .iter()
        .fold(None, |run, event| Some(apply(run, RUN, event, at(0)).unwrap()))
        .unwrap()
}

/// What a command comes to: the run after it with the events that it caused.
pub(crate) fn obey(run: &Run, command: RunCommand, now: Timestamp) -> Result<(Run, Vec<RunEvent>), Refusal> {
    let events = decide(run, command.clone())?;
    let after = events.iter().fold(run.clone(), |run, event| {
        apply(Some(run), RUN, event, now)
            .unwrap_or_else(|corrupt| panic!("{command:?} caused an event that cannot follow: {corrupt}"))
    });
    Ok((after, events))
}

/// The run after commands that must all be obeyed.
pub(crate) fn after(history: Vec<RunCommand>) -> Run {
    (1..).zip(history).fold(queued_run(CaptureMode::PromptsOnly), |run, (moment, command)| {
        match obey(&run, command.clone(), at(moment)) {
            Ok((run, _)) => run,
            Err(refusal) => panic!("the history's {command:?} is refused: {refusal}"),
        }
    })
}

/// `base/check#1` is the second `check` of the branch `base`.
pub(crate) fn key(text: &str) -> StepKey {
    let (path, occurrence) = text.rsplit_once('#').expect("a key ends with # and a number");
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().expect("a split gives at least one part");
    let branch = parts.into_iter().fold(BranchPath::default(), |branch, part| branch.child(part));
    StepKey { name: StepName::new(&branch, name), occurrence: occurrence.parse().unwrap() }
}

pub(crate) fn start(epoch: u64) -> RunCommand {
    RunCommand::StartAttempt {
        epoch: Epoch(epoch),
        boot_id: "boot".to_owned(),
        tool_version: "windlass 0.1.0".to_owned(),
        loss: AttemptLoss::ProcessGone,
    }
}

pub(crate) fn by(epoch: u64, act: Act) -> RunCommand {
    RunCommand::Act { epoch: Epoch(epoch), act }
}

pub(crate) fn cancel() -> RunCommand {
    RunCommand::RequestCancel(cancel_request())
}

pub(crate) fn cancel_request() -> CancelRequest {
    CancelRequest { by: "ada".to_owned(), door: Door::Cli, reason: None }
}

pub(crate) fn approval(number: u8) -> ApprovalId {
    ApprovalId::from_bytes([number; 16])
}

pub(crate) fn hold(number: u8) -> HoldId {
    HoldId::from_bytes([number; 16])
}

pub(crate) fn answer(number: u8) -> RunCommand {
    answer_at(number, ApprovalAnswer::Approved, 98)
}

pub(crate) fn answer_at(number: u8, answer: ApprovalAnswer, time: i64) -> RunCommand {
    let (by, door) = ("ada".to_owned(), Door::Tui);
    RunCommand::AnswerApproval { approval_id: approval(number), answer, by, door, at: at(time) }
}

pub(crate) fn ask(number: u8) -> Act {
    Act::AskApproval {
        approval_id: approval(number),
        key: key("a#0"),
        capability: "tool.run".to_owned(),
        subject: "make".to_owned(),
        rule: "user/ask".to_owned(),
        expires_at: at(99),
    }
}

pub(crate) fn intent(step: &str, input: &str, on_interrupt: OnInterrupt) -> StepIntent {
    StepIntent { key: key(step), input_digest: Digest::of(input.as_bytes()), on_interrupt }
}

/// Begins a step that may be done again.
pub(crate) fn begin(step: &str) -> Act {
    Act::BeginStep(intent(step, "input", OnInterrupt::Redo))
}

/// Begins a step that is never repeated unasked.
pub(crate) fn begin_once(step: &str) -> Act {
    Act::BeginStep(intent(step, "input", OnInterrupt::Ask))
}

/// Begins a step whose child has this hold.
pub(crate) fn begin_held(step: &str, number: u8) -> Act {
    Act::BeginStep(intent(step, "input", held(number)))
}

pub(crate) fn held(number: u8) -> OnInterrupt {
    OnInterrupt::Held { hold_id: hold(number), on_lost: OnLost::Redo }
}

pub(crate) fn result() -> StepResult {
    StepResult::Inline { value: Json::of(&42).unwrap() }
}

pub(crate) fn finish(step: &str) -> Act {
    Act::FinishStep { key: key(step), result: result(), duration_ms: 5 }
}

pub(crate) fn checkpoint_at(step: &str) -> Checkpoint {
    Checkpoint {
        key: key(step),
        phase: Phase::Execute,
        summary: "half done".to_owned(),
        percent: Some(50),
        resume_hint: None,
        analysis_base_commit: None,
    }
}

pub(crate) fn checkpoint(step: &str) -> Act {
    Act::Checkpoint(checkpoint_at(step))
}

pub(crate) fn decision_at(step: &str) -> PolicyDecision {
    PolicyDecision {
        key: key(step),
        capability: "tool.run".to_owned(),
        subject: "make".to_owned(),
        verdict: PolicyVerdict::Deny,
        rule: "built-in/no-rule".to_owned(),
    }
}

pub(crate) fn decision(step: &str) -> Act {
    Act::RecordDecision(decision_at(step))
}

pub(crate) fn block(step: &str) -> Act {
    Act::BlockCapture { key: key(step), target: "stdout".to_owned(), class: DataClass::Io }
}

pub(crate) fn lose_tail(step: &str) -> Act {
    Act::LoseTail { key: key(step), hold_id: hold(1), bytes: 12 }
}

pub(crate) fn artifact(path: &str, content: &str, class: DataClass) -> Artifact {
    Artifact {
        path: ArtifactPath::new(path).unwrap(),
        digest: Digest::of(content.as_bytes()),
        bytes: content.len() as u64,
        media_type: "text/plain".to_owned(),
        class,
    }
}

pub(crate) fn store(path: &str, content: &str) -> Act {
    Act::StoreArtifact(artifact(path, content, DataClass::Output))
}

pub(crate) fn store_io(path: &str) -> Act {
    Act::StoreArtifact(artifact(path, "x", DataClass::Io))
}

pub(crate) fn end(outcome: Outcome) -> Act {
    Act::End { outcome, summary: "over".to_owned() }
}

pub(crate) fn failed() -> Outcome {
    Outcome::Failed { reason: "no compiler".to_owned() }
}

pub(crate) fn attempt_started(epoch: u64) -> RunEvent {
    RunEvent::AttemptStarted {
        epoch: Epoch(epoch),
        boot_id: "boot".to_owned(),
        tool_version: "windlass 0.1.0".to_owned(),
    }
}

pub(crate) fn attempt_lost(epoch: u64) -> RunEvent {
    RunEvent::AttemptLost { epoch: Epoch(epoch), why: AttemptLoss::ProcessGone }
}

pub(crate) fn begun(step: &str) -> RunEvent {
    RunEvent::StepStarted(intent(step, "input", OnInterrupt::Redo))
}

pub(crate) fn finished(step: &str) -> RunEvent {
    RunEvent::StepFinished { key: key(step), result: result(), duration_ms: 5 }
}

/// A step that the run before has done.
pub(crate) fn inherited(step: &str) -> RunEvent {
    RunEvent::StepInherited(InheritedStep {
        key: key(step),
        input_digest: Digest::of(b"input"),
        on_interrupt: OnInterrupt::Redo,
        result: result(),
    })
}

/// A run that continues another is admitted.
pub(crate) fn continuing() -> RunEvent {
    let request = request(RunKind::Review, CaptureMode::PromptsOnly);
    let request = Box::new(RunRequest { continues: Some(RunId::from_bytes([8; 16])), ..request });
    RunEvent::Submitted { request, admission: admission() }
}

pub(crate) fn capture_blocked(step: &str, target: &str) -> RunEvent {
    RunEvent::CaptureBlocked {
        key: key(step),
        target: target.to_owned(),
        class: DataClass::Io,
        mode: CaptureMode::PromptsOnly,
    }
}

pub(crate) fn asked(number: u8) -> RunEvent {
    RunEvent::ApprovalAsked {
        approval_id: approval(number),
        key: key("a#0"),
        capability: "tool.run".to_owned(),
        subject: "make".to_owned(),
        rule: "user/ask".to_owned(),
        expires_at: at(99),
    }
}

pub(crate) fn answered(number: u8) -> RunEvent {
    answered_so(number, ApprovalAnswer::Approved)
}

pub(crate) fn answered_so(number: u8, answer: ApprovalAnswer) -> RunEvent {
    let (by, door) = ("ada".to_owned(), Door::Tui);
    RunEvent::ApprovalAnswered { approval_id: approval(number), answer, by, door }
}

pub(crate) fn ended(outcome: Outcome) -> RunEvent {
    RunEvent::Ended { outcome, summary: "over".to_owned() }
}
