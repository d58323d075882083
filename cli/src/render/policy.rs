//! Policy as text.

use serde::Deserialize;
use serde_json::Value;
use windlass_contract::view::PolicyView;

use super::style::HEADING;
use super::table::{Look, cell, table};
use super::text::{safe, safe_lines};

/// As much of a merged policy as the tables show.
#[derive(Deserialize)]
struct Merged {
    layers: Vec<Layer>,
    #[serde(default)]
    grants: Vec<String>,
}

#[derive(Deserialize)]
struct Layer {
    kind: String,
    #[serde(default)]
    sandbox: Option<String>,
    #[serde(default)]
    limits: serde_json::Map<String, Value>,
    #[serde(default)]
    protected_paths: Vec<String>,
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    verdict: String,
    capability: String,
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
}

/// The merged policy: its layers in the order of authority. A shape that is not known here is shown as JSON.
pub(crate) fn show(look: Look, view: &PolicyView) -> String {
    let mut text = format!("{HEADING}policy{HEADING:#} {}\n", view.digest);
    match view.policy.read::<Merged>() {
        Ok(merged) => text.push_str(&layers(look, &merged)),
        Err(_) => {
            let json = view.policy.read::<Value>().and_then(|value| serde_json::to_string_pretty(&value));
            text.push_str(&safe_lines(json.as_deref().unwrap_or(view.policy.as_str())));
            text.push('\n');
        }
    }
    text
}

fn layers(look: Look, merged: &Merged) -> String {
    let mut text = String::new();
    for layer in &merged.layers {
        text.push_str(&format!("\n{HEADING}{}{HEADING:#}\n", safe(&layer.kind)));
        if let Some(sandbox) = &layer.sandbox {
            text.push_str(&format!("  sandbox: {}\n", safe(sandbox)));
        }
        for (name, value) in layer.limits.iter().filter(|(_, value)| !value.is_null()) {
            text.push_str(&format!("  limit {}: {value}\n", safe(name)));
        }
        if !layer.protected_paths.is_empty() {
            let paths: Vec<_> = layer.protected_paths.iter().map(|path| safe(path)).collect();
            text.push_str(&format!("  protected: {}\n", paths.join(" ")));
        }
        let rows = layer.rule.iter().map(|rule| {
            vec![
                cell(&rule.verdict),
                cell(&rule.capability),
                cell(&every(&rule.subjects)),
                cell(&every(&rule.origins)),
                cell(&rule.id),
            ]
        });
        if !layer.rule.is_empty() {
            text.push_str(&table(look, &["verdict", "capability", "for", "from", "rule"], rows.collect()));
        }
    }
    if !merged.grants.is_empty() {
        text.push_str(&format!("\ngranted by the request: {}\n", merged.grants.join(", ")));
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
    use windlass_domain::digest::{Digest, Json};
    use windlass_policy::{Capability, Policy};

    #[test]
    fn the_standard_policy_is_shown_as_tables() {
        let policy = Policy::merge(Vec::new(), BTreeSet::from([Capability::NetConnect]));
        let view = PolicyView { digest: Digest::ZERO, policy: Json::of(&policy).unwrap() };
        let text = anstream::adapter::strip_str(&show(Look { width: None, color: false }, &view)).to_string();
        for line in ["allow    tool.run", "sandbox: required", "granted by the request: net.connect"] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn another_shape_is_shown_as_json() {
        let view =
            PolicyView { digest: Digest::ZERO, policy: Json::of(&serde_json::json!({"rules": 3})).unwrap() };
        assert!(show(Look { width: None, color: false }, &view).contains("\"rules\": 3"));
    }
}
