//! Asking a person, one question at a time, with the earlier answer in place.
//!
//! **Invariant:** only `item intake` in a terminal comes here.

use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Select, Text};
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::maieutic::AcceptanceCriterion;

use crate::args::bot::duration_ms;
use crate::render::text::safe;
use crate::render::time::exact;

/// What a person decided after looking at all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Keep them.
    Save,
    /// Ask again, with these answers in place.
    Again,
}

/// Prompts without colour, when that was asked for.
pub(crate) fn without_color() {
    inquire::set_global_render_config(inquire::ui::RenderConfig::empty());
}

/// One line.
///
/// # Errors
/// See [`left`].
pub(crate) fn text(question: &str, help: &str, earlier: &str) -> Result<String, Fault> {
    let earlier = single_line(earlier);
    let answer =
        Text::new(question).with_help_message(help).with_initial_value(&earlier).prompt().map_err(left)?;
    Ok(answer.trim().to_owned())
}

/// Lines until an empty one; an earlier line that is emptied is dropped.
///
/// # Errors
/// See [`left`].
pub(crate) fn list(question: &str, help: &str, earlier: &[String]) -> Result<Vec<String>, Fault> {
    let mut answers = Vec::new();
    let mut earlier = earlier.iter();
    loop {
        let before = earlier.next();
        let numbered = format!("{question} ({}; empty ends)", answers.len() + 1);
        let answer = text(&numbered, help, before.map_or("", String::as_str))?;
        match (answer.is_empty(), before) {
            (false, _) => answers.push(answer),
            (true, Some(_)) => {}
            (true, None) => return Ok(answers),
        }
    }
}

/// Criteria until an empty one, each with the way to check it.
///
/// # Errors
/// See [`left`].
pub(crate) fn criteria(earlier: &[AcceptanceCriterion]) -> Result<Vec<AcceptanceCriterion>, Fault> {
    let mut answers = Vec::new();
    let mut earlier = earlier.iter();
    loop {
        let before = earlier.next();
        let question = format!("Done when ({}; empty ends)", answers.len() + 1);
        let help = "an acceptance criterion: something that is then true";
        let criterion = text(&question, help, before.map_or("", |before| &before.text))?;
        match (criterion.is_empty(), before) {
            (false, _) => {
                let how = before.map_or("", |before| &before.how_verified);
                let how_verified = text("  How is that checked?", "a command, a look, a measurement", how)?;
                answers.push(AcceptanceCriterion { text: criterion, how_verified });
            }
            (true, Some(_)) => {}
            (true, None) => return Ok(answers),
        }
    }
}

/// A length of time, or none.
///
/// # Errors
/// See [`left`].
pub(crate) fn duration(question: &str, help: &str, earlier: Option<u64>) -> Result<Option<u64>, Fault> {
    let earlier = earlier.map(exact).unwrap_or_default();
    let answer = Text::new(question)
        .with_help_message(help)
        .with_initial_value(&earlier)
        .with_validator(|answer: &str| {
            Ok(match answer.trim() {
                "" => Validation::Valid,
                answer => match duration_ms(answer) {
                    Ok(_) => Validation::Valid,
                    Err(problem) => Validation::Invalid(problem.into()),
                },
            })
        })
        .prompt()
        .map_err(left)?;
    Ok(duration_ms(answer.trim()).ok())
}

/// Yes or no.
///
/// # Errors
/// See [`left`].
pub(crate) fn confirm(question: &str, help: &str, earlier: bool) -> Result<bool, Fault> {
    Confirm::new(question).with_help_message(help).with_default(earlier).prompt().map_err(left)
}

/// Asks what to do with the answers that were shown.
///
/// # Errors
/// See [`left`]; also when the person chooses to leave.
pub(crate) fn decide() -> Result<Decision, Fault> {
    const SAVE: &str = "save them";
    const AGAIN: &str = "go through the questions again";
    const LEAVE: &str = "leave without saving";
    match Select::new("These answers:", vec![SAVE, AGAIN, LEAVE]).prompt().map_err(left)? {
        SAVE => Ok(Decision::Save),
        AGAIN => Ok(Decision::Again),
        _ => Err(left(InquireError::OperationCanceled)),
    }
}

/// Why there is no answer: `maieutic_incomplete` when the person left, `would_prompt` where there is no terminal.
fn left(error: InquireError) -> Fault {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Fault::new(ErrorCode::MaieuticIncomplete, "you left before the end; nothing was saved")
        }
        InquireError::NotTTY => would_prompt(""),
        InquireError::InvalidConfiguration(_) | InquireError::IO(_) | InquireError::Custom(_) => {
            Fault::new(ErrorCode::Io, format!("cannot ask in this terminal: {error}"))
        }
    }
}

/// The refusal to ask where nobody can answer; `form` is ` --form` where that was asked for.
pub(crate) fn would_prompt(form: &str) -> Fault {
    Fault::new(ErrorCode::WouldPrompt, "the answers would have to be asked for, and there is nobody to ask")
        .hint(format!("windlass item intake{form} --template > answers.toml"))
}

/// A prompt has one line.
fn single_line(text: &str) -> String {
    safe(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Answers of a list on one line, for the look at all of them.
pub(crate) fn joined(list: &[String]) -> String {
    list.iter().map(|text| safe(text)).collect::<Vec<_>>().join("; ")
}

/// Criteria on one line, for the look at all answers.
pub(crate) fn criteria_in_words(criteria: &[AcceptanceCriterion]) -> String {
    let one = |criterion: &AcceptanceCriterion| {
        format!("{} (checked: {})", safe(&criterion.text), safe(&criterion.how_verified))
    };
    criteria.iter().map(one).collect::<Vec<_>>().join("; ")
}
