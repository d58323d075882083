//! Each rule, seen to be broken by a record that is as short as it can be.

use windlass_domain::id::Epoch;
use windlass_domain::run::Outcome;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::OnInterrupt::{Ask, Redo};

use super::{Violation, record};
use crate::chronicle::{Chronicle, run_id, step};

fn begun() -> Chronicle {
    Chronicle::default().admitted(1, "T-1", "k").attempt(1, 1)
}

fn broken(chronicle: &Chronicle) -> Violation {
    record(&chronicle.events).expect_err("the record breaks a rule")
}

#[test]
fn a_whole_life_with_a_crash_in_it_breaks_no_rule() {
    let life = begun().begun(1, 1, Redo).attempt(1, 2).begun(1, 2, Redo).finished(1, 2);
    let life = life.ended(1, 2, Outcome::Succeeded).admitted(2, "T-1", "l").cancelled(2).attempt(2, 1);
    assert_eq!(record(&life.ended(2, 1, Outcome::Cancelled).events), Ok(()));
}

#[test]
fn a_missing_event_is_seen() {
    let mut life = begun().begun(1, 1, Redo);
    life.events.remove(2);
    assert!(matches!(broken(&life), Violation::Gap { cursor: 4, .. }));
    let mut life = begun();
    life.events[2].seq = life.events[2].seq.next();
    assert!(matches!(broken(&life), Violation::Gap { cursor: 3, .. }));
}

#[test]
fn two_active_runs_of_one_item_are_seen() {
    let two = Chronicle::default().admitted(1, "T-1", "k").admitted(2, "T-1", "l");
    assert_eq!(broken(&two), Violation::TwoActive { run_id: run_id(2), active: run_id(1) });
    let apart = Chronicle::default().admitted(1, "T-1", "k").admitted(2, "T-2", "l");
    assert_eq!(record(&apart.events), Ok(()));
}

#[test]
fn a_run_that_is_admitted_in_parts_is_seen() {
    let alone = Chronicle::default().submitted(1, "T-1", "k", None);
    assert_eq!(broken(&alone), Violation::Partly { run_id: run_id(1) });
    let crossed = Chronicle::default().submitted(1, "T-1", "k", None).admitted(2, "T-2", "l");
    assert_eq!(broken(&crossed), Violation::Partly { run_id: run_id(1) });
    let unknown = Chronicle::default().attempt(1, 1);
    assert_eq!(broken(&unknown), Violation::Partly { run_id: run_id(1) });
}

#[test]
fn a_key_that_makes_two_runs_is_seen() {
    let twice = begun().ended(1, 1, Outcome::Succeeded).admitted(2, "T-1", "k");
    assert_eq!(broken(&twice), Violation::KeyUsedTwice { key: "k".to_owned(), run_id: run_id(2) });
}

#[test]
fn an_epoch_that_is_left_out_or_given_twice_is_seen() {
    for given in [1, 3] {
        let wrong = Violation::Epoch { run_id: run_id(1), given: Epoch(given), newest: Epoch(1) };
        assert_eq!(broken(&begun().attempt(1, given)), wrong);
    }
}

#[test]
fn an_older_attempt_that_writes_is_seen() {
    let stale = begun().attempt(1, 2).begun(1, 1, Redo);
    let wrong = Violation::Stale { run_id: run_id(1), given: Epoch(1), newest: Epoch(2) };
    assert_eq!(broken(&stale), wrong);
}

#[test]
fn what_follows_an_end_is_seen() {
    let after = begun().ended(1, 1, Outcome::Succeeded).and(1, None, RunEvent::Queued {});
    assert_eq!(broken(&after), Violation::AfterEnd { run_id: run_id(1), what: "run.queued" });
}

#[test]
fn a_step_that_is_done_twice_or_not_intended_is_seen() {
    let (run_id, step) = (run_id(1), step(0));
    let twice = begun().begun(1, 1, Redo).finished(1, 1).finished(1, 1);
    assert_eq!(broken(&twice), Violation::FinishedTwice { run_id, step: step.clone() });
    let again = begun().begun(1, 1, Redo).finished(1, 1).attempt(1, 2).begun(1, 2, Redo);
    assert_eq!(broken(&again), Violation::BegunAgain { run_id, step: step.clone() });
    let in_doubt = begun().begun(1, 1, Ask).attempt(1, 2).begun(1, 2, Ask);
    assert_eq!(broken(&in_doubt), Violation::BegunAgain { run_id, step: step.clone() });
    assert_eq!(broken(&begun().finished(1, 1)), Violation::NotIntended { run_id, step });
}

#[test]
fn a_cancel_that_is_forgotten_or_made_up_is_seen() {
    let wrong = Violation::Cancel { run_id: run_id(1) };
    assert_eq!(broken(&begun().cancelled(1).ended(1, 1, Outcome::Succeeded)), wrong);
    assert_eq!(broken(&begun().ended(1, 1, Outcome::Cancelled)), wrong);
}
