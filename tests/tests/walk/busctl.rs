//! By `busctl --user` alone, with native types: nothing of Windlass is run but the service, which the bus starts.

use serde_json::{Value, json};
use windlass_tests::{Busctl, Home, PrivateBus};

use super::{CHANGE, assert_untouched, ship};

/// The answers that a run needs, as `a{sv}` in the words of `busctl`.
const ANSWERS: &str = "9 | goal | s | Is the anchr spelled well? | constraints | as | 1 | no new words | risks | as | 0 \
    | acceptance_criteria | aa{sv} | 1 | 2 | text | s | the log says how it is spelled | how_verified | s | a look \
    | delegation_bounds | a{sv} | 2 | may_edit | as | 1 | *.md | max_duration_ms | t | 3600000 \
    | open_questions | as | 0 | mode | s | flags | answered_at | s | 2026-01-01T00:00:00Z | answered_by | s | somebody";

/// The change that fills in the intake form, three of its deep fields with it.
const FORM: &str = "1 | intake | a{sv} | 10 | problem | s | words are misspelled | outcome | s | they are not \
    | scope_in | as | 1 | the log | non_goals | as | 1 | the crew's letters \
    | acceptance_criteria | aa{sv} | 1 | 2 | text | s | no word is misspelled | how_verified | s | a look \
    | integration_points | as | 1 | log.md | constraints | as | 1 | no new words | risks | as | 1 | a name is changed \
    | assumptions | as | 1 | it is English \
    | deep | a{sv} | 3 | components | s | words | dataflows | s | sense | test_plan | s | by reading";

fn words(text: &str) -> Vec<&str> {
    text.split(" | ").map(str::trim).collect()
}

/// The address of an artifact of a run.
fn uri(run: &Value, path: &str) -> String {
    let artifacts = run["artifacts"].as_array().unwrap();
    let found = artifacts.iter().find(|artifact| artifact["path"] == path);
    found.unwrap()["uri"].as_str().unwrap().to_owned()
}

#[test]
fn a_feature_goes_from_an_empty_home_to_done() {
    let home = Home::new();
    let bus = PrivateBus::start(&home);
    let busctl = Busctl(&bus);
    let repository = ship();
    let (before, folder) = (repository.fingerprint(), repository.text());
    let mut signals = busctl.monitor("type='signal',member='PropertiesChanged'");
    let about = |method: &str, signature: &str, arguments: &[&str]| -> Value {
        busctl.call(method, &[&[signature, &folder, "F-1"], arguments].concat())[0].clone()
    };
    let moved = |to: &str| assert_eq!(about("MoveItem", "sssa{sv}", &[to, "0"])["state"], json!(to));
    busctl.call("Init", &["sa{sv}", &folder, "0"]);
    busctl.call("AddItem", &["ssssa{sv}", &folder, "feature", "F-1", "Spell well", "0"]);
    about("AnswerContext", "ssa{sv}a{sv}", &[&words(ANSWERS)[..], &["0"]].concat());

    assert_eq!(about("HoldItem", "sssa{sv}", &["research", "0"])["state"], "needs_research");
    let refused = busctl.refused("MoveItem", &["sssa{sv}", &folder, "F-1", "completed", "0"]);
    assert!(refused.contains("from there it can go to: backlog, deprecated"), "{refused}");
    let mut run_to_its_end = |kind: &str, options: &[&str]| -> Value {
        let submitted = busctl.call("Submit", &[&["sssa{sv}", &folder, "F-1", kind], options].concat());
        let run_id = submitted[0].as_str().unwrap();
        assert_eq!(signals.end_of(run_id), "succeeded");
        busctl.call("ShowRun", &["s", run_id])[0].clone()
    };
    let run = run_to_its_end("research", &["0"]);
    assert_eq!(about("ShowItem", "ss", &[])["state"], "backlog", "it goes back by itself");
    let report = busctl.call("ReadDocument", &["s", &uri(&run, "research/research_report.json")])[0].clone();
    assert_eq!(report["schema_version"], "research_report@1.0");
    let report = busctl.call("ReadText", &["s", &uri(&run, "research/research_report.md")]);
    assert!(report[0].as_str().unwrap().contains("log.md:"), "{report}");

    let early = busctl.refused("MoveItem", &["sssa{sv}", &folder, "F-1", "planned", "0"]);
    assert!(early.contains("`planned` needs 90"), "{early}");
    let item = about("EditItem", "ssa{sv}a{sv}", &[&words(FORM)[..], &["0"]].concat());
    assert_eq!(item["quality_score"], 90, "{item}");
    for field in ["id", "type", "created_at", "parent_id", "workspace_id", "state"] {
        let change = ["ssa{sv}a{sv}", &folder, "F-1", "1", field, "s", "x", "0"];
        let refused = busctl.refused("EditItem", &change);
        assert!(refused.contains(field), "{refused}");
    }
    moved("planned");
    moved("in_progress");
    assert_eq!(about("HoldItem", "sssa{sv}", &["review", "0"])["return_state"], "in_progress");
    let run = run_to_its_end("review", &["1", "write_mode", "s", "worktree"]);
    assert_eq!(about("ShowItem", "ss", &[])["state"], "in_progress");

    let bundle = busctl.call("ReadDocument", &["s", &uri(&run, "review/patch_bundle.json")])[0].clone();
    assert_eq!(bundle["files"][0]["path"], "log.md", "{bundle}");
    let patch = busctl.call("ReadText", &["s", bundle["diff_uri"].as_str().unwrap()]);
    assert!(patch[0].as_str().unwrap().contains(CHANGE), "{patch}");
    moved("completed");
    assert_eq!(busctl.call("VerifyCapsule", &["a{sv}", "0"])[0]["sound"], json!(true));
    assert_untouched(&repository, &before);
}
