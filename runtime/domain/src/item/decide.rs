//! Which events a command to a work item causes, or why it is refused.

use super::{
    IntakeForm, ItemBody, ItemChanges, ItemEvent, ItemType, PlanState, StateName, TaskState, WorkItem,
};
use crate::digest::Digest;
use crate::id::{ItemId, RunId};
use crate::projection::{ProjectedFile, Projection};

/// A command to a work item that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemCommand {
    /// Change fields.
    Edit {
        /// What changes.
        changes: Box<ItemChanges>,
        /// Who does it.
        by: String,
    },
    /// Move it to another state.
    Move {
        /// Where to.
        to: StateName,
        /// Who does it.
        by: String,
    },
    /// Keep the answers that a run needs.
    AnswerContext {
        /// The digest of the stored context.
        digest: Digest,
        /// Who answered.
        by: String,
    },
    /// Go back from a hold because its run ended. Only the capsule's writer says this, with the run's end.
    ReturnFromHold {
        /// The run that ended.
        run_id: RunId,
        /// The hold that it served.
        hold: StateName,
    },
    /// Note what writing a run's projection came to.
    NoteProjection {
        /// Whose.
        run_id: RunId,
        /// What stands, and what does not.
        projection: Projection,
    },
    /// Note which files of a run are about to be written among the user's own.
    IntendProjection {
        /// Whose.
        run_id: RunId,
        /// The files.
        files: Vec<ProjectedFile>,
    },
}

/// Why a command to a work item is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemRefusal {
    /// There is no such move from where it stands.
    #[error(
        "`{id}` is {from} and cannot be moved to {to}; from there it can go to: {allowed}",
        from = from.map_or("a project without a state", StateName::word),
        to = to.word(),
        allowed = words(allowed)
    )]
    IllegalMove {
        /// The item.
        id: ItemId,
        /// Where it stands.
        from: Option<StateName>,
        /// Where it was to go.
        to: StateName,
        /// Where it can go.
        allowed: Vec<StateName>,
    },
    /// A run of its hold has not ended.
    #[error("`{id}` waits for run {run_id}; cancel it first, or deprecate the item")]
    HoldActive {
        /// The item.
        id: ItemId,
        /// The run.
        run_id: RunId,
    },
    /// Promotion needs a better intake form.
    #[error("`{id}` has an intake score of {score}; `planned` needs {needed}")]
    NotReady {
        /// The item.
        id: ItemId,
        /// Its score.
        score: u32,
        /// The score it needs.
        needed: u32,
    },
    /// Promotion needs all questions answered.
    #[error("`{id}` has {count} open questions; `planned` needs none")]
    OpenQuestions {
        /// The item.
        id: ItemId,
        /// How many.
        count: usize,
    },
    /// A field that this type does not have.
    #[error("a {} has no field `{field}`", item_type.word())]
    NoSuchField {
        /// The item's type.
        item_type: ItemType,
        /// The field.
        field: &'static str,
    },
    /// A title is needed.
    #[error("an item needs a title of 1 to {max} bytes in one line")]
    BadTitle {
        /// The limit.
        max: usize,
    },
}

/// Longest title in bytes: it stands in tables.
pub const MAX_TITLE_BYTES: usize = 300;

fn words(states: &[StateName]) -> String {
    if states.is_empty() {
        return "nowhere".to_owned();
    }
    states.iter().map(|state| state.word()).collect::<Vec<_>>().join(", ")
}

/// The event that creates an item.
///
/// # Errors
/// The title is unusable.
pub fn create(item: WorkItem) -> Result<ItemEvent, ItemRefusal> {
    check_title(&item.title)?;
    Ok(ItemEvent::Created { item: Box::new(item) })
}

/// The events that a command causes. `active` is the run of the item's hold that has not ended, if there is one.
///
/// # Errors
/// An [`ItemRefusal`] says which rule the command breaks; nothing happens then.
pub fn decide(
    item: &WorkItem,
    active: Option<RunId>,
    command: ItemCommand,
) -> Result<Vec<ItemEvent>, ItemRefusal> {
    match command {
        ItemCommand::Edit { changes, by } => {
            check_changes(item, &changes)?;
            Ok(vec![ItemEvent::Edited { changes, by }])
        }
        ItemCommand::Move { to, by } => {
            let from = check_move(item, active, to)?;
            Ok(vec![ItemEvent::Moved { from, to, by }])
        }
        ItemCommand::AnswerContext { digest, by } => Ok(vec![ItemEvent::ContextAnswered { digest, by }]),
        ItemCommand::ReturnFromHold { run_id, hold } => Ok(match item.plan_state() {
            Some(state) if state.name() == hold => state
                .return_state()
                .map(|to| ItemEvent::Returned { from: hold, to: PlanState::from(to).name(), run_id })
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }),
        ItemCommand::NoteProjection { run_id, projection: Projection { rule, files, unwritten } } => {
            Ok(vec![ItemEvent::ProjectionWritten { run_id, rule, files, unwritten }])
        }
        ItemCommand::IntendProjection { run_id, files } => {
            Ok(vec![ItemEvent::ProjectionIntended { run_id, files }])
        }
    }
}

fn check_move(item: &WorkItem, active: Option<RunId>, to: StateName) -> Result<StateName, ItemRefusal> {
    let allowed = allowed_moves(item);
    let illegal = || ItemRefusal::IllegalMove {
        id: item.id.clone(),
        from: item.state_name(),
        to,
        allowed: allowed.clone(),
    };
    let from = item.state_name().ok_or_else(illegal)?;
    if !allowed.contains(&to) {
        return Err(illegal());
    }
    let leaves_hold = item.plan_state().is_some_and(|state| state.awaits().is_some());
    if let (true, Some(run_id)) = (leaves_hold && to != StateName::Deprecated, active) {
        return Err(ItemRefusal::HoldActive { id: item.id.clone(), run_id });
    }
    if to == StateName::Planned && from == StateName::Backlog {
        check_planned(item)?;
    }
    Ok(from)
}

fn check_planned(item: &WorkItem) -> Result<(), ItemRefusal> {
    let (ItemBody::Feature { intake, .. } | ItemBody::Spec { intake, .. }) = &item.body else {
        return Ok(());
    };
    let (score, needed) = (intake.quality_score(), IntakeForm::PLANNED_SCORE);
    if score < needed {
        return Err(ItemRefusal::NotReady { id: item.id.clone(), score, needed });
    }
    match intake.open_questions.len() {
        0 => Ok(()),
        count => Err(ItemRefusal::OpenQuestions { id: item.id.clone(), count }),
    }
}

/// Where the item can be moved by a person from where it stands.
#[must_use]
pub fn allowed_moves(item: &WorkItem) -> Vec<StateName> {
    use StateName as To;
    match &item.body {
        ItemBody::Project => Vec::new(),
        ItemBody::Task { state, .. } => match state {
            TaskState::Open => vec![To::Completed, To::Failed],
            TaskState::Completed | TaskState::Failed => vec![To::Open],
        },
        ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } => match state {
            PlanState::Backlog => vec![To::Planned, To::NeedsResearch, To::Deprecated],
            PlanState::Planned => vec![To::InProgress, To::NeedsResearch, To::Deprecated],
            PlanState::InProgress => vec![To::Completed, To::NeedsReview, To::Deprecated],
            PlanState::NeedsResearch { return_state } | PlanState::NeedsReview { return_state } => {
                vec![PlanState::from(*return_state).name(), To::Deprecated]
            }
            PlanState::Completed | PlanState::Archived => Vec::new(),
            PlanState::Deprecated => vec![To::Archived],
        },
    }
}

fn check_title(title: &str) -> Result<(), ItemRefusal> {
    if title.trim().is_empty() || title.len() > MAX_TITLE_BYTES || title.contains(char::is_control) {
        return Err(ItemRefusal::BadTitle { max: MAX_TITLE_BYTES });
    }
    Ok(())
}

fn check_changes(item: &WorkItem, changes: &ItemChanges) -> Result<(), ItemRefusal> {
    if let Some(title) = &changes.title {
        check_title(title)?;
    }
    let item_type = item.item_type();
    let is = |types: &[ItemType]| types.contains(&item_type);
    let fields = [
        ("acceptance_criteria", changes.acceptance_criteria.is_some(), is(&[ItemType::Feature])),
        ("priority", changes.priority.is_some(), is(&[ItemType::Feature])),
        ("prd_uri", changes.prd_uri.is_some(), is(&[ItemType::Spec])),
        ("assignee", changes.assignee.is_some(), is(&[ItemType::Task])),
        ("result", changes.result.is_some(), is(&[ItemType::Task])),
        ("intake", changes.intake.is_some(), is(&[ItemType::Feature, ItemType::Spec])),
    ];
    match fields.into_iter().find(|(_, given, has)| *given && !has) {
        Some((field, _, _)) => Err(ItemRefusal::NoSuchField { item_type, field }),
        None => Ok(()),
    }
}
