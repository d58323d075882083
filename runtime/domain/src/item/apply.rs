//! What an event makes of a work item, live and on replay.

use super::{ItemBody, ItemChanges, ItemEvent, PlanState, ReturnState, StateName, TaskState, WorkItem};
use crate::time::Timestamp;

/// An event that cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow what was recorded of the item: {why}")]
pub struct CorruptItem {
    /// The event's type.
    pub event: &'static str,
    /// Which rule it breaks.
    pub why: &'static str,
}

impl ItemEvent {
    /// The event's stable type name.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "item.created",
            Self::Edited { .. } => "item.edited",
            Self::Moved { .. } => "item.moved",
            Self::Returned { .. } => "item.returned",
            Self::ContextAnswered { .. } => "item.context_answered",
            Self::ProjectionWritten { .. } => "projection.written",
            Self::ProjectionIntended { .. } => "projection.intended",
        }
    }
}

/// The item after an event. `None` before the first, which must be `item.created`.
///
/// # Errors
/// [`CorruptItem`] when the event cannot follow; [`super::decide`] never causes such a one.
pub fn apply(item: Option<WorkItem>, event: &ItemEvent, at: Timestamp) -> Result<WorkItem, CorruptItem> {
    let corrupt = |why| CorruptItem { event: event.type_name(), why };
    let Some(mut item) = item else {
        let ItemEvent::Created { item } = event else {
            return Err(corrupt("the first event of an item is item.created"));
        };
        return Ok((**item).clone());
    };
    match event {
        ItemEvent::Created { .. } => return Err(corrupt("an item is created once")),
        ItemEvent::Edited { changes, .. } => edit(&mut item, changes),
        ItemEvent::Moved { from, to, .. } | ItemEvent::Returned { from, to, .. } => {
            if item.state_name() != Some(*from) {
                return Err(corrupt("a move starts where the item stands"));
            }
            enter(&mut item, *to).ok_or_else(|| corrupt("this type has no such state"))?;
        }
        ItemEvent::ContextAnswered { digest, .. } => item.context = Some(*digest),
        ItemEvent::ProjectionWritten { .. } | ItemEvent::ProjectionIntended { .. } => return Ok(item),
    }
    item.updated_at = at;
    item.version += 1;
    Ok(item)
}

fn enter(item: &mut WorkItem, to: StateName) -> Option<()> {
    match &mut item.body {
        ItemBody::Project => None,
        ItemBody::Task { state, .. } => {
            *state = match to {
                StateName::Open => TaskState::Open,
                StateName::Completed => TaskState::Completed,
                StateName::Failed => TaskState::Failed,
                _ => return None,
            };
            Some(())
        }
        ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } => {
            let here = match *state {
                PlanState::Backlog => Some(ReturnState::Backlog),
                PlanState::Planned => Some(ReturnState::Planned),
                PlanState::InProgress => Some(ReturnState::InProgress),
                _ => None,
            };
            *state = match to {
                StateName::Backlog => PlanState::Backlog,
                StateName::Planned => PlanState::Planned,
                StateName::InProgress => PlanState::InProgress,
                StateName::NeedsResearch => PlanState::NeedsResearch { return_state: here? },
                StateName::NeedsReview => PlanState::NeedsReview { return_state: here? },
                StateName::Completed => PlanState::Completed,
                StateName::Deprecated => PlanState::Deprecated,
                StateName::Archived => PlanState::Archived,
                StateName::Open | StateName::Failed => return None,
            };
            Some(())
        }
    }
}

fn edit(item: &mut WorkItem, changes: &ItemChanges) {
    fn set<T: Clone>(field: &mut T, change: Option<&T>) {
        if let Some(value) = change {
            *field = value.clone();
        }
    }
    set(&mut item.title, changes.title.as_ref());
    set(&mut item.description, changes.description.as_ref());
    match &mut item.body {
        ItemBody::Project => {}
        ItemBody::Feature { acceptance_criteria, priority, intake, .. } => {
            set(acceptance_criteria, changes.acceptance_criteria.as_ref());
            set(priority, changes.priority.as_ref());
            set(intake, changes.intake.as_ref());
        }
        ItemBody::Spec { prd_uri, intake, .. } => {
            set(intake, changes.intake.as_ref());
            if changes.prd_uri.is_some() {
                prd_uri.clone_from(&changes.prd_uri);
            }
        }
        ItemBody::Task { assignee, result, .. } => {
            if changes.assignee.is_some() {
                assignee.clone_from(&changes.assignee);
            }
            if changes.result.is_some() {
                result.clone_from(&changes.result);
            }
        }
    }
}
