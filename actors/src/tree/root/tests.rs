//! An actor of the trio ends: the tree is built anew, with the runs that go on in this process and no others.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures::TryStreamExt as _;
use serde_json::json;
use tempfile::TempDir;
use windlass_contract::control::Control as _;
use windlass_contract::request::{
    AddItem, AnswerApproval, Caller, Init, PersonsAnswer, RunRef, SubmitRun, WatchRun,
};
use windlass_domain::event::EventData;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::item::ItemType;
use windlass_domain::run::RunStatus;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::Door;
use windlass_process::Launcher;

use crate::{CHECKPOINT_EVERY, Config, Folders, Local, Recover, Runtime, StoreCheck, start};

/// Every command is asked about, so that no run of these tests comes to start one.
const ASKS: &str = "version = 1\n\
    [[rule]]\nid = \"read\"\ncapability = \"fs.read\"\nverdict = \"allow\"\n\
    [[rule]]\nid = \"write\"\ncapability = \"fs.write\"\nverdict = \"allow\"\n\
    [[rule]]\nid = \"tools\"\ncapability = \"tool.run\"\nverdict = \"ask\"\n";

/// A repository with a check, and a home beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::with_prefix("windlass-tree-").unwrap());
        let write = |path: PathBuf, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(place.at("config/policy.toml"), ASKS);
        write(place.at("repository/.windlass/checks.toml"), "[[check]]\nname = \"c\"\nargv = [\"true\"]\n");
        for arguments in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "-m", "first"]]
        {
            git(&place.at("repository"), arguments);
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn folder(&self) -> String {
        self.at("repository").to_str().unwrap().to_owned()
    }

    async fn start(&self, recover: Recover) -> Runtime {
        let folders = Folders::new(self.at("state"), self.at("cache"), self.at("config"), self.at("home"));
        let launcher = Launcher::Direct { program: self.at("no-such-program"), args: Vec::new() };
        // Nothing is in doubt in a folder that is empty.
        let check = StoreCheck::new(self.at("no-such-program"), Vec::new());
        start(Config { folders, launcher, check, recover, checkpoint_every: CHECKPOINT_EVERY }).await.unwrap()
    }

    async fn submit(&self, control: &Local, item: &str) -> RunId {
        let id = item.parse().unwrap();
        let (title, description) = ("Look".to_owned(), String::new());
        let item_type = ItemType::Task;
        let item = AddItem { folder: self.folder(), item_type, id, title, description, parent_id: None };
        let id = control.add_item(caller(), item).await.unwrap().item.id;
        let request: SubmitRun = serde_json::from_value(json!({
            "folder": self.folder(), "id": id, "kind": "review", "context": {
                "goal": "look", "mode": "flags", "answered_at": "2026-01-01T00:00:00Z", "answered_by": "kim",
                "acceptance_criteria": [{"text": "it is so", "how_verified": "a look"}],
            },
        }))
        .unwrap();
        control.submit_run(caller(), request).await.unwrap().run_id
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Kim", "-c", "user.email=kim@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
        .status();
    assert!(status.unwrap().success(), "git {arguments:?}");
}

fn caller() -> Caller {
    Caller { name: "kim".to_owned(), door: Door::Cli }
}

/// Follows a run from its first event until one that fits.
async fn until(control: &Local, run_id: RunId, fits: fn(&RunEvent) -> bool) {
    let mut watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    while let Some(event) = watched.try_next().await.unwrap() {
        if matches!(&event.data, EventData::Run(event) if fits(event)) {
            return;
        }
    }
    panic!("run {run_id} ended before that");
}

async fn status(control: &Local, run_id: RunId) -> RunStatus {
    control.show_run(RunRef { run_id }).await.unwrap().row.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_leaves_the_runs_of_others_alone_does_so_after_an_actor_s_end_too() {
    let place = Place::new();
    let before = place.start(Recover::Paused).await;
    before.control().init(caller(), Init { folder: place.folder() }).await.unwrap();
    let others = place.submit(&before.control(), "T-1").await;
    before.stop().await;

    let runtime = place.start(Recover::None).await;
    let control = runtime.control();
    let own = place.submit(&control, "T-2").await;
    until(&control, own, |event| matches!(event, RunEvent::ApprovalAsked { .. })).await;
    let tree = control.shared.tree().await.unwrap();
    tree.lock.stop(None);
    let mut built = control.shared.tree.subscribe();
    let anew = built.wait_for(|now| now.as_ref().is_some_and(|now| now.lock.get_id() != tree.lock.get_id()));
    drop(anew.await.unwrap());
    until(&control, own, |event| matches!(event, RunEvent::AttemptLost { .. })).await;
    let deny = AnswerApproval { id: own.to_string(), answer: PersonsAnswer::Deny };
    control.answer_approval(caller(), deny).await.unwrap();
    until(&control, own, |event| matches!(event, RunEvent::Ended { .. })).await;
    assert_eq!(status(&control, own).await, RunStatus::Blocked);
    assert_eq!(status(&control, others).await, RunStatus::Queued, "nobody asked for it here");
    runtime.stop().await;
}
