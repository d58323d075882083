//! The questions that the maieutic context consists of.

use windlass_contract::Fault;
use windlass_domain::maieutic::{DelegationBounds, IntakeMode, MaieuticContext};
use windlass_domain::time::Timestamp;

use super::ask::{self, Decision, criteria_in_words, joined};
use crate::output::Output;
use crate::render::table::facts;
use crate::render::text::safe;
use crate::render::time::exact;

/// Asks for the whole context until the person saves it. An unfinished one may be saved: it is the submission that needs more.
///
/// # Errors
/// `maieutic_incomplete` when the person leaves.
pub(crate) fn ask(
    output: &Output,
    earlier: Option<MaieuticContext>,
    answered_by: &str,
    now: impl Fn() -> Timestamp,
) -> Result<MaieuticContext, Fault> {
    let mut context = earlier.unwrap_or_else(|| {
        MaieuticContext::from_flags(String::new(), Vec::new(), answered_by.to_owned(), now())
    });
    loop {
        context = once(&context, answered_by, now())?;
        output.complain(&format!("\n{}\n", summary(&context)));
        for missing in context.missing() {
            output.complain(&format!("a run still needs {}: {}\n", missing.field, missing.problem));
        }
        if ask::decide()? == Decision::Save {
            return Ok(context);
        }
    }
}

fn once(earlier: &MaieuticContext, answered_by: &str, now: Timestamp) -> Result<MaieuticContext, Fault> {
    let bounds = &earlier.delegation_bounds;
    let goal = ask::text("What is to be achieved?", "the goal, in a sentence or two", &earlier.goal)?;
    let acceptance_criteria = ask::criteria(&earlier.acceptance_criteria)?;
    let constraints = ask::list("What must be respected?", "a constraint", &earlier.constraints)?;
    let risks = ask::list("What could go wrong?", "a risk", &earlier.risks)?;
    let may_edit = ask::list(
        "Which paths may be edited?",
        "a pattern such as src/**; without any, nothing may be edited",
        &bounds.may_edit,
    )?;
    let must_not_touch =
        ask::list("Which paths must not be touched?", "a pattern such as infra/**", &bounds.must_not_touch)?;
    let max_duration_ms = ask::duration(
        "How long may it take?",
        "for instance 30m or 2h; empty leaves it to the preset",
        bounds.max_duration_ms,
    )?;
    let network = ask::confirm("May it use the network?", "only where policy allows it too", bounds.network)?;
    let open_questions = ask::list(
        "What is still unanswered?",
        "an open question; a run starts only without any",
        &earlier.open_questions,
    )?;
    Ok(MaieuticContext {
        goal,
        constraints,
        acceptance_criteria,
        risks,
        delegation_bounds: DelegationBounds { may_edit, must_not_touch, max_duration_ms, network },
        open_questions,
        mode: IntakeMode::Interactive,
        answered_at: now,
        answered_by: answered_by.to_owned(),
        defaulted: Vec::new(),
    })
}

/// All answers, one a line.
fn summary(context: &MaieuticContext) -> String {
    let bounds = &context.delegation_bounds;
    let or_nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
    facts(&[
        ("goal", safe(&context.goal).into_owned()),
        ("done when", criteria_in_words(&context.acceptance_criteria)),
        ("constraints", joined(&context.constraints)),
        ("risks", joined(&context.risks)),
        ("may edit", or_nothing(joined(&bounds.may_edit))),
        ("must not touch", joined(&bounds.must_not_touch)),
        ("longest run", bounds.max_duration_ms.map_or_else(|| "as the preset says".to_owned(), exact)),
        ("network", if bounds.network { "yes".to_owned() } else { "no".to_owned() }),
        ("open questions", joined(&context.open_questions)),
    ])
}
