//! SARIF 2.1.0, the parts that name a problem and its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use windlass_contract::document::Severity;

use super::{Parsed, Places, RawFinding, json_in};

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    tool: Tool,
    results: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize, Default)]
struct Tool {
    #[serde(default)]
    driver: Driver,
}

#[derive(Deserialize, Default)]
struct Driver {
    #[serde(default)]
    rules: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    rule_index: Option<usize>,
    level: Option<String>,
    kind: Option<String>,
    baseline_state: Option<String>,
    #[serde(default)]
    message: Message,
    #[serde(default)]
    locations: Vec<Location>,
    suppressions: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize, Default)]
struct Message {
    text: Option<String>,
    markdown: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<PhysicalLocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Option<ArtifactLocation>,
    region: Option<Region>,
}

#[derive(Deserialize)]
struct ArtifactLocation {
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u32>,
    end_line: Option<u32>,
}

/// What the tool says about its own rules.
struct Rules {
    ids: Vec<Option<String>>,
    levels: BTreeMap<String, String>,
}

impl Rules {
    fn of(driver: &Driver) -> Self {
        let text =
            |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).map(str::to_owned);
        let ids: Vec<Option<String>> = driver.rules.iter().map(|rule| text(rule.get("id"))).collect();
        let level = |rule: &serde_json::Value| text(rule.pointer("/defaultConfiguration/level"));
        let levels = driver.rules.iter().zip(&ids).filter_map(|(rule, id)| Some((id.clone()?, level(rule)?)));
        Self { levels: levels.collect(), ids }
    }
}

pub(super) fn parse(stdout: &[u8], places: &Places<'_>) -> Result<Parsed, String> {
    let log: Log = json_in(stdout, '{')?;
    let mut parsed = Parsed::default();
    for run in log.runs {
        let rules = Rules::of(&run.tool.driver);
        for result in run.results.into_iter().flatten() {
            if let Some(finding) = finding(result, &rules, places) {
                parsed.push(finding);
            }
        }
    }
    Ok(parsed)
}

fn finding(result: serde_json::Value, rules: &Rules, places: &Places<'_>) -> Option<RawFinding> {
    let result: SarifResult = serde_json::from_value(result).ok()?;
    let is_open = result.suppressions.is_none_or(|suppressions| suppressions.is_empty())
        && result.baseline_state.as_deref() != Some("absent")
        && result.kind.as_deref().is_none_or(|kind| kind == "fail");
    if !is_open {
        return None;
    }
    let by_index = || rules.ids.get(result.rule_index?)?.clone();
    let rule = result.rule_id.clone().or_else(by_index);
    let level = result.level.as_deref().or_else(|| rules.levels.get(rule.as_ref()?).map(String::as_str));
    let severity = match level {
        Some("error") => Severity::Error,
        Some("note" | "none") => Severity::Note,
        // The standard's own default.
        _ => Severity::Warning,
    };
    let place = result.locations.into_iter().find_map(|location| location.physical_location);
    let region = place.as_ref().and_then(|place| place.region.as_ref());
    let line = region.and_then(|region| region.start_line).unwrap_or(1);
    let end_line = region.and_then(|region| region.end_line);
    let uri = place.as_ref().and_then(|place| place.artifact_location.as_ref()?.uri.as_deref());
    let file = uri.and_then(|uri| places.tracked(&percent_decoded(uri)));
    let message = result.message.text.or(result.message.markdown);
    Some(RawFinding { file, line, end_line, rule, message, severity: Some(severity) })
}

/// A URI's path with `%20` and the like decoded; what decodes to no text is left as it is.
fn percent_decoded(uri: &str) -> String {
    let bytes = uri.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let hex = bytes.get(place + 1..place + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                place += 3;
            }
            _ => {
                decoded.push(byte);
                place += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| uri.to_owned())
}
