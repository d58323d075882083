//! A report as SARIF 2.1.0 (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>): only what a report has.

use std::collections::BTreeMap;

use serde::Serialize;
use windlass_contract::document::{Confidence, Finding, FindingOrigin, ReviewReport, Severity};
use windlass_domain::digest::Digest;
use windlass_domain::run::request::Scope;

use crate::review::compare::normalised;

/// Where the standard's schema is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The rule of a finding whose finder has none.
const UNNAMED_RULE: &str = "windlass/unnamed";

/// What relative paths start from.
const ROOT: &str = "SRCROOT";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    original_uri_base_ids: BTreeMap<&'static str, UriBase>,
    results: Vec<SarifResult<'a>>,
    properties: RunProperties<'a>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct UriBase {
    description: Text<'static>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Text<'a>,
    locations: [Location; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    properties: ResultProperties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultProperties<'a> {
    must_fix: bool,
    scope: Scope,
    confidence: Confidence,
    rationale: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'a> {
    base_commit: Option<&'a str>,
    head_commit: &'a str,
    summary: &'a str,
}

/// The report as SARIF 2.1.0, indented.
#[must_use]
pub fn sarif(report: &ReviewReport) -> String {
    let must_fix = report.must_fix.iter().map(|finding| (finding, true));
    let findings: Vec<(&Finding, bool)> =
        must_fix.chain(report.suggestions.iter().map(|finding| (finding, false))).collect();
    let mut places: BTreeMap<&str, usize> =
        findings.iter().map(|(finding, _)| (rule_of(finding), 0)).collect();
    for (place, index) in places.values_mut().enumerate() {
        *index = place;
    }
    let results = findings.iter().map(|(finding, must_fix)| result(finding, *must_fix, &places)).collect();
    let program = report.header.tool_version.as_str();
    let description = Text { text: "the root of the repository" };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "windlass",
                    version: program.strip_prefix("windlass ").unwrap_or(program),
                    rules: places.keys().map(|id| Rule { id }).collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            original_uri_base_ids: BTreeMap::from([(ROOT, UriBase { description })]),
            results,
            properties: RunProperties {
                base_commit: report.base_commit.as_ref().map(windlass_domain::diff::ObjectId::as_str),
                head_commit: report.head_commit.as_str(),
                summary: &report.summary,
            },
        }],
    };
    let mut text = serde_json::to_string_pretty(&log).expect("structs and strings are JSON");
    text.push('\n');
    text
}

fn rule_of(finding: &Finding) -> &str {
    finding.rule.as_deref().unwrap_or(UNNAMED_RULE)
}

fn result<'a>(finding: &'a Finding, must_fix: bool, places: &BTreeMap<&str, usize>) -> SarifResult<'a> {
    let rule_id = rule_of(finding);
    let fingerprint = Digest::of_pieces(
        [rule_id, "\0", &finding.file, "\0", &normalised(&finding.message)].map(str::as_bytes),
    );
    SarifResult {
        rule_id,
        rule_index: places[rule_id],
        level: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        message: Text { text: &finding.message },
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(&finding.file), uri_base_id: ROOT },
                region: Region { start_line: finding.line.max(1), end_line: finding.end_line },
            },
        }],
        partial_fingerprints: BTreeMap::from([("windlassKind/v1", fingerprint.to_string())]),
        baseline_state: match finding.origin {
            FindingOrigin::New => Some("new"),
            FindingOrigin::Old => Some("unchanged"),
            FindingOrigin::Unknown => None,
        },
        properties: ResultProperties {
            must_fix,
            scope: finding.scope,
            confidence: finding.confidence,
            rationale: &finding.rationale,
        },
    }
}

/// A path as a relative URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b'+' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
