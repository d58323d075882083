//! Whole reports, as documents, as Markdown and as SARIF.

use std::collections::BTreeMap;

use windlass_contract::document::{
    CommandRan, CommandResult, Confidence, Finding, FindingOrigin, ReviewReport, Severity, TOOL_VERSION,
};
use windlass_domain::diff::ObjectId;
use windlass_domain::item::{ItemType, StateName};
use windlass_domain::run::request::{Preset, Scope};
use windlass_engine::review::checks::{Anchor, Check, Parser};
use windlass_engine::review::parse::Reading;
use windlass_engine::review::render::{markdown, sarif};
use windlass_engine::review::report::{MAX_OLD_FINDINGS, Material, assemble, problem_of_check};

use crate::change::finding;

fn commit(digit: &str) -> ObjectId {
    ObjectId::new(digit.repeat(40)).unwrap()
}

fn command(name: &str, at: &str, result: CommandResult) -> CommandRan {
    CommandRan {
        name: name.to_owned(),
        at: at.to_owned(),
        argv: vec!["cargo".to_owned(), name.to_owned()],
        rule: "built-in/run-checks".to_owned(),
        sandboxed: true,
        result,
        duration_ms: 1234,
        output_digest: None,
    }
}

fn material(findings: Vec<Finding>, commands: Vec<CommandRan>) -> Material {
    Material {
        tool_version: TOOL_VERSION.to_owned(),
        base: Some(commit("a")),
        head: commit("b"),
        preset: Preset::Standard,
        scopes: Scope::ALL.to_vec(),
        findings,
        dropped: BTreeMap::new(),
        commands,
        patch_bundle_uri: None,
        item: ItemType::Feature,
    }
}

fn of(severity: Severity, origin: FindingOrigin, line: u32) -> Finding {
    Finding { severity, origin, ..finding("src/a.rs", line, "clippy/x", &format!("{severity:?} {origin:?}")) }
}

use FindingOrigin::{New, Old, Unknown};
use Severity::{Error, Note, Warning};

fn ran(name: &str) -> CommandRan {
    command(name, "head", CommandResult::Exited { code: 0 })
}

#[test]
fn errors_of_the_change_must_be_fixed_and_old_ones_not() {
    let all = [Note, Warning, Error]
        .into_iter()
        .flat_map(|severity| [New, Old, Unknown].map(|origin| (severity, origin)))
        .zip(1..)
        .map(|((severity, origin), line)| of(severity, origin, line));
    let report = assemble(material(all.collect(), vec![ran("check")]));
    let must_fix: Vec<_> = report.must_fix.iter().map(|finding| (finding.severity, finding.origin)).collect();
    assert_eq!(must_fix, [(Error, New), (Error, Unknown)]);
    let suggestions: Vec<_> =
        report.suggestions.iter().map(|finding| (finding.severity, finding.origin)).collect();
    assert_eq!(
        suggestions,
        [
            (Warning, New),
            (Warning, Unknown),
            (Note, New),
            (Note, Unknown),
            (Error, Old),
            (Warning, Old),
            (Note, Old)
        ]
    );
    assert_eq!(
        report.summary,
        "The change has 2 problems that must be fixed and 4 suggestions. 3 findings were there before. The one check ran."
    );
}

#[test]
fn a_report_does_not_depend_on_the_order_of_its_findings() {
    let mut findings: Vec<Finding> = (1..30).map(|line| of(Warning, New, line % 7)).collect();
    let forwards = assemble(material(findings.clone(), Vec::new()));
    findings.reverse();
    assert_eq!(assemble(material(findings, Vec::new())), forwards);
}

#[test]
fn what_did_not_run_is_a_risk() {
    let commands = vec![
        ran("check"),
        command("ruff", "head", CommandResult::NotStarted { why: "no such program: ruff".to_owned() }),
        command("test", "base", CommandResult::Ended { why: "time limit".to_owned() }),
        command("deploy", "head", CommandResult::NotRun { why: "policy denies it".to_owned() }),
    ];
    let report = assemble(Material {
        dropped: BTreeMap::from([("clippy".to_owned(), 3), ("ruff".to_owned(), 0)]),
        ..material(Vec::new(), commands)
    });
    let risks: Vec<(Severity, &str)> =
        report.risks.iter().map(|risk| (risk.severity, risk.what.as_str())).collect();
    assert_eq!(
        risks,
        [
            (Warning, "`ruff` could not be started on the head"),
            (Note, "`test` did not finish on the base"),
            (Warning, "`deploy` was not run on the head"),
            (Warning, "3 more findings of `clippy` are left out"),
        ]
    );
    assert!(report.summary.ends_with("1 of 3 checks ran."), "{}", report.summary);
}

#[test]
fn old_findings_are_listed_up_to_a_limit() {
    let old = (1..=150).map(|line| of(Warning, Old, line)).collect();
    let report = assemble(material(old, Vec::new()));
    assert_eq!(report.suggestions.len(), MAX_OLD_FINDINGS);
    assert!(report.summary.contains("150 findings were there before"), "{}", report.summary);
    assert!(report.risks.iter().any(|risk| risk.what.contains("only 100 are listed")), "{:?}", report.risks);
}

#[test]
fn a_state_is_recommended_only_where_the_report_carries_it() {
    let bad = || vec![of(Error, New, 1)];
    let recommend = |item, preset, findings: Vec<Finding>, commands: Vec<CommandRan>| {
        assemble(Material { item, preset, ..material(findings, commands) }).recommended_state
    };
    use ItemType::{Feature, Project, Task};
    let standard = Preset::Standard;
    assert_eq!(recommend(Feature, standard, bad(), vec![ran("test")]), Some(StateName::InProgress));
    assert_eq!(recommend(Task, standard, bad(), Vec::new()), Some(StateName::Open));
    assert_eq!(recommend(Feature, standard, Vec::new(), vec![ran("test")]), Some(StateName::Completed));
    assert_eq!(recommend(Feature, Preset::Quick, Vec::new(), vec![ran("test")]), None, "too shallow");
    assert_eq!(recommend(Feature, standard, Vec::new(), Vec::new()), None, "nothing ran");
    let missing = command("ruff", "head", CommandResult::NotStarted { why: "x".to_owned() });
    assert_eq!(recommend(Feature, standard, Vec::new(), vec![ran("test"), missing]), None, "one did not run");
    assert_eq!(recommend(Project, standard, bad(), vec![ran("test")]), None);
}

#[test]
fn a_check_that_could_not_run_is_a_note_at_the_file_that_brought_it() {
    let check = Check {
        name: "ruff".to_owned(),
        argv: vec!["ruff".to_owned()],
        scope: Scope::Style,
        preset: Preset::Quick,
        parser: Parser::Sarif,
        severity: Warning,
        rationale: "because".to_owned(),
        message: None,
        time_limit_ms: None,
        output_limit_bytes: None,
        success_exit: vec![0],
        anchor: Anchor { file: "pyproject.toml".to_owned(), line: 1 },
    };
    let unavailable = Reading::Unavailable { why: "no such program: ruff".to_owned() };
    let problem = problem_of_check(&check, &unavailable).unwrap();
    assert_eq!((problem.file.as_str(), problem.line, problem.severity), ("pyproject.toml", 1, Note));
    assert_eq!(problem.rule.as_deref(), Some("windlass/check-not-started"));
    assert_eq!(problem.message, "the check `ruff` could not run: no such program: ruff");
    let cut_short = Reading::CutShort { findings: Vec::new(), why: "it ran into its time limit".to_owned() };
    assert_eq!(
        problem_of_check(&check, &cut_short).unwrap().rule.as_deref(),
        Some("windlass/check-not-finished")
    );
    assert_eq!(problem_of_check(&check, &Reading::Complete { findings: Vec::new(), dropped: 0 }), None);
}

/// A report with everything in it, hostile words too.
fn full_report() -> ReviewReport {
    let findings = vec![
        Finding {
            severity: Error,
            scope: Scope::Security,
            rationale: "whoever can read the repository can use it".to_owned(),
            ..finding("src/config.rs", 12, "windlass/secret", "GitHub Personal Access Token (github-pat)")
        },
        Finding {
            severity: Error,
            end_line: Some(9),
            ..finding("src/lib.rs", 7, "cargo-check/E0308", "mismatched types")
        },
        Finding {
            rule: None,
            ..finding("docs/a b#c%.md", 1, "", "a `pair` of <b>marks</b> and [a link](http://x) _here_")
        },
        Finding {
            confidence: Confidence::Low,
            ..finding("src/a`b.rs", 3, "x/y", "an odd ` backtick | pipe")
        },
        Finding {
            severity: Note,
            origin: Unknown,
            ..finding("Cargo.toml", 1, "windlass/check-not-started", "could not run")
        },
        Finding { origin: Old, ..finding("src/old.rs", 5, "clippy/x", "there before") },
    ];
    let commands = vec![
        command("check", "head", CommandResult::Exited { code: 101 }),
        command("check", "base", CommandResult::Cached { code: 0 }),
        command("ruff", "head", CommandResult::NotStarted { why: "no such program: ruff | none".to_owned() }),
        command("slow", "head", CommandResult::Ended { why: "time limit".to_owned() }),
        command("odd", "head", CommandResult::NotRun { why: "policy says `deny`".to_owned() }),
    ];
    assemble(Material {
        patch_bundle_uri: Some(
            "mv2://01890000-0000-7000-8000-000000000001/T-1/01890000-0000-7000-8000-000000000002/artifact/review/patch.json"
                .parse()
                .unwrap(),
        ),
        ..material(findings, commands)
    })
}

fn without_version(text: &str) -> String {
    text.replace(&format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"version\": \"VERSION\"")
}

#[test]
fn a_report_reads_well() {
    insta::assert_snapshot!("report.md", markdown(&full_report()));
}

#[test]
fn an_empty_report_says_what_to_do_next() {
    let empty = Material { base: None, preset: Preset::Quick, ..material(Vec::new(), Vec::new()) };
    insta::assert_snapshot!("empty.md", markdown(&assemble(empty)));
}

#[test]
fn sarif_is_what_the_standard_says() {
    // One published pattern, for languages that no report names, is no valid expression.
    let schema = include_str!("../fixtures/sarif-schema-2.1.0.json").replace("{2}]?$", "{2}$");
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let empty = assemble(material(Vec::new(), Vec::new()));
    for report in [full_report(), empty] {
        let log: serde_json::Value = serde_json::from_str(&sarif(&report)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(errors, [] as [&str; 0]);
    }
    let mut wrong: serde_json::Value = serde_json::from_str(&sarif(&full_report())).unwrap();
    wrong["runs"][0]["results"][0]["level"] = "bad".into();
    assert!(!validator.is_valid(&wrong), "the schema is looked at");
    insta::assert_snapshot!("report.sarif", without_version(&sarif(&full_report())));
}
