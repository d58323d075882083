//! What cannot work is said clearly, with the next step and the exit code of the contract, and leaves nothing behind; what goes
//! wrong inside a run is in its report.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_tests::{
    Gate, Home, Output, PrivateBus, Repository, check_schema, processes_of, wait_for_end_of,
};

const RUN: [&str; 13] = [
    "bot", "run", "--id", "T-1", "--kind", "review", "--goal", "look", "--accept", "it is so", "--preset",
    "quick", "--json",
];

/// A home whose checks run without a sandbox, and a repository with these checks and the task `T-1`.
fn place(checks: &str) -> (Home, Repository) {
    let home = Home::new();
    home.without_sandbox();
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", checks)]);
    know(&home, &repository);
    (home, repository)
}

fn know(home: &Home, repository: &Repository) {
    home.run(repository.path(), &["init"]).ok();
    home.run(repository.path(), &["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
}

/// Runs without a service.
fn ephemeral(home: &Home, folder: &Path, more: &[&str]) -> Output {
    home.run(folder, &[&RUN[..], &["--ephemeral"], more].concat())
}

/// A refusal: its exit code, its one error with these words and a next step, the same on standard error.
fn assert_refused(done: &Output, code: i32, error: &str, words: &[&str]) {
    assert_eq!((done.code, done.error_codes()), (code, vec![error.to_owned()]), "{done:?}");
    let document = done.json();
    check_schema(&document);
    assert_eq!(document["exit_code"], code, "{document}");
    let said = &document["errors"][0];
    let (message, hints) = (said["message"].as_str().unwrap(), said["hints"].as_array().unwrap());
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
    assert!(!hints.is_empty(), "no next step: {said}");
    assert!(done.stderr.contains(message), "{done:?}");
}

/// Nothing of a command that has ended is left: no process, no worktree, branch or scratch folder, and no lock.
fn assert_nothing_left(home: &Home, repository: &Repository) {
    for process in processes_of(home.path()) {
        wait_for_end_of(&process);
    }
    for name in ["holds", "scratch", "worktrees"] {
        let folder = home.state().join(name);
        assert_eq!(files_below(&folder), Vec::<String>::new(), "{}", folder.display());
    }
    assert_eq!(repository.git(&["for-each-ref", "refs/heads/bot"]), "");
    let worktrees = repository.git(&["worktree", "list", "--porcelain"]);
    assert_eq!(worktrees.matches("worktree ").count(), 1, "{worktrees}");
    home.run(repository.path(), &["capsule", "verify"]).ok();
}

fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path) } else { vec![path.display().to_string()] }
    });
    below.collect()
}

/// The report of a run that has succeeded.
fn report(home: &Home, repository: &Repository, done: &Output) -> Value {
    assert_eq!((done.code, &done.json()["status"]), (0, &"succeeded".into()), "{done:?}");
    let result = done.json();
    let uris = result["artifact_uris"].as_array().unwrap();
    let uri =
        uris.iter().find_map(|uri| uri.as_str().filter(|uri| uri.ends_with("review_report.json"))).unwrap();
    let report = home.run(repository.path(), &["capsule", "get", uri]).ok().json();
    check_schema(&report);
    report
}

#[test]
fn a_folder_without_a_repository() {
    let home = Home::new();
    let folder = home.path().join("state");
    for done in [home.run(&folder, &["init", "--json"]), ephemeral(&home, &folder, &[])] {
        assert_refused(&done, 10, "bad_request", &["not inside a git repository", "git init"]);
    }
}

#[test]
fn a_bare_repository() {
    let home = Home::new();
    let repository = Repository::unborn(&["--bare"]);
    for done in [home.run(repository.path(), &["init", "--json"]), ephemeral(&home, repository.path(), &[])] {
        assert_refused(&done, 10, "bad_request", &["bare repository"]);
    }
}

#[test]
fn a_branch_without_a_commit() {
    let home = Home::new();
    let repository = Repository::unborn(&[]);
    know(&home, &repository);
    let done = ephemeral(&home, repository.path(), &[]);
    assert_refused(&done, 10, "bad_request", &["`main` has no commit yet"]);
    assert_nothing_left(&home, &repository);
}

#[test]
fn a_detached_head_is_no_problem() {
    let (home, repository) = place("[[check]]\nname = \"look\"\nargv = [\"true\"]\n");
    repository.git(&["checkout", "--quiet", "--detach"]);
    let report = report(&home, &repository, &ephemeral(&home, repository.path(), &[]));
    assert_eq!(report["head_commit"].as_str().unwrap(), repository.git(&["rev-parse", "HEAD"]));
    assert_nothing_left(&home, &repository);
}

#[test]
fn requests_that_admission_refuses() {
    let (home, repository) = place("");
    let folder = repository.path();
    home.run(folder, &["item", "add", "--type", "feature", "--id", "F-1", "--title", "Build"]).ok();
    let cases: [(&[&str], &str, &[&str]); 6] = [
        (&["--id", "NONE"], "unknown_item", &["NONE"]),
        (&["--id", "F-1"], "item_not_eligible", &["F-1"]),
        (&["--kind", "research", "--write-mode", "worktree"], "bad_request", &["research"]),
        (&["--capture", "none"], "capture_none", &[]),
        (&["--head", "nowhere"], "bad_request", &["nowhere"]),
        (&["--no-such-flag"], "bad_request", &["--no-such-flag"]),
    ];
    for (flags, code, words) in cases {
        // A flag that is given again would be refused for that alone.
        let mut arguments: Vec<&str> = RUN.to_vec();
        for pair in flags.chunks(2) {
            match arguments.iter().position(|argument| argument == &pair[0]) {
                Some(at) => arguments[at + 1] = pair[1],
                None => arguments.extend(pair),
            }
        }
        arguments.push("--ephemeral");
        assert_refused(&home.run(folder, &arguments), 10, code, words);
    }
    let runs = home.run(folder, &["bot", "runs", "--json"]).ok().json();
    assert_eq!(runs["runs"], serde_json::json!([]), "a refused request makes no run");
    assert_nothing_left(&home, &repository);
}

#[test]
fn a_mistake_in_the_checks_file_is_a_finding_with_its_place() {
    let (home, repository) = place("[[check]]\nname = \"look\"\nagrv = [\"true\"]\n");
    let report = report(&home, &repository, &ephemeral(&home, repository.path(), &[]));
    let finding = &report["must_fix"][0];
    assert_eq!(
        (&finding["file"], &finding["line"]),
        (&".windlass/checks.toml".into(), &3.into()),
        "{report}"
    );
    let message = finding["message"].as_str().unwrap();
    assert!(message.starts_with(".windlass/checks.toml:3:1: ") && message.contains("agrv"), "{message}");
    assert_nothing_left(&home, &repository);
}

/// Runs one check, and gives why it did not exit by itself, with what the report says of it as a finding or a risk.
fn why_ended(argv: &str, limits: &str, kind: &str) -> (String, String) {
    let (home, repository) = place(&format!("[[check]]\nname = \"odd\"\nargv = {argv}\n{limits}\n"));
    let report = report(&home, &repository, &ephemeral(&home, repository.path(), &[]));
    let ran = &report["commands_ran"][0];
    assert_eq!((&ran["name"], &ran["result"]["kind"]), (&"odd".into(), &kind.into()), "{report}");
    assert_nothing_left(&home, &repository);
    let told = format!("{}{}{}", report["must_fix"], report["suggestions"], report["risks"]);
    (ran["result"]["why"].as_str().unwrap().to_owned(), told)
}

#[test]
fn a_check_that_never_ends_is_ended() {
    let never = "[\"sh\", \"-c\", \"sleep infinity & sleep infinity\"]";
    let (why, told) = why_ended(never, "time_limit_ms = 1000", "ended");
    assert!(why.contains("time limit"), "{why}");
    assert!(told.contains("odd"), "the report says that the check came to nothing: {told}");
}

#[test]
fn a_check_that_prints_without_end_is_ended() {
    let (why, told) = why_ended("[\"yes\"]", "output_limit_bytes = 100000", "ended");
    assert!(why.contains("printed more than its limit"), "{why}");
    assert!(told.contains("odd"), "the report says that the check came to nothing: {told}");
}

#[test]
fn a_check_whose_program_is_not_there_is_named() {
    let (why, told) = why_ended("[\"no-such-program\"]", "", "not_started");
    assert!(why.contains("no-such-program"), "{why}");
    assert!(told.contains("odd"), "the report says that the check came to nothing: {told}");
}

#[test]
fn a_state_folder_that_is_a_file() {
    let home = Home::new();
    let repository = Repository::with(&[("README.md", "# It\n")]);
    std::fs::write(home.state(), "not a folder\n").unwrap();
    for done in [home.run(repository.path(), &["init", "--json"]), ephemeral(&home, repository.path(), &[])] {
        assert_eq!((done.code, done.error_codes()), (3, vec!["io".to_owned()]), "{done:?}");
        let message = done.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(home.state().to_str().unwrap()), "{message}");
    }
    assert_eq!(std::fs::read_to_string(home.state()).unwrap(), "not a folder\n");
}

#[test]
fn without_a_bus_a_run_needs_to_be_told_so() {
    let (home, repository) = place("");
    let done = home.run(repository.path(), &RUN);
    assert_refused(&done, 3, "bus_unavailable", &[]);
    let hints = done.json()["errors"][0]["hints"].clone();
    let hints: Vec<&str> = hints.as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect();
    assert!(hints.contains(&"windlass service run"), "{hints:?}");
    assert!(hints.iter().any(|hint| hint.ends_with(" --ephemeral")), "{hints:?}");
    assert_nothing_left(&home, &repository);
}

/// A service of this home on this bus, once it says that it is ready.
fn service(home: &Home, bus: &PrivateBus) -> Child {
    let told = home.path().join("ready");
    let manager = UnixDatagram::bind(&told).unwrap();
    let mut command = bus.windlass(home, home.path());
    command.args(["service", "run"]).env("NOTIFY_SOCKET", &told).stderr(Stdio::piped()).stdout(Stdio::null());
    let child = command.spawn().unwrap();
    let mut said = [0; 256];
    let length = manager.recv(&mut said).unwrap();
    assert!(String::from_utf8_lossy(&said[..length]).contains("READY=1"));
    std::fs::remove_file(told).unwrap();
    child
}

/// How a service ended, and what it said.
fn end_of(mut service: Child) -> (i32, String) {
    let mut said = String::new();
    service.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (service.wait().unwrap().code().unwrap(), said)
}

#[test]
fn a_second_service_on_one_capsule_names_the_first() {
    let (home, other) = (Home::new(), Home::new());
    let (bus, second_bus) = (PrivateBus::start(&home), PrivateBus::start(&other));
    let first = service(&home, &bus);
    let pid = first.id();
    let mut second = second_bus.windlass(&home, home.path());
    let mut second = second.args(["service", "run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("the service waits until it is free") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it stood by");
    }
    let repository = Repository::with(&[("README.md", "# It\n")]);
    let refused = second_bus.run(&home, repository.path(), &["init", "--json"]);
    assert_refused(&refused, 3, "capsule_locked", &[&pid.to_string()]);
    kill_process(Pid::from_raw(second.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0), "it leaves when it is asked");
    let status = bus.run(&home, home.path(), &["service", "status", "--json"]).ok().json();
    assert_eq!(status["service"]["pid"], pid, "the first one is not disturbed");
    bus.end();
    assert_ne!(end_of(first).0, 0);
}

#[test]
fn a_bus_that_goes_away_ends_the_service_and_not_the_run() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let (bus, other) = (PrivateBus::start(&home), Home::new());
    let first = service(&home, &bus);
    let folder = repository.path();
    bus.run(&home, folder, &["init"]).ok();
    bus.run(&home, folder, &["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let accepted = bus.run(&home, folder, &RUN).ok().json();
    let run_id = accepted["run_id"].as_str().unwrap().to_owned();
    let held = gate.meet();

    bus.end();
    let (code, said) = end_of(first);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("bus_unavailable") && said.contains("its runs go on"), "{said}");

    let bus = PrivateBus::start(&other);
    let second = service(&home, &bus);
    drop(held);
    let watched = bus.run(&home, folder, &["bot", "watch", &run_id, "--json"]).ok();
    let events: Vec<Value> = watched.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.last().unwrap()["type"], "run.ended");
    let attempts = events.iter().filter(|event| event["type"] == "attempt.started").count();
    assert_eq!(attempts, 2, "it went on in the second service");
    let shown = bus.run(&home, folder, &["bot", "show", &run_id, "--json"]).ok().json();
    assert_eq!(shown["status"], "succeeded", "{shown}");
    bus.end();
    assert_eq!(end_of(second).0, 3);
    assert_nothing_left(&home, &repository);
}

#[test]
fn a_bus_that_goes_away_under_a_watcher_is_said() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let service = service(&home, &bus);
    let folder = repository.path();
    bus.run(&home, folder, &["init"]).ok();
    bus.run(&home, folder, &["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let accepted = bus.run(&home, folder, &RUN).ok().json();
    let run_id = accepted["run_id"].as_str().unwrap().to_owned();
    let held = gate.meet();
    let mut watch = bus.windlass(&home, folder);
    watch.args(["bot", "watch", &run_id, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "run.submitted");
    bus.end();
    let mut said = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(3), "{said}");
    // The service, which lost the bus as well, may still have been on its way out.
    assert!(said.contains("(bus_unavailable)") || said.contains("(capsule_locked)"), "{said}");
    assert!(said.contains("try: "), "{said}");
    assert_eq!(end_of(service).0, 3);

    let again = home.run(folder, &["bot", "watch", &run_id, "--json"]);
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.stderr.contains("has not ended, and no service can be reached"), "{again:?}");
    assert!(again.stderr.contains("try: windlass service run"), "{again:?}");
    assert!(
        again.stdout.contains("\"run.submitted\"") && !again.stdout.contains("\"run.ended\""),
        "{again:?}"
    );
    drop(held);
}
