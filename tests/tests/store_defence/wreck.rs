//! A capsule as a crash leaves it, copies of it, and services that are started on them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use windlass_actors::Recover;
use windlass_contract::Control as _;
use windlass_tests::{Gate, Home, Output, PrivateBus, Repository, caller, follow, prepare, review};

/// A home whose capsule has three ended runs with large patches, and one that has not ended. Nobody has it open, and its writer
/// did not close it.
pub(crate) struct Wreck {
    pub(crate) home: Home,
    pub(crate) repository: Repository,
    /// The folder that copies are made of.
    pub(crate) capsule: PathBuf,
}

impl Wreck {
    pub(crate) async fn new() -> Self {
        let home = Home::new();
        let gate = Gate::new(&home);
        // Its patch is too large to stand in the store, so it becomes a file.
        let fixer = "[[fixer]]\nname = \"long\"\nargv = [\"sh\", \"-c\", \"seq 9000 > long.txt\"]\n";
        let checks = format!("{}{fixer}", gate.checks());
        let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &checks)]);
        let runtime = home.runtime(Recover::All).await;
        let control = runtime.control();
        prepare(&control, &repository, &["T-1", "T-2", "T-3", "T-4"]).await;
        let submit = async |id: &str| {
            let request = review(&repository, &json!({"id": id, "write_mode": "worktree"}));
            control.submit_run(caller(), request).await.unwrap().run_id
        };
        for id in ["T-1", "T-2", "T-3"] {
            let run_id = submit(id).await;
            drop(gate.meet());
            follow(&control, run_id).await;
        }
        let last = submit("T-4").await;
        // While the check is held, the writer has nothing to do: what is copied is what a kill would leave.
        let held = gate.meet();
        let capsule = home.path().join("wreck");
        copy(&home.state().join("capsule"), &capsule);
        drop(held);
        follow(&control, last).await;
        runtime.stop().await;
        Self { home, repository, capsule }
    }

    /// A state folder with a copy of the capsule, whose runs do not go on.
    pub(crate) fn state(&self, name: &str) -> State<'_> {
        let folder = self.home.path().join(name);
        copy(&self.capsule, &folder.join("capsule"));
        // As after a crash loop: what has not ended is queued, and no check is started.
        let paused = json!({"format": 1, "unready_starts_ms": [], "paused_since_ms": 1});
        fs::write(folder.join("crashes.json"), paused.to_string()).unwrap();
        State { wreck: self, folder }
    }
}

/// A state folder of its own.
pub(crate) struct State<'a> {
    wreck: &'a Wreck,
    pub(crate) folder: PathBuf,
}

impl State<'_> {
    pub(crate) fn capsule(&self, name: &str) -> PathBuf {
        self.folder.join("capsule").join(name)
    }

    /// Runs a command without a bus to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.wreck.home.windlass(self.wreck.repository.path());
        Output::of(command.args(arguments).env("WINDLASS_STATE_DIR", &self.folder))
    }

    /// A service on this bus, as a child of the test.
    pub(crate) fn service(&self, bus: &PrivateBus) -> Service {
        let command = bus.windlass(&self.wreck.home, self.wreck.home.path());
        Service::start(command, &self.folder)
    }

    pub(crate) fn remove(self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// What a service logs.
pub(crate) struct Log(BufReader<ChildStderr>);

impl Log {
    pub(crate) fn of(log: ChildStderr) -> Self {
        Self(BufReader::new(log))
    }

    /// Reads on to the first line with one of these texts, and says with which; none when the log ended before.
    pub(crate) fn wait_for(&mut self, texts: &[&str]) -> Option<usize> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(found) = texts.iter().position(|text| line.contains(text)) {
                return Some(found);
            }
        }
    }
}

/// A service as a child of the test, and what it logs.
pub(crate) struct Service {
    child: Child,
    log: Log,
}

impl Service {
    pub(crate) fn start(mut command: Command, state: &Path) -> Self {
        command.args(["service", "run"]).env("WINDLASS_STATE_DIR", state).env_remove("JOURNAL_STREAM");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads on to the first line with one of these texts, and says with which; none when it ended before.
    pub(crate) fn wait_for(&mut self, texts: &[&str]) -> Option<usize> {
        self.log.wait_for(texts)
    }

    /// Its exit status and the rest of its log, once it has ended by itself.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.0.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Asks it to leave, and gives its exit status.
    pub(crate) fn leave(self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.ended().0
    }
}

/// Copies a folder with everything below it.
pub(crate) fn copy(from: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = into.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The blob files of a capsule, in order.
pub(crate) fn blobs(capsule: &Path) -> Vec<PathBuf> {
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = files(capsule.join("blobs")).flat_map(files).collect();
    found.sort();
    found
}

/// A document without what differs from one process to the next.
pub(crate) fn lasting(mut document: Value) -> Value {
    document.as_object_mut().unwrap().remove("unserved");
    if let Some(service) = document.get_mut("service").and_then(Value::as_object_mut) {
        for name in ["pid", "started_at", "verification", "capsule", "paused"] {
            service.remove(name);
        }
    }
    if let Some(stats) = document.as_object_mut().filter(|stats| stats.contains_key("store_bytes")) {
        for name in ["capsule", "store_bytes", "file_blobs", "file_blob_bytes"] {
            stats.remove(name);
        }
    }
    document
}
