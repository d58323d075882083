//! The hash of an event.

use windlass_domain::digest::Digest;
use windlass_domain::event::Event;

/// The same as [`Event::hash_of`].
pub(crate) fn event_hash(event: &Event) -> Digest {
    event.hash_of().expect("an event holds only what JSON can express")
}
