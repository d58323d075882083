//! Histories that no command makes: each is found by the rule that it breaks.

use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::item::{self, ItemEvent, StateName};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{Outcome, Phase, apply};

use crate::items::{feature, project};
use crate::support::*;

/// The rule that the last of these events breaks; the others must follow one another.
fn broken_rule(mut events: Vec<RunEvent>) -> &'static str {
    let last = events.pop().expect("a case has an event");
    let run = events.iter().fold(None, |run, event| Some(apply(run, RUN, event, at(1)).unwrap()));
    let corrupt = apply(run, RUN, &last, at(2)).expect_err("the last event cannot follow");
    assert_eq!((corrupt.run_id, corrupt.event), (RUN, last.type_name()));
    corrupt.why
}

#[test]
fn a_corrupt_history_is_found_by_the_rule_that_it_breaks() {
    let new = || submitted(CaptureMode::PromptsOnly);
    let cancelled = || RunEvent::CancelRequested(cancel_request());
    let stored = || RunEvent::ArtifactStored(artifact("a", "x", DataClass::Output));
    let phase = |phase| RunEvent::PhaseChanged { phase };
    let running = |more: Vec<RunEvent>| {
        let mut events = vec![new(), RunEvent::Queued {}, RunEvent::Started {}, attempt_started(1)];
        events.extend(more);
        events
    };
    for (events, why) in [
        (vec![RunEvent::Queued {}], "the first event of a run is run.submitted"),
        (vec![new(), new()], "a run is submitted once"),
        (running(vec![new()]), "a run is submitted once"),
        (vec![new(), inherited("a#0")], "only a run that continues another inherits from it"),
        (vec![continuing(), inherited("a#1")], "records of one name are numbered without gaps"),
        (
            vec![continuing(), inherited("a#0"), inherited("a#0")],
            "records of one name are numbered without gaps",
        ),
        (running(vec![inherited("a#0")]), "it is running"),
        (vec![new(), attempt_started(1)], "it has not started"),
        (vec![new(), ended(failed())], "it has not started"),
        (running(vec![RunEvent::Started {}]), "it is running"),
        (running(vec![RunEvent::Queued {}]), "it is running"),
        (running(vec![attempt_started(1)]), "attempts are numbered without gaps"),
        (running(vec![attempt_started(3)]), "attempts are numbered without gaps"),
        (running(vec![attempt_lost(2)]), "only the newest attempt can be lost"),
        (running(vec![attempt_started(2), attempt_lost(1)]), "only the newest attempt can be lost"),
        (running(vec![begun("a#1")]), "a step begins in the order of its name"),
        (
            running(vec![begun("a#0"), finished("a#0"), begun("a#0")]),
            "a step begins in the order of its name",
        ),
        (running(vec![finished("a#0")]), "a result follows its intent"),
        (running(vec![phase(Phase::Execute), phase(Phase::Prepare)]), "phases only go forward"),
        (running(vec![phase(Phase::Execute), phase(Phase::Execute)]), "phases only go forward"),
        (running(vec![capture_blocked("k#1", "x")]), "records of one name are numbered without gaps"),
        (running(vec![asked(1), asked(2)]), "one question at a time"),
        (running(vec![answered(1)]), "an answer follows its question"),
        (running(vec![asked(1), answered(2)]), "an answer follows its question"),
        (running(vec![cancelled(), cancelled()]), "a run is cancelled once"),
        (running(vec![stored(), stored()]), "an artifact is stored once"),
        (
            running(vec![ended(Outcome::Cancelled)]),
            "a run ends as cancelled exactly when a cancel was committed",
        ),
        (
            running(vec![cancelled(), ended(failed())]),
            "a run ends as cancelled exactly when a cancel was committed",
        ),
        (running(vec![ended(failed()), ended(failed())]), "run.ended is the last event of its stream"),
        (running(vec![ended(failed()), cancelled()]), "run.ended is the last event of its stream"),
    ] {
        let told = format!("{events:?}");
        assert_eq!(broken_rule(events), why, "{told}");
    }
}

#[test]
fn a_corrupt_item_is_found_by_the_rule_that_it_breaks() {
    let created = |item| ItemEvent::Created { item: Box::new(item) };
    let moved = |from, to| ItemEvent::Moved { from, to, by: "ada".to_owned() };
    use StateName::{Archived, Backlog, Completed, NeedsResearch, Open, Planned};
    for (before, event, why) in [
        (None, moved(Backlog, Planned), "the first event of an item is item.created"),
        (Some(feature()), created(feature()), "an item is created once"),
        (Some(feature()), moved(Planned, Archived), "a move starts where the item stands"),
        (Some(project()), moved(Backlog, Planned), "a move starts where the item stands"),
        (Some(feature()), moved(Backlog, Open), "this type has no such state"),
    ] {
        let corrupt = item::apply(before, &event, at(2)).expect_err("the event cannot follow");
        assert_eq!((corrupt.event, corrupt.why), (event.type_name(), why));
    }
    let completed = item::apply(Some(feature()), &moved(Backlog, Completed), at(2)).unwrap();
    let held = item::apply(Some(completed), &moved(Completed, NeedsResearch), at(3));
    assert_eq!(held.unwrap_err().why, "this type has no such state", "nothing leads back from there");
}
