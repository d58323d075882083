//! What is stored beside events, items and workspaces: heads, links, run rows.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use windlass_domain::admission::Deduped;
use windlass_domain::artifact::Artifact;
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::{Cursor, Seq};
use windlass_domain::item::WorkItem;
use windlass_domain::run::Run;
use windlass_domain::workspace::Workspace;

use crate::canonical;
use crate::record::{Kind, Stored};

/// The newest event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StreamHead {
    pub(crate) seq: Seq,
    pub(crate) hash: Digest,
}

impl StreamHead {
    /// What precedes the first event.
    pub(crate) const EMPTY: Self = Self { seq: Seq(0), hash: Digest::ZERO };
}

/// What one transaction added to the capsule: the new heads of the streams that it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub(crate) struct Link {
    /// The hash of the link before; zeros for the first.
    pub(crate) prev: Digest,
    /// Its place among the links, from 1.
    pub(crate) seq: u64,
    /// In the order of the streams' keys, each stream once.
    pub(crate) heads: Vec<LinkHead>,
}

/// One stream's head after a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub(crate) struct LinkHead {
    #[serde(flatten)]
    pub(crate) stream: Stream,
    pub(crate) seq: Seq,
    pub(crate) hash: Digest,
}

impl Link {
    /// What the capsule's chain goes on with.
    pub(crate) fn hash(&self) -> Digest {
        let heads: Vec<Digest> = self.heads.iter().map(LinkHead::digest).collect();
        LinkSeal { heads_digest: digest_of_heads(&heads), prev: self.prev, seq: self.seq }.hash()
    }
}

impl LinkHead {
    /// SHA-256 over the canonical JSON of the head.
    pub(crate) fn digest(&self) -> Digest {
        canonical::digest(self).expect("a head holds texts and small numbers only")
    }
}

/// SHA-256 over the canonical JSON of the list of the heads' digests.
pub(crate) fn digest_of_heads(heads: &[Digest]) -> Digest {
    canonical::digest(&heads).expect("digests are texts")
}

/// What the hash of a link covers. The heads stand in it as one digest over their digests, so that an export can show a
/// link with the head of its own stream and without the names of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct LinkSeal {
    pub(crate) heads_digest: Digest,
    pub(crate) prev: Digest,
    pub(crate) seq: u64,
}

impl LinkSeal {
    /// SHA-256 over its canonical JSON.
    pub(crate) fn hash(&self) -> Digest {
        canonical::digest(self).expect("a seal holds texts and small numbers only")
    }
}

/// Where the capsule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct CapsuleHead {
    /// The newest event. Also how many events there are.
    pub cursor: Cursor,
    /// The newest link. Also how many links there are.
    pub link_seq: u64,
    /// The newest link's hash: covers the whole record. Zeros while it is empty.
    pub hash: Digest,
    /// How many runs were ever admitted.
    pub runs: u64,
    /// How many work items there are.
    pub items: u64,
    /// How many workspaces are known.
    pub workspaces: u64,
}

impl CapsuleHead {
    pub(crate) const EMPTY: Self =
        Self { cursor: Cursor(0), link_seq: 0, hash: Digest::ZERO, runs: 0, items: 0, workspaces: 0 };
}

/// A run as its events make it, with the place that orders it among all runs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RunRow {
    /// The cursor of its first event.
    pub(crate) submitted: Cursor,
    pub(crate) run: Run,
}

macro_rules! stored {
    ($($type:ty => $kind:ident),+ $(,)?) => {
        $(impl Stored for $type { const KIND: Kind = Kind::$kind; })+
    };
}

stored! {
    Event => Event,
    StreamHead => StreamHead,
    Link => Link,
    CapsuleHead => CapsuleHead,
    Workspace => Workspace,
    WorkItem => Item,
    RunRow => Run,
    Artifact => Artifact,
    Deduped => Dedupe,
}
