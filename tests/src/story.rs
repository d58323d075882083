//! The steps that most stories share, asked for through [`Control`] as any caller asks.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use futures::TryStreamExt as _;
use serde_json::{Value, json};
use windlass_contract::control::Control;
use windlass_contract::request::{AddItem, Caller, GetArtifact, Init, RunRef, SubmitRun, WatchRun};
use windlass_contract::schema::schemas;
use windlass_contract::view::RunView;
use windlass_domain::event::Event;
use windlass_domain::id::{ItemId, RunId, Seq};
use windlass_domain::item::ItemType;
use windlass_domain::run::request::Door;

use crate::repository::Repository;

/// Whoever asks in a story.
#[must_use]
pub fn caller() -> Caller {
    Caller { name: "somebody".to_owned(), door: Door::Dbus }
}

/// Makes a repository known, with a task of each of these ids.
///
/// # Panics
/// It is refused.
pub async fn prepare(control: &dyn Control, repository: &Repository, items: &[&str]) {
    let folder = repository.text();
    control.init(caller(), Init { folder: folder.clone() }).await.expect("a repository can be made known");
    for item in items {
        let item = AddItem {
            folder: folder.clone(),
            item_type: ItemType::Task,
            id: ItemId::new(*item).expect("stories name items well"),
            title: "Something".to_owned(),
            description: String::new(),
            parent_id: None,
        };
        control.add_item(caller(), item).await.expect("an item can be added");
    }
}

/// A request for a review of `T-1` with complete answers, and what else is given, by the names of [`SubmitRun`].
///
/// # Panics
/// There is no such field.
#[must_use]
pub fn review(repository: &Repository, more: &Value) -> SubmitRun {
    let context = json!({
        "goal": "look", "mode": "flags", "answered_at": "2026-01-01T00:00:00Z", "answered_by": "somebody",
        "acceptance_criteria": [{"text": "it is so", "how_verified": "a look"}],
    });
    let mut request = json!({
        "folder": repository.text(), "id": "T-1", "kind": "review", "headless": true, "context": context,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    serde_json::from_value(request).unwrap_or_else(|error| panic!("no request ({error}): {more}"))
}

/// Follows a run to its end.
///
/// # Panics
/// The stream breaks.
pub async fn follow(control: &dyn Control, run_id: RunId) -> Vec<Event> {
    let watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.expect("a run can be watched");
    watched.try_collect().await.expect("the stream does not break")
}

/// A run as it stands.
///
/// # Panics
/// There is none.
pub async fn show(control: &dyn Control, run_id: RunId) -> RunView {
    control.show_run(RunRef { run_id }).await.expect("a run can be shown")
}

/// That the journal of a run that has ended gives the stored bytes of each of its artifacts.
///
/// # Panics
/// It gives others, or the run cannot be replayed.
pub async fn assert_replays(control: &dyn Control, run_id: RunId) {
    let replayed = control.replay_run(RunRef { run_id }).await;
    let replayed = replayed.unwrap_or_else(|fault| panic!("the run cannot be replayed: {fault:?}"));
    let run = show(control, run_id).await;
    let stored: Vec<_> = run.artifacts.iter().map(|artifact| artifact.artifact.path.clone()).collect();
    let replayed_paths: Vec<_> = replayed.artifacts.iter().map(|artifact| artifact.path.clone()).collect();
    assert_eq!(replayed_paths, stored, "{replayed:?}");
    assert!(replayed.same, "{replayed:?}");
}

/// The bytes of a run's artifact; none where it stored none of this path.
///
/// # Panics
/// It is listed and cannot be read.
pub async fn artifact(control: &dyn Control, run: &RunView, path: &str) -> Option<Vec<u8>> {
    let found = run.artifacts.iter().find(|artifact| artifact.artifact.path.as_str() == path)?;
    let request = GetArtifact { uri: found.uri.to_string() };
    Some(control.get_artifact(request).await.expect("what is listed can be read").bytes)
}

/// A run's artifact as a document that fits its published schema.
///
/// # Panics
/// There is none, or it does not fit.
pub async fn document(control: &dyn Control, run: &RunView, path: &str) -> Value {
    let bytes = artifact(control, run, path).await;
    let bytes = bytes.unwrap_or_else(|| panic!("no {path} in {:?}", run.artifacts));
    let document =
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path} is no JSON: {error}"));
    check_schema(&document);
    document
}

/// Checks a document against the published schema that its header names.
///
/// # Panics
/// It does not fit.
pub fn check_schema(document: &Value) {
    let version = document["schema_version"].as_str().unwrap_or_else(|| panic!("no header: {document}"));
    check_schema_of(version.split('@').next().unwrap_or_default(), document);
}

/// Checks a value that has no header, as an event has none, against the published schema of this name.
///
/// # Panics
/// It does not fit.
pub fn check_schema_of(name: &str, document: &Value) {
    static SCHEMAS: OnceLock<BTreeMap<&str, jsonschema::Validator>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let compiled = schemas().into_iter().map(|(name, schema)| {
            let validator =
                jsonschema::validator_for(schema.as_value()).expect("published schemas are schemas");
            (name, validator)
        });
        compiled.collect()
    });
    let schema = schemas.get(name).unwrap_or_else(|| panic!("{name} is not published"));
    let wrong: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:?} in {document}");
}
