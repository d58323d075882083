//! Findings through a regular expression over both outputs.

use windlass_contract::document::Severity;

use super::{Output, Parsed, Places, RawFinding};
use crate::review::checks::FindingPattern;

pub(super) fn parse(pattern: &FindingPattern, output: Output<'_>, places: &Places<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for bytes in [output.stdout, output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        for captures in pattern.regex().captures_iter(&text) {
            let group = |name: &str| captures.name(name).map(|found| found.as_str());
            let number = |name: &str| group(name).and_then(|text| text.parse::<u32>().ok());
            let severity = group("severity").and_then(severity_word);
            parsed.push(RawFinding {
                file: group("file").and_then(|file| places.tracked(file)),
                line: number("line").unwrap_or(1),
                end_line: number("end_line"),
                rule: group("rule").map(str::to_owned),
                message: group("message").map(str::to_owned),
                severity,
            });
        }
    }
    parsed
}

/// The words and letters that tools use for how bad something is.
fn severity_word(word: &str) -> Option<Severity> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "err" | "e" | "fatal" | "critical" | "high" => Some(Severity::Error),
        "warning" | "warn" | "w" | "medium" => Some(Severity::Warning),
        "note" | "info" | "hint" | "help" | "style" | "low" | "i" | "c" => Some(Severity::Note),
        _ => None,
    }
}
