//! Words of the contract as flag values; a test compares them with what JSON writes.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use serde_json::Value;
use windlass_domain::capture::CaptureMode;
use windlass_domain::item::{ItemType, Priority, StateName};
use windlass_domain::run::RunStatus;
use windlass_domain::run::request::{Preset, RunKind, Scope, WriteMode};
use windlass_policy::Capability;

/// The words of an enum, with the value of each.
pub(crate) type Words<T> = &'static [(&'static str, T)];

pub(crate) const KINDS: Words<RunKind> = &[("research", RunKind::Research), ("review", RunKind::Review)];

pub(crate) const WRITE_MODES: Words<WriteMode> =
    &[("none", WriteMode::None), ("worktree", WriteMode::Worktree)];

pub(crate) const PRESETS: Words<Preset> = &[
    ("quick", Preset::Quick),
    ("standard", Preset::Standard),
    ("deep", Preset::Deep),
    ("exhaustive", Preset::Exhaustive),
];

pub(crate) const SCOPES: Words<Scope> = &[
    ("correctness", Scope::Correctness),
    ("security", Scope::Security),
    ("performance", Scope::Performance),
    ("style", Scope::Style),
    ("architecture", Scope::Architecture),
];

pub(crate) const CAPTURE_MODES: Words<CaptureMode> = &[
    ("none", CaptureMode::None),
    ("prompts_only", CaptureMode::PromptsOnly),
    ("full_io", CaptureMode::FullIo),
];

pub(crate) const ITEM_TYPES: Words<ItemType> = &[
    ("project", ItemType::Project),
    ("feature", ItemType::Feature),
    ("spec", ItemType::Spec),
    ("task", ItemType::Task),
];

pub(crate) const PRIORITIES: Words<Priority> =
    &[("p0", Priority::P0), ("p1", Priority::P1), ("p2", Priority::P2), ("p3", Priority::P3)];

pub(crate) const STATES: Words<StateName> = &[
    ("backlog", StateName::Backlog),
    ("planned", StateName::Planned),
    ("in_progress", StateName::InProgress),
    ("needs_research", StateName::NeedsResearch),
    ("needs_review", StateName::NeedsReview),
    ("completed", StateName::Completed),
    ("deprecated", StateName::Deprecated),
    ("archived", StateName::Archived),
    ("open", StateName::Open),
    ("failed", StateName::Failed),
];

pub(crate) const STATUSES: Words<RunStatus> = &[
    ("queued", RunStatus::Queued),
    ("running", RunStatus::Running),
    ("succeeded", RunStatus::Succeeded),
    ("failed", RunStatus::Failed),
    ("blocked", RunStatus::Blocked),
    ("needs_attention", RunStatus::NeedsAttention),
    ("cancelled", RunStatus::Cancelled),
];

/// The word that JSON writes for a value of an enum without fields.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

/// A parser that takes exactly these words.
pub(crate) fn choice<T>(words: Words<T>) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |typed| {
        words
            .iter()
            .find_map(|(word, value)| (*word == typed).then_some(*value))
            .ok_or_else(|| format!("`{typed}` is none of the words"))
    })
}

/// A parser of capability names.
pub(crate) fn capability() -> impl TypedValueParser<Value = Capability> {
    PossibleValuesParser::new(Capability::ALL.map(Capability::name))
        .try_map(|name| name.parse::<Capability>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::{JsonSchema, schema_for};
    use std::collections::BTreeSet;

    /// Every word that a type's published schema knows can be typed, no other, and each means its value.
    fn check<T: JsonSchema + Serialize>(words: Words<T>) {
        let schema = schema_for!(T);
        let published: BTreeSet<&str> = schema
            .get("oneOf")
            .and_then(Value::as_array)
            .unwrap()
            .iter()
            .map(|variant| variant["const"].as_str().unwrap())
            .collect();
        assert_eq!(words.iter().map(|(word, _)| *word).collect::<BTreeSet<_>>(), published);
        for (typed, value) in words {
            assert_eq!(*typed, word(value));
        }
    }

    #[test]
    fn every_word_of_the_contract_can_be_typed() {
        check(KINDS);
        check(WRITE_MODES);
        check(PRESETS);
        check(SCOPES);
        check(CAPTURE_MODES);
        check(ITEM_TYPES);
        check(PRIORITIES);
        check(STATES);
        check(STATUSES);
    }
}
