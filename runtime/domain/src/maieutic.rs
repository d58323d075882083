//! The maieutic context: the answers that must exist before any automation.

mod given;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a person answered before a run may start. Reading one notes in `defaulted` what nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct MaieuticContext {
    /// What is to be achieved.
    pub goal: String,
    /// What must be respected.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// How one will know that it is done.
    pub acceptance_criteria: Vec<AcceptanceCriterion>,
    /// What could go wrong.
    #[serde(default)]
    pub risks: Vec<String>,
    /// What the run may touch, and for how long.
    #[serde(default)]
    pub delegation_bounds: DelegationBounds,
    /// What is still unanswered. A run needs none.
    #[serde(default)]
    pub open_questions: Vec<String>,
    /// How the answers were given.
    pub mode: IntakeMode,
    /// When.
    pub answered_at: Timestamp,
    /// By whom: a user name.
    pub answered_by: String,
    /// Fields that nobody answered and that took their narrowest value.
    #[serde(default)]
    pub defaulted: Vec<String>,
}

/// One criterion and the way to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceCriterion {
    /// What must be true.
    pub text: String,
    /// How that is checked.
    #[serde(default)]
    pub how_verified: String,
}

/// What a run may touch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields, default)]
pub struct DelegationBounds {
    /// Path patterns that may be edited. Empty: nothing, where somebody answered so.
    pub may_edit: Vec<String>,
    /// Path patterns that must not be touched.
    pub must_not_touch: Vec<String>,
    /// Longest run in milliseconds; none means the preset's.
    pub max_duration_ms: Option<u64>,
    /// Whether the network may be used, where policy allows it too.
    pub network: bool,
}

/// How the answers were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum IntakeMode {
    /// Asked one by one in a terminal.
    Interactive,
    /// From a file.
    Manifest,
    /// From command line flags.
    Flags,
}

/// One field that is missing or incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingAnswer {
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl MaieuticContext {
    /// What is still missing before a run may start; empty when complete.
    #[must_use]
    pub fn missing(&self) -> Vec<MissingAnswer> {
        let mut missing = Vec::new();
        let mut miss = |field: &str, problem: &str| {
            missing.push(MissingAnswer { field: field.to_owned(), problem: problem.to_owned() });
        };
        if self.goal.trim().is_empty() {
            miss("goal", "no goal is given");
        }
        if self.acceptance_criteria.is_empty() {
            miss("acceptance_criteria", "no acceptance criterion is given");
        }
        for (place, criterion) in self.acceptance_criteria.iter().enumerate() {
            if criterion.text.trim().is_empty() {
                miss(&format!("acceptance_criteria[{place}].text"), "the criterion is empty");
            }
            if criterion.how_verified.trim().is_empty() {
                miss(&format!("acceptance_criteria[{place}].how_verified"), "nothing says how it is checked");
            }
        }
        if !self.open_questions.is_empty() {
            miss("open_questions", "a question is still open");
        }
        missing
    }

    /// Whether somebody answered what may be edited; else that is what policy and the request say.
    #[must_use]
    pub fn bounds_edits(&self) -> bool {
        !self
            .defaulted
            .iter()
            .any(|field| ["delegation_bounds", "delegation_bounds.may_edit"].contains(&field.as_str()))
    }

    /// The context that the command line's fast path gives: a goal and criteria, all else at its narrowest.
    #[must_use]
    pub fn from_flags(goal: String, accept: Vec<String>, answered_by: String, now: Timestamp) -> Self {
        let acceptance_criteria = accept
            .into_iter()
            .map(|text| AcceptanceCriterion { text, how_verified: "a person reads the report".to_owned() })
            .collect();
        Self {
            goal,
            constraints: Vec::new(),
            acceptance_criteria,
            risks: Vec::new(),
            delegation_bounds: DelegationBounds::default(),
            open_questions: Vec::new(),
            mode: IntakeMode::Flags,
            answered_at: now,
            answered_by,
            defaulted: [
                "constraints",
                "risks",
                "delegation_bounds",
                "open_questions",
                "acceptance_criteria[].how_verified",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}
