//! What a holder and the service say to each other over the hold's socket: one JSON object a line.
//!
//! The client speaks first, with [`Hello`]. The holder answers with [`FromHolder::State`] and from then on says when the
//! spool grew, merging what came meanwhile. The end of the connection means that the holder is gone.
//!
//! Version 1: the first. A holder knows one version; a client of another is told so and decides itself, because a
//! holder lives longer than the service that started it.

use serde::{Deserialize, Serialize};
use windlass_domain::child::EndedBecause;
use windlass_domain::id::Epoch;

use crate::spool::SpoolCursor;

/// Version of this protocol.
pub(crate) const WIRE_VERSION: u32 = 1;

/// Most bytes that a holder reads from one client: its hello and a few requests. A client is never more talkative.
pub(crate) const CLIENT_LIMIT: u64 = 64 * 1024;

/// The client's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    /// The attempt that speaks. The holder obeys only the highest that it has seen.
    pub(crate) epoch: Epoch,
}

/// The client's later lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ToHolder {
    /// End the child: ask, and after its grace period force.
    End { why: EndedBecause },
}

/// The holder's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum FromHolder {
    /// The answer to a hello.
    State { version: u32, spool_end: SpoolCursor },
    /// The spool now ends there.
    Grew { spool_end: SpoolCursor },
    /// The exit record is written.
    Exited,
    /// A newer attempt has spoken: this one is not obeyed. The connection ends.
    Refused { highest_epoch: Epoch },
    /// The client's version is not known. The connection ends.
    UnknownVersion { version: u32 },
}

/// A message as a line.
pub(crate) fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(message).expect("messages hold only numbers and names");
    bytes.push(b'\n');
    bytes
}
