//! The read models are what the log makes, whatever was written; and the whole store as text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;

use heed::EnvOpenOptions;
use heed::types::Bytes;
use proptest::prelude::*;

use super::support::*;
use windlass_capsule::{
    Class, Op, RunFilter, VerifyOptions, check_read_models, open_read_only, snapshot, verify,
};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::item::{ItemChanges, ItemCommand, PlanState, StateName};
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{BlockedReason, Outcome, Phase};

/// What a test may ask of the capsule; much of it is refused, depending on what came before.
#[derive(Debug, Clone)]
enum Wish {
    Create { item: u8 },
    Answer { item: u8 },
    Move { item: u8, to: StateName },
    Edit { item: u8 },
    Submit { run: u16, item: u8, research: bool, hold: bool, key: Option<u8>, continues: Option<u16> },
    Commands { run: u16, commands: Vec<Order> },
    Reopen,
}

#[derive(Debug, Clone)]
enum Order {
    Start { epoch: u64 },
    Step { occurrence: u32 },
    Checkpoint { occurrence: u32 },
    Artifact { name: u8, large: bool },
    Phase,
    Cancel,
    End { how: u8 },
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    let order = prop_oneof![
        1 => (1..3_u64).prop_map(|epoch| Order::Start { epoch }),
        3 => (0..3_u32).prop_map(|occurrence| Order::Step { occurrence }),
        3 => (0..3_u32).prop_map(|occurrence| Order::Checkpoint { occurrence }),
        2 => (0..3_u8, any::<bool>()).prop_map(|(name, large)| Order::Artifact { name, large }),
        1 => Just(Order::Phase),
        1 => Just(Order::Cancel),
        2 => (0..3_u8).prop_map(|how| Order::End { how }),
    ];
    prop_oneof![
        1 => Just(vec![Order::Start { epoch: 1 }]),
        2 => prop::collection::vec(order, 1..3),
    ]
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let states = prop::sample::select(vec![
        StateName::Planned,
        StateName::InProgress,
        StateName::NeedsResearch,
        StateName::NeedsReview,
        StateName::Completed,
        StateName::Deprecated,
        StateName::Failed,
        StateName::Open,
    ]);
    let submit = (
        0..6_u16,
        0..4_u8,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..2_u8),
        prop::option::weighted(0.3, 0..6_u16),
    )
        .prop_map(|(run, item, research, hold, key, continues)| Wish::Submit {
            run,
            item,
            research,
            hold,
            key,
            continues,
        });
    let wish = prop_oneof![
        1 => (0..6_u8).prop_map(|item| Wish::Create { item }),
        1 => (0..4_u8).prop_map(|item| Wish::Answer { item }),
        2 => (0..4_u8, states).prop_map(|(item, to)| Wish::Move { item, to }),
        1 => (0..4_u8).prop_map(|item| Wish::Edit { item }),
        4 => submit,
        8 => (0..6_u16, orders()).prop_map(|(run, commands)| Wish::Commands { run, commands }),
        1 => Just(Wish::Reopen),
    ];
    prop::collection::vec(wish, 1..60)
}

/// Items 0 and 1 are features, 2 and 3 tasks, the others projects.
fn name(item: u8) -> String {
    format!(
        "{}-{item}",
        if item < 2 {
            "F"
        } else if item < 4 {
            "T"
        } else {
            "P"
        }
    )
}

fn op(ship: &Ship, wish: &Wish) -> Op {
    let command = |item: u8, command| Op::Item {
        workspace_id: workspace_id(),
        work_item_id: item_id(&name(item)),
        command,
    };
    let by = || "crew".to_owned();
    match wish {
        Wish::Create { item } => Op::CreateItem(Box::new(match item {
            0 | 1 => feature(&name(*item), PlanState::InProgress),
            2 | 3 => task(&name(*item)),
            _ => project(&name(*item)),
        })),
        Wish::Answer { item } => answered(&name(*item)),
        Wish::Move { item, to } => command(*item, ItemCommand::Move { to: *to, by: by() }),
        Wish::Edit { item } => {
            let changes = Box::new(ItemChanges { title: Some("Other".to_owned()), ..ItemChanges::default() });
            command(*item, ItemCommand::Edit { changes, by: by() })
        }
        Wish::Submit { run, item, research, hold, key, continues } => {
            let mut request =
                request(&name(*item), if *research { RunKind::Research } else { RunKind::Review });
            request.trigger.dedupe_key = key.map(|key| key.to_string());
            request.continues = continues.map(run_id);
            let mut asked = submission_of(run_id(*run), request);
            if let Some(before) = continues {
                let found = ship.reader.run(run_id(*before)).unwrap();
                asked.admission.worktree_of = found.map_or(run_id(*before), |run| run.admission.worktree_of);
            }
            asked.context = hold.then(context);
            asked.hold = hold.then(by);
            submit(asked)
        }
        Wish::Commands { run, commands } => {
            let mut blobs = Vec::new();
            let commands = commands.iter().flat_map(|order| orders_of(ship, order, &mut blobs)).collect();
            Op::Run { run_id: run_id(*run), commands, blobs }
        }
        Wish::Reopen => unreachable!("it is no write"),
    }
}

fn orders_of(ship: &Ship, order: &Order, blobs: &mut Vec<windlass_capsule::StagedBlob>) -> Vec<RunCommand> {
    match order {
        Order::Start { epoch } => vec![start(*epoch)],
        Order::Step { occurrence } => {
            vec![begin("look", *occurrence), finish("look", *occurrence, inline("seen"))]
        }
        Order::Checkpoint { occurrence } => vec![checkpoint(*occurrence)],
        Order::Artifact { name, large } => {
            let bytes = vec![*name; if *large { 17_000 } else { 100 }];
            let blob = ship.writer.stage(OUTPUT, CaptureMode::PromptsOnly, bytes).unwrap();
            let path = ArtifactPath::new(format!("a/{name}")).unwrap();
            let media_type = "text/plain".to_owned();
            let artifact =
                Artifact { path, digest: blob.digest(), bytes: blob.bytes(), media_type, class: OUTPUT };
            blobs.push(blob);
            vec![of(1, Act::StoreArtifact(artifact))]
        }
        Order::Phase => vec![of(1, Act::EnterPhase(Phase::Finalize))],
        Order::Cancel => vec![cancel()],
        Order::End { how } => vec![end(
            1,
            match how {
                0 => Outcome::Succeeded,
                1 => Outcome::Cancelled,
                _ => Outcome::Blocked { reason: BlockedReason::PolicyDenied },
            },
        )],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_the_read_models_are_what_the_log_makes(wishes in wishes(), group in 1..6_usize) {
        let mut ship = Ship::new();
        ship.write(Op::RegisterWorkspace(workspace()));
        for item in 0..4 {
            ship.write(op(&ship, &Wish::Create { item }));
            ship.write(op(&ship, &Wish::Answer { item }));
        }
        let (sender, answers) = channel();
        let mut waiting = 0;
        for wish in &wishes {
            if let Wish::Reopen = wish {
                (0..std::mem::take(&mut waiting)).for_each(|_| answers.recv().unwrap());
                let Ship { folder, writer, reader } = ship;
                drop((writer, reader));
                let (writer, reader) = open(folder.path()).unwrap();
                ship = Ship { folder, writer, reader };
                continue;
            }
            let sender = sender.clone();
            let answer = Box::new(move |_| sender.send(()).unwrap());
            ship.writer.write(Class::Durable, op(&ship, wish), answer).unwrap();
            waiting += 1;
            if waiting == group {
                (0..std::mem::take(&mut waiting)).for_each(|_| answers.recv().unwrap());
            }
        }
        (0..waiting).for_each(|_| answers.recv().unwrap());
        prop_assert_eq!(check_read_models(&ship.reader).unwrap(), []);
        let report = verify(&ship.reader, VerifyOptions::default()).unwrap();
        prop_assert_eq!(report.faults, []);
        let page = windlass_capsule::Page { after: None, limit: 500 };
        let runs = ship.reader.runs(&RunFilter::default(), page).unwrap().runs;
        prop_assert_eq!(runs.len() as u64, ship.reader.head().unwrap().runs);
        let active = ship.reader.active_runs().unwrap();
        prop_assert_eq!(runs.iter().filter(|run| run.status.is_active()).count(), active.len());
        let keys: std::collections::BTreeSet<_> =
            active.iter().map(|run| (run.request.work_item_id.clone(), run.request.kind)).collect();
        prop_assert_eq!(keys.len(), active.len(), "two active runs share a key");
    }
}

/// A short story that touches every table.
fn story() -> Ship {
    let ship = Ship::with_task();
    ship.write(Op::CreateItem(Box::new(feature("F-1", PlanState::InProgress))));
    let mut first = request("F-1", RunKind::Review);
    first.trigger.dedupe_key = Some("once".to_owned());
    let mut asked = submission_of(run_id(1), first);
    (asked.context, asked.hold) = (Some(context()), Some("crew".to_owned()));
    ship.write(submit(asked));
    let blob = ship.writer.stage(OUTPUT, CaptureMode::PromptsOnly, b"{\"findings\":[]}".to_vec()).unwrap();
    let artifact = Artifact {
        path: ArtifactPath::new("review/report.json").unwrap(),
        digest: blob.digest(),
        bytes: blob.bytes(),
        media_type: "application/json".to_owned(),
        class: OUTPUT,
    };
    let blocked = Outcome::Blocked { reason: BlockedReason::PolicyDenied };
    let mut commands = vec![start(1), begin("look", 0), finish("look", 0, inline("seen")), checkpoint(0)];
    commands.extend([of(1, Act::StoreArtifact(artifact)), end(1, blocked)]);
    ship.write(Op::Run { run_id: run_id(1), commands, blobs: vec![blob] });
    let mut second = request("F-1", RunKind::Review);
    second.continues = Some(run_id(1));
    let mut asked = submission_of(run_id(2), second);
    asked.admission.worktree_of = run_id(1);
    asked.hold = Some("crew".to_owned());
    ship.write(submit(asked));
    ship.write(act(run_id(2), vec![start(1), ask(1, 4)]));
    ship
}

#[test]
fn the_whole_store_is_shown() {
    insta::assert_snapshot!(snapshot(&story().reader).unwrap());
}

fn sha256sum(text: &str) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut program = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// What the format's description says, with nothing of ours but the printed events.
#[test]
fn the_record_can_be_checked_by_hand() {
    let text = snapshot(&story().reader).unwrap();
    let of_table = |name: &str| -> Vec<serde_json::Value> {
        let lines = text.lines().skip_while(|line| !line.starts_with(&format!("# {name} "))).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('#'));
        lines.map(|line| serde_json::from_str(line.split_once(" = ").unwrap().1).unwrap()).collect()
    };
    let events = of_table("events");
    for event in &events {
        let data = serde_json::json!({"data": event["data"], "type": event["type"]});
        let members = event.as_object().unwrap().iter();
        let mut header: BTreeMap<_, _> =
            members.map(|(name, value)| (name.as_str(), value.clone())).collect();
        header.retain(|name, _| !["data", "type", "hash"].contains(name));
        header.insert("data_digest", sha256sum(&data.to_string()).into());
        assert_eq!(sha256sum(&serde_json::to_string(&header).unwrap()), event["hash"]);
    }
    let mut prev = "0".repeat(64);
    for link in of_table("links") {
        assert_eq!(link["prev"], prev);
        let heads = link["heads"].as_array().unwrap().iter();
        let heads: Vec<_> = heads.map(|head| sha256sum(&head.to_string())).collect();
        let heads_digest = sha256sum(&serde_json::to_string(&heads).unwrap());
        let seal = serde_json::json!({"heads_digest": heads_digest, "prev": prev, "seq": link["seq"]});
        prev = sha256sum(&seal.to_string());
    }
    assert_eq!(of_table("meta")[0]["hash"], prev);
}

/// `fixtures/format-1/store.txt` is the store of the story as format 1 wrote it: table, key and value in hexadecimal.
const KEPT_STORE: &str = include_str!("../../fixtures/format-1/store.txt");

#[expect(unsafe_code, reason = "mapping a file is unsafe; nobody else has this one open")]
fn map(folder: &Path) -> heed::Env {
    let mut options = EnvOpenOptions::new();
    options.max_dbs(24).map_size(16 << 20);
    // SAFETY: the folder is this test's own.
    unsafe { options.open(folder) }.unwrap()
}

fn dump(folder: &Path) -> String {
    let store = map(folder);
    let text = store.open_databases_and_commit(store.read_txn().unwrap(), |opener, txn| {
        let mut text = String::new();
        let main = opener.open_database::<Bytes, Bytes>(txn, None)?.unwrap();
        let names: Vec<_> = main.iter(txn)?.map(|entry| entry.unwrap().0.to_vec()).collect();
        for name in names {
            let name = String::from_utf8(name).unwrap();
            let table = opener.open_database::<Bytes, Bytes>(txn, Some(&name))?.unwrap();
            for entry in table.iter(txn)? {
                let (key, value) = entry?;
                text += &format!("{name} {} {}\n", hex::encode(key), hex::encode(value));
            }
        }
        Ok::<_, heed::Error>(heed::CommitOrAbort::<(), _>::Abort(text))
    });
    store.prepare_for_closing().wait();
    text.unwrap().abort().unwrap()
}

#[test]
fn a_store_is_written_as_format_1_wrote_it() {
    let ship = story();
    ship.writer.close().unwrap();
    let Ship { folder, writer, reader } = ship;
    drop((writer, reader));
    let today = dump(folder.path());
    assert!(
        today == KEPT_STORE,
        "the store changed: raise FORMAT, keep format 1's fixtures and write an upgrade. Today it is:\n{today}"
    );
}

#[test]
fn a_store_of_format_1_is_read_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let store = map(folder.path());
    let mut tables: BTreeMap<&str, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    for line in KEPT_STORE.lines() {
        let [table, key, value] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (key, value) = (hex::decode(key).unwrap(), hex::decode(value).unwrap());
        tables.entry(table).or_default().insert(key, value);
    }
    let written: Result<_, heed::Error> =
        store.create_databases_and_commit(store.write_txn().unwrap(), |opener, txn| {
            for (name, entries) in &tables {
                let table = opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
                for (key, value) in entries {
                    table.put(txn, key, value)?;
                }
            }
            Ok(heed::CommitOrAbort::<_, ()>::Commit(()))
        });
    written.unwrap();
    store.prepare_for_closing().wait();
    std::fs::write(folder.path().join("format.json"), r#"{"format":1,"readable_by":1}"#).unwrap();
    let reader = open_read_only(folder.path()).unwrap();
    let report = verify(&reader, VerifyOptions::default()).unwrap();
    assert_eq!(report.faults, []);
    assert!(report.events > 0 && report.blobs > 0);
    assert_eq!(
        reader
            .runs(&RunFilter::default(), windlass_capsule::Page { after: None, limit: 9 })
            .unwrap()
            .runs
            .len(),
        2
    );
    assert_eq!(reader.blob(Digest::of(b"{\"findings\":[]}")).unwrap(), b"{\"findings\":[]}");
}
