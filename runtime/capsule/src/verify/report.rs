//! What a verification found.

use std::fmt;

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::{Cursor, Seq};

use super::Depth;
use crate::error::ReadError;
use crate::rows::CapsuleHead;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// How much was looked at.
    pub depth: Depth,
    /// Where the capsule ended at the start.
    pub head: CapsuleHead,
    /// Events whose hashes were recomputed in their streams.
    pub events: u64,
    /// Links that were recomputed.
    pub links: u64,
    /// Blobs that were looked at.
    pub blobs: u64,
    /// What is wrong, in the order of cursors; what belongs to no event comes last.
    pub faults: Vec<Fault>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first bad event, or what else is wrong where all events are sound.
    #[must_use]
    pub fn first(&self) -> Option<&Fault> {
        self.faults.first()
    }
}

/// One thing that is wrong. The fields name the event that it was found at, as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The event's stream.
    pub stream: Option<Stream>,
    /// The event's place in its stream.
    pub seq: Option<Seq>,
    /// The event's place in the capsule.
    pub cursor: Option<Cursor>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The record does not decode.
    #[error("it cannot be read: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
    /// There is nothing where an event should be.
    #[error("it is missing")]
    Missing,
    /// The event says that it stands somewhere else.
    #[error("another event stands in its place: event {cursor} of {stream}, seq {seq}", cursor = .cursor.0, seq = .seq.0)]
    OutOfOrder {
        /// The place in the capsule that it states.
        cursor: Cursor,
        /// The stream that it states.
        stream: Stream,
        /// The place in its stream that it states.
        seq: Seq,
    },
    /// The event was changed: its hash is not that of its content.
    #[error("its hash is stated as {stated} and comes to {computed}")]
    Hash {
        /// The hash that it states.
        stated: Digest,
        /// The hash of what is there.
        computed: Digest,
    },
    /// The event does not follow the one before it.
    #[error("it follows an event of hash {stated}, and the one before it has {before}")]
    PrevHash {
        /// The hash that it states.
        stated: Digest,
        /// The hash of the event before it.
        before: Digest,
    },
    /// The event contradicts the ones before it.
    #[error("{why}")]
    Refused {
        /// Which rule it breaks.
        why: String,
    },
    /// Bytes that it names are not there.
    #[error("blob {digest}, which it names, is missing")]
    BlobMissing {
        /// The blob's digest.
        digest: Digest,
    },
    /// Bytes that it names are others.
    #[error("blob {digest}, which it names, was changed: {why}")]
    BlobChanged {
        /// The blob's digest.
        digest: Digest,
        /// What is different.
        why: String,
    },
    /// The stream's stored head is not its last event.
    #[error("its stream should end at seq {stated}", stated = .stated.0)]
    StreamHead {
        /// Where the stored head says that the stream ends.
        stated: Seq,
    },
    /// A link of the capsule's chain is broken.
    #[error("link {link} is broken: {why}")]
    Link {
        /// Which.
        link: u64,
        /// How.
        why: String,
    },
    /// The capsule's head is not where its chain ends.
    #[error("the capsule's head is wrong: {why}")]
    CapsuleHead {
        /// How.
        why: String,
    },
    /// The store's file ends inside a page that its newest state counts.
    #[error("the store's file was cut to {bytes} bytes, in the middle of a page")]
    CutPage {
        /// Its size.
        bytes: u64,
    },
    /// The given head is not part of the chain.
    #[error("no link has the hash {head}: this is not a continuation of the capsule that had it")]
    HeadNotFound {
        /// The given head.
        head: Digest,
    },
    /// A read model is not what the log makes.
    #[error("table `{table}`, record {key}: {why}")]
    ReadModel {
        /// Which table.
        table: &'static str,
        /// Which record, in hexadecimal.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Fault {
    pub(super) const fn alone(kind: FaultKind) -> Self {
        Self { stream: None, seq: None, cursor: None, kind }
    }

    pub(super) fn at(event: &Event, kind: FaultKind) -> Self {
        Self { stream: Some(event.stream.clone()), seq: Some(event.seq), cursor: Some(event.cursor), kind }
    }

    pub(super) fn model(table: &'static str, key: &[u8], why: impl Into<String>) -> Self {
        Self::alone(FaultKind::ReadModel { table, key: hex::encode(key), why: why.into() })
    }

    /// A record that cannot be read is a fault of the record; a store that cannot be read is an error.
    pub(super) fn of_read(error: ReadError) -> Result<Self, ReadError> {
        let why = error.to_string();
        match error {
            ReadError::Damaged { table, key, .. } | ReadError::Missing { table, key } => {
                Ok(Self::alone(FaultKind::ReadModel { table, key, why }))
            }
            error => Err(error),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.stream, self.seq, self.cursor) {
            (Some(stream), Some(seq), Some(cursor)) => {
                write!(f, "event {} ({stream}, seq {}): ", cursor.0, seq.0)?;
            }
            (Some(stream), Some(seq), None) => write!(f, "{stream}, seq {}: ", seq.0)?,
            (Some(stream), None, _) => write!(f, "{stream}: ")?,
            (None, _, Some(cursor)) => write!(f, "event {}: ", cursor.0)?,
            (None, _, None) => {}
        }
        self.kind.fmt(f)
    }
}
