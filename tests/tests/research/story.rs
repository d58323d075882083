//! From a held feature to a report, as a person does it; and where policy says no.

use serde_json::json;
use windlass_tests::{Home, PrivateBus, Repository, check_schema};

use crate::cited::assert_resolved;
use crate::texts;

/// A secret that is none, put together so that no finder of secrets takes this file for one that holds one.
fn secret() -> String {
    format!("The anchor's token: {}{}\n", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a")
}

fn ship() -> Repository {
    let repository = Repository::with(&[
        (
            "README.md",
            "# Ship\n\nThe anchor hangs on a chain. The winch hauls it.\n\n## Sails\n\nThere are three sails.\n",
        ),
        (
            "src/anchor.rs",
            "//! The anchor.\n\n/// Drops the anchor to the ground.\npub fn drop_anchor() {}\n",
        ),
        ("notes/token.txt", &secret()),
        ("web/app.min.js", "anchor()\n"),
    ]);
    repository.write_all(&[(
        "src/anchor.rs",
        "//! The anchor.\n\n/// Drops the anchor, and waits for the ground.\npub fn drop_anchor() {}\n",
    )]);
    repository.commit("anchor: it waits for the ground");
    repository
}

const SUBMIT: [&str; 14] = [
    "bot",
    "run",
    "--id",
    "F-1",
    "--kind",
    "research",
    "--goal",
    "How is the anchor dropped to the ground?",
    "--accept",
    "the sails are counted",
    "--accept",
    "the gale is forecast",
    "--json",
    "--wait",
];

#[test]
fn a_held_feature_is_researched_and_goes_back_to_where_it_was() {
    let home = Home::new();
    let repository = ship();
    let before = repository.fingerprint();
    let bus = PrivateBus::start(&home);
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "feature", "--id", "F-1", "--title", "Anchors"]).ok();
    let held = run(&["item", "hold", "F-1", "--kind", "research", "--json"]).ok().json();
    assert_eq!((&held["state"], &held["return_state"]), (&json!("needs_research"), &json!("backlog")));
    let result = run(&SUBMIT).ok().json();
    check_schema(&result);
    assert_eq!(result["status"], "succeeded", "{result}");
    let item = run(&["item", "show", "F-1", "--json"]).ok().json();
    assert_eq!(item["state"], "backlog", "{item}");

    let run_id = result["run_id"].as_str().unwrap();
    let get = |path: &str| {
        let view = run(&["bot", "show", run_id, "--json"]).ok().json();
        let artifacts = view["run"]["artifacts"].as_array().unwrap().clone();
        let uri = artifacts.iter().find(|artifact| artifact["path"] == path).unwrap()["uri"].clone();
        let got = run(&["capsule", "get", uri.as_str().unwrap()]).ok().stdout;
        let document = serde_json::from_str(&got).unwrap();
        check_schema(&document);
        document
    };
    let (report, pack) = (get("research/research_report.json"), get("research/knowledge_evidence_pack.json"));
    assert!(assert_resolved(&repository, &report, &pack) > 0);
    assert_eq!(report["degraded"], true);
    assert_eq!(texts(&report["degraded_reasons"], "provider"), ["model", "web"]);
    assert_eq!(report["options"][0]["title"], "Begin with `src/anchor.rs`", "{report}");
    assert_eq!(report["options"][0]["recommended"], true);
    let change = "anchor: it waits for the ground";
    assert!(report["options"][0]["tradeoffs"].to_string().contains(change), "{report}");
    assert!(report["executive_summary"].as_str().unwrap().contains("Drops the anchor"), "{report}");
    let open = report["open_questions"].to_string();
    assert!(open.contains("gale, forecast") && !open.contains("sails"), "{open}");
    assert_eq!(texts(&pack["left_out"], "reason"), ["made by a program", "it holds a secret"]);
    assert!(!pack.to_string().contains("ghp_"));

    let markdown = run(&["bot", "show", run_id, "--format", "md"]).ok().stdout;
    for expected in ["# Research", "**Degraded:**", "## Options", "src/anchor.rs:1-4", "anchor: it waits"] {
        assert!(markdown.contains(expected), "{expected}: {markdown}");
    }
    assert_eq!(repository.fingerprint(), before);
    assert_eq!(repository.git(&["branch", "--list"]), "* main", "no bot branch");
    assert_eq!(repository.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    run(&["capsule", "verify"]).ok();
}

#[test]
fn where_policy_wants_every_provider_the_run_ends_blocked() {
    let home = Home::new();
    let repository = ship();
    repository.write_all(&[(".windlass/policy.toml", "version = 1\n[research]\nallow_degraded = false\n")]);
    repository.commit("policy: no degraded research");
    let run = |arguments: &[&str]| home.run(repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "F-1", "--title", "Anchors"]).ok();
    let blocked = run(&[&SUBMIT[..13], &["--ephemeral"]].concat());
    let result = blocked.json();
    check_schema(&result);
    assert_eq!(blocked.code, 2, "{blocked:?}");
    assert_eq!(
        (&result["status"], &result["blocked_reason"]),
        (&json!("blocked"), &json!("provider_unavailable"))
    );
    assert!(result["summary"].as_str().unwrap().contains("allow_degraded"), "{result}");
}
