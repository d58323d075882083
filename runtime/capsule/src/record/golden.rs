//! The encoding of format 1, kept. `fixtures/format-1/records.txt` holds one record of every kind and variant.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use windlass_domain::admission::Deduped;
use windlass_domain::artifact::Artifact;
use windlass_domain::event::Event;
use windlass_domain::item::WorkItem;
use windlass_domain::workspace::Workspace;

use super::samples;
use super::{BadRecord, FORMAT, MAX_RECORD_BYTES, Stored, decode, encode};
use crate::rows::{CapsuleHead, Link, RunRow, StreamHead};

const KEPT: &str = include_str!("../../fixtures/format-1/records.txt");

/// How many types of events there are, beside those of workspaces, of which there is one.
const RUN_EVENT_TYPES: usize = 18;
const ITEM_EVENT_TYPES: usize = 7;

#[test]
fn what_is_encoded_today_is_what_format_1_wrote() {
    let mut today = String::new();
    for (name, bytes) in samples::records() {
        writeln!(today, "{name} {}", hex::encode(bytes)).unwrap();
    }
    assert!(
        today == KEPT,
        "the encoding changed: raise FORMAT, keep format 1's fixtures and write an upgrade. Today it is:\n{today}"
    );
}

#[test]
fn what_format_1_wrote_is_read_and_written_back() {
    fn back<T: Stored>(bytes: &[u8]) -> Vec<u8> {
        encode(&decode::<T>(bytes).unwrap()).unwrap()
    }
    for line in KEPT.lines() {
        let (name, bytes) = line.split_once(' ').unwrap();
        let bytes = hex::decode(bytes).unwrap();
        let again = match name.split('/').next().unwrap() {
            "event" => back::<Event>(&bytes),
            "item" => back::<WorkItem>(&bytes),
            "run" => back::<RunRow>(&bytes),
            "stream_head" => back::<StreamHead>(&bytes),
            "link" => back::<Link>(&bytes),
            "capsule_head" => back::<CapsuleHead>(&bytes),
            "workspace" => back::<Workspace>(&bytes),
            "artifact" => back::<Artifact>(&bytes),
            "dedupe" => back::<Deduped>(&bytes),
            other => panic!("a record of no known kind: {other}"),
        };
        assert_eq!(again, bytes, "{name}");
    }
}

#[test]
fn the_samples_hold_every_type_of_event() {
    let types = |names: Vec<&'static str>| names.into_iter().collect::<BTreeSet<_>>().len();
    assert_eq!(types(samples::run_events().iter().map(|event| event.type_name()).collect()), RUN_EVENT_TYPES);
    assert_eq!(
        types(samples::item_events().iter().map(|event| event.type_name()).collect()),
        ITEM_EVENT_TYPES
    );
}

#[test]
fn a_record_is_refused_unless_every_byte_of_it_fits() {
    let good = encode(&StreamHead::EMPTY).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        decode::<StreamHead>(&bytes).unwrap_err()
    };
    assert_eq!(changed(&|bytes| bytes.truncate(3)), BadRecord::CutShort);
    assert_eq!(changed(&|bytes| bytes.truncate(20)), BadRecord::CutShort);
    assert_eq!(changed(&|bytes| bytes.push(0)), BadRecord::LeftOver { left: 1 });
    assert_eq!(changed(&|bytes| bytes[1] = 2), BadRecord::Newer { found: FORMAT + 1 });
    assert_eq!(changed(&|bytes| bytes[1] = 0), BadRecord::NoSuchFormat { found: 0 });
    assert_eq!(changed(&|bytes| bytes[2] = 1), BadRecord::OtherKind { found: 1, expected: 2 });
    let longer = changed(&|bytes| {
        bytes.push(0);
        bytes[6] += 1;
    });
    assert_eq!(longer, BadRecord::LeftOver { left: 1 });
}

#[test]
fn a_hostile_length_inside_a_record_reserves_nothing() {
    // A link that claims 2^40 heads, some hundred terabytes.
    let mut body = vec![0; 32];
    body.extend_from_slice(&[1, 253]);
    body.extend_from_slice(&(1_u64 << 40).to_le_bytes());
    let mut bytes = vec![0, 1, 3];
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&body);
    assert!(matches!(decode::<Link>(&bytes), Err(BadRecord::Body { .. })));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let mut event = samples::events().remove(0);
    event.data = windlass_domain::event::EventData::Run(windlass_domain::run::event::RunEvent::Ended {
        outcome: windlass_domain::run::Outcome::Succeeded,
        summary: "x".repeat(MAX_RECORD_BYTES),
    });
    assert!(encode(&event).unwrap_err().bytes > MAX_RECORD_BYTES);
    event.data = windlass_domain::event::EventData::Run(windlass_domain::run::event::RunEvent::Ended {
        outcome: windlass_domain::run::Outcome::Succeeded,
        summary: "x".repeat(MAX_RECORD_BYTES - 500),
    });
    assert_eq!(decode::<Event>(&encode(&event).unwrap()).unwrap(), event);
}
