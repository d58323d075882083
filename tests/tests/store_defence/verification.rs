//! The full verification after an unclean stop.

use std::fs;

use serde_json::Value;
use windlass_contract::view::StoreVerification;
use windlass_contract::{Control as _, ErrorCode};
use windlass_tests::PrivateBus;

use crate::wreck::{Wreck, blobs};

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unclean_stop_the_whole_record_is_verified_while_the_service_answers() {
    let wreck = Wreck::new().await;
    let state = wreck.state("killed");
    let bus = PrivateBus::start(&wreck.home);
    let mut service = state.service(&bus);
    assert_eq!(service.wait_for(&["the whole record was verified"]), Some(0));
    let control = bus.control().await;
    assert_eq!(control.service_status().await.unwrap().verification, StoreVerification::Verified);
    assert!(!state.capsule("verification.json").exists(), "what is over is not due");
    assert_eq!(service.leave(), Some(0));

    let mut service = state.service(&bus);
    assert_eq!(service.wait_for(&["the service is ready"]), Some(0));
    let control = bus.control().await;
    assert_eq!(control.service_status().await.unwrap().verification, StoreVerification::NotNeeded);
    assert_eq!(service.leave(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_outlives_the_commands_and_clean_stops_that_come_before_a_service() {
    let wreck = Wreck::new().await;
    let state = wreck.state("killed");
    state.run(&["item", "add", "--type", "task", "--id", "T-9", "--title", "More"]).ok();
    assert!(state.capsule("clean.json").exists() && state.capsule("verification.json").exists());
    let status = state.run(&["bot", "status", "--json"]).ok().json();
    assert_eq!(status["service"]["verification"]["state"], "due", "{status}");
    let bus = PrivateBus::start(&wreck.home);
    let mut service = state.service(&bus);
    assert_eq!(service.wait_for(&["the whole record was verified"]), Some(0));
    assert_eq!(service.leave(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_only_the_full_verification_sees_ends_the_service_for_good_until_it_is_mended() {
    let wreck = Wreck::new().await;
    let state = wreck.state("damaged");
    // The bytes of a blob of a run that ended long ago: no start reads them.
    let blob = blobs(&state.folder.join("capsule")).remove(0);
    let sound = fs::read(&blob).unwrap();
    let mut bytes = sound.clone();
    bytes[0] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let bus = PrivateBus::start(&wreck.home);
    let mut service = state.service(&bus);
    assert_eq!(service.wait_for(&["the service is ready"]), Some(0), "a start looks at what must be quick");
    let (code, log) = service.ended();
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("full verification") && log.contains("was changed"), "{log}");

    let (code, log) = state.service(&bus).ended();
    assert_eq!(code, Some(78), "{log}");
    let refused = state.run(&["item", "add", "--type", "task", "--id", "T-9", "--title", "More", "--json"]);
    assert_eq!((refused.code, refused.error_codes()), (3, vec!["capsule_damaged".to_owned()]));
    let listed = state.run(&["item", "list", "--json"]).ok();
    let damage = listed.json()["unserved"]["damage"].clone();
    assert!(damage.as_str().is_some_and(|damage| damage.contains("was changed")), "{damage}");
    assert!(listed.stderr.contains("warning: the capsule is damaged"), "{}", listed.stderr);

    fs::write(&blob, sound).unwrap();
    let mut service = state.service(&bus);
    assert_eq!(
        service.wait_for(&["the service is ready"]),
        Some(0),
        "mended, and verified before it was opened"
    );
    assert_eq!(service.leave(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_named_and_the_others_are_shown() {
    let wreck = Wreck::new().await;
    let state = wreck.state("row");
    let expected = state.run(&["item", "list", "--json"]).ok().json()["items"].as_array().unwrap().len();
    let data = state.capsule("data.mdb");
    let mut bytes = fs::read(&data).unwrap();
    // The record of an item begins with its format, its kind and its length; its title is of the test's own making.
    let id = b"T-2";
    let mut hit = 0;
    for place in 0..bytes.len() - 32 {
        let is_record = bytes[place] == 0 && bytes[place + 1] == 1 && bytes[place + 2] == ITEM_KIND;
        if is_record && bytes[place..place + 64.min(bytes.len() - place)].windows(3).any(|found| found == id)
        {
            bytes[place + 1] = 0xee;
            hit += 1;
        }
    }
    assert!(hit > 0, "no record of the item was found");
    fs::write(&data, &bytes).unwrap();
    let listed = state.run(&["item", "list", "--json"]).ok();
    let document: Value = listed.json();
    assert_eq!(document["items"].as_array().unwrap().len(), expected - 1, "{document}");
    assert_eq!(document["unreadable"].as_array().unwrap().len(), 1, "{document}");
    assert!(document["unserved"]["damage"].is_string(), "{document}");
    assert!(listed.stderr.contains("warning: left out: the record"), "{}", listed.stderr);
    let bus = PrivateBus::start(&wreck.home);
    let (code, log) = state.service(&bus).ended();
    assert_eq!(code, Some(78), "{log}");
    let refused = state.run(&["item", "show", "T-2", "--json"]);
    assert_eq!((refused.code, refused.error_codes()), (3, vec![ErrorCode::CapsuleDamaged.word().to_owned()]));
}

/// The kind of an item's record, by the format's description.
const ITEM_KIND: u8 = 6;
