//! A full disk below the capsule: nothing new is accepted, and what running steps have come to waits until there is room.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;
use windlass_contract::request::{RunRef, VerifyCapsule};
use windlass_contract::{Control as _, ErrorCode};
use windlass_domain::run::RunStatus;
use windlass_tests::{Gate, Home, PrivateBus, Repository, caller, follow, has_program, prepare, review};

use crate::wreck::Log;

/// The disk below the capsule, in bytes.
const DISK_BYTES: u64 = 8 << 20;

/// A service whose capsule is on a small disk of its own, which no other process sees, and which outlives the service. When it has
/// ended, the next line that it is sent starts another one.
struct OnSmallDisk {
    shell: Child,
    next: ChildStdin,
    log: Log,
    capsule: PathBuf,
}

impl OnSmallDisk {
    fn start(bus: &PrivateBus, home: &Home) -> Self {
        assert!(has_program("bwrap"), "install bubblewrap");
        let capsule = home.state().join("capsule");
        fs::create_dir_all(&capsule).unwrap();
        let windlass = bus.windlass(home, home.path());
        let mut command = Command::new("bwrap");
        command.args(["--dev-bind", "/", "/", "--size", &DISK_BYTES.to_string(), "--tmpfs"]).arg(&capsule);
        command.args(["sh", "-c", "\"$0\" service run; read -r line; exec \"$0\" service run"]);
        command.arg(windlass.get_program()).env_remove("JOURNAL_STREAM");
        for (name, value) in windlass.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        let (next, log) = (shell.stdin.take().unwrap(), Log::of(shell.stderr.take().unwrap()));
        Self { shell, next, log, capsule }
    }

    /// The capsule's folder as this process sees it.
    fn folder(&self, service: u32) -> PathBuf {
        Path::new("/proc")
            .join(service.to_string())
            .join("root")
            .join(self.capsule.strip_prefix("/").unwrap())
    }
}

impl Drop for OnSmallDisk {
    fn drop(&mut self) {
        // Ended already where the test came to its end.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Fills the disk of a folder to the last byte, with a file of this path.
fn fill(filler: &Path) {
    let mut file = fs::File::create(filler).unwrap();
    for bytes in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; bytes]).is_ok() {}
    }
}

/// The process that started another one.
fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("PPid:")).unwrap();
    line["PPid:".len()..].trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_accepted_and_a_run_waits_for_room_and_ends_by_itself() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let mut service = OnSmallDisk::start(&bus, &home);
    service.log.wait_for(&["the service is ready"]).unwrap();
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1", "T-2"]).await;
    let run_id = control.submit_run(caller(), review(&repository, &json!({}))).await.unwrap().run_id;
    let held = gate.meet();

    let filler = service.folder(control.service_status().await.unwrap().pid).join("filler");
    fill(&filler);
    let another = || review(&repository, &json!({"id": "T-2"}));
    let refused = control.submit_run(caller(), another()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DiskFull, "{refused:?}");
    let message = &refused.first().message;
    assert!(
        message.contains("are needed") && message.contains(service.capsule.to_str().unwrap()),
        "{message}"
    );
    drop(held);
    service.log.wait_for(&["results of running steps wait for room"]).unwrap();
    let paused = control.service_status().await.unwrap().paused.unwrap();
    assert!(paused.contains("wait for room") && paused.contains("are needed"), "{paused}");
    assert_eq!(control.show_run(RunRef { run_id }).await.unwrap().row.status, RunStatus::Running);

    fs::remove_file(&filler).unwrap();
    let events = follow(&control, run_id).await;
    assert_eq!(control.show_run(RunRef { run_id }).await.unwrap().row.status, RunStatus::Succeeded);
    let attempts = events.iter().filter(|event| event.data.type_name() == "attempt.started").count();
    assert_eq!(attempts, 1, "an attempt was lost to the full disk");
    assert_eq!(control.service_status().await.unwrap().paused, None);
    let accepted = control.submit_run(caller(), another()).await.unwrap();
    drop(gate.meet());
    follow(&control, accepted.run_id).await;
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_while_results_wait_for_room_loses_nothing() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let mut service = OnSmallDisk::start(&bus, &home);
    service.log.wait_for(&["the service is ready"]).unwrap();
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = control.submit_run(caller(), review(&repository, &json!({}))).await.unwrap().run_id;
    let held = gate.meet();
    let pid = control.service_status().await.unwrap().pid;
    let shell = parent(pid);
    let filler = service.folder(pid).join("filler");
    fill(&filler);
    drop(held);
    service.log.wait_for(&["results of running steps wait for room"]).unwrap();
    windlass_tests::wait_until_gone(pid, rustix::process::Signal::TERM);

    fs::remove_file(service.folder(shell).join("filler")).unwrap();
    service.next.write_all(b"\n").unwrap();
    service.log.wait_for(&["the service is ready"]).unwrap();
    let control = bus.control().await;
    let events = follow(&control, run_id).await;
    assert_eq!(control.show_run(RunRef { run_id }).await.unwrap().row.status, RunStatus::Succeeded);
    let begun = events.iter().filter(|event| event.data.type_name() == "step.started");
    let ended = events.iter().filter(|event| event.data.type_name() == "step.finished");
    assert_eq!(begun.count(), ended.count(), "the held check is found again, not started again");
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
}
