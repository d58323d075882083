//! A service that finds another process at the capsule: it lets the record be looked at, and takes over once the lock is free.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use windlass_contract::request::{ItemRef, ListItems, RunRef};
use windlass_contract::{Control, ErrorCode};
use windlass_domain::id::ItemId;
use windlass_domain::run::RunStatus;
use windlass_tests::{Gate, Home, PrivateBus, Repository, caller, follow, prepare, review, wait_until_gone};

/// A service as a child of the test, and what it logs.
struct Service {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Service {
    fn start(bus: &PrivateBus, home: &Home) -> Self {
        let mut command = bus.windlass(home, home.path());
        let mut child = command
            .args(["service", "run"])
            .env_remove("JOURNAL_STREAM")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads on to the line with this text.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "it ended before it said `{text}`");
        }
    }

    fn end(mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn item_list(folder: String) -> ListItems {
    ListItems { folder, item_type: None, state: None, active: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stands_by_while_another_process_writes_and_goes_on_when_it_is_done() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1", "T-2"]).await;
    let run_id =
        control.submit_run(caller(), review(&repository, &serde_json::json!({}))).await.unwrap().run_id;
    let held = gate.meet();
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);

    let lock = File::open(home.state().join("capsule/lock")).unwrap();
    lock.lock().unwrap();
    let mut service = Service::start(&bus, &home);
    service.wait_for("the service waits until it is free");
    let control = bus.control().await;
    let items = control.list_items(item_list(repository.text())).await.unwrap().items;
    assert_eq!(items.len(), 2);
    assert_eq!(control.show_run(RunRef { run_id }).await.unwrap().row.status, RunStatus::Running);
    let status = control.service_status().await.unwrap();
    assert_eq!((status.pid, status.running), (service.child.id(), 1));
    assert!(status.paused.unwrap().contains("another writer"), "who asks is told why nothing goes on");
    let item = ItemRef { folder: repository.text(), id: ItemId::new("T-2").unwrap() };
    assert!(control.show_item(item).await.is_ok());
    let submission = review(&repository, &serde_json::json!({"id": "T-2"}));
    let refused = control.submit_run(caller(), submission).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CapsuleLocked, "{refused:?}");
    let init = windlass_contract::request::Init { folder: repository.text() };
    let refused = control.init(caller(), init).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CapsuleLocked, "{refused:?}");
    let listed = bus.run(&home, repository.path(), &["item", "list", "--json"]).ok();
    assert_eq!(listed.json().get("unserved"), None, "a service answered");

    drop(lock);
    service.wait_for("the service is ready");
    drop(held);
    follow(&bus.control().await, run_id).await;
    let control = bus.control().await;
    assert_eq!(control.show_run(RunRef { run_id }).await.unwrap().row.status, RunStatus::Succeeded);
    assert_eq!(control.service_status().await.unwrap().paused, None);
    assert_eq!(service.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stands_by_leaves_when_it_is_asked() {
    let home = Home::new();
    let repository = Repository::with(&[("README.md", "# It\n")]);
    home.run(repository.path(), &["init"]).ok();
    let bus = PrivateBus::start(&home);
    let lock = File::open(home.state().join("capsule/lock")).unwrap();
    lock.lock().unwrap();
    let mut service = Service::start(&bus, &home);
    service.wait_for("the service waits until it is free");
    assert_eq!(service.end(), Some(0));
    let counter = std::fs::read_to_string(home.state().join("crashes.json")).unwrap();
    assert!(counter.contains("\"unready_starts_ms\":[]"), "waiting is no crash: {counter}");
}
