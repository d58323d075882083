//! The service's files, and what `doctor` finds where there is neither a bus nor a user manager.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Place, finish};

impl Place {
    fn unit(&self) -> PathBuf {
        self.path("config/systemd/user/windlass.service")
    }

    fn activation(&self) -> PathBuf {
        self.path(".local/share/dbus-1/services/dev.windlass.Windlass1.service")
    }

    fn capsule(&self, name: &str) -> PathBuf {
        self.path("state/windlass/capsule").join(name)
    }

    /// The exit code of `service doctor`, and what it found for one check.
    fn doctor(&self, check: &str) -> (i32, Value) {
        let (code, reply) = self.json(&["service", "doctor"]);
        let findings = reply["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("nothing on {check} in {reply}"));
        (code, found.clone())
    }
}

/// The changes that a reply names, the unit's first.
fn changes(reply: &Value) -> Vec<&str> {
    reply["files"].as_array().unwrap().iter().map(|file| file["change"].as_str().unwrap()).collect()
}

/// What a finding says, and the first command that mends it.
fn said(finding: &Value) -> (&str, &str, &str) {
    let text = |value: &'static str| finding[value].as_str().unwrap();
    (text("verdict"), text("message"), finding["mends"][0].as_str().unwrap_or_default())
}

#[test]
fn install_writes_two_files_once_and_uninstall_takes_exactly_these_away() {
    let place = Place::new();
    place.ok(&["init"]);
    let (code, reply) = place.json(&["service", "install"]);
    assert_eq!((code, changes(&reply)), (0, vec!["written", "written"]), "{reply}");
    assert_eq!(
        (&reply["enabled"], &reply["program"]),
        (&Value::Null, &env!("CARGO_BIN_EXE_windlass").into())
    );
    assert!(reply["warnings"][0]["message"].as_str().unwrap().contains("no session bus"), "{reply}");
    let start = format!("={} service run --leave-after 300\n", env!("CARGO_BIN_EXE_windlass"));
    for file in [place.unit(), place.activation()] {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&start) && !text.contains("@BIN@"), "{text}");
    }

    assert_eq!(changes(&place.json(&["service", "install"]).1), ["unchanged", "unchanged"]);
    fs::write(place.unit(), "[Service]\nExecStart=/old/windlass service run\n").unwrap();
    assert_eq!(changes(&place.json(&["service", "install"]).1), ["replaced", "unchanged"]);
    let done = place.ok(&["service", "install"]);
    assert!(done.stdout.contains("unchanged") && done.stderr.contains("try: windlass service doctor"));

    let neighbour = place.unit().with_file_name("other.service");
    fs::write(&neighbour, "").unwrap();
    assert_eq!(changes(&place.json(&["service", "uninstall"]).1), ["removed", "removed"]);
    assert_eq!(changes(&place.json(&["service", "uninstall"]).1), ["absent", "absent"]);
    assert!(!place.unit().exists() && !place.activation().exists());
    assert!(neighbour.exists() && place.capsule("data.mdb").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_old_one_stays() {
    let place = Place::new();
    fs::write(place.path("config/systemd"), "in the way").unwrap();
    let (code, refused) = place.json(&["service", "install"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (3, &"io".into()));
    assert!(
        refused["summary"].as_str().unwrap().contains("config/systemd/user/windlass.service"),
        "{refused}"
    );
    assert!(!place.activation().exists());
}

#[test]
fn start_and_stop_are_refused_where_there_is_no_user_manager() {
    let place = Place::new();
    for verb in ["start", "stop"] {
        let (code, refused) = place.json(&["service", verb]);
        assert_eq!((code, &refused["errors"][0]["code"]), (3, &"bus_unavailable".into()), "{refused}");
        assert_eq!(refused["errors"][0]["hints"][0], "windlass service run");
    }
}

#[test]
fn start_lifts_a_pause_even_where_it_cannot_start_anything() {
    let place = Place::new();
    fs::create_dir_all(place.path("state/windlass")).unwrap();
    let counter = place.path("state/windlass/crashes.json");
    fs::write(&counter, r#"{"format":1,"unready_starts_ms":[],"paused_since_ms":1}"#).unwrap();
    let (code, found) = place.doctor("crash_loop");
    assert_eq!((code, said(&found).0, said(&found).2), (3, "problem", "windlass service start"), "{found}");
    assert_eq!(place.json(&["service", "start"]).0, 3);
    assert!(!counter.exists());
    assert_eq!(said(&place.doctor("crash_loop").1).0, "ok");
}

#[test]
fn doctor_says_that_there_is_no_bus_and_what_that_means() {
    let place = Place::new();
    let (code, found) = place.doctor("bus");
    assert_eq!((code, said(&found).0), (3, "problem"), "{found}");
    assert!(said(&found).1.contains("--ephemeral"), "{found}");
    let text = place.run(&["service", "doctor"]);
    assert!(text.code == 3 && text.stdout.contains("\nbus\n  try: "), "{}", text.stdout);

    fs::write(place.path("run/bus"), "").unwrap();
    let socket = format!("export DBUS_SESSION_BUS_ADDRESS=unix:path={}", place.path("run/bus").display());
    assert_eq!(said(&place.doctor("bus").1).2, socket, "a bus that is where buses are is named");
}

#[test]
fn doctor_finds_units_of_another_program_or_version() {
    let place = Place::new();
    assert_eq!(said(&place.doctor("files").1).0, "skipped");
    place.ok(&["service", "install"]);
    assert_eq!(said(&place.doctor("files").1).0, "ok");

    let good = fs::read_to_string(place.unit()).unwrap();
    let gone = good.replace(env!("CARGO_BIN_EXE_windlass"), "/gone/windlass");
    fs::write(place.unit(), gone).unwrap();
    let (code, found) = place.doctor("files");
    assert_eq!((code, said(&found).0, said(&found).2), (3, "problem", "windlass service install"));
    assert!(said(&found).1.contains("/gone/windlass, which is gone"), "{found}");

    fs::write(place.unit(), good.replace("--leave-after 300", "--leave-after 3")).unwrap();
    let (_, found) = place.doctor("files");
    assert_eq!(said(&found).0, "warning");
    assert!(said(&found).1.contains("is not what this program would write"), "{found}");
    place.ok(&["service", "install"]);
    fs::remove_file(place.activation()).unwrap();
    assert!(said(&place.doctor("files").1).1.contains("no call starts the service"));
}

#[test]
fn doctor_finds_a_git_that_is_too_old_or_not_there() {
    let place = Place::new();
    assert_eq!(said(&place.doctor("git").1).0, "ok");
    let programs = place.path("programs");
    fs::create_dir(&programs).unwrap();
    let asked = || {
        let mut command = place.windlass();
        let document =
            finish(command.env("PATH", &programs).args(["service", "doctor", "--json"])).document();
        document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["check"] == "git")
            .cloned()
            .unwrap()
    };
    let none = asked();
    assert_eq!((said(&none).0, said(&none).2), ("problem", "sudo apt install git"), "{none}");
    let git = programs.join("git");
    fs::write(&git, "#!/bin/sh\necho git version 2.20.1\n").unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let old = asked();
    assert!(said(&old).0 == "problem" && said(&old).1.contains("2.20.1"), "{old}");
}

#[test]
fn doctor_finds_a_capsule_that_is_newer_or_damaged_and_changes_nothing() {
    let place = Place::new();
    assert_eq!(said(&place.doctor("capsule").1).0, "ok", "there is none yet");
    assert!(!place.path("state/windlass").exists(), "looking makes none");
    place.ok(&["init"]);
    assert_eq!(said(&place.doctor("capsule").1).0, "ok");

    let format = fs::read_to_string(place.capsule("format.json")).unwrap();
    for readable_by in [1, 999] {
        let newer = format!("{{\"format\":999,\"readable_by\":{readable_by}}}");
        fs::write(place.capsule("format.json"), newer).unwrap();
        let (code, found) = place.doctor("capsule");
        assert_eq!((code, said(&found).0), (3, "problem"));
        assert!(said(&found).1.contains("format 999"), "{found}");
    }
    fs::write(place.capsule("format.json"), format).unwrap();

    // Cut within the store: whoever reads a page beyond the end is ended by a signal, and that must not be doctor.
    let data = fs::OpenOptions::new().write(true).open(place.capsule("data.mdb")).unwrap();
    data.set_len(2 * 4096).unwrap();
    let before = fs::read(place.capsule("data.mdb")).unwrap();
    let (code, found) = place.doctor("capsule");
    assert_eq!((code, said(&found).0, said(&found).2), (3, "problem", "windlass capsule verify"), "{found}");
    assert!(said(&found).1.contains("is damaged"), "{found}");
    assert_eq!(fs::read(place.capsule("data.mdb")).unwrap(), before);
}

#[test]
fn doctor_finds_a_second_writer() {
    let place = Place::new();
    place.ok(&["init"]);
    assert_eq!(said(&place.doctor("writer").1).0, "ok");
    let lock = fs::File::open(place.capsule("lock")).unwrap();
    lock.lock().unwrap();
    let (_, found) = place.doctor("writer");
    let own = std::process::id();
    assert_eq!((said(&found).0, said(&found).2), ("warning", format!("ps -fp {own}").as_str()), "{found}");
    assert!(said(&found).1.contains(&format!("process {own} writes the capsule")), "{found}");
}
