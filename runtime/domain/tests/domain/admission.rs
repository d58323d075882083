//! What a submission comes to: whatever is wrong with it, the first broken rule in the contract's order answers.

use windlass_domain::admission::{AdmissionRefusal, Admitted, Deduped, Facts, admit, hold_for};
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::id::RunId;
use windlass_domain::item::{PlanState, ReturnState, StateName, TaskState, WorkItem};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::{RunKind, RunRequest, WriteMode};

use crate::items::{feature_in, project, spec_in, task_in};
use crate::support::{RUN, admission, item_id, request};

const OTHER_RUN: RunId = RunId::from_bytes([9; 16]);

/// What can be wrong with a submission, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    ResearchWrites,
    DedupeConflict,
    NotEligible,
    NoContext,
    CaptureNone,
    AlreadyActive,
}

const ORDER: [Wrong; 6] = [
    Wrong::ResearchWrites,
    Wrong::DedupeConflict,
    Wrong::NotEligible,
    Wrong::NoContext,
    Wrong::CaptureNone,
    Wrong::AlreadyActive,
];

fn with_context(item: WorkItem) -> WorkItem {
    WorkItem { context: Some(admission().context_digest), ..item }
}

fn submit(wrong: &[Wrong]) -> Result<Admitted, AdmissionRefusal> {
    let is = |what| wrong.contains(&what);
    let mut asked = request(RunKind::Research, CaptureMode::PromptsOnly);
    asked.trigger.dedupe_key = Some("k".to_owned());
    if is(Wrong::ResearchWrites) {
        asked.write_mode = WriteMode::Worktree;
    }
    if is(Wrong::CaptureNone) {
        asked.capture_mode = CaptureMode::None;
    }
    let state = if is(Wrong::NotEligible) {
        PlanState::Backlog
    } else {
        PlanState::NeedsResearch { return_state: ReturnState::Backlog }
    };
    let mut item = with_context(feature_in(state));
    if is(Wrong::NoContext) {
        item.context = None;
    }
    let conflict = Deduped { run_id: OTHER_RUN, request_digest: Digest::of(b"another request") };
    let facts = Facts {
        item: &item,
        active: is(Wrong::AlreadyActive).then_some(OTHER_RUN),
        deduped: is(Wrong::DedupeConflict).then_some(conflict),
    };
    admit(&asked, &admission(), facts)
}

fn refusal_of(wrong: Wrong) -> AdmissionRefusal {
    let (id, kind) = (item_id(), RunKind::Research);
    match wrong {
        Wrong::ResearchWrites => AdmissionRefusal::ResearchWrites,
        Wrong::DedupeConflict => AdmissionRefusal::DedupeConflict { key: "k".to_owned(), run_id: OTHER_RUN },
        Wrong::NotEligible => {
            let (state, needed) = ("backlog".to_owned(), "needs_research".to_owned());
            AdmissionRefusal::NotEligible { id, state, kind, needed }
        }
        Wrong::NoContext => AdmissionRefusal::NoContext { id },
        Wrong::CaptureNone => AdmissionRefusal::CaptureNone,
        Wrong::AlreadyActive => AdmissionRefusal::AlreadyActive { id, kind, run_id: OTHER_RUN },
    }
}

#[test]
fn of_several_broken_rules_the_first_in_order_answers() {
    for choice in 1_u32..1 << ORDER.len() {
        let wrong: Vec<Wrong> = (0..)
            .zip(ORDER)
            .filter(|(place, _)| choice & (1 << place) != 0)
            .map(|(_, wrong)| wrong)
            .collect();
        assert_eq!(submit(&wrong), Err(refusal_of(wrong[0])), "{wrong:?}");
    }
}

#[test]
fn a_submission_without_fault_is_submitted_and_queued() {
    let Ok(Admitted::New(events)) = submit(&[]) else { panic!("{:?}", submit(&[])) };
    let [RunEvent::Submitted { request: stored, admission: fixed }, RunEvent::Queued {}] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!((stored.kind, stored.trigger.dedupe_key.as_deref()), (RunKind::Research, Some("k")));
    assert_eq!(*fixed, admission());
}

/// One submission with a dedupe key that was used before.
fn resubmit(
    asked: &RunRequest,
    item: &WorkItem,
    request_digest: Digest,
) -> Result<Admitted, AdmissionRefusal> {
    let deduped = Some(Deduped { run_id: OTHER_RUN, request_digest });
    admit(asked, &admission(), Facts { item, active: Some(RUN), deduped })
}

#[test]
fn the_same_request_is_the_same_run_whatever_became_of_its_item() {
    let mut asked = request(RunKind::Review, CaptureMode::None);
    asked.trigger.dedupe_key = Some("k".to_owned());
    for item in [project(), feature_in(PlanState::Archived), task_in(TaskState::Failed)] {
        let came = resubmit(&asked, &item, admission().request_digest);
        assert_eq!(came, Ok(Admitted::Known(OTHER_RUN)));
    }
    asked.trigger.dedupe_key = None;
    let came = resubmit(&asked, &with_context(task_in(TaskState::Open)), admission().request_digest);
    assert_eq!(came, Err(AdmissionRefusal::CaptureNone), "without a key nothing is recalled");
}

#[test]
fn each_kind_needs_its_holding_state_or_an_open_task() {
    use RunKind::{Research, Review};
    let research = PlanState::NeedsResearch { return_state: ReturnState::Planned };
    let review = PlanState::NeedsReview { return_state: ReturnState::InProgress };
    let eligible = |item: WorkItem, kind| {
        let item = with_context(item);
        let facts = Facts { item: &item, active: None, deduped: None };
        match admit(&request(kind, CaptureMode::FullIo), &admission(), facts) {
            Ok(Admitted::New(_)) => Ok(()),
            Err(AdmissionRefusal::NotEligible { state, needed, .. }) => Err((state, needed)),
            other => panic!("{other:?}"),
        }
    };
    let refused = |state: &str, needed: &str| Err((state.to_owned(), needed.to_owned()));
    for (item, kind, expect) in [
        (feature_in(research), Research, Ok(())),
        (spec_in(research), Research, Ok(())),
        (feature_in(review), Review, Ok(())),
        (spec_in(review), Review, Ok(())),
        (task_in(TaskState::Open), Research, Ok(())),
        (task_in(TaskState::Open), Review, Ok(())),
        (feature_in(research), Review, refused("needs_research", "needs_review")),
        (spec_in(review), Research, refused("needs_review", "needs_research")),
        (feature_in(PlanState::Backlog), Research, refused("backlog", "needs_research")),
        (feature_in(PlanState::InProgress), Review, refused("in_progress", "needs_review")),
        (spec_in(PlanState::Archived), Review, refused("archived", "needs_review")),
        (task_in(TaskState::Completed), Review, refused("a task that is closed", "an open task")),
        (task_in(TaskState::Failed), Review, refused("a task that is closed", "an open task")),
        (project(), Review, refused("a project, which is a container", "a feature, a spec or a task")),
    ] {
        let told = format!("{:?} {kind:?}", item.body);
        assert_eq!(eligible(item, kind), expect, "{told}");
    }
    assert_eq!((hold_for(Research), hold_for(Review)), (StateName::NeedsResearch, StateName::NeedsReview));
}

#[test]
fn answers_that_changed_since_they_were_judged_are_refused() {
    let item = WorkItem { context: Some(Digest::of(b"newer answers")), ..task_in(TaskState::Open) };
    let facts = Facts { item: &item, active: None, deduped: None };
    let came = admit(&request(RunKind::Review, CaptureMode::FullIo), &admission(), facts);
    assert_eq!(came, Err(AdmissionRefusal::ContextChanged { id: item_id() }));
}
