//! What a run takes over from the one that it continues, and which ended runs can be continued.

use windlass_domain::id::HoldId;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::{Settlement, StepDecision};
use windlass_domain::run::step::{OnInterrupt, OnLost, StepResult};
use windlass_domain::run::{
    AttentionReason, BlockedReason, NotContinuable, Outcome, Phase, RunState, apply, continuable, inheritance,
};

use crate::support::*;

fn taken(events: &[RunEvent], settlement: Option<&Settlement>) -> Vec<String> {
    inheritance(events, settlement).into_iter().map(|step| step.key.to_string()).collect()
}

fn held(step: &str) -> RunEvent {
    let hold_id = HoldId::from_bytes([3; 16]);
    RunEvent::StepStarted(intent(step, "input", OnInterrupt::Held { hold_id, on_lost: OnLost::Redo }))
}

fn once(step: &str) -> RunEvent {
    RunEvent::StepStarted(intent(step, "input", OnInterrupt::Ask))
}

fn cancelled() -> RunEvent {
    RunEvent::CancelRequested(cancel_request())
}

fn settled(decision: StepDecision) -> Settlement {
    Settlement { step: key("a#0"), decision }
}

#[test]
fn what_was_done_is_taken_and_what_was_cut_short_is_not() {
    let out_of_time = || ended(Outcome::Blocked { reason: BlockedReason::BudgetExhausted });
    let gathering = || RunEvent::PhaseChanged { phase: Phase::Finalize };
    for (events, expected) in [
        (vec![], vec![]),
        (vec![begun("a#0"), finished("a#0")], vec!["a#0"]),
        (vec![inherited("a#0"), begun("b#0"), finished("b#0")], vec!["a#0", "b#0"]),
        (vec![begun("a#0"), finished("a#0"), begun("a#1")], vec!["a#0"]),
        // Begun again after a crash: once.
        (vec![begun("a#0"), begun("a#0"), finished("a#0")], vec!["a#0"]),
        // A result behind the cancel is that of a child that was ended for it.
        (vec![begun("a#0"), finished("a#0"), held("b#0"), cancelled(), finished("b#0")], vec!["a#0"]),
        // But what must not be done twice was done.
        (vec![once("a#0"), cancelled(), finished("a#0")], vec!["a#0"]),
        // The target is looked at anew.
        (vec![begun("a#0"), finished("a#0"), gathering(), begun("b#0"), finished("b#0")], vec!["a#0"]),
        // The newest child of each branch may have been ended by the time limit.
        (
            vec![
                held("x/a#0"),
                finished("x/a#0"),
                held("y/a#0"),
                finished("y/a#0"),
                held("x/b#0"),
                finished("x/b#0"),
                out_of_time(),
            ],
            vec!["x/a#0"],
        ),
        (vec![begun("a#0"), finished("a#0"), out_of_time()], vec!["a#0"]),
    ] {
        assert_eq!(taken(&events, None), expected, "{events:?}");
    }
}

#[test]
fn a_person_settles_a_step_in_doubt() {
    let events = [begun("b#0"), finished("b#0"), once("a#0")];
    assert_eq!(taken(&events, Some(&settled(StepDecision::Redo))), ["b#0"]);
    assert_eq!(taken(&events, Some(&settled(StepDecision::Done))), ["b#0", "a#0"]);
    let last = inheritance(&events, Some(&settled(StepDecision::Done))).pop().unwrap();
    let StepResult::Inline { value } = last.result else { panic!("{last:?}") };
    assert_eq!(value.as_str(), "null", "what it gave is not known");
}

#[test]
fn only_what_leaves_something_to_do_is_continued() {
    let needs = |reason| Outcome::NeedsAttention { reason };
    let in_doubt = || needs(AttentionReason::StepInDoubt { step: key("a#0") });
    let (done, other) =
        (settled(StepDecision::Done), Settlement { step: key("b#0"), decision: StepDecision::Done });
    let over = |outcome: &Outcome| NotContinuable::Over { status: outcome.status() };
    for (outcome, settlement, expected) in [
        (Outcome::Cancelled, None, Ok(())),
        (Outcome::Blocked { reason: BlockedReason::ApprovalDenied }, None, Ok(())),
        (needs(AttentionReason::RebaseConflict), None, Ok(())),
        (in_doubt(), Some(&done), Ok(())),
        (in_doubt(), None, Err(NotContinuable::InDoubt { step: key("a#0") })),
        (
            in_doubt(),
            Some(&other),
            Err(NotContinuable::OtherStep { in_doubt: key("a#0"), settled: key("b#0") }),
        ),
        (Outcome::Cancelled, Some(&done), Err(NotContinuable::NothingInDoubt)),
        (Outcome::Succeeded, None, Err(over(&Outcome::Succeeded))),
        (failed(), None, Err(over(&failed()))),
        (
            needs(AttentionReason::JournalMismatch { step: key("a#0") }),
            None,
            Err(NotContinuable::Journal { step: key("a#0") }),
        ),
        (
            needs(AttentionReason::EngineVersion { needed: 2 }),
            None,
            Err(NotContinuable::Engine { needed: 2 }),
        ),
    ] {
        assert_eq!(continuable(&outcome, settlement), expected, "{outcome:?} {settlement:?}");
    }
}

#[test]
fn an_inherited_step_counts_as_recorded() {
    let events =
        [continuing(), inherited("a#0"), RunEvent::Queued {}, RunEvent::Started {}, attempt_started(1)];
    let run = events.iter().fold(None, |run, event| Some(apply(run, RUN, event, at(1)).unwrap())).unwrap();
    assert!(matches!(run.state, RunState::Running(_)));
    assert!(apply(Some(run.clone()), RUN, &begun("a#0"), at(2)).is_err(), "it was done already");
    assert!(apply(Some(run), RUN, &begun("a#1"), at(2)).is_ok());
}
