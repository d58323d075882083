//! What the fuzzers ask of this crate: the readers of foreign bytes that are not public.

use windlass_domain::event::Event;
use windlass_domain::item::WorkItem;
use windlass_domain::workspace::Workspace;

use crate::export::lines::{EventLine, LinkLine};
use crate::record::{Stored, decode, encode};
use crate::rows::{CapsuleHead, Link, RunRow, StreamHead};

/// Reads bytes as a stored record of any kind. What can be read is written as bytes that mean the same.
///
/// # Panics
/// That is not so.
pub fn record(bytes: &[u8]) {
    comes_back::<Event>(bytes);
    comes_back::<StreamHead>(bytes);
    comes_back::<Link>(bytes);
    comes_back::<CapsuleHead>(bytes);
    comes_back::<Workspace>(bytes);
    comes_back::<WorkItem>(bytes);
    comes_back::<RunRow>(bytes);
}

fn comes_back<T: Stored>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else { return };
    let written = encode(&value).expect("what was read within the limit can be written within it");
    let again = decode::<T>(&written).expect("what was written can be read");
    assert_eq!(encode(&again).expect("it was written before"), written, "a record changes when it is read");
}

/// Reads bytes as a line of an export's events and of its links.
pub fn export_line(bytes: &[u8]) {
    // Only that it comes to an answer is asked.
    let _ = EventLine::parse(bytes).map(|line| line.render());
    let _ = LinkLine::parse(bytes).map(|line| line.render());
}
