//! What tools said, as findings: one parser a format, from bytes that may be cut off, hostile or no text at all.
//!
//! **Invariant:** no output makes a parser panic, and none makes more than [`MAX_FINDINGS`] findings; how many were left
//! out is told.

mod cargo;
mod eslint;
mod exit;
mod junit;
mod path;
mod pattern;
mod sarif;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{Confidence, Finding, FindingOrigin, Severity};
use windlass_domain::child::{ChildEnd, EndedBecause};

use crate::review::checks::{Check, Parser};

pub use path::Places;

/// Most findings of one check: more is a tool that needs another configuration, not a list that somebody reads.
pub const MAX_FINDINGS: usize = 500;

/// Longest message of a finding, in bytes; a longer one is cut.
pub const MAX_MESSAGE_BYTES: usize = 600;

/// What a tool says about one place, before it is a finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RawFinding {
    /// The file as the tool names it, relative to the worktree where that could be told; none for the whole.
    pub file: Option<String>,
    /// The line, from 1; 1 where only a file is meant.
    pub line: u32,
    /// The last line, where there are several.
    pub end_line: Option<u32>,
    /// The tool's own name for what it found.
    pub rule: Option<String>,
    /// What is wrong, in one line.
    pub message: Option<String>,
    /// How bad the tool says it is.
    pub severity: Option<Severity>,
}

/// What one parser found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parsed {
    /// The findings in the order of the output, at most [`MAX_FINDINGS`].
    pub findings: Vec<RawFinding>,
    /// How many more there were.
    pub dropped: u64,
}

impl Parsed {
    fn push(&mut self, finding: RawFinding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.dropped += 1;
        }
    }
}

/// How a command ended and what it wrote.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// How it ended.
    pub end: &'a ChildEnd,
    /// Its standard output, perhaps cut off.
    pub stdout: &'a [u8],
    /// Its standard error, perhaps cut off.
    pub stderr: &'a [u8],
}

/// What a check's command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reading {
    /// It ran to its end.
    Complete {
        /// Its findings.
        findings: Vec<Finding>,
        /// How many more there were.
        dropped: u64,
    },
    /// It was ended, or ended by a signal; there may be more.
    CutShort {
        /// What it said until then.
        findings: Vec<Finding>,
        /// Why it ended, in words.
        why: String,
    },
    /// It could not do its work, for instance because the tool is not installed. That says nothing about the change.
    Unavailable {
        /// Why, in words.
        why: String,
    },
}

impl Reading {
    /// The findings, as far as there are any.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Complete { findings, .. } | Self::CutShort { findings, .. } => findings,
            Self::Unavailable { .. } => &[],
        }
    }
}

/// Reads what a check's command wrote.
///
/// The findings' origin is [`FindingOrigin::Unknown`] until [`crate::review::compare`] has told it. Secrets that a tool
/// quoted are taken out of the messages.
#[must_use]
pub fn read(check: &Check, output: Output<'_>, places: &Places<'_>) -> Reading {
    let why_short = match output.end {
        ChildEnd::NotStarted { reason } => return Reading::Unavailable { why: reason.clone() },
        ChildEnd::Signalled { signal } => Some(format!("signal {signal} ended it")),
        ChildEnd::Ended { why: EndedBecause::TimeLimit } => Some("it ran into its time limit".to_owned()),
        ChildEnd::Ended { why: EndedBecause::OutputLimit } => {
            Some("it printed more than its limit".to_owned())
        }
        ChildEnd::Ended { why: EndedBecause::Cancelled } => Some("the run was cancelled".to_owned()),
        ChildEnd::Exited { .. } => None,
    };
    let parsed = match &check.parser {
        Parser::CargoJson => Ok(cargo::parse(output.stdout, places)),
        Parser::Sarif => sarif::parse(output.stdout, places),
        Parser::Junit => Ok(junit::parse(output.stdout, places)),
        Parser::EslintJson => eslint::parse(output.stdout, places),
        Parser::Regex { pattern } => Ok(pattern::parse(pattern, output, places)),
        Parser::Exit => Ok(Parsed::default()),
    };
    let mut parsed = match (parsed, output.end) {
        (Ok(parsed), _) => parsed,
        // It says that all is well, but not in the format that was agreed: nobody knows what it looked at.
        (Err(why), ChildEnd::Exited { code }) if check.success_exit.contains(code) => {
            return Reading::Unavailable { why };
        }
        (Err(_), _) => Parsed::default(),
    };
    if let ChildEnd::Exited { code } = output.end
        && !check.success_exit.contains(code)
        && parsed.findings.is_empty()
    {
        if let Some(why) = exit::unavailable(*code, output) {
            return Reading::Unavailable { why };
        }
        parsed.push(exit::failed(*code, output, places));
    }
    let findings = parsed.findings.into_iter().map(|raw| finding(check, raw)).collect();
    match why_short {
        Some(why) => Reading::CutShort { findings, why },
        None => Reading::Complete { findings, dropped: parsed.dropped },
    }
}

/// The JSON document that starts at the first line that starts so; tools print warnings before and after it.
fn json_in<T: serde::de::DeserializeOwned>(stdout: &[u8], opening: char) -> Result<T, String> {
    let text = String::from_utf8_lossy(stdout);
    let is_start = |line: &str| line.trim_start().starts_with(opening);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_start(line) {
            break;
        }
        start += line.len();
    }
    let mut documents = serde_json::Deserializer::from_str(&text[start..]).into_iter::<T>();
    match documents.next() {
        Some(Ok(document)) => Ok(document),
        Some(Err(error)) => Err(format!("its output is not in the agreed format: {error}")),
        None => Err("it printed nothing in the agreed format".to_owned()),
    }
}

fn finding(check: &Check, raw: RawFinding) -> Finding {
    let (file, line, confidence) = match raw.file {
        Some(file) => (file, raw.line.max(1), Confidence::High),
        None => (check.anchor.file.clone(), check.anchor.line, Confidence::Medium),
    };
    let mut said = [raw.message.as_deref(), check.message.as_deref()].into_iter().flatten().map(one_line);
    let message = said
        .find(|message| !message.is_empty())
        .unwrap_or_else(|| format!("`{}` found a problem here", check.name));
    let rule = match raw.rule.as_deref().map(one_line).filter(|rule| !rule.is_empty()) {
        Some(rule) => format!("{}/{rule}", check.name),
        None => check.name.clone(),
    };
    Finding {
        file,
        line,
        end_line: raw.end_line.filter(|end| *end > line),
        rule: Some(rule),
        message,
        rationale: check.rationale.clone(),
        scope: check.scope,
        severity: raw.severity.unwrap_or(check.severity),
        origin: FindingOrigin::Unknown,
        confidence,
    }
}

/// A tool's words as one line of bounded length, without secrets and without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut start = text;
    if text.len() > 4 * MAX_MESSAGE_BYTES {
        start = cut(text, 4 * MAX_MESSAGE_BYTES);
    }
    let clean = windlass_policy::secrets::redact(start);
    let words: Vec<&str> =
        clean.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.len() <= MAX_MESSAGE_BYTES { line } else { format!("{} …", cut(&line, MAX_MESSAGE_BYTES)) }
}

/// The longest start of a text within a number of bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
