//! The command line over a bus: what `--wait` exits with, and that the stream and the record say the same.

use std::process::Stdio;

use serde_json::{Value, json};
use windlass_tests::{Gate, Home, Output, PrivateBus, Repository, check_schema};

const RUN: [&str; 14] = [
    "bot", "run", "--id", "T-1", "--kind", "review", "--goal", "look", "--accept", "it is so", "--preset",
    "quick", "--wait", "--json",
];

fn place(home: &Home, checks: &str) -> (PrivateBus, Repository) {
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", checks)]);
    let bus = PrivateBus::start(home);
    bus.run(home, repository.path(), &["init"]).ok();
    let add = ["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"];
    bus.run(home, repository.path(), &add).ok();
    (bus, repository)
}

fn result(done: &Output) -> Value {
    let result = done.json();
    check_schema(&result);
    assert_eq!(result["exit_code"], done.code, "{result}");
    result
}

#[test]
fn a_run_that_succeeds_is_0_and_the_stream_is_the_record() {
    let home = Home::new();
    home.without_sandbox();
    let (bus, repository) = place(&home, "[[check]]\nname = \"fails\"\nargv = [\"false\"]\n");
    let done = bus.run(&home, repository.path(), &RUN);
    assert_eq!(done.code, 0, "findings change no exit code: {done:?}");
    let result = result(&done);
    assert_eq!(result["status"], "succeeded");
    let run_id = result["run_id"].as_str().unwrap();
    let watched = bus.run(&home, repository.path(), &["bot", "watch", run_id, "--json"]).ok().stdout;
    let watched: Vec<Value> = watched.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let record =
        bus.run(&home, repository.path(), &["capsule", "events", "--run", run_id, "--json"]).ok().json();
    assert_eq!((&record["events"], &record["more"]), (&json!(watched), &json!(false)));
    assert_eq!(watched.last().unwrap()["type"], "run.ended");
}

#[test]
fn a_run_that_a_rule_stops_is_2() {
    let home = Home::new();
    home.without_sandbox();
    let leak = "[[fixer]]\nname = \"leak\"\nargv = [\"sh\", \"-c\", \"printf 'AKIA%s\\\\n' Q7ZR4TWXM2VKPL3D >> README.md\"]\n";
    let (bus, repository) = place(&home, leak);
    let done = bus.run(&home, repository.path(), &[&RUN[..], &["--write-mode", "worktree"]].concat());
    assert_eq!(done.code, 2, "{done:?}");
    let result = result(&done);
    assert_eq!(
        (&result["status"], &result["blocked_reason"]),
        (&json!("blocked"), &json!("capture_blocked"))
    );
}

#[test]
fn a_run_that_is_cancelled_while_somebody_waits_is_2() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let (bus, repository) = place(&home, &gate.checks());
    let mut wait = bus.windlass(&home, repository.path());
    let wait = wait.args(RUN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let held = gate.meet();
    let runs = bus.run(&home, repository.path(), &["bot", "runs", "--json"]).ok().json();
    let run_id = runs["runs"][0]["run_id"].as_str().unwrap();
    bus.run(&home, repository.path(), &["bot", "cancel", run_id, "--json"]).ok();
    let ended = wait.wait_with_output().unwrap();
    drop(held);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let result: Value = serde_json::from_slice(&ended.stdout).unwrap();
    check_schema(&result);
    assert_eq!((&result["status"], &result["run_id"]), (&json!("cancelled"), &json!(run_id)));
}
