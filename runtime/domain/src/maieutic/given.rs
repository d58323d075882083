//! Answers as they are given: what is left out takes its narrowest value, and that is noted.

use serde::{Deserialize, Deserializer};

use super::{AcceptanceCriterion, DelegationBounds, IntakeMode, MaieuticContext};
use crate::time::Timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    goal: String,
    constraints: Option<Vec<String>>,
    acceptance_criteria: Vec<AcceptanceCriterion>,
    risks: Option<Vec<String>>,
    delegation_bounds: Option<GivenBounds>,
    open_questions: Option<Vec<String>>,
    mode: IntakeMode,
    answered_at: Timestamp,
    answered_by: String,
    #[serde(default)]
    defaulted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenBounds {
    may_edit: Option<Vec<String>>,
    must_not_touch: Option<Vec<String>>,
    max_duration_ms: Option<u64>,
    network: Option<bool>,
}

impl<'de> Deserialize<'de> for MaieuticContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Given::deserialize(deserializer)?;
        let mut defaulted = given.defaulted;
        let mut note = |missing: bool, field: &str| {
            if missing && !defaulted.iter().any(|noted| noted == field) {
                defaulted.push(field.to_owned());
            }
        };
        note(given.constraints.is_none(), "constraints");
        note(given.risks.is_none(), "risks");
        match &given.delegation_bounds {
            None => note(true, "delegation_bounds"),
            Some(bounds) => {
                note(bounds.may_edit.is_none(), "delegation_bounds.may_edit");
                note(bounds.must_not_touch.is_none(), "delegation_bounds.must_not_touch");
                note(bounds.network.is_none(), "delegation_bounds.network");
            }
        }
        note(given.open_questions.is_none(), "open_questions");
        let bounds = given.delegation_bounds.map(|bounds| DelegationBounds {
            may_edit: bounds.may_edit.unwrap_or_default(),
            must_not_touch: bounds.must_not_touch.unwrap_or_default(),
            max_duration_ms: bounds.max_duration_ms,
            network: bounds.network.unwrap_or_default(),
        });
        Ok(Self {
            goal: given.goal,
            constraints: given.constraints.unwrap_or_default(),
            acceptance_criteria: given.acceptance_criteria,
            risks: given.risks.unwrap_or_default(),
            delegation_bounds: bounds.unwrap_or_default(),
            open_questions: given.open_questions.unwrap_or_default(),
            mode: given.mode,
            answered_at: given.answered_at,
            answered_by: given.answered_by,
            defaulted,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(more: Value) -> MaieuticContext {
        let mut given = json!({
            "goal": "g", "acceptance_criteria": [], "mode": "flags", "answered_at": "2026-01-01T00:00:00Z", "answered_by": "kim",
        });
        for (name, value) in more.as_object().unwrap() {
            given[name] = value.clone();
        }
        serde_json::from_value(given).unwrap()
    }

    #[test]
    fn what_nobody_answered_is_noted_once_and_reading_again_adds_nothing() {
        let context = read(json!({"delegation_bounds": {"network": true}, "defaulted": ["risks"]}));
        let bounds = ["delegation_bounds.may_edit", "delegation_bounds.must_not_touch"];
        assert_eq!(context.defaulted, [&["risks", "constraints"][..], &bounds, &["open_questions"]].concat());
        assert!(context.delegation_bounds.network && !context.bounds_edits());
        let again: MaieuticContext = serde_json::from_value(serde_json::to_value(&context).unwrap()).unwrap();
        assert_eq!(again, context);
        assert_eq!(
            read(json!({})).defaulted,
            ["constraints", "risks", "delegation_bounds", "open_questions"]
        );
    }

    #[test]
    fn an_empty_answer_is_an_answer() {
        let bounds = json!({"may_edit": [], "must_not_touch": [], "network": false});
        let answered =
            json!({"constraints": [], "risks": [], "delegation_bounds": bounds, "open_questions": []});
        let context = read(answered);
        assert_eq!(context.defaulted, [""; 0]);
        assert!(context.bounds_edits());
    }
}
