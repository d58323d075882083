//! A caller with nothing but `busctl --user`, as `docs/dbus.md` has it: submit, follow, cancel, and read a result.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_domain::event::Event;
use windlass_tests::{Busctl, Gate, Home, PrivateBus, Repository, check_schema};

/// The arguments of `AnswerContext` behind folder and item.
const ANSWERS: [&str; 21] = [
    "5",
    "goal",
    "s",
    "know whether it is sound",
    "acceptance_criteria",
    "aa{sv}",
    "1",
    "2",
    "text",
    "s",
    "it is so",
    "how_verified",
    "s",
    "a look",
    "mode",
    "s",
    "flags",
    "answered_at",
    "s",
    "2026-01-01T00:00:00Z",
    "answered_by",
];

struct Shell {
    home: Home,
    bus: PrivateBus,
    repository: Repository,
}

impl Shell {
    fn new(home: Home, repository: Repository) -> Self {
        let bus = PrivateBus::start(&home);
        let shell = Self { home, bus, repository };
        let folder = shell.repository.text();
        shell.call("Init", &["sa{sv}", &folder, "0"]);
        shell.call("AddItem", &["ssssa{sv}", &folder, "task", "T-1", "Look at it", "0"]);
        let answers = [&["ssa{sv}a{sv}", &folder, "T-1"][..], &ANSWERS, &["s", "somebody", "0"]].concat();
        shell.call("AnswerContext", &answers);
        shell
    }

    fn call(&self, method: &str, arguments: &[&str]) -> Value {
        Busctl(&self.bus).call(method, arguments)
    }

    fn refused(&self, method: &str, arguments: &[&str]) -> String {
        Busctl(&self.bus).refused(method, arguments)
    }

    fn property(&self, object: &str, name: &str) -> Value {
        Busctl(&self.bus).property(object, name)
    }

    /// The run's id and object.
    fn submit(&self, options: &[&str]) -> (String, String) {
        let folder = self.repository.text();
        let arguments = [&["sssa{sv}", &folder, "T-1", "review"][..], options].concat();
        let answer = self.call("Submit", &arguments);
        assert_eq!((&answer[2], &answer[3]), (&json!(true), &json!(0)), "{answer}");
        (answer[0].as_str().unwrap().to_owned(), answer[1].as_str().unwrap().to_owned())
    }

    /// Every event from one on, page by page.
    fn events(&self, run_id: &str, from: u64) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let next = (from + events.len() as u64).to_string();
            let page = self.call("ReadEvents", &["stu", run_id, &next, "3"]);
            let read = page[0].as_array().unwrap();
            assert!(read.len() <= 3, "{page}");
            events.extend(read.iter().cloned());
            if page[1] == json!(false) {
                return events;
            }
        }
    }
}

/// Follows a run to its end by the command line, whose events those of `busctl` must equal.
fn follow(shell: &Shell, run_id: &str) -> Vec<Value> {
    let watch = shell.bus.run(&shell.home, shell.repository.path(), &["bot", "watch", run_id, "--json"]);
    watch.ok().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_submitted_followed_and_read() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let shell = Shell::new(home, repository);
    let (run_id, object) = shell.submit(&["2", "preset", "s", "quick", "dedupe_key", "s", "key"]);
    let held = gate.meet();
    assert_eq!(shell.property(&object, "Status"), json!("running"));
    let before = shell.events(&run_id, 1);
    assert_eq!(before[0]["type"], "run.submitted");
    let again = shell.call(
        "Submit",
        &[
            "sssa{sv}",
            &shell.repository.text(),
            "T-1",
            "review",
            "2",
            "preset",
            "s",
            "quick",
            "dedupe_key",
            "s",
            "key",
        ],
    );
    assert_eq!(
        (&again[0], &again[2]),
        (&json!(run_id), &json!(false)),
        "the same key is the same run: {again}"
    );
    let listed = shell
        .call("ListRuns", &["a{sv}", "2", "statuses", "as", "2", "queued", "running", "limit", "u", "20"]);
    assert_eq!(listed[0][0]["run_id"], json!(run_id), "{listed}");
    drop(held);

    let watched = follow(&shell, &run_id);
    let events = shell.events(&run_id, 1);
    assert_eq!(&events[..before.len()], &before[..]);
    assert_eq!(events.last().unwrap()["type"], "run.ended");
    assert_eq!(read(&events), read(&watched), "the bus gives back each event exactly");
    let run = shell.call("ShowRun", &["s", &run_id])[0].clone();
    assert_eq!(run["status"], json!("succeeded"));
    let artifacts: BTreeMap<&str, &str> = run["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| (artifact["path"].as_str().unwrap(), artifact["uri"].as_str().unwrap()))
        .collect();
    let report = shell.call("ReadDocument", &["s", artifacts["review/review_report.json"]])[0].clone();
    assert_eq!(report["schema_version"], "review_report@1.0");
    assert_eq!(report["commands_ran"][0]["name"], "gate", "{report}");
    let printed = shell.bus.run(
        &shell.home,
        shell.repository.path(),
        &["capsule", "get", artifacts["review/review_report.json"]],
    );
    let stored = printed.ok().json();
    check_schema(&stored);
    assert_eq!(report, stored, "the bus tells what is stored");
}

/// Events as their type has them: an absent field is `null` in JSON and left out on the bus.
fn read(events: &[Value]) -> Vec<Event> {
    events.iter().map(|event| serde_json::from_value(event.clone()).unwrap()).collect()
}

#[test]
fn a_run_is_cancelled_and_a_refusal_has_a_name() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let shell = Shell::new(home, repository);
    let folder = shell.repository.text();
    let (run_id, _) = shell.submit(&["1", "preset", "s", "quick"]);
    let held = gate.meet();
    let second = shell.refused("Submit", &["sssa{sv}", &folder, "T-1", "review", "0"]);
    assert!(second.contains(&run_id), "it names the run that is active: {second}");
    shell.call("CancelRun", &["sa{sv}", &run_id, "1", "reason", "s", "enough"]);
    let events = follow(&shell, &run_id);
    drop(held);
    assert_eq!(events.last().unwrap()["data"]["outcome"]["status"], "cancelled", "{:?}", events.last());
    assert_eq!(shell.call("ShowRun", &["s", &run_id])[0]["status"], json!("cancelled"));
    let asked = events.iter().find(|event| event["type"] == "cancel.requested").unwrap();
    assert!(asked.to_string().contains("enough"), "{asked}");

    for (method, arguments, said) in [
        ("CancelRun", vec!["sa{sv}", &run_id, "0"], "ended"),
        ("Submit", vec!["sssa{sv}", &folder, "T-9", "review", "0"], "T-9"),
        ("Submit", vec!["sssa{sv}", &folder, "T-1", "review", "1", "colour", "s", "red"], "colour"),
        ("Submit", vec!["sssa{sv}", &folder, "T-1", "review", "1", "capture_mode", "s", "none"], "capture"),
    ] {
        let refused = shell.refused(method, &arguments);
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
}
