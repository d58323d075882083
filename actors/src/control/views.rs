//! What the store holds, as callers see it.

use windlass_capsule::{OpenApproval, ReadError, Reader, RunSummary as StoredSummary};
use windlass_contract::view::{ApprovalView, ItemView, RunSummary};
use windlass_domain::item::{WorkItem, allowed_moves};
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{Run, RunState};

/// An item with what goes on for it.
pub(super) fn item(reader: &Reader, item: WorkItem) -> Result<ItemView, ReadError> {
    let mut active_runs = Vec::new();
    for kind in [RunKind::Research, RunKind::Review] {
        active_runs.extend(reader.active_run(item.workspace_id, &item.id, kind)?);
    }
    Ok(ItemView {
        state_name: item.state_name().map(|state| state.word().to_owned()),
        quality_score: item.quality_score(),
        active_runs,
        allowed_moves: allowed_moves(&item).into_iter().map(|state| state.word().to_owned()).collect(),
        answers: None,
        item,
    })
}

/// A run in one row.
pub(super) fn row(run: &Run) -> RunSummary {
    let ended = match &run.state {
        RunState::Queued { .. } | RunState::Running(_) => None,
        RunState::Ended(ended) => Some(ended),
    };
    RunSummary {
        run_id: run.run_id,
        workspace_id: run.request.workspace_id,
        work_item_id: run.request.work_item_id.clone(),
        kind: run.request.kind,
        status: run.status(),
        phase: run.shown_phase(),
        attempt: run.epoch,
        submitted_at: run.submitted_at,
        ended_at: ended.map(|ended| ended.at),
        summary: ended.map_or_else(String::new, |ended| ended.summary.clone()),
    }
}

/// A question that a run waits on.
pub(super) fn approval(open: OpenApproval) -> ApprovalView {
    let question = open.question;
    ApprovalView {
        approval_id: question.approval_id,
        run_id: open.run_id,
        workspace_id: open.workspace_id,
        work_item_id: open.work_item_id,
        kind: open.kind,
        step: question.key.to_string(),
        capability: question.capability,
        subject: question.subject,
        rule: question.rule,
        asked_at: question.asked_at,
        expires_at: question.expires_at,
    }
}

/// A stored row.
pub(super) fn stored_row(stored: StoredSummary) -> RunSummary {
    RunSummary {
        run_id: stored.run_id,
        workspace_id: stored.workspace_id,
        work_item_id: stored.work_item_id,
        kind: stored.kind,
        status: stored.status,
        phase: stored.phase,
        attempt: stored.epoch,
        submitted_at: stored.submitted_at,
        ended_at: stored.ended_at,
        summary: stored.summary.unwrap_or_default(),
    }
}
