//! The intake form of a feature or a spec and its deterministic score.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::maieutic::AcceptanceCriterion;

/// What must be known before an item counts as planned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeForm {
    /// What is wrong today.
    pub problem: String,
    /// What will be better.
    pub outcome: String,
    /// What belongs to it.
    pub scope_in: Vec<String>,
    /// What does not.
    pub non_goals: Vec<String>,
    /// How one will know that it is done.
    pub acceptance_criteria: Vec<AcceptanceCriterion>,
    /// What it touches.
    pub integration_points: Vec<String>,
    /// What must be respected.
    pub constraints: Vec<String>,
    /// What could go wrong.
    pub risks: Vec<String>,
    /// What is taken for granted.
    pub assumptions: Vec<String>,
    /// What is still unanswered; promotion needs none.
    pub open_questions: Vec<String>,
    /// The deep fields.
    pub deep: DeepIntake,
}

/// Fields that only a thorough intake fills.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields, default)]
pub struct DeepIntake {
    /// Its parts.
    pub components: String,
    /// What flows between them.
    pub dataflows: String,
    /// How they meet what exists.
    pub integration_mapping: String,
    /// How it is tested.
    pub test_plan: String,
    /// Who might attack it, and how.
    pub threat_model: String,
    /// How it reaches its users.
    pub rollout_plan: String,
    /// What could go wrong, and what then.
    pub risk_register: String,
    /// Why the non-goals are none.
    pub non_goals_rationale: String,
}

impl IntakeForm {
    /// The score that promotion to `planned` needs.
    pub const PLANNED_SCORE: u32 = 90;

    /// 0 to 100, from the form alone. A missing required field (problem, outcome, scope, acceptance criteria) makes it 0.
    #[must_use]
    pub fn quality_score(&self) -> u32 {
        let said = |text: &str| !text.trim().is_empty();
        let listed = |list: &[String]| list.iter().any(|text| said(text));
        let criteria_stated = !self.acceptance_criteria.is_empty()
            && self.acceptance_criteria.iter().all(|criterion| said(&criterion.text));
        if !(said(&self.problem) && said(&self.outcome) && listed(&self.scope_in) && criteria_stated) {
            return 0;
        }
        let verified = self.acceptance_criteria.iter().all(|criterion| said(&criterion.how_verified));
        let deep = self.deep.filled();
        // The three required groups give their half for being there, and the rest for being complete.
        20 + 10
            + if listed(&self.non_goals) { 10 } else { 0 }
            + 10
            + if verified { 10 } else { 0 }
            + if listed(&self.integration_points) { 8 } else { 0 }
            + if listed(&self.constraints) { 7 } else { 0 }
            + if listed(&self.risks) { 5 } else { 0 }
            + if listed(&self.assumptions) { 5 } else { 0 }
            + deep * 15 / DeepIntake::FIELDS
    }
}

impl DeepIntake {
    const FIELDS: u32 = 8;

    fn filled(&self) -> u32 {
        let fields = [
            &self.components,
            &self.dataflows,
            &self.integration_mapping,
            &self.test_plan,
            &self.threat_model,
            &self.rollout_plan,
            &self.risk_register,
            &self.non_goals_rationale,
        ];
        fields.into_iter().map(|text| u32::from(!text.trim().is_empty())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> IntakeForm {
        let one = || vec!["x".to_owned()];
        let said = || "x".to_owned();
        IntakeForm {
            problem: said(),
            outcome: said(),
            scope_in: one(),
            non_goals: one(),
            acceptance_criteria: vec![AcceptanceCriterion { text: said(), how_verified: said() }],
            integration_points: one(),
            constraints: one(),
            risks: one(),
            assumptions: one(),
            open_questions: Vec::new(),
            deep: DeepIntake {
                components: said(),
                dataflows: said(),
                integration_mapping: said(),
                test_plan: said(),
                threat_model: said(),
                rollout_plan: said(),
                risk_register: said(),
                non_goals_rationale: said(),
            },
        }
    }

    #[test]
    fn the_score_is_the_sum_of_the_contract_s_groups() {
        assert_eq!(full().quality_score(), 100);
        assert_eq!(IntakeForm { deep: DeepIntake::default(), ..full() }.quality_score(), 85);
        assert_eq!(IntakeForm { risks: Vec::new(), ..full() }.quality_score(), 95);
        assert_eq!(IntakeForm { non_goals: Vec::new(), ..full() }.quality_score(), 90);
    }

    #[test]
    fn each_field_counts_within_its_group() {
        let one = || AcceptanceCriterion { text: "x".to_owned(), how_verified: "x".to_owned() };
        let half = vec![one(), AcceptanceCriterion { how_verified: " ".to_owned(), ..one() }];
        for (form, score) in [
            (IntakeForm { acceptance_criteria: half, ..full() }, 90),
            (IntakeForm { integration_points: Vec::new(), ..full() }, 92),
            (IntakeForm { constraints: vec![" ".to_owned()], ..full() }, 93),
            (IntakeForm { assumptions: Vec::new(), ..full() }, 95),
            (IntakeForm { open_questions: vec!["why?".to_owned()], ..full() }, 100),
        ] {
            assert_eq!(form.quality_score(), score, "{form:?}");
        }
        let bare = IntakeForm {
            problem: "x".to_owned(),
            outcome: "x".to_owned(),
            scope_in: vec!["x".to_owned()],
            acceptance_criteria: vec![one()],
            ..IntakeForm::default()
        };
        assert_eq!(
            bare.quality_score(),
            20 + 10 + 20,
            "problem and outcome, scope, criteria with their checks"
        );
    }

    #[test]
    fn the_deep_fields_share_fifteen_points() {
        let mut form = IntakeForm { deep: DeepIntake::default(), ..full() };
        let mut scores = vec![form.quality_score()];
        let fields: [fn(&mut DeepIntake) -> &mut String; 8] = [
            |deep| &mut deep.components,
            |deep| &mut deep.dataflows,
            |deep| &mut deep.integration_mapping,
            |deep| &mut deep.test_plan,
            |deep| &mut deep.threat_model,
            |deep| &mut deep.rollout_plan,
            |deep| &mut deep.risk_register,
            |deep| &mut deep.non_goals_rationale,
        ];
        for field in fields {
            "x".clone_into(field(&mut form.deep));
            scores.push(form.quality_score());
        }
        assert_eq!(scores, [85, 86, 88, 90, 92, 94, 96, 98, 100]);
    }

    #[test]
    fn a_missing_required_field_caps_the_score_at_zero() {
        assert_eq!(IntakeForm { problem: " ".to_owned(), ..full() }.quality_score(), 0);
        assert_eq!(IntakeForm { outcome: String::new(), ..full() }.quality_score(), 0);
        assert_eq!(IntakeForm { scope_in: Vec::new(), ..full() }.quality_score(), 0);
        assert_eq!(IntakeForm { acceptance_criteria: Vec::new(), ..full() }.quality_score(), 0);
        assert_eq!(IntakeForm::default().quality_score(), 0);
    }
}
