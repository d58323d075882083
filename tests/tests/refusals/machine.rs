//! The refusals that need a state of the machine: another writer, a store that nobody may write, a full disk, no bus, a bus or a
//! service at its limit, nobody to ask. Each is provoked through every door that it can be seen at.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;
use windlass_contract::control::{Control, EventStream};
use windlass_contract::error::{ErrorBody, ErrorCode};
use windlass_contract::request::{AddItem, Init, WatchRun};
use windlass_domain::id::{ItemId, Seq};
use windlass_domain::item::ItemType;
use windlass_tests::{
    Gate, Home, Output, PrivateBus, Repository, binary, caller, prepare, review, wait_until_gone,
};

use crate::case;
use crate::world::known;

const ADD: [&str; 9] = ["item", "add", "--type", "task", "--id", "T-1", "--title", "Look", "--json"];
const RUN: [&str; 11] =
    ["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a", "--json"];

fn add(repository: &Repository) -> AddItem {
    AddItem {
        folder: repository.text(),
        item_type: ItemType::Task,
        id: ItemId::new("T-1").unwrap(),
        title: "Look".to_owned(),
        description: String::new(),
        parent_id: None,
    }
}

/// Makes a repository known, with the item.
fn outfit(home: &Home, repository: &Repository) {
    home.run(repository.path(), &["init"]).ok();
    home.run(repository.path(), &ADD).ok();
}

/// `item intake` would ask, and there is no terminal.
pub(crate) fn nobody_to_ask() -> Vec<ErrorBody> {
    let home = Home::new();
    let case = case(ErrorCode::WouldPrompt);
    let bus = PrivateBus::start(&home);
    let repository = Repository::with(&[("README.md", "# It\n")]);
    let intake = ["item", "intake", "T-1", "--json"];
    let alone = case.of(&home.run(repository.path(), &intake));
    assert_eq!(case.of(&bus.run(&home, repository.path(), &intake)), alone);
    alone
}

/// A run needs a service, and there is no bus.
pub(crate) fn no_bus() -> Vec<ErrorBody> {
    let home = Home::new();
    let repository = Repository::with(&[("README.md", "# It\n")]);
    let mut command = home.windlass(repository.path());
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path().join("none").display()));
    case(ErrorCode::BusUnavailable).of(&Output::of(command.args(RUN)))
}

/// A caller listens to more than a service keeps in mind, and a bus carries no more calls.
pub(crate) fn too_much_at_once() -> Vec<ErrorBody> {
    let home = Home::new();
    let case = case(ErrorCode::Overloaded);
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let refused = Runtime::new().unwrap().block_on(async {
        let control = bus.control().await;
        prepare(&control, &repository, &["T-1"]).await;
        let accepted = control.submit_run(caller(), review(&repository, &Value::Null)).await.unwrap();
        let _held = gate.meet();
        let mut listening: Vec<EventStream> = Vec::new();
        loop {
            match control.watch_run(WatchRun { run_id: accepted.run_id, from: Seq(1) }).await {
                Ok(stream) => listening.push(stream),
                Err(fault) => break fault,
            }
        }
    });
    case.check(&refused.clone().errors());

    let home = Home::new();
    let bus = PrivateBus::start_limited(&home, "max_replies_per_connection", 0);
    let said = case.of(&bus.run(&home, repository.path(), &ADD));
    assert_eq!(case.of(&bus.run(&home, repository.path(), &RUN)), said);
    said
}

/// Another process writes the record; a service stands by.
pub(crate) fn another_writer() -> Vec<ErrorBody> {
    let home = Home::new();
    let case = case(ErrorCode::CapsuleLocked);
    let repository = Repository::with(&[("README.md", "# It\n")]);
    outfit(&home, &repository);
    let lock = File::open(home.state().join("capsule/lock")).unwrap();
    lock.lock().unwrap();
    let alone = case.of(&home.run(repository.path(), &ADD));
    assert_eq!(case.of(&home.run(repository.path(), &[&RUN[..], &["--ephemeral"]].concat())), alone);
    let bus = PrivateBus::start(&home);
    for typed in [&ADD[..], &RUN[..]] {
        case.of(&bus.run(&home, repository.path(), typed));
    }
    let refused = Runtime::new().unwrap().block_on(async {
        let control = bus.control().await;
        let refused = control.add_item(caller(), add(&repository)).await.unwrap_err();
        wait_until_gone(control.service_status().await.unwrap().pid, Signal::TERM);
        refused
    });
    case.check(&refused.errors());
    alone
}

/// A store that no service may write: it does not come up, and who needs no service reads and refuses in its own process.
fn unwritable(code: ErrorCode, spoil: fn(&Path)) -> Vec<ErrorBody> {
    let home = Home::new();
    let (case, unreached) = (case(code), case(ErrorCode::BusUnavailable));
    let repository = Repository::with(&[("README.md", "# It\n")]);
    outfit(&home, &repository);
    let capsule = home.state().join("capsule");
    spoil(&capsule);
    let before = std::fs::read(capsule.join("data.mdb")).unwrap();
    let alone = case.of(&home.run(repository.path(), &ADD));
    assert_eq!(case.of(&home.run(repository.path(), &[&RUN[..], &["--ephemeral"]].concat())), alone);
    let bus = PrivateBus::start(&home);
    assert_eq!(case.of(&bus.run(&home, repository.path(), &ADD)), alone);
    unreached.of(&bus.run(&home, repository.path(), &RUN));
    let refused = Runtime::new().unwrap().block_on(async {
        bus.control().await.init(caller(), Init { folder: repository.text() }).await.unwrap_err()
    });
    unreached.check(&refused.errors());
    assert_eq!(std::fs::read(capsule.join("data.mdb")).unwrap(), before, "a refusal changes nothing");
    alone
}

/// What was noted at the last stop does not fit what is there.
pub(crate) fn damaged() -> Vec<ErrorBody> {
    unwritable(ErrorCode::CapsuleDamaged, |capsule| {
        let clean = std::fs::read_to_string(capsule.join("clean.json")).unwrap();
        let mut head: Value = serde_json::from_str(&clean).unwrap();
        head["cursor"] = 0.into();
        std::fs::write(capsule.join("clean.json"), head.to_string()).unwrap();
    })
}

/// A newer version wrote it.
pub(crate) fn newer() -> Vec<ErrorBody> {
    unwritable(ErrorCode::CapsuleNewer, |capsule| {
        std::fs::write(capsule.join("format.json"), r#"{"format":999,"readable_by":1}"#).unwrap();
    })
}

/// Nothing more fits on the disk.
pub(crate) fn full_disk() -> Vec<ErrorBody> {
    /// The record and its indexes, and not much more.
    const DISK_BYTES: u32 = 4 * 1024 * 1024;
    let home = Home::new();
    let case = case(ErrorCode::DiskFull);
    let bus = PrivateBus::start_on_small_disk(&home, DISK_BYTES);
    let (pid, repository) = Runtime::new().unwrap().block_on(async {
        let control = bus.control().await;
        let repository = known(&control).await;
        fill(&bus, &home);
        let long = AddItem { description: "x".repeat(100_000), ..add(&repository) };
        let refused = control.add_item(caller(), long).await.unwrap_err();
        case.check(&refused.errors());
        (control.service_status().await.unwrap().pid, repository)
    });
    let description = "x".repeat(100_000);
    let long = [&ADD[..], &["--description", &description]].concat();
    let said = case.of(&bus.run(&home, repository.path(), &long));
    let listed = bus.run(&home, repository.path(), &["item", "list", "--json"]).ok().json();
    assert_eq!(listed["items"], serde_json::json!([]), "nothing of it was kept");
    wait_until_gone(pid, Signal::KILL);
    // Whoever finds the disk full may find it so when the record is opened.
    case.of(&beside(&bus, &home, repository.path(), &long));
    said
}

/// Fills the disk that only the bus and its service see.
fn fill(bus: &PrivateBus, home: &Home) {
    let state = home.path().join("state/filler");
    let seen = format!("/proc/{}/root{}", bus.pid(), state.display());
    let mut filler = OpenOptions::new().create(true).append(true).open(seen).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
}

/// Runs the binary to its end without a bus, on the disk that only the bus and its service see.
fn beside(bus: &PrivateBus, home: &Home, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &bus.pid().to_string(), "--user", "--preserve-credentials", "--mount", "--"])
        .args(["env", "--chdir"])
        .arg(folder)
        .arg(binary())
        .args(arguments)
        .envs(home.environment())
        .env_remove("DBUS_SESSION_BUS_ADDRESS");
    Output::of(&mut command)
}
