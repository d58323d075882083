//! Canonical JSON (RFC 8785) in one pass, and the hashes of events and links over it.
//!
//! It gives the same text as `windlass_domain::digest::canonical_json`, several times faster, and it gives an error where
//! that one panics: on values that a damaged record can hold, such as a time outside of the calendar. Tests compare the
//! two.

mod serializer;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::{Cursor, Epoch, Seq};
use windlass_domain::time::Timestamp;

pub(crate) use serializer::Scratch;

/// A value that has no canonical JSON. None that Windlass made is such a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has no canonical JSON: {0}")]
pub(crate) struct NotCanonical(String);

impl serde::ser::Error for NotCanonical {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The SHA-256 over the canonical JSON of a value.
pub(crate) fn digest(value: &impl Serialize) -> Result<Digest, NotCanonical> {
    Scratch::default().digest(value)
}

impl Scratch {
    /// The SHA-256 over the canonical JSON of a value.
    fn digest(&mut self, value: &impl Serialize) -> Result<Digest, NotCanonical> {
        self.write(value).map(Digest::of)
    }

    /// The hash of an event, as [`Event::hash_of`] defines it.
    pub(crate) fn event_hash(&mut self, event: &Event) -> Result<Digest, NotCanonical> {
        let data_digest = self.digest(&event.data)?;
        self.digest(&Header {
            at: event.at,
            attempt: event.attempt,
            cursor: event.cursor,
            data_digest,
            prev_hash: event.prev_hash,
            seq: event.seq,
            stream: &event.stream,
        })
    }
}

/// What an event's hash covers.
struct Header<'a> {
    at: Timestamp,
    attempt: Option<Epoch>,
    cursor: Cursor,
    data_digest: Digest,
    prev_hash: Digest,
    seq: Seq,
    stream: &'a Stream,
}

/// By hand, so that the members come in their canonical order and need no sorting.
impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("attempt", &self.attempt)?;
        map.serialize_entry("cursor", &self.cursor)?;
        map.serialize_entry("data_digest", &self.data_digest)?;
        map.serialize_entry("prev_hash", &self.prev_hash)?;
        if let Stream::Run { run_id } = self.stream {
            map.serialize_entry("run_id", run_id)?;
        }
        map.serialize_entry("seq", &self.seq)?;
        match self.stream {
            Stream::Run { .. } => {}
            Stream::Item { workspace_id, work_item_id } => {
                map.serialize_entry("work_item_id", work_item_id)?;
                map.serialize_entry("workspace_id", workspace_id)?;
            }
            Stream::Workspace { workspace_id } => map.serialize_entry("workspace_id", workspace_id)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use windlass_domain::digest::canonical_json;

    use super::*;
    use crate::record::samples;

    fn ours(value: &impl Serialize) -> String {
        String::from_utf8(Scratch::default().write(value).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn every_kind_of_event_has_the_hash_that_the_domain_defines() {
        for event in samples::events() {
            assert_eq!(ours(&event), canonical_json(&event).unwrap());
            assert_eq!(Scratch::default().event_hash(&event).unwrap(), event.hash_of().unwrap(), "{event:?}");
        }
    }

    #[derive(Debug, Clone, Serialize)]
    enum Shape {
        Unit,
        New(f64),
        Pair(i64, u64),
        Named { zeta: Option<bool>, alpha: char },
    }

    #[test]
    fn every_shape_of_serde_is_written_alike() {
        #[derive(Serialize)]
        struct Whole {
            z: Vec<Shape>,
            #[serde(rename = "é\n")]
            odd: (),
            a: BTreeMap<String, (u8, i8, f32)>,
            empty: BTreeMap<String, ()>,
            none: Vec<()>,
        }
        let whole = Whole {
            z: vec![
                Shape::Unit,
                Shape::New(1e300),
                Shape::New(-0.0),
                Shape::Pair(i64::MIN, u64::MAX),
                Shape::Pair(-(1 << 53), 1 << 53),
                Shape::Named { zeta: Some(true), alpha: '\u{1f}' },
            ],
            odd: (),
            a: [
                ("\u{20ac}", 1),
                ("\r", 2),
                ("\u{fb33}", 3),
                ("1", 4),
                ("\u{1f600}", 5),
                ("\u{80}", 6),
                ("\"\\", 7),
            ]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), (value, -1, 0.5)))
            .collect(),
            empty: BTreeMap::new(),
            none: Vec::new(),
        };
        assert_eq!(ours(&whole), canonical_json(&whole).unwrap());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_written_alike(value in json()) {
            prop_assert_eq!(ours(&value), canonical_json(&value).unwrap());
        }
    }
}
