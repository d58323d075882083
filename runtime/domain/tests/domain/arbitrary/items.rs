//! Arbitrary work items, their changes and their events.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use windlass_domain::item::{
    DeepIntake, IntakeForm, ItemBody, ItemChanges, ItemEvent, PlanState, Priority, ReturnState, StateName,
    TaskState, WorkItem,
};
use windlass_domain::maieutic::AcceptanceCriterion;
use windlass_domain::projection::{ProjectedFile, UnwrittenFile};

use super::{digest, item_id, one_of, run_id, text, texts, time, workspace_id};

fn criteria() -> impl Strategy<Value = Vec<AcceptanceCriterion>> {
    vec((text(), text()).prop_map(|(text, how_verified)| AcceptanceCriterion { text, how_verified }), 0..3)
}

fn deep() -> BoxedStrategy<DeepIntake> {
    proptest::array::uniform8(text())
        .prop_map(|fields| {
            let [
                components,
                dataflows,
                integration_mapping,
                test_plan,
                threat_model,
                rollout_plan,
                risk_register,
                rationale,
            ] = fields;
            DeepIntake {
                components,
                dataflows,
                integration_mapping,
                test_plan,
                threat_model,
                rollout_plan,
                risk_register,
                non_goals_rationale: rationale,
            }
        })
        .boxed()
}

fn intake() -> BoxedStrategy<IntakeForm> {
    let lists = proptest::array::uniform7(texts());
    (text(), text(), lists, criteria(), deep())
        .prop_map(|(problem, outcome, lists, acceptance_criteria, deep)| {
            let [scope_in, non_goals, integration_points, constraints, risks, assumptions, open_questions] =
                lists;
            IntakeForm {
                problem,
                outcome,
                scope_in,
                non_goals,
                acceptance_criteria,
                integration_points,
                constraints,
                risks,
                assumptions,
                open_questions,
                deep,
            }
        })
        .boxed()
}

fn plan_state() -> impl Strategy<Value = PlanState> {
    let home = || one_of(&[ReturnState::Backlog, ReturnState::Planned, ReturnState::InProgress]);
    prop_oneof![
        one_of(&[PlanState::Backlog, PlanState::Planned, PlanState::InProgress]),
        one_of(&[PlanState::Completed, PlanState::Deprecated, PlanState::Archived]),
        home().prop_map(|return_state| PlanState::NeedsResearch { return_state }),
        home().prop_map(|return_state| PlanState::NeedsReview { return_state }),
    ]
}

fn priority() -> impl Strategy<Value = Priority> {
    one_of(&[Priority::P0, Priority::P1, Priority::P2, Priority::P3])
}

fn body() -> BoxedStrategy<ItemBody> {
    let task_state = one_of(&[TaskState::Open, TaskState::Completed, TaskState::Failed]);
    prop_oneof![
        Just(ItemBody::Project),
        (plan_state(), texts(), priority(), intake()).prop_map(
            |(state, acceptance_criteria, priority, intake)| {
                ItemBody::Feature { state, acceptance_criteria, priority, intake }
            }
        ),
        (plan_state(), option::of(text()), intake()).prop_map(|(state, prd_uri, intake)| ItemBody::Spec {
            state,
            prd_uri,
            intake
        }),
        (task_state, option::of(text()), option::of(text()))
            .prop_map(|(state, assignee, result)| ItemBody::Task { state, assignee, result }),
    ]
    .boxed()
}

/// Any work item.
pub(crate) fn item() -> BoxedStrategy<WorkItem> {
    let who = (workspace_id(), item_id(), option::of(item_id()));
    let when = (time(), time(), any::<u64>());
    (who, body(), text(), text(), when, option::of(digest()))
        .prop_map(
            |(
                (workspace_id, id, parent_id),
                body,
                title,
                description,
                (created_at, updated_at, version),
                context,
            )| {
                WorkItem {
                    workspace_id,
                    id,
                    body,
                    title,
                    description,
                    parent_id,
                    created_at,
                    updated_at,
                    version,
                    context,
                }
            },
        )
        .boxed()
}

/// Any change of an item's fields.
pub(crate) fn changes() -> BoxedStrategy<ItemChanges> {
    let words = proptest::array::uniform5(option::of(text()));
    (words, option::of(texts()), option::of(priority()), option::of(intake()))
        .prop_map(
            |([title, description, prd_uri, assignee, result], acceptance_criteria, priority, intake)| {
                ItemChanges {
                    title,
                    description,
                    acceptance_criteria,
                    priority,
                    prd_uri,
                    assignee,
                    result,
                    intake,
                }
            },
        )
        .boxed()
}

/// Any state's name.
pub(crate) fn state_name() -> impl Strategy<Value = StateName> {
    use StateName::*;
    one_of(&[
        Backlog,
        Planned,
        InProgress,
        NeedsResearch,
        NeedsReview,
        Completed,
        Deprecated,
        Archived,
        Open,
        Failed,
    ])
}

fn projected_files() -> impl Strategy<Value = Vec<ProjectedFile>> {
    vec((text(), digest()).prop_map(|(path, digest)| ProjectedFile { path, digest }), 0..3)
}

fn unwritten_files() -> impl Strategy<Value = Vec<UnwrittenFile>> {
    vec((text(), text()).prop_map(|(path, why)| UnwrittenFile { path, why }), 0..3)
}

/// Any event of an item.
pub(crate) fn item_event() -> BoxedStrategy<ItemEvent> {
    use ItemEvent as E;
    prop_oneof![
        item().prop_map(|item| E::Created { item: item.into() }),
        (changes(), text()).prop_map(|(changes, by)| E::Edited { changes: changes.into(), by }),
        (state_name(), state_name(), text()).prop_map(|(from, to, by)| E::Moved { from, to, by }),
        (state_name(), state_name(), run_id()).prop_map(|(from, to, run_id)| E::Returned {
            from,
            to,
            run_id
        }),
        (digest(), text()).prop_map(|(digest, by)| E::ContextAnswered { digest, by }),
        (run_id(), text(), projected_files(), unwritten_files()).prop_map(
            |(run_id, rule, files, unwritten)| { E::ProjectionWritten { run_id, rule, files, unwritten } }
        ),
        (run_id(), projected_files()).prop_map(|(run_id, files)| E::ProjectionIntended { run_id, files }),
    ]
    .boxed()
}
