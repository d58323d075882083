//! What the fuzzers ask of this crate: what a holder and its service read of each other, and a segment of a spool.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::{ClaimRecord, ExitRecord, SpecRecord};
use crate::spool::{SpoolCursor, segment};
use crate::wire::{FromHolder, Hello, ToHolder};

/// Reads bytes as a segment, from its beginning and from behind its header.
///
/// # Panics
/// The reader believes more bytes than there are.
pub fn spool(bytes: &[u8]) {
    for at in [SpoolCursor::default(), SpoolCursor { segment: 1, offset: 8 }] {
        let (records, sound_to) = segment(at, bytes);
        let payload: usize = records.iter().map(|record| record.bytes.len()).sum();
        assert!(payload <= bytes.len(), "{payload} bytes of output in a segment of {}", bytes.len());
        assert!(sound_to - at.offset <= bytes.len() as u64, "sound to {sound_to}, of {}", bytes.len());
    }
}

/// Reads bytes as a message between holder and service, and as a record of a hold's folder. What was understood is written as
/// the same.
///
/// # Panics
/// That is not so.
pub fn message(bytes: &[u8]) {
    comes_back::<Hello>(bytes);
    comes_back::<ToHolder>(bytes);
    comes_back::<FromHolder>(bytes);
    comes_back::<SpecRecord>(bytes);
    comes_back::<ClaimRecord>(bytes);
    comes_back::<ExitRecord>(bytes);
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, value, "a message changes when it is read");
}
