//! The report for people. What the repository says is data here: it cannot become headings, links or HTML.

use std::fmt::Write as _;

use windlass_contract::document::{
    Citation, CitedPlace, Confidence, ResearchOption, ResearchProvider, ResearchReport,
};

use crate::review::render::{code, plain};

/// Writing into a string cannot fail; this keeps the callers free of that.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        writeln!($text, $($arguments)*).expect("a string takes all that is written")
    };
}

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &ResearchReport) -> String {
    let mut text = String::from("# Research\n\n");
    put!(text, "{}\n", plain(&report.question.goal));
    put!(text, "- Searched: the repository at `{}`", short(report.commit.as_str()));
    if report.degraded {
        put!(text, "- **Degraded:** a provider was missing");
        for missing in &report.degraded_reasons {
            let provider = match missing.provider {
                ResearchProvider::Model => "model",
                ResearchProvider::Web => "web",
                ResearchProvider::Mcp => "MCP server",
            };
            let name = missing.name.as_ref().map_or_else(String::new, |name| format!(" {}", code(name)));
            put!(text, "  - {provider}{name}: {}", plain(&missing.reason));
        }
    }
    put!(text, "\n## Summary\n\n{}", plain(&report.executive_summary));
    put!(text, "\n## Options\n");
    if report.options.is_empty() {
        put!(text, "None: nothing was found to begin with.");
    }
    for option in &report.options {
        write_option(&mut text, option);
    }
    put!(text, "\n## Open questions\n");
    if report.open_questions.is_empty() {
        put!(text, "None: for each part of the question there is a place that speaks of it.");
    }
    for question in &report.open_questions {
        put!(text, "- {}", plain(question));
    }
    put!(text, "\n## Citations\n");
    for citation in &report.citations {
        write_citation(&mut text, citation);
    }
    text
}

fn write_option(text: &mut String, option: &ResearchOption) {
    let mark = if option.recommended { " (recommended)" } else { "" };
    let confidence = match option.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    put!(text, "### {}{mark}\n", plain(&option.title));
    put!(text, "{}\n", plain(&option.summary));
    for tradeoff in &option.tradeoffs {
        put!(text, "- {}", plain(tradeoff));
    }
    put!(text, "- Confidence: {confidence}. Sources: {}.\n", option.citations.join(", "));
}

fn write_citation(text: &mut String, citation: &Citation) {
    let id = &citation.id;
    match &citation.place {
        CitedPlace::Passage { path, lines, commit } => {
            let place = format!("{path}:{}-{}", lines.first, lines.last);
            put!(text, "- {id}: {} at `{}`", code(&place), short(commit.as_str()));
        }
        CitedPlace::Change { path, commit } => {
            put!(text, "- {id}: change `{}` of {}", short(commit.as_str()), code(path));
        }
        CitedPlace::Web { url, content_hash, lines, retrieved_at } => {
            let hash = content_hash.to_string();
            let lines =
                lines.map_or_else(String::new, |lines| format!(", lines {}-{}", lines.first, lines.last));
            let read = retrieved_at.map_or_else(String::new, |at| format!(", read {at}"));
            put!(text, "- {id}: {}{lines} of `{}`{read}", code(url), short(&hash));
        }
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
