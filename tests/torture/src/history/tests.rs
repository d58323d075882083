//! Each answer that is not so, seen to be found.

use windlass_contract::ErrorCode;
use windlass_domain::id::RunId;
use windlass_domain::run::Outcome;

use super::{Answer, Asked, History, Operation, Untrue, check};
use crate::chronicle::{Chronicle, item, run_id};

fn submit(key: &str) -> Asked {
    Asked::Submit { item: item("T-1"), key: key.to_owned() }
}

fn accepted(run: u8, new: bool) -> Answer {
    Answer::Accepted { run_id: run_id(run), new }
}

/// Operations one after the other, each answered before the next is invoked.
fn told(answers: &[(Asked, Answer)]) -> Vec<Operation> {
    let history = History::default();
    for (asked, answer) in answers {
        history.answer(history.invoke(), asked.clone(), answer.clone());
    }
    history.operations()
}

/// Run 1 of `T-1` was cancelled; run 2 continues it.
fn record() -> Chronicle {
    let first = Chronicle::default().admitted(1, "T-1", "k").cancelled(1).attempt(1, 1);
    first.ended(1, 1, Outcome::Cancelled).submitted(2, "T-1", "l", Some(1))
}

fn untrue(answers: &[(Asked, Answer)]) -> Untrue {
    check(&told(answers), &record().events).expect_err("an answer is not so")
}

fn cancel(run_id: RunId) -> Asked {
    Asked::Cancel { run_id }
}

#[test]
fn true_answers_are_found_true() {
    let answers = [
        (submit("k"), accepted(1, true)),
        (submit("k"), accepted(1, false)),
        (submit("other"), Answer::Lost),
        (submit("more"), Answer::Refused(ErrorCode::AlreadyActive)),
        (cancel(run_id(1)), Answer::Cancelled),
        (cancel(run_id(1)), Answer::Refused(ErrorCode::RunEnded)),
        (Asked::Resume { run_id: run_id(1) }, accepted(2, true)),
    ];
    assert_eq!(check(&told(&answers), &record().events), Ok(()));
}

#[test]
fn a_run_that_was_accepted_and_is_lost_is_seen() {
    assert_eq!(untrue(&[(submit("m"), accepted(9, true))]), Untrue::NoSuchRun { run_id: run_id(9) });
}

#[test]
fn a_run_that_is_not_what_was_asked_for_is_seen() {
    let (other_key, other_run) = (submit("x"), Asked::Resume { run_id: run_id(7) });
    for (asked, run) in [(other_key, 1), (other_run, 2)] {
        let wrong = Untrue::OtherRun { run_id: run_id(run), asked: asked.clone() };
        assert_eq!(untrue(&[(asked, accepted(run, true))]), wrong);
    }
}

#[test]
fn one_key_with_two_runs_is_seen() {
    let record = record().submitted(3, "T-1", "k", None);
    let operations = told(&[(submit("k"), accepted(1, true)), (submit("k"), accepted(3, true))]);
    let wrong = Untrue::TwoRuns { key: "k".to_owned(), first: run_id(1), second: run_id(3) };
    assert_eq!(check(&operations, &record.events), Err(wrong));
}

#[test]
fn a_run_that_two_callers_are_said_to_have_made_is_seen() {
    let twice = [(submit("k"), accepted(1, true)), (submit("k"), accepted(1, true))];
    assert_eq!(untrue(&twice), Untrue::MadeTwice { run_id: run_id(1) });
}

#[test]
fn a_cancel_or_an_end_that_is_not_recorded_is_seen() {
    let answers = [(cancel(run_id(2)), Answer::Cancelled)];
    assert_eq!(untrue(&answers), Untrue::NoCancel { run_id: run_id(2) });
    let answers = [(cancel(run_id(2)), Answer::Refused(ErrorCode::RunEnded))];
    assert_eq!(untrue(&answers), Untrue::NotEnded { run_id: run_id(2) });
}

#[test]
fn runs_that_stand_in_another_order_than_they_were_answered_in_are_seen() {
    let answers =
        [(Asked::Resume { run_id: run_id(1) }, accepted(2, true)), (submit("k"), accepted(1, true))];
    assert_eq!(untrue(&answers), Untrue::Order { earlier: run_id(2), later: run_id(1) });
}
