//! The service under a real systemd: a reboot, a kill, a crash loop, a store that must not be touched, and what `doctor` says of
//! the machine.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use serde_json::Value;
use windlass_tests::{Held, Machine, Output, USER, USER_HOME, check_schema};

/// A place below the home of the machine's user.
fn at_home(place: &str) -> String {
    format!("{USER_HOME}/{place}")
}

fn gate() -> String {
    at_home("gate")
}

fn repository() -> String {
    at_home("repository")
}

/// A machine that is up, with the service installed by its user, who has a repository whose one check waits at a gate.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.boot();
    machine.wait_for_user();
    let installed = windlass(&machine, &["service", "install"]).ok().json();
    assert_eq!((&installed["enabled"], &installed["lingering"]), (&true.into(), &true.into()), "{installed}");
    assert_eq!(installed["program"], "/usr/local/bin/windlass");
    let (gate, repository) = (gate(), repository());
    let checks = format!("[[check]]\nname = \"gate\"\nargv = [\"cat\", \"{gate}\"]\n");
    let policy = windlass_policy::TEMPLATES[0].text.replace("sandbox = \"required\"", "sandbox = \"off\"");
    let script = format!(
        "mkfifo {gate} && mkdir -p .config/windlass {repository}/.windlass && cd {repository} && git init -q -b main . \
         && echo '# It' > README.md && cat > .windlass/checks.toml <<'END' && cat > ~/.config/windlass/policy.toml <<'END2' \
         && git add -A && git -c user.name=Kim -c user.email=kim@example.org commit -q -m first\n{checks}END\n{policy}\nEND2\n"
    );
    machine.user(&["bash", "-c", &script]).ok();
    windlass(&machine, &["init"]).ok();
    add(&machine, "T-1");
    machine
}

/// The installed binary, as the user, in the repository, over the user's bus. What it prints fits its published schema.
fn windlass(machine: &Machine, arguments: &[&str]) -> Output {
    let folder = if arguments[0] == "service" { USER_HOME.to_owned() } else { repository() };
    let done = machine.user_in(&folder, &[&["windlass", "--json"], arguments].concat());
    // Events are told apart by where they stand, and have no header.
    if !arguments.starts_with(&["bot", "watch"]) {
        check_schema(&done.json());
    }
    done
}

fn systemctl(machine: &Machine, arguments: &[&str]) -> Output {
    machine.user(&[&["systemctl", "--user", "--no-pager"], arguments].concat())
}

fn add(machine: &Machine, item: &str) {
    windlass(machine, &["item", "add", "--type", "task", "--id", item, "--title", "Something"]).ok();
}

/// Submits a review, and gives the reply.
fn submit(machine: &Machine, item: &str) -> Value {
    let review = ["bot", "run", "--id", item, "--kind", "review", "--goal", "look", "--accept", "it is so"];
    windlass(machine, &review).ok().json()
}

fn run_id(reply: &Value) -> String {
    reply["run_id"].as_str().unwrap().to_owned()
}

/// Follows a run to its end, and gives its events.
fn follow(machine: &Machine, run_id: &str) -> Vec<Value> {
    let watched = windlass(machine, &["bot", "watch", "--run", run_id]).ok().stdout;
    watched.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(events: &'a [Value], wanted: &'a str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == wanted).map(|event| &event["data"]).collect()
}

/// The run has ended well, each of its steps was done once, its one earlier attempt was lost for this reason, and the record is
/// sound.
fn assert_went_on(machine: &Machine, events: &[Value], run_id: &str, lost_because: &str) {
    let lost: Vec<_> =
        of_type(events, "attempt.lost").iter().map(|data| data["why"]["kind"].clone()).collect();
    assert_eq!(lost, [lost_because], "{events:?}");
    assert_eq!(of_type(events, "attempt.started").len(), 2);
    let mut finished: Vec<_> =
        of_type(events, "step.finished").iter().map(|data| data["key"].to_string()).collect();
    let all = finished.len();
    finished.sort();
    finished.dedup();
    assert_eq!(finished.len(), all, "no step is done again");
    let shown = windlass(machine, &["bot", "show", run_id]).ok().json();
    assert_eq!(shown["status"], "succeeded", "{shown}");
    assert_eq!(windlass(machine, &["capsule", "verify"]).ok().json()["sound"], true);
}

/// How often systemd has started the service anew by itself.
fn restarts(machine: &Machine) -> String {
    let shown = systemctl(machine, &["show", "--value", "-p", "NRestarts", "windlass.service"]);
    shown.ok().stdout.trim().to_owned()
}

/// The transient units that hold children, a line each.
fn holders(machine: &Machine) -> String {
    systemctl(machine, &["list-units", "--plain", "--no-legend", "windlass-hold-*"]).ok().stdout
}

/// Waits until the run's check is under way, and holds it there.
fn at_the_gate(machine: &Machine) -> Held {
    machine.meet(&gate())
}

#[test]
fn a_run_outlives_a_power_cut_and_ends_by_itself_with_nobody_logged_in() {
    let mut machine = machine();
    let run = run_id(&submit(&machine, "T-1"));
    let held = at_the_gate(&machine);
    machine.cut_power();
    drop(held);

    machine.boot();
    // No call is made before the check is under way again: the service came up and went on by itself.
    let held = at_the_gate(&machine);
    let sessions = machine.root(&["loginctl", "list-sessions", "--no-legend"]).ok().stdout;
    assert_eq!(sessions, "", "nobody is logged in");
    assert_eq!(
        holders(&machine).lines().count(),
        1,
        "the user's manager was found although it had just come up"
    );
    held.let_go();
    let events = follow(&machine, &run);
    assert_went_on(&machine, &events, &run, "machine_restarted");
    assert_eq!(machine.count_log("the service is ready"), 2, "{}", machine.log());
}

#[test]
fn without_lingering_a_run_stops_with_the_logout_and_goes_on_with_the_next_login() {
    let machine = machine();
    let run = run_id(&submit(&machine, "T-1"));
    let held = at_the_gate(&machine);
    machine.log_out();
    drop(held);

    machine.wait_for_user();
    // No call is made before the check is under way again.
    let held = at_the_gate(&machine);
    assert_eq!(holders(&machine).lines().count(), 1, "the check of before the logout is gone");
    held.let_go();
    let events = follow(&machine, &run);
    assert_went_on(&machine, &events, &run, "process_gone");
    assert_eq!(machine.count_log("the service is ready"), 2, "{}", machine.log());
}

#[test]
fn a_killed_service_is_restarted_by_systemd_and_finds_its_check_in_its_own_unit() {
    let machine = machine();
    let run = run_id(&submit(&machine, "T-1"));
    let held = at_the_gate(&machine);
    let before = holders(&machine);
    assert_eq!(before.lines().count(), 1, "a transient unit holds the check: {before}");
    let unit = before.split_whitespace().next().unwrap().to_owned();
    let slice = systemctl(&machine, &["show", "--value", "-p", "Slice", &unit]).ok().stdout;
    assert_eq!(slice.trim(), "windlass-runs.slice");

    systemctl(&machine, &["kill", "--signal=KILL", "windlass.service"]).ok();
    machine.wait_for_log("the service is ready", 2);
    let restarts =
        systemctl(&machine, &["show", "--value", "-p", "NRestarts", "windlass.service"]).ok().stdout;
    assert_eq!(restarts.trim(), "1", "systemd did it, and no call");
    assert_eq!(holders(&machine), before, "the check is still held");
    held.let_go();
    let events = follow(&machine, &run);
    assert_went_on(&machine, &events, &run, "process_gone");
    let gates = of_type(&events, "step.started");
    let gates = gates.iter().filter(|data| data.to_string().contains("check gate")).count();
    assert_eq!(gates, 1, "the held child is found again, not started again");
}

#[test]
fn a_service_that_leaves_when_idle_loses_no_call_that_wakes_it() {
    const CALLS: usize = 40;
    let machine = machine();
    let drop_in = "mkdir -p ~/.config/systemd/user/windlass.service.d && printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/windlass \
                   service run --leave-after 0\\n' > ~/.config/systemd/user/windlass.service.d/leave.conf";
    machine.user(&["bash", "-c", drop_in]).ok();
    systemctl(&machine, &["daemon-reload"]).ok();
    windlass(&machine, &["service", "stop"]).ok();
    let before = machine.count_log("the service is ready");
    let add = "windlass item add --type task --id T-1$n --title x --quiet";
    let calls = format!("for n in $(seq {CALLS}); do {add} || exit 1; done");
    machine.user_in(&repository(), &["bash", "-c", &calls]).ok();
    let items = windlass(&machine, &["item", "list"]).ok().json();
    assert_eq!(items["items"].as_array().unwrap().len(), CALLS + 1);
    let starts = machine.count_log("the service is ready") - before;
    assert!(starts > 1, "it left and came back while it was called: {starts} starts");
    let restarts =
        systemctl(&machine, &["show", "--value", "-p", "NRestarts", "windlass.service"]).ok().stdout;
    assert_eq!(restarts.trim(), "0", "leaving is no failure");
}

#[test]
fn after_a_crash_loop_runs_are_paused_until_somebody_starts_the_service() {
    let machine = machine();
    windlass(&machine, &["service", "stop"]).ok();
    // The policy is read before the service is ready: a pipe in its place holds it there.
    let policy = &at_home(".config/windlass/policy.toml");
    machine.user(&["bash", "-c", &format!("mv {policy} kept && mkfifo {policy}")]).ok();
    systemctl(&machine, &["start", "--no-block", "windlass.service"]).ok();
    for crash in 1..=3 {
        let held = machine.meet(policy);
        if crash == 3 {
            machine.user(&["mv", "-f", "kept", policy]).ok();
        }
        systemctl(&machine, &["kill", "--signal=KILL", "windlass.service"]).ok();
        held.let_go();
    }
    machine.wait_for_log("runs are paused", 1);

    let status = windlass(&machine, &["service", "status"]).ok().json();
    assert!(status["service"]["paused"].as_str().unwrap().contains("windlass service start"), "{status}");
    let over_the_bus = ["busctl", "--user", "call", "dev.windlass.Windlass1", "/dev/windlass/Windlass1"];
    let over_the_bus = [&over_the_bus[..], &["dev.windlass.Manager1", "ServiceStatus"]].concat();
    assert!(machine.user(&over_the_bus).ok().stdout.contains("\"paused\" s \"runs are paused"));
    let doctor = windlass(&machine, &["service", "doctor"]);
    assert_eq!((doctor.code, finding(&doctor.json(), "crash_loop").0), (3, "problem".to_owned()));

    let accepted = windlass(
        &machine,
        &["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "look", "--accept", "it is so"],
    );
    assert!(accepted.stderr.contains("runs are paused"), "{accepted:?}");
    let run = run_id(&accepted.ok().json());
    assert_eq!(windlass(&machine, &["bot", "show", &run]).ok().json()["status"], "queued");
    let unit = "windlass.service";
    systemctl(&machine, &["restart", unit]).ok();
    let status = windlass(&machine, &["service", "status"]).ok().json();
    assert_eq!((status["service"]["paused"].is_string(), &status["service"]["queued"]), (true, &1.into()));

    let started = windlass(&machine, &["service", "start"]).ok().json();
    assert_eq!((&started["unpaused"], &started["state"]), (&true.into(), &"active".into()), "{started}");
    at_the_gate(&machine).let_go();
    let events = follow(&machine, &run);
    assert_eq!(of_type(&events, "attempt.started").len(), 1);
    assert_eq!(windlass(&machine, &["bot", "show", &run]).ok().json()["status"], "succeeded");
    assert!(windlass(&machine, &["service", "status"]).ok().json()["service"]["paused"].is_null());
}

/// The verdict, the message and the first mend of one check.
fn finding(doctor: &Value, check: &str) -> (String, String, String) {
    let found = doctor["findings"].as_array().unwrap().iter().find(|found| found["check"] == check).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&found["verdict"]), text(&found["message"]), text(&found["mends"][0]))
}

#[test]
fn a_store_that_must_not_be_touched_ends_the_service_with_78_and_systemd_leaves_it_alone() {
    let machine = machine();
    windlass(&machine, &["service", "stop"]).ok();
    let capsule = machine.outside(&at_home(".local/state/windlass/capsule"));
    let (format, data) = (capsule.join("format.json"), capsule.join("data.mdb"));
    let sound = std::fs::read(&format).unwrap();
    for (damage, file, bytes) in [
        ("newer", &format, &b"{\"format\":999,\"readable_by\":1}"[..]),
        ("damaged", &format, &b"{"[..]),
        ("cut short", &data, &b"x"[..]),
    ] {
        let before = std::fs::read(file).unwrap();
        std::fs::write(file, bytes).unwrap();
        let refused = windlass(&machine, &["service", "start"]);
        assert_eq!(
            (refused.code, refused.error_codes()),
            (3, vec!["io".to_owned()]),
            "{damage}: {refused:?}"
        );
        let show = ["show", "-p", "ExecMainStatus,NRestarts,ActiveState", "windlass.service"];
        let shown = systemctl(&machine, &show).ok().stdout;
        for expected in ["ExecMainStatus=78", "NRestarts=0", "ActiveState=failed"] {
            assert!(shown.lines().any(|line| line == expected), "{damage}: {expected} is not in {shown}");
        }
        assert_eq!(std::fs::read(file).unwrap(), bytes, "{damage}: nothing is moved or mended");
        let doctor = windlass(&machine, &["service", "doctor"]);
        assert_eq!(
            (doctor.code, finding(&doctor.json(), "capsule").0),
            (3, "problem".to_owned()),
            "{damage}"
        );
        assert_eq!(finding(&doctor.json(), "crash_loop").0, "ok", "{damage}: that is no crash");
        if damage == "newer" {
            let items = windlass(&machine, &["item", "list"]).ok();
            let items = items.json();
            assert_eq!(
                (&items["items"][0]["id"], &items["unserved"]["hints"][0]),
                (&"T-1".into(), &"windlass service start".into())
            );
        }
        std::fs::write(file, before).unwrap();
    }
    assert_eq!(std::fs::read(&format).unwrap(), sound);
    windlass(&machine, &["service", "start"]).ok();
}

#[test]
fn doctor_finds_what_is_wrong_with_the_machine_and_uninstall_leaves_only_the_record() {
    let machine = machine();
    let doctor = windlass(&machine, &["service", "doctor"]);
    for check in ["bus", "user_manager", "lingering", "files", "service", "capsule", "writer", "git"] {
        assert_eq!(finding(&doctor.json(), check).0, "ok", "{check}: {}", doctor.stdout);
    }

    // Ends the user's manager, too: nobody is logged in.
    machine.root(&["loginctl", "disable-linger", USER]).ok();
    machine.root(&["systemctl", "stop", "user@54321.service"]).ok();
    assert_eq!(finding(&windlass(&machine, &["service", "doctor"]).json(), "bus").0, "problem");
    machine.wait_for_user();
    let mend = finding(&windlass(&machine, &["service", "doctor"]).json(), "lingering");
    assert_eq!((mend.0.as_str(), mend.2.as_str()), ("warning", "loginctl enable-linger"));
    let installed = windlass(&machine, &["service", "install"]).ok().json();
    assert_eq!(installed["warnings"][0]["hints"][0], "loginctl enable-linger");
    let accepted = windlass(
        &machine,
        &["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a"],
    );
    assert!(accepted.stderr.contains("lingering is off"), "{accepted:?}");
    at_the_gate(&machine).let_go();
    follow(&machine, &run_id(&accepted.ok().json()));

    let without_manager =
        machine.user(&["dbus-run-session", "--", "windlass", "--json", "service", "doctor"]);
    let found = finding(&without_manager.json(), "user_manager");
    assert!(found.0 == "warning" && found.2.contains("systemctl start user@"), "{found:?}");
    machine.root(&["rm", "-f", "/usr/bin/bwrap"]).ok();
    let found = finding(&windlass(&machine, &["service", "doctor"]).json(), "sandbox");
    assert!(found.0 == "problem" && found.2.contains("bubblewrap"), "{found:?}");

    systemctl(&machine, &["disable", "windlass.service"]).ok();
    assert!(finding(&windlass(&machine, &["service", "doctor"]).json(), "files").1.contains("disabled"));
    machine.root(&["cp", "/usr/local/bin/windlass", "/usr/local/bin/new"]).ok();
    machine.root(&["mv", "/usr/local/bin/new", "/usr/local/bin/windlass"]).ok();
    let found = finding(&windlass(&machine, &["service", "doctor"]).json(), "service");
    assert!(found.0 == "warning" && found.1.contains("was replaced"), "{found:?}");

    windlass(&machine, &["service", "uninstall"]).ok();
    let left =
        machine.user(&["bash", "-c", "find .config/systemd .local/share/dbus-1 ! -type d"]).ok().stdout;
    assert_eq!(left, "", "nothing of the service is left");
    assert_eq!(systemctl(&machine, &["is-active", "windlass.service"]).stdout.trim(), "inactive");
    assert_eq!(windlass(&machine, &["capsule", "verify"]).ok().json()["sound"], true);
}

#[test]
fn a_service_that_hangs_is_started_anew_by_the_watchdog() {
    let machine = machine();
    let drop_in = "mkdir -p ~/.config/systemd/user/windlass.service.d && printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=1\\n' \
                   > ~/.config/systemd/user/windlass.service.d/watchdog.conf";
    machine.user(&["bash", "-c", drop_in]).ok();
    systemctl(&machine, &["daemon-reload"]).ok();
    systemctl(&machine, &["restart", "windlass.service"]).ok();
    let run = run_id(&submit(&machine, "T-1"));
    let held = at_the_gate(&machine);
    let before = machine.count_log("the service is ready");
    systemctl(&machine, &["kill", "--signal=STOP", "windlass.service"]).ok();
    machine.wait_for_log("the service is ready", before + 1);
    assert_eq!(restarts(&machine), "1");
    held.let_go();
    let events = follow(&machine, &run);
    assert_went_on(&machine, &events, &run, "process_gone");
    assert_eq!(restarts(&machine), "1", "a service that is fed is left alone");
}

#[test]
fn a_service_that_lost_its_bus_ends_and_is_started_anew_on_the_next_one() {
    let machine = machine();
    let run = run_id(&submit(&machine, "T-1"));
    let held = at_the_gate(&machine);
    systemctl(&machine, &["kill", "--signal=KILL", "dbus.service"]).ok();
    machine.wait_for_log("the service is ready", 2);
    held.let_go();
    let events = follow(&machine, &run);
    assert_went_on(&machine, &events, &run, "process_gone");
    assert_eq!(restarts(&machine), "1", "it said that something was wrong, so that systemd started it anew");
}
