//! The refusals that a caller can provoke, in one world: typed on a bus, asked for over the bus, and typed where no service is.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use windlass_contract::control::Control;
use windlass_contract::error::{ErrorBody, ErrorCode, Fault};
use windlass_contract::request::{
    AnswerApproval, BackupCapsule, CancelRun, EditItem, GetArtifact, ListItems, MoveItem, PersonsAnswer,
    RunRef,
};
use windlass_domain::id::ItemId;
use windlass_domain::item::{ItemChanges, Priority, StateName};
use windlass_tests::{Home, Output, PrivateBus, Repository, caller, review, wait_until_gone};

use crate::case;
use crate::world::{World, fingerprint, head, nobody};

/// The same request over the bus; none for what needs a state of the machine.
async fn asked(code: ErrorCode, control: &dyn Control, world: &World) -> Option<Fault> {
    let item = |text: &str| ItemId::new(text).unwrap();
    let folder = world.known.text();
    let submit = async |repository: &Repository, more: Value| {
        control.submit_run(caller(), review(repository, &more)).await.unwrap_err()
    };
    let here = async |more: Value| submit(&world.known, more).await;
    Some(match code {
        ErrorCode::BadRequest => {
            let changes = ItemChanges { priority: Some(Priority::P0), ..ItemChanges::default() };
            let edit = EditItem { folder, id: item("T-1"), changes };
            control.edit_item(caller(), edit).await.unwrap_err()
        }
        ErrorCode::UnknownWorkspace => {
            let list = ListItems { folder: world.unknown.text(), ..ListItems::default() };
            control.list_items(list).await.unwrap_err()
        }
        ErrorCode::UnknownItem => here(json!({"id": "NONE"})).await,
        ErrorCode::ItemNotEligible => here(json!({"id": "F-1"})).await,
        ErrorCode::IllegalMove => {
            let to = MoveItem { folder, id: item("F-1"), to: StateName::Completed };
            control.move_item(caller(), to).await.unwrap_err()
        }
        ErrorCode::MaieuticIncomplete => here(json!({"id": "T-3", "context": null})).await,
        ErrorCode::CaptureNone => here(json!({"id": "T-3", "capture_mode": "none"})).await,
        ErrorCode::AlreadyActive => here(json!({})).await,
        ErrorCode::DedupeConflict => here(json!({"id": "T-3", "dedupe_key": "key"})).await,
        ErrorCode::UnknownRun => control.show_run(RunRef { run_id: nobody() }).await.unwrap_err(),
        ErrorCode::RunEnded => {
            let cancel = CancelRun { run_id: world.ended, reason: None };
            control.cancel_run(caller(), cancel).await.unwrap_err()
        }
        ErrorCode::UnknownProfile => here(json!({"id": "T-3", "agent_profile": "nobody"})).await,
        ErrorCode::UnknownArtifact => {
            let uri = format!("mv2://{0}/T-1/{0}/artifact/a.json", nobody());
            control.get_artifact(GetArtifact { uri }).await.unwrap_err()
        }
        ErrorCode::UnknownApproval => {
            let answer = AnswerApproval { id: nobody().to_string(), answer: PersonsAnswer::Allow };
            control.answer_approval(caller(), answer).await.unwrap_err()
        }
        ErrorCode::NeedsApproval => submit(&world.asks, json!({"write_mode": "worktree"})).await,
        ErrorCode::PolicyDenied => submit(&world.denies, json!({"write_mode": "worktree"})).await,
        ErrorCode::Io => {
            let folder = world.folder.path().join("file/saved").to_str().unwrap().to_owned();
            control.backup_capsule(BackupCapsule { folder }).await.unwrap_err()
        }
        ErrorCode::Overloaded
        | ErrorCode::CapsuleLocked
        | ErrorCode::CapsuleDamaged
        | ErrorCode::CapsuleNewer
        | ErrorCode::DiskFull
        | ErrorCode::BusUnavailable
        | ErrorCode::WouldPrompt => return None,
    })
}

/// What was said to each code's provocation.
type Said = BTreeMap<ErrorCode, Vec<ErrorBody>>;

/// Types what each code is provoked with.
fn typed(world: &World, alone: bool, run: impl Fn(&Path, &[&str]) -> Output) -> Said {
    let mut said = Said::new();
    for code in ErrorCode::ALL {
        let case = case(code);
        let Some((folder, words)) = world.typed(&case.typed, alone) else { continue };
        let done = run(folder, &words.iter().map(String::as_str).collect::<Vec<_>>());
        said.insert(code, case.of(&done));
    }
    said
}

/// Provokes each through every door: it is refused alike, and nothing is changed.
pub(crate) fn provoke() -> Said {
    Runtime::new().unwrap().block_on(through_every_door())
}

async fn through_every_door() -> Said {
    let home = Home::new();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    let world = World::new(&home, &control).await;
    let places = [home.path(), world.folder.path(), world.known.path(), world.unknown.path()];
    let before = (head(&control).await, places.map(fingerprint));

    let on_the_bus = typed(&world, false, |folder, words| bus.run(&home, folder, words));
    let mut over_the_bus = Said::new();
    for code in ErrorCode::ALL {
        let Some(fault) = asked(code, &control, &world).await else { continue };
        let errors = fault.errors();
        case(code).check(&errors);
        over_the_bus.insert(code, errors);
    }
    assert_eq!(on_the_bus, over_the_bus);
    let active = &on_the_bus[&ErrorCode::AlreadyActive][0].message;
    assert!(active.contains(&world.active.to_string()), "it names the run: {active}");
    assert_eq!((head(&control).await, places.map(fingerprint)), before, "a refusal changes nothing");

    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    bus.end();
    let alone = typed(&world, true, |folder, words| home.run(folder, words));
    assert_eq!(alone, on_the_bus);
    let verified = home.run(world.known.path(), &["capsule", "verify", "--json"]).ok().json();
    assert_eq!(verified["capsule_head"], before.0.to_string(), "a refusal changes nothing");
    alone
}
