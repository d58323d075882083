//! What a run makes of each command, in each situation that has a rule of its own.

use std::collections::BTreeSet;

use windlass_domain::artifact::ArtifactPath;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::id::Epoch;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::ApprovalAnswer::{Approved, Denied, Expired};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::{OnInterrupt, StepName};
use windlass_domain::run::{
    AttentionReason, BlockedReason, Outcome, Phase, Refusal, RunState, RunStatus, ShownPhase,
};

use crate::support::*;

/// A history, a command, and what the command comes to after it.
type Case = (Vec<RunCommand>, RunCommand, Result<Vec<RunEvent>, Refusal>);

fn check((history, command, expect): Case) {
    let run = after(history);
    let came = obey(&run, command.clone(), at(100));
    assert_eq!(came.map(|(_, events)| events), expect, "{command:?}");
}

fn attempts() -> Vec<Case> {
    let stale = |given, current| Refusal::StaleEpoch { given: Epoch(given), current: Epoch(current) };
    let gap = |given, expected| Refusal::EpochGap { given: Epoch(given), expected: Epoch(expected) };
    vec![
        (vec![], start(1), Ok(vec![RunEvent::Started {}, attempt_started(1)])),
        (vec![], start(0), Err(gap(0, 1))),
        (vec![], start(2), Err(gap(2, 1))),
        (vec![cancel()], start(1), Ok(vec![RunEvent::Started {}, attempt_started(1)])),
        (vec![start(1)], start(2), Ok(vec![attempt_lost(1), attempt_started(2)])),
        (vec![start(1)], start(1), Err(gap(1, 2))),
        (vec![start(1)], start(3), Err(gap(3, 2))),
        (vec![], by(0, begin("a#0")), Err(Refusal::NotStarted)),
        (vec![], by(1, begin("a#0")), Err(Refusal::NotStarted)),
        (vec![], by(0, end(failed())), Err(Refusal::NotStarted)),
        (vec![start(1)], by(0, begin("a#0")), Err(stale(0, 1))),
        (vec![start(1)], by(2, begin("a#0")), Err(stale(2, 1))),
        (vec![start(1), start(2)], by(1, end(failed())), Err(stale(1, 2))),
        (vec![start(1), start(2)], by(2, begin("a#0")), Ok(vec![begun("a#0")])),
        (vec![start(1)], by(1, Act::EnterPhase(Phase::Prepare)), Ok(vec![])),
        (vec![start(1)], by(1, enter_phase(Phase::Publish)), Ok(vec![phase_changed(Phase::Publish)])),
        (vec![start(1), by(1, enter_phase(Phase::Finalize))], by(1, enter_phase(Phase::Execute)), Ok(vec![])),
    ]
}

fn enter_phase(phase: Phase) -> Act {
    Act::EnterPhase(phase)
}

fn phase_changed(phase: Phase) -> RunEvent {
    RunEvent::PhaseChanged { phase }
}

fn steps() -> Vec<Case> {
    let begun_once = RunEvent::StepStarted(intent("a#0", "input", OnInterrupt::Ask));
    let begun_held = |number| RunEvent::StepStarted(intent("a#0", "input", held(number)));
    let other_input = Act::BeginStep(intent("a#0", "other", OnInterrupt::Redo));
    let order = |step, recorded| Refusal::OutOfOrder { step: key(step), recorded };
    let busy = |step, open| Refusal::BranchBusy { step: key(step), open: key(open) };
    let one = || vec![start(1), by(1, begin("a#0"))];
    let done = || vec![start(1), by(1, begin("a#0")), by(1, finish("a#0"))];
    let once = || vec![start(1), by(1, begin_once("a#0")), start(2)];
    let child = || vec![start(1), by(1, begin_held("a#0", 1)), start(2)];
    let branch = || vec![start(1), by(1, begin("x/a#0"))];
    vec![
        (vec![start(1)], by(1, begin("a#0")), Ok(vec![begun("a#0")])),
        (vec![start(1)], by(1, begin_once("a#0")), Ok(vec![begun_once])),
        (vec![start(1)], by(1, begin("a#1")), Err(order("a#1", 0))),
        (done(), by(1, begin("a#0")), Err(order("a#0", 1))),
        (done(), by(1, begin("a#1")), Ok(vec![begun("a#1")])),
        (done(), by(1, begin("a#2")), Err(order("a#2", 1))),
        (done(), by(1, begin("b#0")), Ok(vec![begun("b#0")])),
        (one(), by(1, begin("b#0")), Err(busy("b#0", "a#0"))),
        (one(), by(1, begin("x/b#0")), Ok(vec![begun("x/b#0")])),
        (branch(), by(1, begin("x/b#0")), Err(busy("x/b#0", "x/a#0"))),
        (branch(), by(1, begin("y/a#0")), Ok(vec![begun("y/a#0")])),
        (branch(), by(1, begin("x/y/a#0")), Ok(vec![begun("x/y/a#0")])),
        (one(), by(1, begin("a#0")), Ok(vec![begun("a#0")])),
        (one(), by(1, other_input), Err(Refusal::InputChanged { step: key("a#0") })),
        (once(), by(2, begin_once("a#0")), Err(Refusal::InDoubt { step: key("a#0") })),
        (once(), by(2, begin("a#0")), Err(Refusal::InDoubt { step: key("a#0") })),
        (one(), by(1, begin_once("a#0")), Err(Refusal::InDoubt { step: key("a#0") })),
        (child(), by(2, begin_held("a#0", 2)), Ok(vec![begun_held(2)])),
        (one(), by(1, finish("a#0")), Ok(vec![finished("a#0")])),
        (once(), by(2, finish("a#0")), Ok(vec![finished("a#0")])),
        (vec![start(1)], by(1, finish("a#0")), Err(Refusal::NotBegun { step: key("a#0") })),
        (done(), by(1, finish("a#0")), Err(Refusal::NotBegun { step: key("a#0") })),
        (one(), by(1, finish("a#1")), Err(Refusal::NotBegun { step: key("a#1") })),
        (child(), by(2, lose_tail("a#0")), Ok(vec![tail_lost("a#0")])),
        (vec![start(1)], by(1, lose_tail("a#0")), Err(Refusal::NotBegun { step: key("a#0") })),
    ]
}

fn tail_lost(step: &str) -> RunEvent {
    RunEvent::SpoolLostTail { key: key(step), hold_id: hold(1), bytes: 12 }
}

fn notes() -> Vec<Case> {
    let order = |step, recorded| Refusal::OutOfOrder { step: key(step), recorded };
    let noted = |act| vec![start(1), by(1, act)];
    vec![
        (vec![start(1)], by(1, checkpoint("c#0")), Ok(vec![RunEvent::Checkpoint(checkpoint_at("c#0"))])),
        (vec![start(1)], by(1, checkpoint("c#1")), Err(order("c#1", 0))),
        (noted(checkpoint("c#0")), by(1, checkpoint("c#0")), Ok(vec![])),
        (
            noted(checkpoint("c#0")),
            by(1, checkpoint("c#1")),
            Ok(vec![RunEvent::Checkpoint(checkpoint_at("c#1"))]),
        ),
        (vec![start(1)], by(1, decision("p#0")), Ok(vec![RunEvent::PolicyDecided(decision_at("p#0"))])),
        (vec![start(1)], by(1, decision("p#3")), Err(order("p#3", 0))),
        (noted(decision("p#0")), by(1, decision("p#0")), Ok(vec![])),
        (vec![start(1)], by(1, block("k#0")), Ok(vec![capture_blocked("k#0", "stdout")])),
        (vec![start(1)], by(1, block("k#1")), Err(order("k#1", 0))),
        (noted(block("k#0")), by(1, block("k#0")), Ok(vec![])),
    ]
}

fn artifacts() -> Vec<Case> {
    let stored = |content| RunEvent::ArtifactStored(artifact("r/a.md", content, DataClass::Output));
    let kept = || vec![start(1), by(1, store("r/a.md", "x"))];
    let refused = || vec![start(1), by(1, store_io("r_a.log"))];
    let exists = Refusal::ArtifactExists { path: "r/a.md".to_owned() };
    vec![
        (vec![start(1)], by(1, store("r/a.md", "x")), Ok(vec![stored("x")])),
        (kept(), by(1, store("r/a.md", "x")), Ok(vec![])),
        (kept(), by(1, store("r/a.md", "y")), Err(exists)),
        (vec![start(1)], by(1, store_io("r_a.log")), Ok(vec![capture_blocked("store r_a.log#0", "r_a.log")])),
        (refused(), by(1, store_io("r_a.log")), Ok(vec![capture_blocked("store r_a.log#1", "r_a.log")])),
    ]
}

fn questions() -> Vec<Case> {
    let waiting = || vec![start(1), by(1, ask(1))];
    let answered_once = || vec![start(1), by(1, ask(1)), answer(1)];
    let not_asked = |number| Refusal::NotAsked { approval_id: approval(number) };
    let lapsed = Refusal::Lapsed { approval_id: approval(1), expires_at: at(99) };
    let not_lapsed = Refusal::NotLapsed { approval_id: approval(1), expires_at: at(99) };
    let cancelled = || vec![start(1), by(1, ask(1)), cancel()];
    vec![
        (waiting(), answer_at(1, Denied, 98), Ok(vec![answered_so(1, Denied)])),
        (waiting(), answer_at(1, Approved, 99), Err(lapsed.clone())),
        (waiting(), answer_at(1, Denied, 100), Err(lapsed)),
        (waiting(), answer_at(1, Expired, 98), Err(not_lapsed)),
        (waiting(), answer_at(1, Expired, 99), Ok(vec![answered_so(1, Expired)])),
        (cancelled(), answer(1), Err(not_asked(1))),
        (cancelled(), by(1, ask(2)), Err(Refusal::Cancelling { step: key("a#0") })),
        (vec![start(1)], by(1, ask(1)), Ok(vec![asked(1)])),
        (waiting(), by(1, ask(2)), Err(Refusal::AlreadyAsking { approval_id: approval(1) })),
        (waiting(), answer(1), Ok(vec![answered(1)])),
        (waiting(), answer(2), Err(not_asked(2))),
        (answered_once(), answer(1), Err(not_asked(1))),
        (answered_once(), by(1, ask(2)), Ok(vec![asked(2)])),
        (vec![start(1)], answer(1), Err(not_asked(1))),
        (vec![], answer(1), Err(not_asked(1))),
        (vec![start(1), by(1, ask(1)), start(2)], answer(1), Ok(vec![answered(1)])),
    ]
}

fn cancelling() -> Vec<Case> {
    let requested = || vec![RunEvent::CancelRequested(cancel_request())];
    let cancelled = || vec![start(1), cancel()];
    let in_phase = |phase| vec![start(1), cancel(), by(1, enter_phase(phase))];
    let stopping = |step| Refusal::Cancelling { step: key(step) };
    let open = || vec![start(1), by(1, begin("a#0")), cancel()];
    let unasked = |outcome| Refusal::CancelMismatch { outcome, requested: false };
    let despite = |outcome| Refusal::CancelMismatch { outcome, requested: true };
    vec![
        (vec![], cancel(), Ok(requested())),
        (vec![cancel()], cancel(), Ok(vec![])),
        (vec![start(1)], cancel(), Ok(requested())),
        (cancelled(), cancel(), Ok(vec![])),
        (vec![cancel(), start(1)], cancel(), Ok(vec![])),
        (cancelled(), by(1, begin("a#0")), Err(stopping("a#0"))),
        (vec![cancel(), start(1)], by(1, begin("a#0")), Err(stopping("a#0"))),
        (in_phase(Phase::Execute), by(1, begin("a#0")), Err(stopping("a#0"))),
        (in_phase(Phase::Finalize), by(1, begin("a#0")), Ok(vec![begun("a#0")])),
        (in_phase(Phase::Publish), by(1, begin("a#0")), Ok(vec![begun("a#0")])),
        (open(), by(1, finish("a#0")), Ok(vec![finished("a#0")])),
        (open(), by(1, end(Outcome::Cancelled)), Ok(vec![ended(Outcome::Cancelled)])),
        (cancelled(), by(1, end(Outcome::Succeeded)), Err(despite(RunStatus::Succeeded))),
        (cancelled(), by(1, end(failed())), Err(despite(RunStatus::Failed))),
        (vec![start(1)], by(1, end(Outcome::Cancelled)), Err(unasked(RunStatus::Cancelled))),
    ]
}

fn endings() -> Vec<Case> {
    let open = || vec![start(1), by(1, begin("a#0"))];
    let blocked = || Outcome::Blocked { reason: BlockedReason::PolicyDenied };
    let doubt = || Outcome::NeedsAttention { reason: AttentionReason::StepInDoubt { step: key("a#0") } };
    let over = |outcome| vec![start(1), by(1, end(outcome))];
    let refused = |status| Err(Refusal::RunEnded { run_id: RUN, status });
    vec![
        (vec![start(1)], by(1, end(Outcome::Succeeded)), Ok(vec![ended(Outcome::Succeeded)])),
        (open(), by(1, end(Outcome::Succeeded)), Err(Refusal::WorkOpen { step: key("a#0") })),
        (open(), by(1, end(failed())), Ok(vec![ended(failed())])),
        (open(), by(1, end(blocked())), Ok(vec![ended(blocked())])),
        (open(), by(1, end(doubt())), Ok(vec![ended(doubt())])),
        (over(Outcome::Succeeded), start(2), refused(RunStatus::Succeeded)),
        (over(Outcome::Succeeded), cancel(), refused(RunStatus::Succeeded)),
        (over(failed()), by(1, begin("a#0")), refused(RunStatus::Failed)),
        (over(failed()), by(9, begin("a#0")), refused(RunStatus::Failed)),
        (over(blocked()), answer(1), refused(RunStatus::Blocked)),
        (over(doubt()), by(1, end(Outcome::Succeeded)), refused(RunStatus::NeedsAttention)),
        (vec![cancel(), start(1), by(1, end(Outcome::Cancelled))], start(2), refused(RunStatus::Cancelled)),
    ]
}

fn all() -> Vec<Case> {
    [attempts(), steps(), notes(), artifacts(), questions(), cancelling(), endings()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn attempts_follow_one_another_and_fence_each_other() {
    attempts().into_iter().for_each(check);
}

#[test]
fn steps_begin_in_order_one_a_branch_and_end_once() {
    steps().into_iter().for_each(check);
}

#[test]
fn a_note_that_is_replayed_is_no_news() {
    notes().into_iter().for_each(check);
}

#[test]
fn artifacts_never_change_and_forbidden_ones_are_recorded_as_blocked() {
    artifacts().into_iter().for_each(check);
}

#[test]
fn one_question_at_a_time_is_asked_and_answered() {
    questions().into_iter().for_each(check);
}

#[test]
fn a_committed_cancel_stops_new_steps_but_those_of_finalization() {
    cancelling().into_iter().for_each(check);
}

#[test]
fn an_ended_run_stays_ended() {
    endings().into_iter().for_each(check);
}

#[test]
fn a_waiting_run_carries_its_question_until_it_is_answered_or_cancelled() {
    let waiting = after(vec![start(1), by(1, enter_phase(Phase::Execute)), by(1, ask(4)), start(2)]);
    let question = waiting.waiting().unwrap();
    assert_eq!((question.approval_id, question.rule.as_str()), (approval(4), "user/ask"));
    assert_eq!((question.asked_at, question.expires_at), (at(3), at(99)));
    assert_eq!(waiting.shown_phase(), Some(ShownPhase::WaitingApproval));
    for next in [answer(4), cancel()] {
        let (run, _) = obey(&waiting, next, at(5)).unwrap();
        assert_eq!((run.waiting(), run.shown_phase()), (None, Some(ShownPhase::Execute)));
    }
}

#[test]
fn what_full_capture_keeps_is_stored() {
    let run = queued_run(CaptureMode::FullIo);
    let (run, _) = obey(&run, start(1), at(1)).unwrap();
    let (_, events) = obey(&run, by(1, store_io("a.log")), at(2)).unwrap();
    assert_eq!(events, [RunEvent::ArtifactStored(artifact("a.log", "x", DataClass::Io))]);
}

#[test]
fn a_running_run_carries_exactly_what_its_events_say() {
    let history = vec![
        cancel(),
        start(1),
        by(1, enter_phase(Phase::Finalize)),
        by(1, begin("a#0")),
        by(1, finish("a#0")),
        by(1, begin_held("x/b#0", 3)),
        by(1, store("r/a.md", "x")),
        start(2),
    ];
    let run = after(history);
    let RunState::Running(progress) = &run.state else { panic!("{:?}", run.state) };
    assert_eq!((run.epoch, run.submitted_at, run.status()), (Epoch(2), at(0), RunStatus::Running));
    assert_eq!((progress.started_at, progress.phase), (at(2), Phase::Finalize));
    assert_eq!((&progress.waiting, run.cancel()), (&None, Some(&cancel_request())));
    assert_eq!(run.shown_phase(), Some(ShownPhase::Finalize));
    let open: Vec<_> =
        progress.open.iter().map(|(key, open)| (key.to_string(), open.on_interrupt, open.epoch)).collect();
    assert_eq!(open, [("x/b#0".to_owned(), held(3), Epoch(1))]);
    let recorded: Vec<(&StepName, u32)> =
        progress.recorded.iter().map(|(name, count)| (name, *count)).collect();
    assert_eq!(recorded, [(&key("a#0").name, 1)]);
    let stored: Vec<(&ArtifactPath, Digest)> =
        progress.artifacts.iter().map(|(path, digest)| (path, *digest)).collect();
    assert_eq!(stored, [(&ArtifactPath::new("r/a.md").unwrap(), Digest::of(b"x"))]);
}

#[test]
fn a_step_begun_again_is_open_with_its_newest_intent() {
    let run = after(vec![start(1), by(1, begin_held("a#0", 1)), start(2), by(2, begin_held("a#0", 2))]);
    let RunState::Running(progress) = &run.state else { panic!("{:?}", run.state) };
    let open = &progress.open[&key("a#0")];
    assert_eq!((open.on_interrupt, open.epoch, progress.open.len()), (held(2), Epoch(2), 1));
}

/// The name of a refusal. A new one does not compile before it is named here and stands in a table.
pub(crate) fn name_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::RunEnded { .. } => "RunEnded",
        Refusal::StaleEpoch { .. } => "StaleEpoch",
        Refusal::EpochGap { .. } => "EpochGap",
        Refusal::NotStarted => "NotStarted",
        Refusal::Cancelling { .. } => "Cancelling",
        Refusal::OutOfOrder { .. } => "OutOfOrder",
        Refusal::BranchBusy { .. } => "BranchBusy",
        Refusal::InDoubt { .. } => "InDoubt",
        Refusal::InputChanged { .. } => "InputChanged",
        Refusal::NotBegun { .. } => "NotBegun",
        Refusal::ArtifactExists { .. } => "ArtifactExists",
        Refusal::NotAsked { .. } => "NotAsked",
        Refusal::Lapsed { .. } => "Lapsed",
        Refusal::NotLapsed { .. } => "NotLapsed",
        Refusal::AlreadyAsking { .. } => "AlreadyAsking",
        Refusal::WorkOpen { .. } => "WorkOpen",
        Refusal::CancelMismatch { .. } => "CancelMismatch",
    }
}

#[test]
fn the_tables_show_every_refusal_and_every_event() {
    let (mut refusals, mut events) = (BTreeSet::new(), BTreeSet::new());
    for (_, _, expect) in all() {
        match expect {
            Ok(caused) => events.extend(caused.iter().map(RunEvent::type_name)),
            Err(refusal) => {
                refusals.insert(name_of(&refusal));
            }
        }
    }
    let expected_refusals = [
        "AlreadyAsking",
        "ArtifactExists",
        "BranchBusy",
        "CancelMismatch",
        "Cancelling",
        "EpochGap",
        "InDoubt",
        "InputChanged",
        "Lapsed",
        "NotAsked",
        "NotBegun",
        "NotLapsed",
        "NotStarted",
        "OutOfOrder",
        "RunEnded",
        "StaleEpoch",
        "WorkOpen",
    ];
    assert_eq!(refusals, BTreeSet::from(expected_refusals));
    // `run.submitted` and `run.queued` are what admission causes.
    let expected_events = [
        "approval.answered",
        "approval.asked",
        "artifact.stored",
        "attempt.lost",
        "attempt.started",
        "cancel.requested",
        "capture.blocked",
        "checkpoint",
        "phase.changed",
        "policy.decided",
        "run.ended",
        "run.started",
        "spool.lost_tail",
        "step.finished",
        "step.started",
    ];
    assert_eq!(events, BTreeSet::from(expected_events));
}
