//! Tells new findings from old ones, and folds what several tools say about one place.
//!
//! The same check on base and head gives two lists. A finding on the head is old when the base has one of the same
//! rule and the same message, numbers and paths aside, on the line that it came from; lines are followed through the
//! hunks and files through renames. Each finding of the base explains one of the head.

mod line_map;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use windlass_contract::document::{Finding, FindingOrigin};
use windlass_domain::diff::TreeDiff;

use line_map::{LineMap, Origin};

static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b\d+(?:\.\d+)?\b|[^\s`'()]*/[^\s`'()]*").expect("the expression is fixed")
});

/// A message without what differs between two runs of one tool: numbers and paths.
#[must_use]
pub fn normalised(message: &str) -> String {
    VARYING.replace_all(message, "#").into_owned()
}

/// What two findings share when they are one problem at two times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    file: String,
    rule: Option<String>,
    message: String,
}

impl Kind {
    fn of(finding: &Finding, file: &str) -> Self {
        Self { file: file.to_owned(), rule: finding.rule.clone(), message: normalised(&finding.message) }
    }
}

/// Marks the findings of one check on the head with their origin.
///
/// `base` holds the findings of the same check on the base commit; none when the base could not be checked or there is
/// no base.
#[must_use]
pub fn tell_origins(mut head: Vec<Finding>, base: Option<&[Finding]>, diff: &TreeDiff) -> Vec<Finding> {
    let Some(base) = base else {
        for finding in &mut head {
            finding.origin = FindingOrigin::Unknown;
        }
        return head;
    };
    let map = LineMap::new(diff);
    let mut left: BTreeMap<Kind, Vec<u32>> = BTreeMap::new();
    for finding in base {
        left.entry(Kind::of(finding, &finding.file)).or_default().push(finding.line);
    }
    let origins: Vec<Option<(Kind, Origin)>> = head
        .iter()
        .map(|finding| {
            let (file, origin) = map.origin(&finding.file, finding.line)?;
            Some((Kind::of(finding, file), origin))
        })
        .collect();
    let mut is_old = vec![false; head.len()];
    // First what stands on the very same line, so that it is not taken by a neighbour of the same kind.
    for (place, origin) in origins.iter().enumerate() {
        if let Some((kind, Origin::Line(line))) = origin {
            is_old[place] = take(&mut left, kind, |candidate| candidate == *line);
        }
    }
    for (place, origin) in origins.iter().enumerate() {
        if let Some((kind, origin)) = origin
            && !is_old[place]
        {
            is_old[place] = match origin {
                // The line stayed, so the tool only moved its finger.
                Origin::Line(_) => take(&mut left, kind, |_| true),
                // The line was rewritten with the problem in it.
                Origin::Hunk(removed) => take(&mut left, kind, |candidate| removed.contains(&candidate)),
            };
        }
    }
    for (finding, is_old) in head.iter_mut().zip(is_old) {
        finding.origin = if is_old { FindingOrigin::Old } else { FindingOrigin::New };
    }
    head
}

/// Takes one finding of this kind whose line fits; tells whether there was one.
fn take(left: &mut BTreeMap<Kind, Vec<u32>>, kind: &Kind, fits: impl Fn(u32) -> bool) -> bool {
    let Some(lines) = left.get_mut(kind) else { return false };
    match lines.iter().position(|line| fits(*line)) {
        Some(place) => {
            lines.swap_remove(place);
            true
        }
        None => false,
    }
}

/// Folds what several tools say about one place into one finding: the same message, or the same rule under another
/// check's name, on the same line. The worse severity stays; otherwise the earlier finding does.
#[must_use]
pub fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut by_message: BTreeMap<(String, u32, String), usize> = BTreeMap::new();
    let mut by_rule: BTreeMap<(String, u32, String), usize> = BTreeMap::new();
    for finding in findings {
        let message_key = (finding.file.clone(), finding.line, normalised(&finding.message));
        let rule_key =
            shared_rule(&finding).map(|rule| (finding.file.clone(), finding.line, rule.to_owned()));
        let twin = by_message.get(&message_key).or_else(|| by_rule.get(rule_key.as_ref()?)).copied();
        let place = match twin {
            // One check may say one thing twice about a line, for two places in it.
            Some(place) if check_of(&kept[place]) != check_of(&finding) || kept[place] == finding => {
                merge(&mut kept[place], finding);
                place
            }
            _ => {
                kept.push(finding);
                kept.len() - 1
            }
        };
        by_message.entry(message_key).or_insert(place);
        if let Some(rule_key) = rule_key {
            by_rule.entry(rule_key).or_insert(place);
        }
    }
    kept
}

fn merge(kept: &mut Finding, other: Finding) {
    kept.severity = kept.severity.max(other.severity);
    kept.confidence = kept.confidence.max(other.confidence);
    // Old for one tool is old: the base had it.
    if other.origin == FindingOrigin::Old {
        kept.origin = FindingOrigin::Old;
    }
}

fn check_of(finding: &Finding) -> Option<&str> {
    finding.rule.as_deref().map(|rule| rule.split_once('/').map_or(rule, |(check, _)| check))
}

/// The rule without its check, where the name is one that tools share (`F401`, `E0308`, `no-unused-vars`).
fn shared_rule(finding: &Finding) -> Option<&str> {
    let (_, rule) = finding.rule.as_deref()?.split_once('/')?;
    (!matches!(rule, "failed" | "test-failed")).then_some(rule)
}
