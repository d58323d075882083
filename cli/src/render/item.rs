//! Work items as text.

use windlass_contract::view::{ItemList, ItemView};
use windlass_domain::item::{IntakeForm, ItemBody};

use super::style::HEADING;
use super::table::{Look, cell, facts, table};
use super::text::{safe, safe_lines};
use super::time::local;
use crate::args::choice::word;

/// A table of items.
pub(crate) fn list(look: Look, list: &ItemList) -> String {
    let rows = list.items.iter().map(|view| {
        let state = view.state_name.as_deref().unwrap_or("-");
        vec![
            cell(view.item.id.as_str()),
            cell(view.item.item_type().word()),
            cell(state),
            cell(if view.active_runs.is_empty() { "" } else { "running" }),
            cell(&view.item.title),
        ]
    });
    table(look, &["id", "type", "state", "run", "title"], rows.collect())
}

/// Everything about one item.
pub(crate) fn show(view: &ItemView) -> String {
    let item = &view.item;
    let mut text = format!("{HEADING}{}{HEADING:#}  {}\n", item.id, safe(&item.title));
    let mut pairs = vec![
        ("type", item.item_type().word().to_owned()),
        ("state", state(view)),
        ("can move to", view.allowed_moves.join(", ")),
        ("belongs to", item.parent_id.as_ref().map_or_else(String::new, ToString::to_string)),
    ];
    pairs.extend(of_type(view));
    pairs.push(("answers", answers(view)));
    pairs.push((
        "active runs",
        view.active_runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    ));
    pairs.push(("created", local(item.created_at)));
    pairs.push(("changed", local(item.updated_at)));
    text.push_str(&facts(&pairs));
    if !item.description.is_empty() {
        text.push_str(&format!("\n{}\n", safe_lines(&item.description)));
    }
    text
}

fn state(view: &ItemView) -> String {
    let state = view.state_name.clone().unwrap_or_default();
    match view.item.plan_state().and_then(windlass_domain::item::PlanState::return_state) {
        Some(back) => format!("{state}, goes back to {}", word(&back)),
        None => state,
    }
}

fn answers(view: &ItemView) -> String {
    match (&view.answers, view.item.context) {
        (Some(answers), _) => format!(
            "{} (by {}, {})",
            safe(&answers.goal),
            safe(&answers.answered_by),
            local(answers.answered_at)
        ),
        (None, Some(_)) => "given".to_owned(),
        (None, None) => "none yet".to_owned(),
    }
}

fn of_type(view: &ItemView) -> Vec<(&'static str, String)> {
    let said = |text: &Option<String>| text.as_deref().map(safe).unwrap_or_default().into_owned();
    let form = |intake: &IntakeForm| {
        let score = view.quality_score.unwrap_or_else(|| intake.quality_score());
        match intake.open_questions.len() {
            0 => format!("{score} of 100; planned needs {}", IntakeForm::PLANNED_SCORE),
            open => format!(
                "{score} of 100, {open} open questions; planned needs {} and none",
                IntakeForm::PLANNED_SCORE
            ),
        }
    };
    match &view.item.body {
        ItemBody::Project => Vec::new(),
        ItemBody::Feature { acceptance_criteria, priority, intake, .. } => {
            let criteria: Vec<_> = acceptance_criteria.iter().map(|text| safe(text)).collect();
            vec![
                ("priority", word(priority)),
                ("criteria", criteria.join("; ")),
                ("intake form", form(intake)),
            ]
        }
        ItemBody::Spec { prd_uri, intake, .. } => {
            vec![("requirements", said(prd_uri)), ("intake form", form(intake))]
        }
        ItemBody::Task { assignee, result, .. } => {
            vec![("assignee", said(assignee)), ("result", said(result))]
        }
    }
}
