//! A report for people: what must be done first, where, and why.
//!
//! Words of tools and of the repository are data here: they cannot become headings, links or HTML.

use std::fmt::Write as _;

use windlass_contract::document::{
    CommandRan, CommandResult, Finding, FindingOrigin, ReviewReport, Severity,
};

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &ReviewReport) -> String {
    let mut text = String::from("# Review\n\n");
    write_head(&mut text, report);
    let (old, suggestions): (Vec<&Finding>, Vec<&Finding>) =
        report.suggestions.iter().partition(|finding| finding.origin == FindingOrigin::Old);
    let must_fix: Vec<&Finding> = report.must_fix.iter().collect();
    let has_base = report.base_commit.is_some();
    write_findings(&mut text, "Must fix", &must_fix, has_base);
    write_findings(&mut text, "Suggestions", &suggestions, has_base);
    write_findings(&mut text, "There before", &old, has_base);
    write_risks(&mut text, report);
    write_commands(&mut text, &report.commands_ran);
    write_next(&mut text, report);
    text
}

/// Writing into a string cannot fail; this keeps the callers free of that.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        writeln!($text, $($arguments)*).expect("a string takes all that is written")
    };
}

fn write_head(text: &mut String, report: &ReviewReport) {
    put!(text, "{}\n", plain(&report.summary));
    let head = short(report.head_commit.as_str());
    match &report.base_commit {
        Some(base) => put!(text, "- Change: `{}..{head}`", short(base.as_str())),
        None => put!(text, "- Whole tree at `{head}`"),
    }
    let scopes: Vec<String> = report.scopes.iter().map(word).collect();
    put!(text, "- Depth: {}; scopes: {}", word(&report.preset), scopes.join(", "));
}

fn write_findings(text: &mut String, title: &str, findings: &[&Finding], has_base: bool) {
    if findings.is_empty() {
        return;
    }
    put!(text, "\n## {title} ({})", findings.len());
    let mut file = None;
    for finding in findings {
        if file != Some(&finding.file) {
            put!(text, "\n### {}\n", code(&finding.file));
            file = Some(&finding.file);
        }
        let lines = match finding.end_line {
            Some(end) => format!("{}:{}-{end}", finding.file, finding.line),
            None => format!("{}:{}", finding.file, finding.line),
        };
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let rule = finding.rule.as_deref().map_or_else(String::new, |rule| format!(" ({})", code(rule)));
        put!(text, "- **{severity}** {}: {}{rule}", code(&lines), plain(&finding.message));
        let doubt = match finding.origin {
            FindingOrigin::Unknown if has_base => " Whether the change brought it is not known.",
            FindingOrigin::Unknown | FindingOrigin::New | FindingOrigin::Old => "",
        };
        put!(text, "  {}.{doubt}", plain(finding.rationale.trim_end_matches('.')));
    }
}

fn write_risks(text: &mut String, report: &ReviewReport) {
    if report.risks.is_empty() {
        return;
    }
    put!(text, "\n## Risks\n");
    for risk in &report.risks {
        put!(text, "- **{}** {}: {}", word(&risk.severity), plain(&risk.what), plain(&risk.why));
    }
}

fn write_commands(text: &mut String, commands: &[CommandRan]) {
    put!(text, "\n## Commands\n");
    if commands.is_empty() {
        put!(text, "None was run.");
        return;
    }
    put!(text, "| command | at | result | time |\n|---|---|---|---|");
    for command in commands {
        let result = match &command.result {
            CommandResult::Exited { code } => format!("exit {code}"),
            CommandResult::Cached { code } => format!("exit {code} (from the cache)"),
            CommandResult::Ended { why } => format!("ended: {}", plain(why)),
            CommandResult::NotStarted { why } => format!("not started: {}", plain(why)),
            CommandResult::NotRun { why } => format!("not run: {}", plain(why)),
        };
        let argv = code(&command.argv.join(" ")).replace('|', "\\|");
        let time = seconds(command.duration_ms);
        put!(text, "| {argv} | {} | {} | {time} |", plain(&command.at), result.replace('|', "\\|"));
    }
}

fn write_next(text: &mut String, report: &ReviewReport) {
    put!(text, "\n## Next\n");
    match report.must_fix.first() {
        Some(first) => put!(text, "- Start with {}.", code(&format!("{}:{}", first.file, first.line))),
        None if report.suggestions.is_empty() => put!(text, "- Nothing stands in the way."),
        None => put!(text, "- Nothing stands in the way; read the suggestions."),
    }
    if report.patch_bundle_uri.is_some() {
        put!(
            text,
            "- Mends are proposed: look at them with `windlass diff`, then `windlass approve` or `windlass reject`."
        );
    }
    if let Some(state) = report.recommended_state {
        put!(text, "- Recommended state of the item: `{}`. Windlass does not move it.", state.word());
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The word that JSON has for a unit variant.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Text as code; a backtick in it would end the span.
pub(crate) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace(|c: char| c.is_control(), " "))
}

/// Text whose marks mean nothing, except pairs of backticks.
pub(crate) fn plain(text: &str) -> String {
    let paired = text.matches('`').count().is_multiple_of(2);
    let mut in_code = false;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '`' if paired => in_code = !in_code,
            '`' | '<' | '>' | '[' | ']' | '*' | '_' | '\\' | '#' | '&' | '!' | '~' if !in_code => {
                escaped.push('\\')
            }
            _ => {}
        }
        escaped.push(if character.is_control() { ' ' } else { character });
    }
    escaped
}
