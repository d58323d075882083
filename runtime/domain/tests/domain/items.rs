//! What a work item makes of each command: every move from every state, holds, edits, the gate before `planned`.

use windlass_domain::digest::Digest;
use windlass_domain::id::RunId;
use windlass_domain::item::StateName::*;
use windlass_domain::item::{
    DeepIntake, IntakeForm, ItemBody, ItemChanges, ItemCommand, ItemEvent, ItemRefusal, ItemType,
    MAX_TITLE_BYTES, PlanState, Priority, ReturnState, StateName, TaskState, WorkItem, allowed_moves, apply,
    create, decide,
};
use windlass_domain::maieutic::AcceptanceCriterion;
use windlass_domain::projection::{ProjectedFile, Projection, UnwrittenFile};

use crate::support::{RUN, WORKSPACE, at, item_id};

const STATES: [StateName; 10] =
    [Backlog, Planned, InProgress, NeedsResearch, NeedsReview, Completed, Deprecated, Archived, Open, Failed];

/// A form whose score is 85 and rises with each pair of deep fields.
fn form(deep: DeepIntake, open_questions: usize) -> IntakeForm {
    let one = || vec!["x".to_owned()];
    IntakeForm {
        problem: "x".to_owned(),
        outcome: "x".to_owned(),
        scope_in: one(),
        non_goals: one(),
        acceptance_criteria: vec![AcceptanceCriterion { text: "x".to_owned(), how_verified: "x".to_owned() }],
        integration_points: one(),
        constraints: one(),
        risks: one(),
        assumptions: one(),
        open_questions: vec!["why?".to_owned(); open_questions],
        deep,
    }
}

fn three_deep() -> DeepIntake {
    let said = || "x".to_owned();
    DeepIntake { components: said(), dataflows: said(), test_plan: said(), ..DeepIntake::default() }
}

fn item(body: ItemBody) -> WorkItem {
    WorkItem {
        workspace_id: WORKSPACE,
        id: item_id(),
        body,
        title: "Say hello".to_owned(),
        description: String::new(),
        parent_id: None,
        created_at: at(0),
        updated_at: at(0),
        version: 1,
        context: None,
    }
}

pub(crate) fn feature_in(state: PlanState) -> WorkItem {
    let intake = form(three_deep(), 0);
    item(ItemBody::Feature { state, acceptance_criteria: Vec::new(), priority: Priority::P2, intake })
}

/// A feature in the backlog that may be planned.
pub(crate) fn feature() -> WorkItem {
    feature_in(PlanState::Backlog)
}

pub(crate) fn spec_in(state: PlanState) -> WorkItem {
    item(ItemBody::Spec { state, prd_uri: None, intake: form(three_deep(), 0) })
}

pub(crate) fn task_in(state: TaskState) -> WorkItem {
    item(ItemBody::Task { state, assignee: None, result: None })
}

pub(crate) fn project() -> WorkItem {
    item(ItemBody::Project)
}

fn go(to: StateName) -> ItemCommand {
    ItemCommand::Move { to, by: "ada".to_owned() }
}

fn edit(changes: ItemChanges) -> ItemCommand {
    ItemCommand::Edit { changes: Box::new(changes), by: "ada".to_owned() }
}

const fn back(hold: StateName) -> ItemCommand {
    ItemCommand::ReturnFromHold { run_id: RUN, hold }
}

/// The item after a command and the events that the command caused.
fn obey(
    item: &WorkItem,
    active: Option<RunId>,
    command: ItemCommand,
) -> Result<(WorkItem, Vec<ItemEvent>), ItemRefusal> {
    let events = decide(item, active, command)?;
    let after = events.iter().fold(item.clone(), |item, event| apply(Some(item), event, at(5)).unwrap());
    Ok((after, events))
}

/// Every state that an item can be in, with the moves that a person may make from there.
fn lifecycle() -> Vec<(WorkItem, Vec<StateName>)> {
    use PlanState as At;
    let from = ReturnState::InProgress;
    let plans = [
        (At::Backlog, vec![Planned, NeedsResearch, Deprecated]),
        (At::Planned, vec![InProgress, NeedsResearch, Deprecated]),
        (At::InProgress, vec![Completed, NeedsReview, Deprecated]),
        (At::NeedsResearch { return_state: ReturnState::Backlog }, vec![Backlog, Deprecated]),
        (At::NeedsResearch { return_state: ReturnState::Planned }, vec![Planned, Deprecated]),
        (At::NeedsReview { return_state: from }, vec![InProgress, Deprecated]),
        (At::Completed, vec![]),
        (At::Deprecated, vec![Archived]),
        (At::Archived, vec![]),
    ];
    let tasks = [
        (TaskState::Open, vec![Completed, Failed]),
        (TaskState::Completed, vec![Open]),
        (TaskState::Failed, vec![Open]),
    ];
    let features = plans.iter().map(|(state, moves)| (feature_in(*state), moves.clone()));
    let specs = plans.iter().map(|(state, moves)| (spec_in(*state), moves.clone()));
    let tasks = tasks.into_iter().map(|(state, moves)| (task_in(state), moves));
    features.chain(specs).chain(tasks).chain([(project(), vec![])]).collect()
}

#[test]
fn from_every_state_the_listed_moves_are_made_and_all_others_are_refused() {
    for (item, allowed) in lifecycle() {
        assert_eq!(allowed_moves(&item), allowed, "{:?}", item.body);
        for to in STATES {
            let came = obey(&item, None, go(to));
            if allowed.contains(&to) {
                let (after, events) = came.unwrap();
                let from = item.state_name().unwrap();
                assert_eq!(events, [ItemEvent::Moved { from, to, by: "ada".to_owned() }]);
                assert_eq!((after.state_name(), after.version, after.updated_at), (Some(to), 2, at(5)));
            } else {
                let (id, from) = (item_id(), item.state_name());
                assert_eq!(
                    came.unwrap_err(),
                    ItemRefusal::IllegalMove { id, from, to, allowed: allowed.clone() }
                );
            }
        }
    }
}

#[test]
fn a_refused_move_names_the_allowed_ones() {
    let message = |item: &WorkItem, to| obey(item, None, go(to)).unwrap_err().to_string();
    let from_backlog = "`T-1` is backlog and cannot be moved to completed; from there it can go to: planned, needs_research, deprecated";
    assert_eq!(message(&feature(), Completed), from_backlog);
    let from_project =
        "`T-1` is a project without a state and cannot be moved to planned; from there it can go to: nowhere";
    assert_eq!(message(&project(), Planned), from_project);
}

#[test]
fn entering_a_hold_remembers_where_it_came_from() {
    for (from, hold, return_state) in [
        (PlanState::Backlog, NeedsResearch, ReturnState::Backlog),
        (PlanState::Planned, NeedsResearch, ReturnState::Planned),
        (PlanState::InProgress, NeedsReview, ReturnState::InProgress),
    ] {
        for item in [feature_in(from), spec_in(from)] {
            let (after, _) = obey(&item, None, go(hold)).unwrap();
            assert_eq!(after.plan_state().and_then(PlanState::return_state), Some(return_state));
        }
    }
}

#[test]
fn a_hold_with_an_active_run_is_left_by_deprecation_alone() {
    let active = RunId::from_bytes([9; 16]);
    for (state, home) in [
        (PlanState::NeedsResearch { return_state: ReturnState::Planned }, Planned),
        (PlanState::NeedsReview { return_state: ReturnState::InProgress }, InProgress),
    ] {
        for item in [feature_in(state), spec_in(state)] {
            let refused = ItemRefusal::HoldActive { id: item_id(), run_id: active };
            assert_eq!(obey(&item, Some(active), go(home)).unwrap_err(), refused);
            assert!(matches!(obey(&item, Some(active), go(Completed)), Err(ItemRefusal::IllegalMove { .. })));
            assert_eq!(obey(&item, Some(active), go(Deprecated)).unwrap().0.state_name(), Some(Deprecated));
            assert_eq!(obey(&item, None, go(home)).unwrap().0.state_name(), Some(home));
        }
    }
    let (outside, _) = obey(&feature(), Some(active), go(Planned)).unwrap();
    assert_eq!(outside.state_name(), Some(Planned), "only a hold waits for its run");
}

#[test]
fn the_end_of_a_hold_s_run_leads_back_and_any_other_end_moves_nothing() {
    let research = PlanState::NeedsResearch { return_state: ReturnState::Planned };
    let review = PlanState::NeedsReview { return_state: ReturnState::InProgress };
    for (item, hold, lands) in [
        (feature_in(research), NeedsResearch, Some(Planned)),
        (spec_in(research), NeedsResearch, Some(Planned)),
        (feature_in(review), NeedsReview, Some(InProgress)),
        (feature_in(research), NeedsReview, None),
        (feature_in(review), NeedsResearch, None),
        (feature_in(PlanState::Planned), NeedsResearch, None),
        (feature_in(PlanState::Deprecated), NeedsReview, None),
        (task_in(TaskState::Open), NeedsReview, None),
        (project(), NeedsReview, None),
    ] {
        let (after, events) = obey(&item, None, back(hold)).unwrap();
        let returned = lands.map(|to| ItemEvent::Returned { from: hold, to, run_id: RUN });
        assert_eq!(events, Vec::from_iter(returned), "{:?}", item.body);
        assert_eq!(after.state_name(), lands.or(item.state_name()));
    }
}

#[test]
fn planned_needs_the_score_and_no_open_question() {
    let with = |intake: IntakeForm| {
        let mut items = [feature(), spec_in(PlanState::Backlog)];
        for item in &mut items {
            if let ItemBody::Feature { intake: form, .. } | ItemBody::Spec { intake: form, .. } =
                &mut item.body
            {
                *form = intake.clone();
            }
        }
        items
    };
    let not_ready = |score| Err(ItemRefusal::NotReady { id: item_id(), score, needed: 90 });
    let questions = |count| Err(ItemRefusal::OpenQuestions { id: item_id(), count });
    for (intake, expect) in [
        (IntakeForm::default(), not_ready(0)),
        (form(DeepIntake { components: "x".to_owned(), ..DeepIntake::default() }, 0), not_ready(86)),
        (form(DeepIntake::default(), 2), not_ready(85)),
        (form(three_deep(), 0), Ok(Some(Planned))),
        (form(three_deep(), 2), questions(2)),
    ] {
        for item in with(intake) {
            assert_eq!(obey(&item, None, go(Planned)).map(|(after, _)| after.state_name()), expect);
            assert_eq!(obey(&item, None, go(NeedsResearch)).unwrap().0.state_name(), Some(NeedsResearch));
        }
    }
}

#[test]
fn the_way_back_from_a_hold_has_no_gate() {
    let mut item = feature_in(PlanState::NeedsResearch { return_state: ReturnState::Planned });
    if let ItemBody::Feature { intake, .. } = &mut item.body {
        *intake = IntakeForm::default();
    }
    assert_eq!(obey(&item, None, go(Planned)).unwrap().0.state_name(), Some(Planned));
}

#[test]
fn each_type_has_its_own_fields() {
    use ItemType::{Feature, Project, Spec, Task};
    let said = || Some("x".to_owned());
    let none = ItemChanges::default;
    let all: &[ItemType] = &[Project, Feature, Spec, Task];
    let items = || [project(), feature(), spec_in(PlanState::Planned), task_in(TaskState::Failed)];
    for (field, changes, types) in [
        ("title", ItemChanges { title: said(), ..none() }, all),
        ("description", ItemChanges { description: said(), ..none() }, all),
        (
            "acceptance_criteria",
            ItemChanges { acceptance_criteria: Some(vec!["x".to_owned()]), ..none() },
            &[Feature],
        ),
        ("priority", ItemChanges { priority: Some(Priority::P0), ..none() }, &[Feature]),
        ("prd_uri", ItemChanges { prd_uri: said(), ..none() }, &[Spec]),
        ("assignee", ItemChanges { assignee: said(), ..none() }, &[Task]),
        ("result", ItemChanges { result: said(), ..none() }, &[Task]),
        ("intake", ItemChanges { intake: Some(IntakeForm::default()), ..none() }, &[Feature, Spec]),
    ] {
        for item in items() {
            let came = obey(&item, None, edit(changes.clone()));
            let item_type = item.item_type();
            if types.contains(&item_type) {
                let (after, events) = came.unwrap();
                assert_eq!(
                    events,
                    [ItemEvent::Edited { changes: Box::new(changes.clone()), by: "ada".to_owned() }]
                );
                assert_eq!(
                    field_of(&after, field),
                    field_of_changes(&changes, field),
                    "{item_type:?} {field}"
                );
                let unlike = |item: &WorkItem| WorkItem { version: 0, updated_at: at(0), ..item.clone() };
                let undone = undo(after, &item, field);
                assert_eq!(unlike(&undone), unlike(&item), "nothing but {field} changes");
            } else {
                assert_eq!(came.unwrap_err(), ItemRefusal::NoSuchField { item_type, field });
            }
        }
    }
}

/// A field's value as JSON, as callers see it.
fn field_of(item: &WorkItem, field: &str) -> serde_json::Value {
    serde_json::to_value(item).unwrap()[field].clone()
}

fn field_of_changes(changes: &ItemChanges, field: &str) -> serde_json::Value {
    serde_json::to_value(changes).unwrap()[field].clone()
}

/// The item with one field as it was before.
fn undo(after: WorkItem, before: &WorkItem, field: &str) -> WorkItem {
    let mut json = serde_json::to_value(after).unwrap();
    json[field] = field_of(before, field);
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_title_is_one_line_of_limited_length() {
    let longest = "x".repeat(MAX_TITLE_BYTES);
    let too_long = format!("{longest}x");
    let two_byte = "ä".repeat(MAX_TITLE_BYTES / 2 + 1);
    for (title, fits) in [
        ("x", true),
        (longest.as_str(), true),
        (too_long.as_str(), false),
        (two_byte.as_str(), false),
        ("", false),
        (" \u{a0}", false),
        ("a\nb", false),
        ("a\u{1b}[31m", false),
    ] {
        let expect = if fits { Ok(()) } else { Err(ItemRefusal::BadTitle { max: MAX_TITLE_BYTES }) };
        let created = create(WorkItem { title: title.to_owned(), ..feature() });
        assert_eq!(created.map(drop), expect, "{title:?}");
        let edited = edit(ItemChanges { title: Some(title.to_owned()), ..ItemChanges::default() });
        assert_eq!(obey(&task_in(TaskState::Open), None, edited).map(drop), expect, "{title:?}");
    }
}

#[test]
fn answers_are_kept_on_the_item_and_a_projection_changes_nothing() {
    let digest = Digest::of(b"answers");
    let answer = ItemCommand::AnswerContext { digest, by: "ada".to_owned() };
    let (after, events) = obey(&feature(), None, answer).unwrap();
    assert_eq!(events, [ItemEvent::ContextAnswered { digest, by: "ada".to_owned() }]);
    assert_eq!(after, WorkItem { context: Some(digest), version: 2, updated_at: at(5), ..feature() });

    let files = vec![ProjectedFile { path: "/p/run_log.json".to_owned(), digest }];
    let unwritten = vec![UnwrittenFile { path: "/p/a.md".to_owned(), why: "a link".to_owned() }];
    let rule = "built-in/own-projections".to_owned();
    let intend = ItemCommand::IntendProjection { run_id: RUN, files: files.clone() };
    let (after, events) = obey(&feature(), None, intend).unwrap();
    let intended = ItemEvent::ProjectionIntended { run_id: RUN, files: files.clone() };
    assert_eq!((after, events), (feature(), vec![intended]));
    let projection = Projection { rule: rule.clone(), files: files.clone(), unwritten: unwritten.clone() };
    let note = ItemCommand::NoteProjection { run_id: RUN, projection };
    let (after, events) = obey(&feature(), None, note).unwrap();
    let written = ItemEvent::ProjectionWritten { run_id: RUN, rule, files, unwritten };
    assert_eq!((after, events), (feature(), vec![written]));
}
