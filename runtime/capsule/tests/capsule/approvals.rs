//! The open questions: there from the event that asks until the one that answers, cancels or ends, and nowhere else.

use windlass_capsule::{MAX_PAGE, WriteError};
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::run::event::ApprovalAnswer::{Approved, Denied, Expired};
use windlass_domain::run::{Outcome, Refusal};

use crate::support::*;

fn open(ship: &Ship) -> Vec<(RunId, u8)> {
    let (open, more) = ship.reader.open_approvals(None, MAX_PAGE).unwrap();
    assert!(!more);
    open.iter().map(|open| (open.run_id, open.question.approval_id.as_bytes()[0])).collect()
}

#[test]
fn a_question_is_open_until_it_is_answered_cancelled_or_its_run_ends() {
    let failed = || Outcome::Failed { reason: "so".to_owned() };
    let closing =
        [answer(4, Approved, 98), answer(4, Denied, 98), answer(4, Expired, 99), cancel(), end(1, failed())];
    for command in closing {
        let (ship, run_id) = Ship::with_run();
        ship.write(act(run_id, vec![ask(1, 4)]));
        assert_eq!(open(&ship), [(run_id, 4)], "{command:?}");
        assert_eq!(ship.reader.waiting_on(approval_id(4)).unwrap(), Some(run_id));
        ship.is_sound();
        ship.write(act(run_id, vec![command.clone()]));
        assert_eq!(open(&ship), [], "{command:?}");
        assert_eq!(ship.reader.waiting_on(approval_id(4)).unwrap(), None);
        ship.is_sound();
    }
}

#[test]
fn a_question_that_is_asked_and_answered_in_one_write_was_never_open() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![ask(1, 4), answer(4, Approved, 1), ask(1, 5)]));
    assert_eq!(open(&ship), [(run_id, 5)]);
    ship.is_sound();
}

#[test]
fn questions_are_listed_oldest_first_of_all_or_of_one_workspace() {
    let ship = Ship::new();
    ship.outfit(3);
    for number in 1..=3 {
        let run_id = ship.start_run(number, &format!("T-{number}"));
        ship.write(act(run_id, vec![ask(1, 10 - u8::try_from(number).unwrap())]));
    }
    let numbers: Vec<u8> = open(&ship).iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [7, 8, 9]);
    let of = |workspace_id| ship.reader.open_approvals(Some(workspace_id), MAX_PAGE).unwrap().0.len();
    assert_eq!((of(workspace_id()), of(WorkspaceId::from_bytes([9; 16]))), (3, 0));
    let (two, more) = ship.reader.open_approvals(None, 2).unwrap();
    assert_eq!((two.len(), more), (2, true));
}

#[test]
fn of_two_answers_the_second_is_refused_and_changes_nothing() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![ask(1, 4)]));
    ship.write(act(run_id, vec![answer(4, Approved, 98)]));
    let refused = ship.refused(act(run_id, vec![answer(4, Denied, 98)]));
    let expected = Refusal::NotAsked { approval_id: approval_id(4) };
    assert!(matches!(&refused, WriteError::Run(refusal) if *refusal == expected), "{refused:?}");
}
