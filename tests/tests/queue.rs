//! Runs that wait for a place: the limits are those of policy, the reply says at which place a run waits, and a run that a person
//! waits for goes before headless ones. That nothing waits for ever is shown where the queue is a value, in `actors/src/tree/queue.rs`.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use serde_json::json;
use windlass_contract::control::Control;
use windlass_domain::id::{Cursor, RunId};
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, caller, check_schema, follow, prepare, review, show,
};

/// A home where so many runs may go on, and a repository whose runs wait at a gate.
fn place(runs: u32, per_workspace: u32) -> (Home, Gate, Repository) {
    let home = Home::new();
    let gate = Gate::new(&home);
    let file = home.config().join("policy.toml");
    let policy = std::fs::read_to_string(&file).unwrap();
    let limits = format!("\n[limits]\nruns = {runs}\nruns_per_workspace = {per_workspace}\n");
    std::fs::write(file, policy + &limits).unwrap();
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    (home, gate, repository)
}

/// Submits a review of an item, and gives the run with the place that the reply tells.
async fn submit(control: &dyn Control, repository: &Repository, item: &str, headless: bool) -> (RunId, u32) {
    let request = review(repository, &json!({"id": item, "headless": headless}));
    let accepted = control.submit_run(caller(), request).await.unwrap();
    (accepted.run_id, accepted.queue_place)
}

/// When a run started, as the record orders it.
async fn started(control: &dyn Control, run_id: RunId) -> Cursor {
    let events = follow(control, run_id).await;
    events.iter().find(|event| event.data.type_name() == "run.started").unwrap().cursor
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_before_headless_runs_and_each_is_told_its_place() {
    let (home, gate, repository) = place(1, 1);
    let quick = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", "")]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    prepare(&control, &quick, &["T-1", "T-2", "T-3", "T-4"]).await;
    let (_, place) = submit(&control, &repository, "T-1", true).await;
    assert_eq!(place, 0, "it goes on at once");
    let held = gate.meet();
    let (first, place) = submit(&control, &quick, "T-1", true).await;
    assert_eq!(place, 1);
    let run = [
        "bot",
        "run",
        "--id",
        "T-2",
        "--kind",
        "review",
        "--goal",
        "g",
        "--accept",
        "a",
        "--headless",
        "--json",
    ];
    let typed = bus.run(&home, quick.path(), &run).ok().json();
    check_schema(&typed);
    assert_eq!((&typed["status"], &typed["queue_place"]), (&json!("queued"), &json!(2)), "{typed}");
    assert!(typed["summary"].as_str().unwrap().contains("waits at place 2 of the queue"), "{typed}");
    let second: RunId = serde_json::from_value(typed["run_id"].clone()).unwrap();
    let (person, place) = submit(&control, &quick, "T-3", false).await;
    assert_eq!(place, 1, "a person goes first");
    let places = [show(&control, first).await, show(&control, second).await, show(&control, person).await];
    assert_eq!(places.map(|run| run.queue_place), [Some(2), Some(3), Some(1)]);
    let status = control.service_status().await.unwrap();
    assert_eq!((status.running, status.queued), (1, 3));
    drop(held);
    let order =
        [started(&control, person).await, started(&control, first).await, started(&control, second).await];
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_were_changed_hold_from_the_next_submission_on() {
    let (home, gate, repository) = place(1, 1);
    let other = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", "")]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    prepare(&control, &other, &["T-1", "T-2"]).await;
    submit(&control, &repository, "T-1", true).await;
    let held = gate.meet();
    let (first, place) = submit(&control, &other, "T-1", true).await;
    assert_eq!(place, 1);
    let file = home.config().join("policy.toml");
    let policy = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, policy.replace("runs = 1", "runs = 12")).unwrap();
    let (second, _) = submit(&control, &other, "T-2", true).await;
    follow(&control, first).await;
    follow(&control, second).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_at_its_limit_holds_up_no_other() {
    let (home, gate, repository) = place(3, 1);
    let other = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", "")]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1", "T-2"]).await;
    prepare(&control, &other, &["T-1"]).await;
    let (first, _) = submit(&control, &repository, "T-1", true).await;
    let held = gate.meet();
    let (waits, place) = submit(&control, &repository, "T-2", true).await;
    assert_eq!(place, 1, "the workspace has one place");
    let (goes, place) = submit(&control, &other, "T-1", true).await;
    assert_eq!(place, 0, "there are two more");
    follow(&control, goes).await;
    assert_eq!(show(&control, waits).await.queue_place, Some(1));
    drop(held);
    // Its check is done with the pipe before the next one opens it.
    follow(&control, first).await;
    drop(gate.meet());
    follow(&control, waits).await;
}
