//! Work items as text.

use std::collections::{BTreeMap, BTreeSet};

use windlass_contract::view::{ItemList, ItemView};
use windlass_domain::id::ItemId;
use windlass_domain::item::{IntakeForm, ItemBody};

use super::style::HEADING;
use super::table::{Look, cell, facts, table};
use super::text::{safe, safe_lines};
use super::time::local;
use crate::args::choice::word;

/// A table of items as a tree: what belongs to an item stands below it, further in. An item whose parent is not in the list
/// stands by itself.
pub(crate) fn list(look: Look, list: &ItemList) -> String {
    let rows = tree(&list.items).into_iter().map(|(depth, view)| {
        let state = view.state_name.as_deref().unwrap_or("-");
        vec![
            cell(&format!("{:width$}{}", "", view.item.id, width = depth * 2)),
            cell(view.item.item_type().word()),
            cell(state),
            cell(if view.active_runs.is_empty() { "" } else { "running" }),
            cell(&view.item.title),
        ]
    });
    table(look, &["id", "type", "state", "run", "title"], rows.collect())
}

/// The items with their depth, each followed by those that belong to it. Parents are above their children by type, so that
/// there are no circles.
fn tree(items: &[ItemView]) -> Vec<(usize, &ItemView)> {
    let listed: BTreeSet<&ItemId> = items.iter().map(|view| &view.item.id).collect();
    let mut children: BTreeMap<Option<&ItemId>, Vec<&ItemView>> = BTreeMap::new();
    for view in items {
        let parent = view.item.parent_id.as_ref().filter(|parent| listed.contains(parent));
        children.entry(parent).or_default().push(view);
    }
    let of = |parent| children.get(&parent).into_iter().flatten().rev().copied();
    let mut waiting: Vec<(usize, &ItemView)> = of(None).map(|view| (0, view)).collect();
    let mut ordered = Vec::with_capacity(items.len());
    while let Some((depth, view)) = waiting.pop() {
        ordered.push((depth, view));
        waiting.extend(of(Some(&view.item.id)).map(|child| (depth + 1, child)));
    }
    ordered
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
