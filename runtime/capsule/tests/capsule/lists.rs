//! Pages of runs and items, streams and cursors.

use super::support::*;
use windlass_capsule::{ItemFilter, MAX_PAGE, Op, Page, PageKey, RunFilter, RunScope, RunSummary};
use windlass_domain::event::Stream;
use windlass_domain::id::{Cursor, Seq};
use windlass_domain::item::{ItemType, PlanState, StateName};
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{BlockedReason, Outcome, RunStatus};

/// Twelve runs over three items: two of three have ended, every fourth is research.
fn fleet() -> Ship {
    let ship = Ship::with_task();
    for name in ["T-2", "T-3"] {
        ship.write(Op::CreateItem(Box::new(task(name))));
        ship.write(answered(name));
    }
    for number in 1..=12_u16 {
        let item = format!("T-{}", number % 3 + 1);
        let kind = if number % 4 == 0 { RunKind::Research } else { RunKind::Review };
        ship.write(submit(submission_of(run_id(number), request(&item, kind))));
        let outcome = match number % 3 {
            0 => Outcome::Succeeded,
            1 => Outcome::Blocked { reason: BlockedReason::PolicyDenied },
            _ if number < 9 => Outcome::Failed { reason: "leak".to_owned() },
            _ => continue,
        };
        ship.write(act(run_id(number), vec![start(1), end(1, outcome)]));
    }
    ship
}

/// Walks the pages and gives the numbers of the runs.
fn walk(ship: &Ship, filter: &RunFilter, limit: usize) -> Vec<u16> {
    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let page = ship.reader.runs(filter, Page { after, limit }).unwrap();
        assert!(page.runs.len() <= limit);
        numbers.extend(page.runs.iter().map(number));
        let Some(next) = page.next else { return numbers };
        assert_eq!(page.runs.len(), limit, "only the last page is short");
        after = Some(PageKey::from_u64(next.to_u64()));
    }
}

fn number(run: &RunSummary) -> u16 {
    let bytes = run.run_id.as_bytes();
    u16::from_be_bytes([bytes[14], bytes[15]])
}

#[test]
fn pages_of_any_size_and_filter_hold_the_same_runs_newest_first() {
    let ship = fleet();
    let all = ship.reader.runs(&RunFilter::default(), Page { after: None, limit: MAX_PAGE }).unwrap().runs;
    assert_eq!(all.iter().map(number).collect::<Vec<_>>(), (1..=12).rev().collect::<Vec<_>>());
    let scopes = [
        RunScope::All,
        RunScope::Workspace(workspace_id()),
        RunScope::Item(workspace_id(), item_id("T-2")),
        RunScope::Item(workspace_id(), item_id("T")),
    ];
    let statuses = [vec![], vec![RunStatus::Succeeded], vec![RunStatus::Queued, RunStatus::Failed]];
    for scope in scopes {
        for kind in [None, Some(RunKind::Research), Some(RunKind::Review)] {
            for statuses in &statuses {
                for active_only in [false, true] {
                    let filter =
                        RunFilter { scope: scope.clone(), kind, statuses: statuses.clone(), active_only };
                    let fits = |run: &&RunSummary| {
                        let in_scope = match &filter.scope {
                            RunScope::All => true,
                            RunScope::Workspace(id) => run.workspace_id == *id,
                            RunScope::Item(id, item) => run.workspace_id == *id && run.work_item_id == *item,
                        };
                        in_scope
                            && kind.is_none_or(|kind| run.kind == kind)
                            && (statuses.is_empty() || statuses.contains(&run.status))
                            && (!active_only || run.status.is_active())
                    };
                    let expected: Vec<_> = all.iter().filter(fits).map(number).collect();
                    for limit in [1, 2, 5, 12, 500] {
                        assert_eq!(walk(&ship, &filter, limit), expected, "{filter:?} by {limit}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_page_stays_where_it_was_while_runs_come() {
    let ship = fleet();
    let filter = RunFilter::default();
    let first = ship.reader.runs(&filter, Page { after: None, limit: 5 }).unwrap();
    ship.write(act(run_id(11), vec![start(1), end(1, Outcome::Succeeded)]));
    ship.write(submit(submission(13, "T-3")));
    let second = ship.reader.runs(&filter, Page { after: first.next, limit: 5 }).unwrap();
    assert_eq!(second.runs.iter().map(number).collect::<Vec<_>>(), [7, 6, 5, 4, 3]);
}

#[test]
fn a_summary_says_where_a_run_stands() {
    let ship = fleet();
    let ended = ship.reader.run_summary(run_id(3)).unwrap().unwrap();
    assert_eq!((ended.status, ended.summary.as_deref()), (RunStatus::Succeeded, Some("done")));
    assert!(ended.ended_at.is_some() && ended.phase.is_none());
    let queued = ship.reader.run_summary(run_id(11)).unwrap().unwrap();
    assert_eq!((queued.status, queued.epoch.0, queued.ended_at), (RunStatus::Queued, 0, None));
    let active: Vec<_> = ship.reader.active_runs().unwrap().iter().map(|run| run.run_id).collect();
    assert_eq!(active, [run_id(11)]);
}

#[test]
fn items_come_in_the_order_of_their_ids_and_are_filtered() {
    let ship = fleet();
    ship.write(Op::CreateItem(Box::new(project("P"))));
    let mut below = feature("F", PlanState::Planned);
    below.parent_id = Some(item_id("P"));
    ship.write(Op::CreateItem(Box::new(below)));
    let names = |filter: ItemFilter| -> Vec<String> {
        ship.reader.items(&filter).unwrap().items.into_iter().map(|item| item.id.to_string()).collect()
    };
    let all = ItemFilter { limit: 10, ..ItemFilter::default() };
    assert_eq!(names(all.clone()), ["F", "P", "T-1", "T-2", "T-3"]);
    assert_eq!(names(ItemFilter { limit: 2, ..all.clone() }), ["F", "P"]);
    let after = Some((workspace_id(), item_id("P")));
    assert_eq!(names(ItemFilter { after, limit: 2, ..all.clone() }), ["T-1", "T-2"]);
    assert_eq!(names(ItemFilter { item_type: Some(ItemType::Project), ..all.clone() }), ["P"]);
    assert_eq!(names(ItemFilter { state: Some(StateName::Planned), ..all.clone() }), ["F"]);
    assert_eq!(names(ItemFilter { parent_id: Some(item_id("P")), ..all.clone() }), ["F"]);
    assert_eq!(names(ItemFilter { workspace_id: Some(workspace_id()), ..all.clone() }).len(), 5);
    let elsewhere = windlass_domain::id::WorkspaceId::from_bytes(id(1));
    assert_eq!(names(ItemFilter { workspace_id: Some(elsewhere), ..all }), [""; 0]);
}

#[test]
fn streams_and_the_whole_log_are_read_from_any_place() {
    let ship = fleet();
    let stream = Stream::Run { run_id: run_id(1) };
    let types = |from, limit| -> Vec<&str> {
        let events = ship.reader.events(&stream, Seq(from), limit).unwrap();
        events.iter().map(|event| event.data.type_name()).collect()
    };
    let whole = ["run.submitted", "run.queued", "run.started", "attempt.started", "run.ended"];
    assert_eq!(types(1, 10), whole);
    assert_eq!(types(3, 2), whole[2..4]);
    assert!(types(6, 10).is_empty());
    assert_eq!(ship.reader.last_seq(&stream).unwrap(), Seq(5));
    let item = Stream::Item { workspace_id: workspace_id(), work_item_id: item_id("T-1") };
    assert_eq!(ship.reader.events(&item, Seq(1), 10).unwrap().len(), 2);
    let head = ship.reader.head().unwrap().cursor;
    let cursors: Vec<_> =
        ship.reader.events_after(Cursor(3), 500).unwrap().iter().map(|event| event.cursor.0).collect();
    assert_eq!(cursors, (4..=head.0).collect::<Vec<_>>());
    assert!(ship.reader.events_after(head, 500).unwrap().is_empty());
}
