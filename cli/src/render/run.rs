//! Runs as text.

use windlass_contract::error::blocked_word;
use windlass_contract::view::{ApprovalView, RunOrigin, RunSummary, RunView};
use windlass_domain::id::RunId;
use windlass_domain::time::Timestamp;

use super::style::{HEADING, of_status};
use super::table::{Look, cell, facts, status, table};
use super::text::safe;
use super::time::{age, local};
use crate::args::choice::word;

/// How much of a run id is shown in a terminal: its time and twelve more bits, which is unique in practice and is accepted
/// wherever a run is named.
const SHORT_ID: usize = 18;

/// Terminals of at least this width show whole ids.
const WIDE: u16 = 120;

/// A table of runs. Programs get whole ids and times; people get what fits.
pub(crate) fn list(look: Look, runs: &[RunSummary], now: Timestamp) -> String {
    let rows = runs.iter().map(|run| {
        vec![
            cell(&id(look, run.run_id)),
            cell(run.work_item_id.as_str()),
            cell(run.kind.word()),
            status(run.status),
            cell(&run.phase.map(|phase| word(&phase)).unwrap_or_default()),
            cell(&match look.width {
                Some(_) => age(run.submitted_at, now),
                None => run.submitted_at.to_string(),
            }),
            cell(&run.summary),
        ]
    });
    let submitted = if look.width.is_some() { "age" } else { "submitted" };
    table(look, &["run", "item", "kind", "status", "phase", submitted, "summary"], rows.collect())
}

fn id(look: Look, run_id: RunId) -> String {
    let mut id = run_id.to_string();
    if look.width.is_some_and(|width| width < WIDE) {
        id.truncate(SHORT_ID);
    }
    id
}

/// A run's status with its reason, coloured.
pub(crate) fn standing(view: &RunView) -> String {
    let style = of_status(view.row.status);
    let reason = view.ended.as_ref().and_then(|ended| blocked_word(&ended.outcome));
    let word = view.row.status.word();
    match reason.filter(|reason| *reason != word) {
        Some(reason) => format!("{style}{word}{style:#} ({reason})"),
        None => format!("{style}{word}{style:#}"),
    }
}

/// Where an imported run is from.
fn origin(origin: &RunOrigin) -> String {
    format!("from {}, {}, read-only", safe(&origin.workspace_name), word(&origin.exported_as))
}

fn question(waiting: &ApprovalView) -> String {
    let (what, subject) = (safe(&waiting.capability), safe(&waiting.subject));
    format!("a person: {what} for `{subject}` ({}), until {}", safe(&waiting.rule), local(waiting.expires_at))
}

fn answers(waiting: &ApprovalView) -> String {
    super::approval::commands(waiting).join("  or  ")
}

/// Everything about one run.
pub(crate) fn show(view: &RunView) -> String {
    let row = &view.row;
    let request = &view.request;
    let mut text =
        format!("{HEADING}{}{HEADING:#}  {} of {}\n", row.run_id, row.kind.word(), row.work_item_id);
    let scopes: Vec<String> = request.scopes.iter().map(word).collect();
    let named = |text: &Option<String>| text.as_deref().map(safe).unwrap_or_default().into_owned();
    text.push_str(&facts(&[
        ("status", standing(view)),
        ("summary", safe(&row.summary).into_owned()),
        ("imported", view.origin.as_ref().map(origin).unwrap_or_default()),
        ("phase", row.phase.map(|phase| word(&phase)).unwrap_or_default()),
        ("waits for", view.waiting_for.as_ref().map(question).unwrap_or_default()),
        ("answer with", view.waiting_for.as_ref().map(answers).unwrap_or_default()),
        ("queue", view.queue_place.map(|place| format!("place {place}")).unwrap_or_default()),
        ("cancelling", if view.cancelling { "asked for".to_owned() } else { String::new() }),
        ("steps going on", view.open_steps.iter().map(|step| safe(step)).collect::<Vec<_>>().join(", ")),
        ("attempt", row.attempt.to_string()),
        ("submitted", local(row.submitted_at)),
        ("ended", row.ended_at.map(local).unwrap_or_default()),
        ("base", named(&request.base)),
        ("head", named(&request.head)),
        ("preset", word(&request.preset)),
        ("scopes", scopes.join(", ")),
        ("write mode", word(&request.write_mode)),
        ("capture", word(&request.capture_mode)),
        ("agent", named(&request.agent_profile)),
        ("worktree", named(&view.worktree_path)),
        ("branch", named(&view.branch_name)),
        ("capsule head", view.capsule_head.to_string()),
    ]));
    if !view.artifacts.is_empty() {
        text.push_str(&format!("\n{HEADING}artifacts{HEADING:#}\n"));
        for artifact in &view.artifacts {
            text.push_str(&format!("  {}  {} bytes\n", artifact.uri, artifact.artifact.bytes));
        }
    }
    if !view.projection_paths.is_empty() {
        text.push_str(&format!("\n{HEADING}files{HEADING:#}\n"));
        for path in &view.projection_paths {
            text.push_str(&format!("  {}\n", safe(path)));
        }
    }
    if !view.unwritten_projections.is_empty() {
        text.push_str(&format!("\n{HEADING}files that could not be written{HEADING:#}\n"));
        for file in &view.unwritten_projections {
            text.push_str(&format!("  {}: {}\n", safe(&file.path), safe(&file.why)));
        }
        text.push_str("  then: windlass project rebuild\n");
    }
    text
}
