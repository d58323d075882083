//! A whole run driven by the command itself, and everything that can be looked at afterwards.

use serde_json::Value;

use crate::support::{Place, check_schema};

const RUN: [&str; 8] = ["bot", "run", "--id", "T-1", "--kind", "review", "--ephemeral", "--headless"];
const ANSWERS: [&str; 4] = ["--goal", "find bugs", "--accept", "each names a line"];

fn place() -> Place {
    let place = Place::new();
    place.commit("notes.txt", "one\n");
    place.ok(&["init"]);
    place.ok(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]);
    place
}

#[test]
fn a_run_leaves_a_result_a_report_and_a_record() {
    let place = place();
    let (code, result) = place.json(&[&RUN[..], &ANSWERS, &["--preset", "quick"]].concat());
    assert_eq!((code, &result["status"]), (0, &"succeeded".into()), "{result}");
    assert_eq!(result["schema_version"], "result@1.0");
    let run_id = result["run_id"].as_str().unwrap();

    let (_, shown) = place.json(&["bot", "show", "--id", "T-1", "--run", run_id]);
    assert_eq!((&shown["status"], &shown["exit_code"]), (&"succeeded".into(), &0.into()));
    assert_eq!(shown["artifact_uris"], result["artifact_uris"]);
    assert_eq!(place.json(&["bot", "show", "latest"]).1["run_id"], run_id);
    assert_eq!(place.json(&["bot", "show", &run_id[..18]]).1["run_id"], run_id);
    assert_eq!(
        place.json(&["bot", "show", "--id", "T-2", "--run", run_id]).0,
        10,
        "it belongs to another item"
    );
    let text = place.ok(&["bot", "show", run_id]).stdout;
    assert!(text.contains("succeeded") && text.contains("mv2://"), "{text}");
    let report = place.ok(&["bot", "show", run_id, "--format", "md"]).stdout;
    assert!(report.starts_with('#'), "{report}");

    let page = place.json(&["bot", "runs", "--id", "T-1"]).1;
    assert_eq!(page["runs"][0]["run_id"], run_id);
    assert!(place.ok(&["bot", "runs"]).stdout.contains(run_id), "whole ids where there is no terminal");
    check_events(&place, run_id);
    check_artifacts(&place, &result);
    assert_eq!(place.json(&["capsule", "verify", "--head", result["capsule_head"].as_str().unwrap()]).0, 0);

    let (code, refused) = place.json(&["bot", "cancel", run_id]);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"run_ended".into()));
    assert_eq!(refused["run_id"], run_id);
    assert_eq!(place.json(&["bot", "cancel", "latest"]).0, 10, "another run may be the latest by now");
}

fn check_events(place: &Place, run_id: &str) {
    let watched = place.ok(&["bot", "watch", "--run", run_id, "--json"]).stdout;
    let events: Vec<Value> = watched.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(places, (1..=events.len() as u64).collect::<Vec<_>>(), "none is skipped or repeated");
    assert_eq!(events.last().unwrap()["type"], "run.ended");
    let recorded = place.json(&["capsule", "events", "--run", run_id]).1;
    assert_eq!(recorded["events"].as_array().unwrap(), &events, "the record and the stream say the same");

    let later = place.ok(&["bot", "watch", run_id, "--from", "3", "--json"]).stdout;
    assert_eq!(later.lines().count(), events.len() - 2);
    let past = (events.len() + 1).to_string();
    assert_eq!(place.ok(&["bot", "watch", run_id, "--from", &past]).stdout, "");
    let page = place.json(&["capsule", "events", "--run", run_id, "--from", "2", "--limit", "1"]).1;
    assert_eq!((&page["events"][0]["seq"], &page["more"]), (&2.into(), &true.into()));
    let text = place.ok(&["capsule", "events", "--run", run_id]).stdout;
    assert_eq!(text.lines().count(), events.len());
    assert!(text.contains("run.submitted") && text.contains("review of T-1"), "{text}");
}

fn check_artifacts(place: &Place, result: &Value) {
    let uri = result["artifact_uris"]
        .as_array()
        .unwrap()
        .iter()
        .map(|uri| uri.as_str().unwrap())
        .find(|uri| uri.ends_with("review_report.json"))
        .unwrap();
    let printed = place.ok(&["capsule", "get", uri]).stdout;
    check_schema(&serde_json::from_str(&printed).unwrap());
    let (_, document) = place.json(&["capsule", "get", uri]);
    assert_eq!((document["text"].as_str().unwrap(), &document["bytes"]), (&*printed, &printed.len().into()));
    let out = place.path("report.json");
    let (_, document) = place.json(&["capsule", "get", uri, "--out", out.to_str().unwrap()]);
    assert_eq!(document["written_to"], out.to_str().unwrap());
    assert!(document["text"].is_null());
    assert_eq!(std::fs::read_to_string(out).unwrap(), printed);
    let (code, refused) = place.json(&["capsule", "get", &uri.replace("review_report", "no_report")]);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"unknown_artifact".into()), "{refused}");
}

#[test]
fn the_same_key_is_the_same_run() {
    let place = place();
    let run = [&RUN[..], &ANSWERS, &["--preset", "quick", "--dedupe-key", "k"]].concat();
    let first = place.json(&run).1;
    assert_eq!(place.json(&run).1["run_id"], first["run_id"], "{first}");
    let other = [&RUN[..], &ANSWERS, &["--preset", "deep", "--dedupe-key", "k"]].concat();
    let (code, refused) = place.json(&other);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"dedupe_conflict".into()));
}

#[test]
fn missing_answers_are_named_one_by_one() {
    let place = place();
    let done = place.run(&[&RUN[..], &["--goal", "find bugs", "--json"]].concat());
    assert_eq!(
        (done.code, done.error_codes()),
        (10, vec!["maieutic_incomplete".to_owned()]),
        "{}",
        done.stdout
    );
    let done = place.run(&[&RUN[..], &["--answers", "-", "--json"]].concat());
    assert_eq!(done.code, 10);
    assert_eq!(done.error_codes(), ["maieutic_incomplete", "maieutic_incomplete"], "{}", done.stdout);
    let done = place.run_with_input(&[&RUN[..], &["--answers", "-", "--json"]].concat(), "gaol = 'g'\n");
    assert_eq!(done.error_codes(), ["bad_request"]);
    assert!(done.stderr.contains("standard input:1: unknown field `gaol`"), "{}", done.stderr);
}
