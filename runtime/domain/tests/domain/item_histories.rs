//! Random histories of commands to a work item, and what holds of each.

use proptest::collection::vec;
use proptest::prelude::*;
use windlass_domain::digest::Digest;
use windlass_domain::id::RunId;
use windlass_domain::item::{
    ItemCommand, ItemEvent, PlanState, ReturnState, StateName, TaskState, WorkItem, allowed_moves, apply,
    create, decide,
};
use windlass_domain::projection::Projection;

use crate::arbitrary;
use crate::items::{feature, project, spec_in, task_in};
use crate::support::{RUN, at};

fn by() -> String {
    "ada".to_owned()
}

fn item_command() -> impl Strategy<Value = ItemCommand> {
    use StateName::{NeedsResearch, NeedsReview};
    let holds = proptest::sample::select(&[NeedsResearch, NeedsReview]);
    prop_oneof![
        8 => arbitrary::state_name().prop_map(|to| ItemCommand::Move { to, by: by() }).boxed(),
        3 => holds.prop_map(|hold| ItemCommand::ReturnFromHold { run_id: RUN, hold }).boxed(),
        1 => arbitrary::changes().prop_map(|changes| ItemCommand::Edit { changes: changes.into(), by: by() }).boxed(),
        1 => any::<[u8; 4]>().prop_map(|answers| {
            ItemCommand::AnswerContext { digest: Digest::of(&answers), by: by() }
        }).boxed(),
        1 => Just(ItemCommand::NoteProjection { run_id: RUN, projection: Projection::default() }).boxed(),
    ]
}

/// A new item and what is asked of it; with each command, whether a run of its hold is active.
fn history() -> impl Strategy<Value = (WorkItem, Vec<(ItemCommand, bool)>)> {
    let new = proptest::sample::select(vec![
        feature(),
        spec_in(PlanState::Backlog),
        task_in(TaskState::Open),
        project(),
    ]);
    let weighted = prop_oneof![3 => Just(true), 1 => Just(false)];
    let asked = (item_command(), weighted).prop_map(|(command, idle)| (command, !idle));
    (new, vec(asked, 1..60))
}

/// An item after each of its events.
struct Played {
    steps: Vec<(ItemEvent, WorkItem)>,
}

fn play((new, commands): (WorkItem, Vec<(ItemCommand, bool)>)) -> Played {
    let created = create(new).unwrap();
    let mut item = apply(None, &created, at(0)).unwrap();
    let mut steps = vec![(created, item.clone())];
    for (moment, (command, active)) in (1..).zip(commands) {
        let active = active.then_some(RunId::from_bytes([9; 16]));
        for event in decide(&item, active, command.clone()).unwrap_or_default() {
            item = apply(Some(item), &event, at(moment))
                .unwrap_or_else(|corrupt| panic!("{command:?} caused {event:?}: {corrupt}"));
            steps.push((event, item.clone()));
        }
    }
    Played { steps }
}

impl Played {
    /// Each event with the item before it and after it.
    fn changes(&self) -> impl Iterator<Item = (&ItemEvent, &WorkItem, &WorkItem)> {
        self.steps.iter().zip(&self.steps[1..]).map(|((_, before), (event, after))| (event, before, after))
    }
}

fn home(state: ReturnState) -> StateName {
    PlanState::from(state).name()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn replaying_the_events_gives_the_live_item(history in history()) {
        let played = play(history);
        let codec = bincode::config::standard();
        let mut replayed = None;
        for (event, live) in &played.steps {
            let bytes = bincode::encode_to_vec(event, codec).unwrap();
            let (event, _): (ItemEvent, usize) = bincode::decode_from_slice(&bytes, codec).unwrap();
            let item = apply(replayed, &event, live.updated_at).unwrap();
            prop_assert_eq!(&item, live);
            replayed = Some(item);
        }
    }

    #[test]
    fn return_state_always_leads_back_to_where_the_hold_was_entered(history in history()) {
        let mut came_from = None;
        for (event, before, after) in play(history).changes() {
            let moves = matches!(event, ItemEvent::Moved { .. } | ItemEvent::Returned { .. });
            if moves && after.plan_state().is_some_and(|state| state.awaits().is_some()) {
                came_from = before.state_name();
            }
            let Some(state) = after.plan_state() else { continue };
            prop_assert_eq!(state.return_state().is_some(), state.awaits().is_some());
            let Some(return_state) = state.return_state() else { continue };
            prop_assert_eq!(Some(home(return_state)), came_from, "{:?}", state);
            let back = ItemCommand::ReturnFromHold { run_id: RUN, hold: state.name() };
            let caused = decide(after, None, back).unwrap();
            prop_assert_eq!(caused.len(), 1);
            let back = apply(Some(after.clone()), &caused[0], at(99)).unwrap();
            prop_assert_eq!(back.state_name(), came_from);
            let by_hand = ItemCommand::Move { to: home(return_state), by: by() };
            prop_assert!(decide(after, None, by_hand).is_ok());
        }
    }

    #[test]
    fn an_item_moves_by_itself_out_of_a_hold_and_nowhere_else(history in history()) {
        for (event, before, after) in play(history).changes() {
            let allowed = allowed_moves(before);
            match event {
                ItemEvent::Moved { to, .. } => prop_assert!(allowed.contains(to), "{event:?} from {:?}", before.body),
                ItemEvent::Returned { .. } => {
                    prop_assert!(before.plan_state().is_some_and(|state| state.awaits().is_some()));
                }
                _ => prop_assert_eq!(before.state_name(), after.state_name(), "{:?}", event),
            }
        }
    }

    #[test]
    fn what_never_changes_stays_and_the_version_counts_the_changes(history in history()) {
        for (event, before, after) in play(history).changes() {
            let fixed = |item: &WorkItem| {
                (item.workspace_id, item.id.clone(), item.item_type(), item.parent_id.clone(), item.created_at)
            };
            prop_assert_eq!(fixed(before), fixed(after));
            let counts = u64::from(!matches!(event, ItemEvent::ProjectionWritten { .. } | ItemEvent::ProjectionIntended { .. }));
            prop_assert_eq!(before.version + counts, after.version, "{:?}", event);
        }
    }
}

/// Whether the drawn histories reach what the properties speak of.
#[test]
fn the_drawn_histories_reach_every_state_and_every_event() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut events, mut states) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for _ in 0..256 {
        for (event, item) in play(history().new_tree(&mut runner).unwrap().current()).steps {
            events.insert(event.type_name());
            states.extend(item.state_name());
        }
    }
    assert_eq!((events.len(), states.len()), (6, 10), "{events:?} {states:?}");
}
