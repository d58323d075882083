//! Real runs of a real tree of actors, through the door.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use tempfile::TempDir;
use windlass_actors::{CHECKPOINT_EVERY, Config, Folders, Local, Recover, Runtime, StoreCheck};
use windlass_contract::Control;
use windlass_contract::request::{
    AddItem, Caller, GetArtifact, Init, ReadEvents, RunRef, SubmitRun, WatchRun,
};
use windlass_contract::view::Accepted;
use windlass_dbus::{
    Activity, BUS_NAME, BusControl, MANAGER_INTERFACE, MANAGER_PATH, RUN_INTERFACE, Served, run_path, serve,
};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::Seq;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::Door;
use windlass_process::Launcher;
use zbus::fdo::PropertiesProxy;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant};

use crate::support::PrivateBus;

/// The service on a bus of its own, with a repository that it knows and a task in it. Nothing here starts a child process.
struct Service {
    bus: PrivateBus,
    local: Local,
    served: Served,
    client: BusControl,
    folder: TempDir,
    _runtime: Runtime,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let folders = Folders::new(place("state"), place("cache"), place("config"), place("home"));
        let launcher = Launcher::Direct { program: place("no-such-program"), args: Vec::new() };
        // Nothing is in doubt in a folder that is empty.
        let check = StoreCheck::new(place("no-such-program"), Vec::new());
        let checkpoint_every = CHECKPOINT_EVERY;
        let config = Config { folders, launcher, check, recover: Recover::All, checkpoint_every };
        let runtime = windlass_actors::start(config).await.unwrap();
        let bus = PrivateBus::start();
        let local = runtime.control();
        let served = serve(Arc::new(local.clone()), &bus.bus()).await.unwrap();
        let client = BusControl::connect(&bus.bus()).await.unwrap();
        let service = Self { bus, local, served, client, folder, _runtime: runtime };
        repository(&service.folder.path().join("repository"));
        service.client.init(cli(), Init { folder: service.repository() }).await.unwrap();
        service
    }

    fn repository(&self) -> String {
        self.folder.path().join("repository").to_str().unwrap().to_owned()
    }

    async fn submit(&self, item: &str) -> Accepted {
        let item: AddItem = serde_json::from_value(serde_json::json!({
            "folder": self.repository(), "type": "task", "id": item, "title": "Look at it",
        }))
        .unwrap();
        let submission: SubmitRun = serde_json::from_value(serde_json::json!({
            "folder": item.folder, "id": item.id, "kind": "review", "headless": true,
            "context": {
                "goal": "know", "mode": "flags", "answered_at": "2026-11-20T12:00:00Z", "answered_by": "ada",
                "acceptance_criteria": [{"text": "it is known", "how_verified": "read it"}],
            },
        }))
        .unwrap();
        self.client.add_item(cli(), item).await.unwrap();
        self.client.submit_run(cli(), submission).await.unwrap()
    }

    async fn events(&self, run: &Accepted) -> Vec<Event> {
        let watch = WatchRun { run_id: run.run_id, from: Seq(1) };
        self.client.watch_run(watch).await.unwrap().try_collect().await.unwrap()
    }
}

/// Runs a test against a service of its own. A test that fails leaves the actors as a killed process would, without waiting for
/// them.
fn with_service(test: impl AsyncFnOnce(Service)) {
    struct Background(Option<tokio::runtime::Runtime>);
    impl Drop for Background {
        fn drop(&mut self) {
            if let Some(runtime) = self.0.take() {
                runtime.shutdown_background();
            }
        }
    }
    let background = Background(Some(tokio::runtime::Runtime::new().unwrap()));
    background.0.as_ref().unwrap().block_on(async { test(Service::start().await).await });
}

fn cli() -> Caller {
    Caller { name: "the bus knows better".to_owned(), door: Door::Cli }
}

/// A repository of one commit.
fn repository(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("README"), "a\n").unwrap();
    let commit = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "commit",
        "--quiet",
        "--no-gpg-sign",
        "-m",
        "a",
    ];
    for arguments in [&["init", "--quiet"][..], &["add", "."], &commit] {
        let mut git = Command::new("git");
        git.current_dir(folder)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(git.status().unwrap().success());
    }
}

async fn call<R: serde::de::DeserializeOwned + zbus::Type>(
    wire: &Connection,
    method: &str,
    arguments: &(impl serde::Serialize + zbus::DynamicType),
) -> R {
    let reply =
        wire.call_method(Some(BUS_NAME), MANAGER_PATH, Some(MANAGER_INTERFACE), method, arguments).await;
    reply.unwrap().body().deserialize().unwrap()
}

async fn signals(wire: &Connection, interface: &str, member: &str) -> MessageStream {
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(interface).member(member).build();
    MessageStream::for_match_rule(rule.unwrap(), wire, None).await.unwrap()
}

#[test]
fn a_watched_run_gives_the_recorded_events_with_their_hashes() {
    with_service(async |service| {
        let run = service.submit("T-1").await;
        let watched = service.events(&run).await;
        let recorded = service.local.read_events(ReadEvents { run_id: run.run_id, from: Seq(1), limit: 0 });
        assert_eq!(watched, recorded.await.unwrap().events);
        for event in &watched {
            assert_eq!(event.hash_of().unwrap(), event.hash);
        }
        assert!(matches!(watched.last().unwrap().data, EventData::Run(RunEvent::Ended { .. })));
        // Asked for from behind its end, an ended run gives nothing and does not keep its caller waiting.
        let behind = WatchRun { run_id: run.run_id, from: Seq(1000) };
        assert!(service.client.watch_run(behind).await.unwrap().next().await.is_none());
    });
}

#[test]
fn the_door_that_a_caller_names_is_recorded_and_else_it_is_the_bus() {
    with_service(async |service| {
        let run = service.submit("T-1").await;
        service.events(&run).await;
        let wire = service.bus.wire().await;
        // The same item again, now with the answers that it keeps.
        let options = BTreeMap::from([("headless", OwnedVariant::from(true))]);
        let body = (service.repository(), "T-1", "review", options);
        let again: (String, OwnedObjectPath, bool, u32, Vec<String>) = call(&wire, "Submit", &body).await;
        let door =
            async |run_id| service.local.show_run(RunRef { run_id }).await.unwrap().request.trigger.source;
        assert_eq!(door(run.run_id).await, Door::Cli);
        let run_id = again.0.parse().unwrap();
        assert_eq!(door(run_id).await, Door::Dbus);
        assert_eq!(again.1.as_str(), run_path(run_id));
    });
}

#[test]
fn a_run_is_an_object_whose_last_change_is_told_and_kept() {
    with_service(async |service| {
        let wire = service.bus.wire().await;
        let mut shown = signals(&wire, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded").await;
        let mut changes = signals(&wire, "org.freedesktop.DBus.Properties", "PropertiesChanged").await;
        let run = service.submit("T-1").await;
        let path = run_path(run.run_id);
        let last = service.events(&run).await.pop().unwrap();
        let expected = service.local.show_run(RunRef { run_id: run.run_id }).await.unwrap();
        let shown = shown.next().await.unwrap().unwrap().body();
        let (object, mut interfaces): (ObjectPath<'_>, BTreeMap<String, BTreeMap<String, OwnedVariant>>) =
            shown.deserialize().unwrap();
        assert_eq!(object.as_str(), path);
        // A short run may be over before it is shown; what is told then is what it is shown with.
        let mut told = interfaces.remove(RUN_INTERFACE).unwrap();
        while told["Status"] != OwnedVariant::from(zbus::Str::from(expected.row.status.word())) {
            let change = changes.next().await.unwrap().unwrap();
            assert_eq!(change.header().path().unwrap().as_str(), path);
            let body = change.body();
            let (_interface, changed, _invalidated): (&str, BTreeMap<String, OwnedVariant>, Vec<&str>) =
                body.deserialize().unwrap();
            told.extend(changed);
        }
        assert_eq!(told["LastSeq"], OwnedVariant::from(last.seq.0));
        let object = PropertiesProxy::builder(&wire).destination(BUS_NAME).path(path).build();
        let kept = object.await.unwrap().get_all(RUN_INTERFACE.try_into().unwrap()).await.unwrap();
        assert_eq!(kept.into_iter().collect::<BTreeMap<_, _>>(), told);
    });
}

#[test]
fn a_subscriber_counts_until_it_unsubscribes_or_leaves_the_bus() {
    with_service(async |service| {
        let run = service.submit("T-1").await;
        service.events(&run).await;
        let id = (run.run_id.to_string(),);
        let mut activity = service.served.activity();
        let (polite, rude) = (service.bus.wire().await, service.bus.wire().await);
        for wire in [&polite, &polite, &rude] {
            call::<()>(wire, "Subscribe", &id).await;
        }
        activity.wait_for(|activity| activity.subscribers == 2).await.unwrap();
        call::<()>(&polite, "Unsubscribe", &id).await;
        assert_eq!(activity.borrow_and_update().subscribers, 2, "it had subscribed twice");
        rude.close().await.unwrap();
        activity.wait_for(|activity| activity.subscribers == 1).await.unwrap();
        call::<()>(&polite, "Unsubscribe", &id).await;
        activity.wait_for(Activity::is_idle).await.unwrap();
    });
}

#[test]
fn artifacts_come_as_bytes_and_documents_as_values() {
    with_service(async |service| {
        let run = service.submit("T-1").await;
        service.events(&run).await;
        let view = service.local.show_run(RunRef { run_id: run.run_id }).await.unwrap();
        assert!(!view.artifacts.is_empty());
        let wire = service.bus.wire().await;
        for artifact in view.artifacts {
            let uri = artifact.uri.to_string();
            let request = GetArtifact { uri: uri.clone() };
            let direct = service.local.get_artifact(request.clone()).await.unwrap();
            assert_eq!(service.client.get_artifact(request).await.unwrap(), direct, "{uri}");
            if direct.media_type == "application/json" {
                let stored: BTreeMap<String, serde_json::Value> =
                    serde_json::from_slice(&direct.bytes).unwrap();
                let document: BTreeMap<String, OwnedVariant> = call(&wire, "ReadDocument", &(uri,)).await;
                assert_eq!(document.keys().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>());
                let version = String::try_from(document["schema_version"].clone()).unwrap();
                assert_eq!(version, stored["schema_version"]);
            }
        }
    });
}
