//! `cargo … --message-format=json`: one JSON object a line, and between them what the Rust test harness prints.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use windlass_contract::document::Severity;

use super::{Parsed, Places, RawFinding};

/// Deepest macro expansion that is followed to a tracked file; the compiler's own limit is 128.
const MAX_EXPANSIONS: usize = 128;

static PANIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^thread '.*' (?:\(\d+\) )?panicked at (?<file>.+?):(?<line>\d+):\d+:$")
        .expect("the expression is fixed")
});

#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    line_end: u32,
    #[serde(default)]
    is_primary: bool,
    label: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

pub(super) fn parse(stdout: &[u8], places: &Places<'_>) -> Parsed {
    let text = String::from_utf8_lossy(stdout);
    let mut parsed = Parsed::default();
    let mut seen = BTreeSet::new();
    let mut failing = FailingTest::default();
    for line in text.lines() {
        let finding = if line.starts_with('{') {
            serde_json::from_str(line).ok().and_then(|line| diagnostic(line, places))
        } else {
            failing.line(line, places)
        };
        // A package is compiled for its library, its tests and its binaries, and each says the same.
        if let Some(finding) = finding
            && seen.insert(finding.clone())
        {
            parsed.push(finding);
        }
    }
    if let Some(finding) = failing.end()
        && seen.insert(finding.clone())
    {
        parsed.push(finding);
    }
    parsed
}

fn diagnostic(line: Line, places: &Places<'_>) -> Option<RawFinding> {
    let diagnostic = line.message.filter(|_| line.reason == "compiler-message")?;
    let severity = match diagnostic.level.as_str() {
        "error" | "error: internal compiler error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => return None,
    };
    // What has no place only sums up what was said before.
    let primary = diagnostic.spans.iter().find(|span| span.is_primary)?;
    let place =
        tracked(primary, places).or_else(|| diagnostic.spans.iter().find_map(|span| tracked(span, places)));
    let (file, line, end_line) = match place {
        Some((file, span)) => (Some(file), span.line_start, Some(span.line_end)),
        None => (None, 1, None),
    };
    let rule = diagnostic.code.map(|code| code.code.trim_start_matches("clippy::").to_owned());
    let message = match &primary.label {
        Some(label) if severity == Severity::Error => format!("{}: {label}", diagnostic.message),
        _ => diagnostic.message,
    };
    Some(RawFinding { file, line, end_line, rule, message: Some(message), severity: Some(severity) })
}

/// The span, or the place where its macro was called, that lies in a tracked file.
fn tracked<'s>(span: &'s Span, places: &Places<'_>) -> Option<(String, &'s Span)> {
    let mut span = span;
    for _ in 0..MAX_EXPANSIONS {
        if let Some(file) = places.tracked(&span.file_name) {
            return Some((file, span));
        }
        span = &span.expansion.as_ref()?.span;
    }
    None
}

/// The failure of one test, gathered over the lines of its block.
#[derive(Default)]
struct FailingTest {
    name: Option<String>,
    place: Option<(String, u32)>,
    wants_message: bool,
    message: Option<String>,
}

impl FailingTest {
    /// Takes a line; gives the failure before it where the line starts the next one.
    fn line(&mut self, line: &str, places: &Places<'_>) -> Option<RawFinding> {
        let head = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        if let Some(head) = head {
            let before = self.end();
            self.name = Some(head.strip_suffix(" stdout").unwrap_or(head).to_owned());
            return before;
        }
        if line == "failures:" {
            return self.end();
        }
        self.name.as_ref()?;
        if let Some(panic) = PANIC.captures(line) {
            if self.place.is_none() {
                let file = places.tracked(&panic["file"]);
                self.place = file.zip(panic["line"].parse().ok());
                self.wants_message = true;
            }
        } else if !line.trim().is_empty() && (self.wants_message || line.starts_with("Error: ")) {
            self.message.get_or_insert_with(|| line.to_owned());
            self.wants_message = false;
        }
        None
    }

    fn end(&mut self) -> Option<RawFinding> {
        let Self { name, place, message, .. } = std::mem::take(self);
        let name = name?;
        let (file, line) = place.unzip();
        Some(RawFinding {
            file,
            line: line.unwrap_or(1),
            end_line: None,
            rule: Some("test-failed".to_owned()),
            message: Some(match message {
                Some(message) => format!("test `{name}` fails: {message}"),
                None => format!("test `{name}` fails"),
            }),
            severity: Some(Severity::Error),
        })
    }
}
