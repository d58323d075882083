//! The interfaces as a peer sees them, over a socket pair: the objects are real, and so is the `Control` behind them, which is the
//! bus's client with nobody at its other end.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio::sync::watch;
use windlass_contract::request::{
    Caller, CancelRun, GetArtifact, ItemRef, ReadEvents, RunRef, ShowPolicy, VerifyCapsule,
};
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::request::Door;
use zbus::connection::Builder;
use zbus::fdo::{IntrospectableProxy, PropertiesProxy};
use zbus::{DynamicType, Guid, OwnedVariant, Variant};

use super::*;
use crate::client::BusControl;
use crate::names::{MANAGER_INTERFACE, RUN_INTERFACE, run_path};
use crate::samples;
use run_object::{RunFacts, RunObject};

/// Two ends of one connection.
async fn pair(serve: impl FnOnce(Builder<'static>) -> Builder<'static>) -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().unwrap();
    let server = serve(Builder::unix_stream(near).server(Guid::generate()).p2p()).build();
    let client = Builder::unix_stream(far).p2p().build();
    let (server, client) = tokio::join!(server, client);
    (server.unwrap(), client.unwrap())
}

/// A `Control` whose service is gone.
async fn gone() -> BusControl {
    let (server, client) = pair(|builder| builder).await;
    server.close().await.unwrap();
    client.closed().await;
    BusControl::over(client)
}

/// The objects, and a connection to them.
struct Peer {
    _server: Connection,
    client: Connection,
    gone: BusControl,
    facts: RunFacts,
}

impl Peer {
    async fn new() -> Self {
        let gone = gone().await;
        let (registry, _nobody) = Registry::new();
        let desk = Desk {
            control: Arc::new(gone.clone()),
            callers: Arc::default(),
            meter: activity::Meter::default(),
            registry,
        };
        let view = samples::run_view().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let facts = RunFacts::of(&view);
        let run = RunObject { desk: desk.clone(), facts: watch::channel(facts.clone()).1 };
        let path = run_path(facts.run_id);
        let (server, client) =
            pair(|builder| builder.serve_at(MANAGER_PATH, Manager { desk }).serve_at(path, run)).await;
        Self { _server: server, client, gone, facts }
    }

    async fn call<B: serde::Serialize + DynamicType>(&self, method: &str, arguments: &B) -> Fault {
        let called =
            self.client.call_method(None::<&str>, MANAGER_PATH, Some(MANAGER_INTERFACE), method, arguments);
        crate::fault::from_bus(&called.await.unwrap_err())
    }

    async fn introspect(&self, path: &str, interface: &str) -> String {
        let proxy = IntrospectableProxy::builder(&self.client).destination(BUS_NAME).path(path.to_owned());
        let xml = proxy.build().await.unwrap().introspect().await.unwrap();
        let start = xml.find(&format!("  <interface name=\"{interface}\">")).unwrap();
        let end = "  </interface>\n";
        let len = xml[start..].find(end).unwrap() + end.len();
        format!("<node>\n{}</node>\n", &xml[start..start + len])
    }
}

#[tokio::test]
async fn the_interfaces_are_what_is_published() {
    let peer = Peer::new().await;
    for (path, interface) in
        [(MANAGER_PATH.to_owned(), MANAGER_INTERFACE), (run_path(peer.facts.run_id), RUN_INTERFACE)]
    {
        let live = peer.introspect(&path, interface).await;
        let file = format!("{}/introspection/{interface}.xml", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("WINDLASS_WRITE_INTROSPECTION").is_some() {
            std::fs::write(&file, &live).unwrap();
        }
        let published = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            live, published,
            "{file} is out of date; write it anew with WINDLASS_WRITE_INTROSPECTION=1"
        );
    }
}

/// Asserts that an operation gives the same fault through the objects as from the `Control` behind them: its arguments were
/// understood, and the fault came back whole.
macro_rules! same {
    ($peer:ident, $operation:ident, $($argument:expr),*) => {{
        let near = BusControl::over($peer.client.clone());
        let expected = $peer.gone.$operation($($argument),*).await.unwrap_err();
        assert_eq!(expected.code(), ErrorCode::BusUnavailable);
        assert!(!expected.first().hints.is_empty());
        assert_eq!(near.$operation($($argument),*).await.unwrap_err(), expected, stringify!($operation));
    }};
}

#[tokio::test]
async fn every_operation_reaches_control_and_its_fault_comes_back_whole() {
    let peer = Peer::new().await;
    let caller = || Caller { name: "somebody".to_owned(), door: Door::Cli };
    let run_id = RunId::from_bytes([1; 16]);
    let read = |value: serde_json::Value| value;
    macro_rules! request {
        ($($json:tt)+) => { serde_json::from_value(read(json!($($json)+))).unwrap() };
    }
    same!(peer, init, caller(), request!({"folder": "/a"}));
    same!(
        peer,
        add_item,
        caller(),
        request!({"folder": "/a", "id": "T-1", "type": "task", "title": "b", "parent_id": "P"})
    );
    same!(peer, list_items, request!({"folder": "/a", "type": "spec", "active": true}));
    same!(peer, show_item, ItemRef { folder: "/a".to_owned(), id: request!("T-1") });
    same!(peer, edit_item, caller(), request!({"folder": "/a", "id": "T-1", "changes": {"title": "c"}}));
    same!(peer, move_item, caller(), request!({"folder": "/a", "id": "T-1", "to": "planned"}));
    same!(peer, hold_item, caller(), request!({"folder": "/a", "id": "T-1", "kind": "review"}));
    let context = json!({"goal": "g", "acceptance_criteria": [{"text": "t"}], "mode": "flags",
        "answered_at": "2026-11-20T12:00:00Z", "answered_by": "ada"});
    same!(peer, answer_context, caller(), request!({"folder": "/a", "id": "T-1", "context": context}));
    let budget = json!({"max_turns": 3});
    same!(
        peer,
        submit_run,
        caller(),
        request!({"folder": "/a", "id": "T-1", "kind": "review", "scopes": ["security"],
        "budget": budget, "context": context, "headless": true, "dedupe_key": "k"})
    );
    same!(peer, show_run, RunRef { run_id });
    same!(peer, list_runs, request!({"folder": "/a", "statuses": ["queued"], "limit": 3, "after": "x"}));
    same!(peer, cancel_run, caller(), CancelRun { run_id, reason: Some("enough".to_owned()) });
    same!(peer, read_events, ReadEvents { run_id, from: Seq(3), limit: 4 });
    same!(peer, get_artifact, GetArtifact { uri: "mv2://a".to_owned() });
    same!(peer, verify_capsule, VerifyCapsule { head: Some("abc".to_owned()) });
    same!(peer, show_policy, ShowPolicy { folder: Some("/a".to_owned()) });
    same!(peer, service_status,);
}

#[tokio::test]
async fn what_is_no_option_is_refused_by_name() {
    let peer = Peer::new().await;
    let submit = async |name: &str, value: Variant<'static>| {
        let options = BTreeMap::from([(name.to_owned(), value)]);
        let fault = peer.call("Submit", &("/a", "T-1", "review", options)).await;
        (fault.code(), fault.first().message.clone())
    };
    for (name, value, expected) in [
        ("colour", Variant::from("red"), "unknown field `colour`"),
        ("folder", Variant::from("/b"), "`folder` is an argument of its own"),
        ("hold", Variant::from("yes"), "expected a boolean"),
        ("budget", Variant::new((1_u8,)), "`budget` has the D-Bus type `(y)`"),
        ("door", Variant::from("runtime"), "option `door` is `runtime`"),
    ] {
        let (code, message) = submit(name, value).await;
        assert_eq!(code, ErrorCode::BadRequest, "{name}: {message}");
        assert!(message.contains(expected), "{name}: {message}");
    }
    let fault = peer.call("ShowRun", &("seven",)).await;
    assert_eq!(
        (fault.code(), fault.first().message.as_str()),
        (ErrorCode::BadRequest, "`run_id`: `seven` is not a UUID")
    );
}

#[tokio::test]
async fn a_runs_properties_say_what_its_view_says_and_each_that_can_change_is_told() {
    let peer = Peer::new().await;
    let path = run_path(peer.facts.run_id);
    let proxy = PropertiesProxy::builder(&peer.client).destination(BUS_NAME).path(path.clone()).build();
    let all = proxy.await.unwrap().get_all(RUN_INTERFACE.try_into().unwrap()).await.unwrap();
    assert_eq!(String::try_from(all["RunId"].clone()).unwrap(), peer.facts.run_id.to_string());
    assert_eq!(u64::try_from(all["LastSeq"].clone()).unwrap(), peer.facts.last_seq.0);

    let xml = peer.introspect(&path, RUN_INTERFACE).await;
    let constant = |name: &String| {
        let property = &xml[xml.find(&format!("<property name=\"{name}\"")).unwrap()..];
        let head = property.lines().next().unwrap();
        !head.ends_with("/>") && property.lines().nth(1).unwrap().contains("value=\"const\"")
    };
    let told: BTreeMap<_, _> = peer
        .facts
        .changing()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), OwnedVariant::try_from(value).unwrap()))
        .collect();
    let can_change: BTreeMap<_, _> = all.into_iter().filter(|(name, _)| !constant(name)).collect();
    assert_eq!(told, can_change);
}

#[test]
fn only_what_differs_is_told() {
    let mut runner = TestRunner::deterministic();
    let mut view = samples::run_view().new_tree(&mut runner).unwrap().current();
    let before = RunFacts::of(&view);
    assert_eq!(RunFacts::of(&view).changed_since(&before), []);
    view.last_seq = Seq(view.last_seq.0.wrapping_add(1));
    view.cancelling = !view.cancelling;
    let now = RunFacts::of(&view);
    let changed = now.changed_since(&before);
    let names: Vec<_> = changed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Cancelling", "LastSeq"]);
    assert_eq!(changed[1].1, Variant::from(view.last_seq.0));
}

#[tokio::test]
async fn a_caller_is_the_user_that_its_connection_belongs_to() {
    let (server, _client) = pair(|builder| builder).await;
    let call = zbus::Message::method_call("/", "Test").build(&()).unwrap();
    let mut options = BTreeMap::from([("door".to_owned(), OwnedVariant::from(zbus::Str::from("tui")))]);
    let caller = caller::Callers::default().identify(&server, &call.header(), &mut options).await.unwrap();
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    assert_eq!(caller.name, String::from_utf8(id.stdout).unwrap().trim());
    assert_eq!(caller.door, Door::Tui);
    assert!(options.is_empty());
}
