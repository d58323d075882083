//! What is written is what is read: bincode in the capsule, JSON at the doors.

use bincode::config::Configuration;
use proptest::prelude::*;
use windlass_domain::digest::{Digest, Json, canonical_json};
use windlass_domain::event::Event;
use windlass_domain::id::{Cursor, Epoch, Seq};

use crate::arbitrary;

const CODEC: Configuration = bincode::config::standard();

fn read_back<T: bincode::Encode + bincode::Decode<()>>(value: &T) -> T {
    let bytes = bincode::encode_to_vec(value, CODEC).unwrap();
    let (read, used) = bincode::decode_from_slice(&bytes, CODEC).unwrap();
    assert_eq!(used, bytes.len(), "bytes are left over");
    read
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn an_event_is_read_back_from_its_stored_bytes(event in arbitrary::event()) {
        prop_assert_eq!(read_back(&event), event);
    }

    #[test]
    fn an_item_is_read_back_from_its_stored_bytes_and_from_json(item in arbitrary::item()) {
        prop_assert_eq!(&read_back(&item), &item);
        let json = serde_json::to_string(&item).unwrap();
        prop_assert_eq!(serde_json::from_str::<windlass_domain::item::WorkItem>(&json).unwrap(), item);
    }

    #[test]
    fn an_event_is_read_back_from_its_json(event in arbitrary::event()) {
        let json = serde_json::to_string(&event).unwrap();
        let read: Event = serde_json::from_str(&json).map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
        prop_assert_eq!(read, event);
    }

    #[test]
    fn an_event_is_read_back_from_its_canonical_json_with_the_same_hash(event in arbitrary::event()) {
        let read: Event = serde_json::from_str(&canonical_json(&event).unwrap()).unwrap();
        prop_assert_eq!(read.hash_of().unwrap(), event.hash_of().unwrap());
    }

    #[test]
    fn the_type_that_json_names_is_the_event_s_stable_name(event in arbitrary::event()) {
        let json = serde_json::to_value(&event).unwrap();
        prop_assert_eq!(json["type"].as_str(), Some(event.data.type_name()));
    }

    #[test]
    fn a_json_value_keeps_its_text_and_digest_through_json(value in arbitrary::json()) {
        let read: Json = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
        prop_assert_eq!(read.as_str(), value.as_str());
    }
}

#[test]
fn an_event_s_hash_covers_everything_but_itself() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut draw = || arbitrary::event().new_tree(&mut runner).unwrap().current();
    let (event, other) = (draw(), draw());
    // JSON numbers are doubles (RFC 8785), so places are told apart up to 2^53.
    let event = Event { cursor: Cursor(7), seq: Seq(3), ..event };
    let hash = event.hash_of().unwrap();
    assert_eq!(Event { hash: Digest::ZERO, ..event.clone() }.hash_of().unwrap(), hash);
    for changed in [
        Event { cursor: event.cursor.next(), ..event.clone() },
        Event { seq: event.seq.next(), ..event.clone() },
        Event { at: other.at, ..event.clone() },
        Event { stream: other.stream, ..event.clone() },
        Event { attempt: event.attempt.map_or(Some(Epoch(1)), |_| None), ..event.clone() },
        Event { data: other.data, ..event.clone() },
        Event { prev_hash: other.prev_hash, ..event.clone() },
    ] {
        assert_ne!(changed.hash_of().unwrap(), hash, "{changed:?}");
    }
}

#[test]
fn a_dropped_payload_leaves_the_hash_checkable() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let event = arbitrary::event().new_tree(&mut runner).unwrap().current();
    let mut header = serde_json::to_value(&event).unwrap();
    let header = header.as_object_mut().unwrap();
    let payload = serde_json::json!({ "data": header.remove("data"), "type": header.remove("type") });
    header.remove("hash");
    header.insert("data_digest".to_owned(), Digest::of_json(&payload).unwrap().to_string().into());
    assert_eq!(Digest::of_json(&header).unwrap(), event.hash_of().unwrap());
}
