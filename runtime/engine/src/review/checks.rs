//! Which commands a review runs: the checks and fixers of a checks file, or the defaults for the kinds of project that
//! the tracked files show.
//!
//! It is not a place for running them, and it asks nobody whether they may run: that is policy.
//! **Invariant:** a check carries all that is needed to read its output; nothing is guessed from its name.

mod defaults;
mod ecosystem;
mod file;

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use windlass_contract::document::Severity;
use windlass_domain::run::request::{Preset, Scope};
use windlass_policy::CheckOrigin;

pub use defaults::{MANIFEST_LIMIT_BYTES, find_defaults, manifests};
pub use ecosystem::{Ecosystem, Needs};
pub use file::{BadChecks, CHECKS_VERSION, MAX_CHECKS, MAX_CHECKS_BYTES, parse_checks};

/// Where a repository keeps its checks.
pub const CHECKS_PATH: &str = ".windlass/checks.toml";

/// The checks and fixers of one review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Where they come from; policy may treat the origins differently.
    pub origin: CheckOrigin,
    /// The commands that look.
    pub checks: Vec<Check>,
    /// The commands that mend.
    pub fixers: Vec<Fixer>,
}

impl Checks {
    /// The checks that a depth and a choice of scopes run, in their order.
    pub fn selected<'a>(&'a self, preset: Preset, scopes: &'a [Scope]) -> impl Iterator<Item = &'a Check> {
        self.checks.iter().filter(move |check| check.preset <= preset && scopes.contains(&check.scope))
    }

    /// The fixers that a choice of scopes runs, in their order.
    pub fn selected_fixers<'a>(&'a self, scopes: &'a [Scope]) -> impl Iterator<Item = &'a Fixer> {
        self.fixers.iter().filter(move |fixer| scopes.contains(&fixer.scope))
    }
}

/// A command that looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name; the first part of the rules of its findings.
    pub name: String,
    /// Program and arguments, run in the root of the worktree.
    pub argv: Vec<String>,
    /// What kind of problem it finds.
    pub scope: Scope,
    /// The shallowest depth that runs it.
    pub preset: Preset,
    /// How its output is read.
    pub parser: Parser,
    /// How bad its findings are where its output does not say.
    pub severity: Severity,
    /// Why its findings matter, and what to do about them.
    pub rationale: String,
    /// What a finding says where the output has no message for it.
    pub message: Option<String>,
    /// Longest run, in milliseconds; policy's limit where none is given.
    pub time_limit_ms: Option<u64>,
    /// Most output, in bytes; policy's limit where none is given.
    pub output_limit_bytes: Option<u64>,
    /// The exit statuses that mean that nothing is wrong.
    pub success_exit: Vec<u8>,
    /// Where a finding without a place is shown: the checks file or the manifest that brought the check.
    pub anchor: Anchor,
}

/// A command that mends what it can, in the bot worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixer {
    /// Its name.
    pub name: String,
    /// Program and arguments, run in the root of the worktree.
    pub argv: Vec<String>,
    /// What kind of problem it mends.
    pub scope: Scope,
    /// The file that brought it.
    pub anchor: Anchor,
}

/// A place in a tracked file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anchor {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// How a check's output is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Parser {
    /// `cargo … --message-format=json`, with the text of the Rust test harness between.
    CargoJson,
    /// SARIF 2.1.0 on standard output.
    Sarif,
    /// JUnit XML on standard output, other text around it allowed.
    Junit,
    /// `eslint --format json`.
    EslintJson,
    /// An expression over both outputs.
    Regex {
        /// The expression.
        pattern: FindingPattern,
    },
    /// Only the exit status.
    Exit,
}

/// The names that an expression over output may give its groups.
pub const PATTERN_GROUPS: [&str; 6] = ["file", "line", "end_line", "rule", "message", "severity"];

/// Largest compiled expression of a checks file, in bytes: a hostile file must not eat the memory.
const PATTERN_SIZE_LIMIT: usize = 1024 * 1024;

/// An expression that finds findings in output. `^` and `$` mean the ends of lines.
#[derive(Clone)]
pub struct FindingPattern(Regex);

impl FindingPattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is no expression, is too large, or names a group that means nothing here.
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        let regex =
            RegexBuilder::new(pattern).multi_line(true).size_limit(PATTERN_SIZE_LIMIT).build().map_err(
                |error| BadPattern::Syntax(error.to_string().lines().last().unwrap_or_default().to_owned()),
            )?;
        match regex.capture_names().flatten().find(|name| !PATTERN_GROUPS.contains(name)) {
            Some(name) => Err(BadPattern::Group(name.to_owned())),
            None => Ok(Self(regex)),
        }
    }

    /// The compiled expression.
    #[must_use]
    pub const fn regex(&self) -> &Regex {
        &self.0
    }
}

/// Why a text is no expression over output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It cannot be compiled.
    #[error("the pattern cannot be compiled: {0}")]
    Syntax(String),
    /// It names a group that means nothing here.
    #[error("the pattern has a group `{0}`; there are: file, line, end_line, rule, message, severity")]
    Group(String),
}

impl fmt::Debug for FindingPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FindingPattern").field(&self.0.as_str()).finish()
    }
}

impl PartialEq for FindingPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for FindingPattern {}

impl Serialize for FindingPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for FindingPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
