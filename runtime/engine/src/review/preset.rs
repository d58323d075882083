//! What each depth does, as a table that people can read and the looks obey.

use serde::{Deserialize, Serialize};
use windlass_domain::run::request::{Preset, Scope};

use crate::review::looks::LOOKS;

/// One line of the table: something that a review does, and from which depth on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresetRow {
    /// A look, or a kind of check.
    pub what: String,
    /// What kind of problem it finds; none where each check has its own.
    pub scope: Option<Scope>,
    /// The shallowest depth that does it.
    pub from: Preset,
    /// What it does, in words.
    pub does: String,
}

/// The default checks by kind; each check carries its own depth, these lines say which.
const CHECK_ROWS: [(&str, Scope, Preset, &str); 6] = [
    ("compile", Scope::Correctness, Preset::Quick, "cargo check, compileall, go vet"),
    ("format", Scope::Style, Preset::Quick, "cargo fmt --check, gofmt -l"),
    (
        "configured linters",
        Scope::Style,
        Preset::Quick,
        "ruff and eslint where the repository configures them",
    ),
    ("clippy", Scope::Style, Preset::Standard, "cargo clippy"),
    ("types", Scope::Correctness, Preset::Standard, "tsc --noEmit where there is a tsconfig.json"),
    (
        "tests",
        Scope::Correctness,
        Preset::Standard,
        "cargo test, pytest or unittest, npm test or node --test, go test",
    ),
];

/// What every review does beyond looks and default checks.
const OTHER_ROWS: [(&str, Preset, &str); 2] = [
    (
        "checks file",
        Preset::Quick,
        "each check of the checks file from its own `preset` on, in place of the defaults",
    ),
    ("base", Preset::Quick, "each check also on the base commit, to tell new findings from old ones"),
];

/// The whole table: looks, default checks, the rest.
#[must_use]
pub fn preset_table() -> Vec<PresetRow> {
    let row =
        |what: &str, scope, from, does: &str| PresetRow { what: what.into(), scope, from, does: does.into() };
    let looks = LOOKS.iter().map(|look| row(look.id, Some(look.scope), look.from, look.finds));
    let checks = CHECK_ROWS.iter().map(|&(what, scope, from, does)| row(what, Some(scope), from, does));
    let others = OTHER_ROWS.iter().map(|&(what, from, does)| row(what, None, from, does));
    looks.chain(checks).chain(others).collect()
}
