//! The world in which most refusals are provoked: repositories, items, a run that goes on and one that has ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_contract::control::Control;
use windlass_contract::request::{AddItem, Init, VerifyCapsule};
use windlass_domain::digest::Digest;
use windlass_domain::id::{ItemId, RunId};
use windlass_domain::item::ItemType;
use windlass_tests::{Gate, Home, Repository, caller, follow, prepare, review};

use crate::Typed;

/// The world.
pub(crate) struct World {
    pub(crate) known: Repository,
    pub(crate) unknown: Repository,
    pub(crate) asks: Repository,
    pub(crate) denies: Repository,
    pub(crate) active: RunId,
    pub(crate) ended: RunId,
    pub(crate) folder: TempDir,
    /// Holds the active run where it is.
    _held: File,
}

/// The id of no run and of no approval.
pub(crate) fn nobody() -> RunId {
    RunId::from_bytes([7; 16])
}

/// A repository whose policy says this to writing.
fn repository(says: &str) -> Repository {
    let rule = |id: &str, capability: &str, verdict: &str| {
        format!("[[rule]]\nid = \"{id}\"\ncapability = \"{capability}\"\nverdict = \"{verdict}\"\n")
    };
    let policy =
        ["version = 1\n".to_owned(), rule("read", "fs.read", "allow"), rule("write", "fs.write", says)]
            .concat();
    Repository::with(&[("README.md", "# It\n"), (".windlass/policy.toml", &policy)])
}

impl World {
    /// Makes it, in this home.
    pub(crate) async fn new(home: &Home, control: &dyn Control) -> Self {
        let gate = Gate::new(home);
        let known = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
        let (asks, denies) = (repository("ask"), repository("deny"));
        prepare(control, &known, &["T-1", "T-2", "T-3"]).await;
        for other in [&asks, &denies] {
            prepare(control, other, &["T-1"]).await;
        }
        let feature = AddItem {
            folder: known.text(),
            item_type: ItemType::Feature,
            id: ItemId::new("F-1").unwrap(),
            title: "Build".to_owned(),
            description: String::new(),
            parent_id: None,
        };
        control.add_item(caller(), feature).await.unwrap();
        let submit = |more: Value| control.submit_run(caller(), review(&known, &more));
        let ended = submit(json!({"id": "T-2", "kind": "research"})).await.unwrap().run_id;
        follow(control, ended).await;
        let active = submit(json!({"dedupe_key": "key"})).await.unwrap().run_id;
        let _held = gate.meet();
        let (unknown, folder) = (Repository::with(&[("README.md", "# It\n")]), TempDir::new().unwrap());
        std::fs::write(folder.path().join("file"), "in the way").unwrap();
        Self { known, unknown, asks, denies, active, ended, folder, _held }
    }

    /// Where something is typed, and its words; `bot run` without a service needs to be told so.
    pub(crate) fn typed(&self, typed: &Typed, alone: bool) -> Option<(&Path, Vec<String>)> {
        let (repository, text) = match typed {
            Typed::Here(text) => (&self.known, *text),
            Typed::InUnknown(text) => (&self.unknown, *text),
            Typed::WhereAsked(text) => (&self.asks, *text),
            Typed::WhereDenied(text) => (&self.denies, *text),
            Typed::OnMachine(_) => return None,
        };
        let words = BTreeMap::from([
            ("{nobody}", nobody().to_string()),
            ("{ended}", self.ended.to_string()),
            ("{folder}", self.folder.path().to_str().unwrap().to_owned()),
        ]);
        let fill =
            |word: &str| words.iter().fold(word.to_owned(), |word, (name, value)| word.replace(name, value));
        let ephemeral = (alone && text.starts_with("bot run")).then_some("--ephemeral");
        let all = text.split(' ').chain(ephemeral).chain(["--json"]);
        Some((repository.path(), all.map(fill).collect()))
    }
}

/// The head of the record: whatever is recorded changes it.
pub(crate) async fn head(control: &dyn Control) -> Digest {
    let verified = control.verify_capsule(VerifyCapsule::default()).await.unwrap();
    assert!(verified.sound, "{verified:?}");
    verified.capsule_head
}

/// Everything below a folder by path and content, but for the record's own files, whose head stands for them.
pub(crate) fn fingerprint(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() && !path.ends_with("windlass/capsule") {
                folders.push(path.clone());
            }
            // A pipe is not read: whoever reads the gate lets go of it.
            let content = if kind.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path.to_str().unwrap().to_owned(), content);
        }
    }
    found
}

/// Makes a repository known in a home where no run is wanted.
pub(crate) async fn known(control: &dyn Control) -> Repository {
    let repository = Repository::with(&[("README.md", "# It\n")]);
    control.init(caller(), Init { folder: repository.text() }).await.unwrap();
    repository
}
