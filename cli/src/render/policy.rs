//! Policy as text.

use serde::Deserialize;
use serde_json::Value;
use windlass_contract::document::{PolicyReply, PresetLine};
use windlass_contract::view::PolicyExplanation;

use super::style::HEADING;
use super::table::{Look, cell, table};
use super::text::{safe, safe_lines};
use crate::args::choice::word;

/// A merged policy as JSON has it. Every field is expected, so that another shape is noticed and shown as it is.
#[derive(Deserialize)]
struct Merged {
    layers: Vec<Layer>,
    grants: Vec<String>,
}

#[derive(Deserialize)]
struct Layer {
    kind: String,
    file: File,
}

#[derive(Deserialize)]
struct File {
    sandbox: Option<String>,
    limits: serde_json::Map<String, Value>,
    protected_paths: Vec<String>,
    research: Research,
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Research {
    allow_degraded: Option<bool>,
    #[serde(default)]
    provider: Vec<Provider>,
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Provider {
    Urls { name: String, urls: Vec<String> },
    Mcp { name: String, argv: Vec<String>, sandbox: String, tool: Vec<Tool> },
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    verdict: String,
    capability: String,
    subjects: Vec<String>,
    origins: Vec<String>,
}

/// The merged policy: its layers in the order of authority, then what each preset does. A shape that is not known here is
/// shown as JSON.
pub(crate) fn show(look: Look, reply: &PolicyReply) -> String {
    let view = &reply.policy;
    let mut text = format!("{HEADING}policy{HEADING:#} {}\n", view.digest);
    match view.policy.read::<Merged>() {
        Ok(merged) => text.push_str(&layers(look, &merged)),
        Err(_) => {
            let json = view.policy.read::<Value>().and_then(|value| serde_json::to_string_pretty(&value));
            text.push_str(&safe_lines(json.as_deref().unwrap_or(view.policy.as_str())));
            text.push('\n');
        }
    }
    text.push_str(&presets(look, &reply.presets));
    text
}

fn presets(look: Look, lines: &[PresetLine]) -> String {
    let rows = lines.iter().map(|line| {
        let scope = line.scope.map_or_else(|| "any".to_owned(), |scope| word(&scope));
        vec![cell(&word(&line.from)), cell(&scope), cell(&line.what), cell(&line.does)]
    });
    let heading = ["from preset", "scope", "what", "does"];
    format!("\n{HEADING}review presets{HEADING:#}\n{}", table(look, &heading, rows.collect()))
}

fn research(research: &Research) -> String {
    let mut text = String::new();
    if let Some(allowed) = research.allow_degraded {
        text.push_str(&format!(
            "  research without a provider: {}\n",
            if allowed { "allowed" } else { "not allowed" }
        ));
    }
    for provider in &research.provider {
        let (name, what) = match provider {
            Provider::Urls { name, urls } => (name, format!("pages {}", urls.join(" "))),
            Provider::Mcp { name, argv, sandbox, tool } => {
                let tools: Vec<&str> = tool.iter().map(|tool| tool.name.as_str()).collect();
                let argv = argv.join(" ");
                (name, format!("MCP server `{argv}`, tools {}, sandbox {sandbox}", tools.join(" ")))
            }
        };
        text.push_str(&format!("  research provider {}: {}\n", safe(name), safe(&what)));
    }
    if !research.without.is_empty() {
        text.push_str(&format!("  research without: {}\n", safe(&research.without.join(" "))));
    }
    text
}

fn layers(look: Look, merged: &Merged) -> String {
    let mut text = String::new();
    for layer in &merged.layers {
        text.push_str(&format!("\n{HEADING}{}{HEADING:#}\n", safe(&layer.kind)));
        if let Some(sandbox) = &layer.file.sandbox {
            text.push_str(&format!("  sandbox: {}\n", safe(sandbox)));
        }
        for (name, value) in layer.file.limits.iter().filter(|(_, value)| !value.is_null()) {
            text.push_str(&format!("  limit {}: {value}\n", safe(name)));
        }
        if !layer.file.protected_paths.is_empty() {
            let paths: Vec<_> = layer.file.protected_paths.iter().map(|path| safe(path)).collect();
            text.push_str(&format!("  protected: {}\n", paths.join(" ")));
        }
        text.push_str(&research(&layer.file.research));
        let rows = layer.file.rule.iter().map(|rule| {
            vec![
                cell(&rule.verdict),
                cell(&rule.capability),
                cell(&every(&rule.subjects)),
                cell(&every(&rule.origins)),
                cell(&rule.id),
            ]
        });
        if !layer.file.rule.is_empty() {
            text.push_str(&table(look, &["verdict", "capability", "for", "from", "rule"], rows.collect()));
        }
    }
    if !merged.grants.is_empty() {
        text.push_str(&format!("\ngranted by the request: {}\n", merged.grants.join(", ")));
    }
    text
}

/// What policy says to one act, and everything that was looked at for it.
pub(crate) fn explanation(look: Look, told: &PolicyExplanation) -> String {
    let origin = told.origin.as_deref().map(|origin| format!(" from {}", safe(origin))).unwrap_or_default();
    let mut text = format!(
        "{HEADING}{}{HEADING:#} {} for `{}`{origin}\nrule {}: {}\n",
        word(&told.verdict),
        safe(&told.capability),
        safe(&told.subject),
        safe(&told.rule),
        safe(&told.why)
    );
    for layer in &told.layers {
        let says = layer
            .verdict
            .map_or_else(|| "says nothing".to_owned(), |verdict| format!("says {}", word(&verdict)));
        text.push_str(&format!("\n{HEADING}{}{HEADING:#} {says}\n", safe(&layer.layer)));
        let rows = layer.rules.iter().map(|rule| {
            let speaks = if rule.speaks { "yes" } else { "no" };
            vec![cell(&rule.rule), cell(&word(&rule.verdict)), cell(speaks), cell(&rule.why)]
        });
        if !layer.rules.is_empty() {
            text.push_str(&table(look, &["rule", "verdict", "speaks", "why"], rows.collect()));
        }
    }
    text
}

fn every(patterns: &[String]) -> String {
    if patterns.is_empty() { "any".to_owned() } else { patterns.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use windlass_contract::view::PolicyView;
    use windlass_domain::digest::{Digest, Json};
    use windlass_domain::run::request::{Preset, Scope};
    use windlass_policy::{Capability, Policy};

    fn shown(policy: Json) -> String {
        let line = PresetLine {
            what: "format".to_owned(),
            scope: Some(Scope::Style),
            from: Preset::Quick,
            does: "looks at form".to_owned(),
        };
        let reply = PolicyReply { policy: PolicyView { digest: Digest::ZERO, policy }, presets: vec![line] };
        anstream::adapter::strip_str(&show(Look { width: None, color: false }, &reply)).to_string()
    }

    #[test]
    fn the_standard_policy_is_shown_as_tables() {
        let policy = Policy::merge(Vec::new(), BTreeSet::from([Capability::NetConnect]));
        let text = shown(Json::of(&policy).unwrap());
        for line in [
            "allow    tool.run",
            "sandbox: required",
            "granted by the request: net.connect",
            "quick        style",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn another_shape_is_shown_as_json() {
        assert!(shown(Json::of(&serde_json::json!({"rules": 3})).unwrap()).contains("\"rules\": 3"));
    }
}
