//! What a write does, and what it answers.

use super::support::*;
use windlass_capsule::{Op, Written};
use windlass_domain::run::{Outcome, RunStatus};

#[test]
fn a_run_goes_from_submission_to_its_end() {
    let (ship, run_id) = Ship::with_run();
    let Written::Run { events } = ship.write(act(
        run_id,
        vec![begin("look", 0), finish("look", 0, inline("seen")), end(1, Outcome::Succeeded)],
    )) else {
        panic!("a run's write is answered with its events")
    };
    let types: Vec<_> = events.iter().map(|event| event.data.type_name()).collect();
    assert_eq!(types, ["step.started", "step.finished", "run.ended"]);
    assert_eq!(ship.reader.run(run_id).unwrap().unwrap().status(), RunStatus::Succeeded);
    assert_eq!(ship.reader.head().unwrap().cursor, events[2].cursor);
    assert!(ship.reader.active_runs().unwrap().is_empty());
    let Written::Workspace { new, .. } = ship.write(Op::RegisterWorkspace(workspace())) else { panic!() };
    assert!(!new);
}
