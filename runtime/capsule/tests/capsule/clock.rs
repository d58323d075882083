//! A clock that is set back: times are for people, and nothing is ordered by them, nor by the time in an id.

use std::sync::atomic::{AtomicI64, Ordering};

use super::support::*;
use windlass_capsule::{MAX_PAGE, Options, Page, RunFilter, create_or_open};
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::{Outcome, RunStatus};

/// A clock that is set back by a day with each transaction.
fn set_back() -> Options {
    const DAY: i64 = 24 * 60 * 60;
    let now = AtomicI64::new(0);
    Options { clock: Box::new(move || time(now.fetch_sub(DAY, Ordering::Relaxed))), ..options() }
}

#[test]
fn a_clock_that_is_set_back_between_submission_and_start_changes_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader) = create_or_open(folder.path(), set_back(), &holder(), Box::new(|_, _| {})).unwrap();
    let ship = Ship { folder, writer, reader };
    ship.outfit(3);
    // Ids carry the time as well: the later the submission, the lower its id.
    for (number, item) in [(3, "T-1"), (2, "T-2"), (1, "T-3")] {
        ship.write(submit(submission(number, item)));
    }
    ship.write(act(run_id(3), vec![start(1)]));
    let active: Vec<RunId> = ship.reader.active_runs().unwrap().iter().map(|run| run.run_id).collect();
    assert_eq!(active, [run_id(3), run_id(2), run_id(1)], "as they were submitted");
    let all = ship.reader.runs(&RunFilter::default(), Page { after: None, limit: MAX_PAGE }).unwrap();
    let newest: Vec<RunId> = all.runs.iter().map(|run| run.run_id).collect();
    assert_eq!(newest, [run_id(1), run_id(2), run_id(3)], "the newest first");
    ship.write(act(run_id(3), vec![end(1, Outcome::Succeeded)]));
    assert_eq!(ship.reader.run(run_id(3)).unwrap().unwrap().status(), RunStatus::Succeeded);
    let events = ship.reader.events(&Stream::Run { run_id: run_id(3) }, Seq(1), MAX_PAGE).unwrap();
    assert!(events.is_sorted_by_key(|event| event.cursor));
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert!(last.at < first.at, "the check can see the clock");
    ship.is_sound();
}
