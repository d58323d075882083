//! Research: a question becomes a run whose report names places that are there, and nothing else of the repository changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

mod cited;
mod cut_short;
mod interrupted;
mod outside;
mod pages;
mod questions;
mod story;

use serde_json::{Value, json};
use windlass_contract::request::SubmitRun;
use windlass_tests::Repository;

/// A request for research into this goal for this item.
fn research(repository: &Repository, item: &str, goal: &str) -> SubmitRun {
    let mut request = windlass_tests::review(repository, &json!({"id": item, "kind": "research"}));
    if let Some(context) = &mut request.context {
        goal.clone_into(&mut context.goal);
        "the place that says so is named".clone_into(&mut context.acceptance_criteria[0].text);
    }
    request
}

fn texts<'a>(values: &'a Value, field: &str) -> Vec<&'a str> {
    values.as_array().unwrap().iter().map(|value| value[field].as_str().unwrap()).collect()
}
