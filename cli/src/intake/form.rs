//! The questions that the intake form of a feature or a spec consists of.

use windlass_contract::Fault;
use windlass_domain::item::{DeepIntake, IntakeForm};

use super::ask::{self, Decision, criteria_in_words, joined};
use crate::output::Output;
use crate::render::table::facts;
use crate::render::text::safe;

/// Asks for the whole form until the person saves it. A form may be saved unfinished: it is the promotion that needs more.
///
/// # Errors
/// `maieutic_incomplete` when the person leaves.
pub(crate) fn ask(output: &Output, earlier: IntakeForm) -> Result<IntakeForm, Fault> {
    let mut form = earlier;
    loop {
        form = once(&form)?;
        let (score, needed) = (form.quality_score(), IntakeForm::PLANNED_SCORE);
        output.complain(&format!(
            "\n{}\nThis form scores {score} of 100; `planned` needs {needed}.\n",
            summary(&form)
        ));
        if ask::decide()? == Decision::Save {
            return Ok(form);
        }
    }
}

fn once(earlier: &IntakeForm) -> Result<IntakeForm, Fault> {
    Ok(IntakeForm {
        problem: ask::text("What is wrong today?", "the problem; needed", &earlier.problem)?,
        outcome: ask::text("What will be better?", "the outcome; needed", &earlier.outcome)?,
        scope_in: ask::list("What belongs to it?", "needed", &earlier.scope_in)?,
        non_goals: ask::list("What does not?", "a non-goal", &earlier.non_goals)?,
        acceptance_criteria: ask::criteria(&earlier.acceptance_criteria)?,
        integration_points: ask::list(
            "What does it touch?",
            "an integration point",
            &earlier.integration_points,
        )?,
        constraints: ask::list("What must be respected?", "a constraint", &earlier.constraints)?,
        risks: ask::list("What could go wrong?", "a risk", &earlier.risks)?,
        assumptions: ask::list("What is taken for granted?", "an assumption", &earlier.assumptions)?,
        open_questions: ask::list(
            "What is still unanswered?",
            "an open question; `planned` needs none",
            &earlier.open_questions,
        )?,
        deep: deep(&earlier.deep)?,
    })
}

fn deep(earlier: &DeepIntake) -> Result<DeepIntake, Fault> {
    const HELP: &str = "one of the eight deep fields: the last 15 points of the score";
    let text = |question: &str, earlier: &str| ask::text(question, HELP, earlier);
    Ok(DeepIntake {
        components: text("What are its parts?", &earlier.components)?,
        dataflows: text("What flows between them?", &earlier.dataflows)?,
        integration_mapping: text("How do they meet what exists?", &earlier.integration_mapping)?,
        test_plan: text("How is it tested?", &earlier.test_plan)?,
        threat_model: text("Who might attack it, and how?", &earlier.threat_model)?,
        rollout_plan: text("How does it reach its users?", &earlier.rollout_plan)?,
        risk_register: text("What could go wrong, and what then?", &earlier.risk_register)?,
        non_goals_rationale: text("Why are the non-goals none?", &earlier.non_goals_rationale)?,
    })
}

/// All answers, one a line.
fn summary(form: &IntakeForm) -> String {
    let deep = &form.deep;
    let said = |text: &str| safe(text).into_owned();
    facts(&[
        ("problem", said(&form.problem)),
        ("outcome", said(&form.outcome)),
        ("in scope", joined(&form.scope_in)),
        ("non-goals", joined(&form.non_goals)),
        ("done when", criteria_in_words(&form.acceptance_criteria)),
        ("touches", joined(&form.integration_points)),
        ("constraints", joined(&form.constraints)),
        ("risks", joined(&form.risks)),
        ("assumptions", joined(&form.assumptions)),
        ("open questions", joined(&form.open_questions)),
        ("components", said(&deep.components)),
        ("dataflows", said(&deep.dataflows)),
        ("integration mapping", said(&deep.integration_mapping)),
        ("test plan", said(&deep.test_plan)),
        ("threat model", said(&deep.threat_model)),
        ("rollout plan", said(&deep.rollout_plan)),
        ("risk register", said(&deep.risk_register)),
        ("non-goals rationale", said(&deep.non_goals_rationale)),
    ])
}
