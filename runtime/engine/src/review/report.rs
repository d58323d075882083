//! The report of a review, put together from what was found and what was run.
//!
//! - `must_fix`: findings of severity error that the change brought, or that nobody could tell from it.
//! - `suggestions`: the other findings, new ones first; what was there before comes last and at most
//!   [`MAX_OLD_FINDINGS`] of it, and the summary counts all of it.
//!
//! **Invariant:** the same input gives the same report, whatever order it came in.

use std::collections::{BTreeMap, BTreeSet};

use windlass_contract::document::{
    CommandRan, CommandResult, Confidence, Finding, FindingOrigin, Header, ReviewReport, Risk, Severity,
};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::diff::ObjectId;
use windlass_domain::item::{ItemType, StateName};
use windlass_domain::run::request::{Preset, Scope};

use crate::review::checks::Check;
use crate::review::compare;
use crate::review::parse::Reading;

/// Most old findings in a report: they are context, and a repository may have thousands.
pub const MAX_OLD_FINDINGS: usize = 100;

/// Most findings of each of a report's two lists: beyond that nobody reads, and the document must stay small enough to
/// be sent.
pub const MAX_LISTED_FINDINGS: usize = 1000;

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct Material {
    /// The program that the run began with.
    pub tool_version: String,
    /// The commit that everything was compared with; none when the whole tree was looked at.
    pub base: Option<ObjectId>,
    /// The commit that was looked at.
    pub head: ObjectId,
    /// How deep.
    pub preset: Preset,
    /// What for.
    pub scopes: Vec<Scope>,
    /// All findings, with their origins.
    pub findings: Vec<Finding>,
    /// How many findings each check or look had beyond its limit.
    pub dropped: BTreeMap<String, u64>,
    /// The commands, in the order in which they were run or meant to be.
    pub commands: Vec<CommandRan>,
    /// The proposed change.
    pub patch_bundle_uri: Option<ArtifactUri>,
    /// What the work item is, for the recommended state.
    pub item: ItemType,
}

/// What is to be told about a check that could not do its work on the head: a finding at the file that brought it.
#[must_use]
pub fn problem_of_check(check: &Check, reading: &Reading) -> Option<Finding> {
    let (rule, message, rationale) = match reading {
        Reading::Complete { .. } => return None,
        Reading::CutShort { why, .. } => (
            "windlass/check-not-finished",
            format!("the check `{}` did not finish: {why}", check.name),
            "what it had not looked at yet is not known; run it by hand, or give it more room in the checks file",
        ),
        Reading::Unavailable { why } => (
            "windlass/check-not-started",
            format!("the check `{}` could not run: {why}", check.name),
            "what it looks for was not looked for; install the tool, or take the check out of the checks file",
        ),
    };
    Some(Finding {
        file: check.anchor.file.clone(),
        line: check.anchor.line,
        end_line: None,
        rule: Some(rule.to_owned()),
        message,
        rationale: rationale.to_owned(),
        scope: check.scope,
        severity: Severity::Note,
        // It tells of this machine, not of the change.
        origin: FindingOrigin::Unknown,
        confidence: Confidence::High,
    })
}

/// Puts a report together.
#[must_use]
pub fn assemble(material: Material) -> ReviewReport {
    let mut findings = material.findings;
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    let findings = compare::fold(findings);
    let (must_fix, rest): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(must_be_fixed);
    let (old, mut suggestions): (Vec<Finding>, Vec<Finding>) =
        rest.into_iter().partition(|finding| finding.origin == FindingOrigin::Old);
    let counts = Counts { must_fix: must_fix.len(), suggestions: suggestions.len(), old: old.len() };
    suggestions.truncate(MAX_LISTED_FINDINGS);
    suggestions.extend(old.into_iter().take(MAX_OLD_FINDINGS));
    let recommended_state = recommended(material.item, &must_fix, &material.commands, material.preset);
    let mut risks = risks_of_commands(&material.commands);
    risks.extend(risks_of_limits(&material.dropped, &counts));
    ReviewReport {
        header: Header::by(&material.tool_version, ReviewReport::SCHEMA),
        summary: summary(&counts, &material.commands, material.base.is_none()),
        base_commit: material.base,
        head_commit: material.head,
        preset: material.preset,
        scopes: material.scopes,
        must_fix: must_fix.into_iter().take(MAX_LISTED_FINDINGS).collect(),
        suggestions,
        risks,
        commands_ran: material.commands,
        patch_bundle_uri: material.patch_bundle_uri,
        recommended_state,
    }
}

fn must_be_fixed(finding: &Finding) -> bool {
    finding.origin != FindingOrigin::Old && finding.severity == Severity::Error
}

/// Worst first, then by place.
fn order(finding: &Finding) -> impl Ord + '_ {
    (
        finding.origin == FindingOrigin::Old,
        std::cmp::Reverse(finding.severity),
        &finding.file,
        finding.line,
        &finding.rule,
        &finding.message,
        finding,
    )
}

struct Counts {
    must_fix: usize,
    suggestions: usize,
    old: usize,
}

fn summary(counts: &Counts, commands: &[CommandRan], whole_tree: bool) -> String {
    let subject = if whole_tree { "The tree" } else { "The change" };
    let mut text = match counts.must_fix {
        0 => format!("{subject} has nothing that must be fixed"),
        1 => format!("{subject} has 1 problem that must be fixed"),
        many => format!("{subject} has {many} problems that must be fixed"),
    };
    text += &match counts.suggestions {
        0 => " and no suggestions.".to_owned(),
        1 => " and 1 suggestion.".to_owned(),
        many => format!(" and {many} suggestions."),
    };
    match counts.old {
        0 => {}
        1 => text += " 1 finding was there before.",
        many => text += &format!(" {many} findings were there before."),
    }
    let on_head: Vec<&CommandRan> = commands.iter().filter(|command| command.at == "head").collect();
    let finished = on_head.iter().filter(|command| finished(&command.result)).count();
    text += &match (finished, on_head.len()) {
        (_, 0) => " No check was run, only the looks at the diff.".to_owned(),
        (1, 1) => " The one check ran.".to_owned(),
        (finished, all) if finished == all => format!(" All {all} checks ran."),
        (finished, all) => format!(" {finished} of {all} checks ran."),
    };
    text
}

const fn finished(result: &CommandResult) -> bool {
    matches!(result, CommandResult::Exited { .. } | CommandResult::Cached { .. })
}

fn risks_of_commands(commands: &[CommandRan]) -> Vec<Risk> {
    let unfinished = commands.iter().filter_map(|command| {
        let (why, happened) = match &command.result {
            CommandResult::Exited { .. } | CommandResult::Cached { .. } => return None,
            CommandResult::Ended { why } => (why, "did not finish"),
            CommandResult::NotStarted { why } => (why, "could not be started"),
            CommandResult::NotRun { why } => (why, "was not run"),
        };
        let severity = if command.at == "base" { Severity::Note } else { Severity::Warning };
        let what = format!("`{}` {happened} on the {}", command.name, command.at);
        Some(Risk { severity, what, why: why.clone() })
    });
    unfinished.collect()
}

fn risks_of_limits(dropped: &BTreeMap<String, u64>, counts: &Counts) -> Vec<Risk> {
    let mut risks: Vec<Risk> = dropped
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| Risk {
            severity: Severity::Warning,
            what: format!("{count} more findings of `{name}` are left out"),
            why: "a finder with so many findings needs another configuration, or the change is too large"
                .to_owned(),
        })
        .collect();
    for (name, count, limit) in [
        ("that must be fixed", counts.must_fix, MAX_LISTED_FINDINGS),
        ("that could be better", counts.suggestions, MAX_LISTED_FINDINGS),
        ("that were there before", counts.old, MAX_OLD_FINDINGS),
    ] {
        if count > limit {
            risks.push(Risk {
                severity: Severity::Note,
                what: format!("of {count} findings {name} only {limit} are listed"),
                why: "a list of this length is read by nobody".to_owned(),
            });
        }
    }
    risks
}

/// Where a person might move the item: on when nothing is to be fixed and every check ran at a depth that runs tests,
/// back to work when something is; no advice otherwise.
fn recommended(
    item: ItemType,
    must_fix: &[Finding],
    commands: &[CommandRan],
    preset: Preset,
) -> Option<StateName> {
    let on_head: BTreeSet<bool> = commands
        .iter()
        .filter(|command| command.at == "head")
        .map(|command| finished(&command.result))
        .collect();
    let is_thorough = preset >= Preset::Standard && on_head == BTreeSet::from([true]);
    match (item, must_fix.is_empty()) {
        (ItemType::Project, _) => None,
        (ItemType::Feature | ItemType::Spec, false) => Some(StateName::InProgress),
        (ItemType::Task, false) => Some(StateName::Open),
        (ItemType::Feature | ItemType::Spec | ItemType::Task, true) => {
            is_thorough.then_some(StateName::Completed)
        }
    }
}
