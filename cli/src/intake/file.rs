//! Answers in a file, TOML or JSON.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::item::IntakeForm;
use windlass_domain::maieutic::{AcceptanceCriterion, DelegationBounds, IntakeMode, MaieuticContext};
use windlass_domain::time::Timestamp;

use crate::args::bot::duration_ms;

/// The next step for whoever gave a file that cannot be read as answers.
const TEMPLATE_HINT: &str = "windlass item intake --template > answers.toml";

/// Largest accepted answers file in bytes: a person wrote it, and it travels in one bus message.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// An answers file to fill in.
pub(crate) const ANSWERS_TEMPLATE: &str = include_str!("../../templates/answers.toml");

/// An intake form to fill in.
pub(crate) const FORM_TEMPLATE: &str = include_str!("../../templates/form.toml");

/// The answers as a person writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    #[serde(default)]
    goal: String,
    constraints: Option<Vec<String>>,
    #[serde(default)]
    acceptance_criteria: Vec<Criterion>,
    risks: Option<Vec<String>>,
    delegation_bounds: Option<Bounds>,
    open_questions: Option<Vec<String>>,
}

/// A criterion, with or without the way to check it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Criterion {
    Text(String),
    Whole(AcceptanceCriterion),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounds {
    may_edit: Option<Vec<String>>,
    must_not_touch: Option<Vec<String>>,
    max_duration: Option<String>,
    max_duration_ms: Option<u64>,
    network: Option<bool>,
}

/// Reads answers; `-` is standard input.
///
/// # Errors
/// `bad_request` that names the file, the line and what is wrong there.
pub(crate) fn read_context(
    path: &Path,
    answered_by: String,
    now: Timestamp,
) -> Result<MaieuticContext, Fault> {
    let origin = origin(path);
    context(&origin, &read(path, &origin)?, answered_by, now)
}

/// Reads an intake form; `-` is standard input.
///
/// # Errors
/// `bad_request` that names the file, the line and what is wrong there.
pub(crate) fn read_form(path: &Path) -> Result<IntakeForm, Fault> {
    let origin = origin(path);
    parse(&origin, &read(path, &origin)?)
}

fn origin(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path, origin: &str) -> Result<String, Fault> {
    let bad = |problem: String| {
        Fault::new(ErrorCode::BadRequest, format!("{origin}: {problem}")).hint(TEMPLATE_HINT)
    };
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| bad(format!("cannot be opened: {error}")))?)
    };
    let mut bytes = Vec::new();
    source
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| bad(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(bad(format!("answers have at most {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| bad("answers are UTF-8 text".to_owned()))
}

fn context(origin: &str, text: &str, answered_by: String, now: Timestamp) -> Result<MaieuticContext, Fault> {
    let answers: Answers = parse(origin, text)?;
    let mut defaulted = Vec::new();
    let mut note = |missing: bool, field: &str| {
        if missing {
            defaulted.push(field.to_owned());
        }
    };
    note(answers.constraints.is_none(), "constraints");
    note(answers.risks.is_none(), "risks");
    match &answers.delegation_bounds {
        None => note(true, "delegation_bounds"),
        Some(bounds) => {
            note(bounds.may_edit.is_none(), "delegation_bounds.may_edit");
            note(bounds.must_not_touch.is_none(), "delegation_bounds.must_not_touch");
            note(bounds.network.is_none(), "delegation_bounds.network");
        }
    }
    note(answers.open_questions.is_none(), "open_questions");
    let acceptance_criteria = answers.acceptance_criteria.into_iter().map(|criterion| match criterion {
        Criterion::Text(text) => AcceptanceCriterion { text, how_verified: String::new() },
        Criterion::Whole(criterion) => criterion,
    });
    Ok(MaieuticContext {
        goal: answers.goal,
        constraints: answers.constraints.unwrap_or_default(),
        acceptance_criteria: acceptance_criteria.collect(),
        risks: answers.risks.unwrap_or_default(),
        delegation_bounds: bounds(origin, answers.delegation_bounds.unwrap_or_default())?,
        open_questions: answers.open_questions.unwrap_or_default(),
        mode: IntakeMode::Manifest,
        answered_at: now,
        answered_by,
        defaulted,
    })
}

fn bounds(origin: &str, bounds: Bounds) -> Result<DelegationBounds, Fault> {
    let max_duration_ms = match (bounds.max_duration, bounds.max_duration_ms) {
        (Some(_), Some(_)) => Err("give max_duration or max_duration_ms, not both".to_owned()),
        (Some(text), None) => duration_ms(&text).map(Some),
        (None, ms) => Ok(ms),
    }
    .map_err(|problem| {
        Fault::new(ErrorCode::BadRequest, format!("{origin}: delegation_bounds.max_duration: {problem}"))
            .hint(TEMPLATE_HINT)
    })?;
    Ok(DelegationBounds {
        may_edit: bounds.may_edit.unwrap_or_default(),
        must_not_touch: bounds.must_not_touch.unwrap_or_default(),
        max_duration_ms,
        network: bounds.network.unwrap_or_default(),
    })
}

/// Parses JSON when the text starts like an object, and TOML otherwise; no TOML document starts so.
fn parse<T: DeserializeOwned>(origin: &str, text: &str) -> Result<T, Fault> {
    let bad = |line: usize, problem: &str| {
        Fault::new(ErrorCode::BadRequest, format!("{origin}:{line}: {problem}")).hint(TEMPLATE_HINT)
    };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| bad(error.line(), &error.to_string()));
    }
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        bad(before.matches('\n').count() + 1, error.message())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MaieuticContext, Fault> {
        context("answers", text, "kim".to_owned(), Timestamp::from_millis(0))
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = read(
            "goal = 'g'\nconstraints = ['c']\n[[acceptance_criteria]]\ntext = 't'\nhow_verified = 'h'\n\
             [delegation_bounds]\nmay_edit = ['src/**']\nmax_duration = '2h'\n",
        )
        .unwrap();
        let json = read(
            r#" {"goal": "g", "constraints": ["c"], "acceptance_criteria": [{"text": "t", "how_verified": "h"}],
                 "delegation_bounds": {"may_edit": ["src/**"], "max_duration_ms": 7200000}}"#,
        )
        .unwrap();
        assert_eq!(toml, json);
        assert_eq!(toml.missing(), []);
        let bounds = ["delegation_bounds.must_not_touch", "delegation_bounds.network"];
        assert_eq!(toml.defaulted, [&["risks"][..], &bounds, &["open_questions"]].concat());
    }

    #[test]
    fn what_is_left_out_is_narrow_and_still_missing_where_needed() {
        let context = read("acceptance_criteria = ['t']").unwrap();
        let missing: Vec<_> = context.missing().into_iter().map(|missing| missing.field).collect();
        assert_eq!(missing, ["goal", "acceptance_criteria[0].how_verified"]);
        assert_eq!(context.delegation_bounds, DelegationBounds::default());
        assert_eq!(context.defaulted, ["constraints", "risks", "delegation_bounds", "open_questions"]);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, at) in [
            ("goal = 'g'\ngaol = 'h'\n", "answers:2: unknown field `gaol`"),
            ("goal = 'g'\n\nrisks = [1]\n", "answers:3: "),
            ("{\"goal\": 1}", "answers:1: "),
            (
                "[delegation_bounds]\nmax_duration = 'soon'\n",
                "answers: delegation_bounds.max_duration: `soon`",
            ),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.first().message.starts_with(at), "{}", fault.first().message);
            assert_eq!(fault.code(), ErrorCode::BadRequest);
        }
    }

    #[test]
    fn the_templates_are_accepted_and_name_every_field() {
        let context = read(ANSWERS_TEMPLATE).unwrap();
        assert!(!context.missing().is_empty(), "an empty template is not complete");
        assert_eq!(context.defaulted, [] as [&str; 0], "the template names every field");
        let form: IntakeForm = parse("form", FORM_TEMPLATE).unwrap();
        assert_eq!(form.quality_score(), 0);
        let fields = |value: serde_json::Value| -> Vec<String> {
            let object = value.as_object().unwrap().clone();
            let deep =
                object.get("deep").and_then(|deep| deep.as_object()).into_iter().flat_map(|deep| deep.keys());
            object.keys().chain(deep).cloned().collect()
        };
        for field in fields(serde_json::to_value(form).unwrap()) {
            assert!(FORM_TEMPLATE.contains(&field), "{field}");
        }
    }
}
