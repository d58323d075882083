//! An event as it stands in the capsule: what happened, where in which stream, and the links of its chain.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, NotJson, canonical_json};
use crate::id::{Cursor, Epoch, ItemId, RunId, Seq, WorkspaceId};
use crate::item::ItemEvent;
use crate::run::event::RunEvent;
use crate::time::Timestamp;
use crate::workspace::WorkspaceEvent;

/// A sequence of events with a chain of its own.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(untagged)]
pub enum Stream {
    /// What happened to a run.
    Run {
        /// Which.
        run_id: RunId,
    },
    /// What happened to a work item.
    Item {
        /// Its workspace.
        workspace_id: WorkspaceId,
        /// Which.
        work_item_id: ItemId,
    },
    /// What happened to a workspace.
    Workspace {
        /// Which.
        workspace_id: WorkspaceId,
    },
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run { run_id } => write!(f, "run {run_id}"),
            Self::Item { workspace_id, work_item_id } => write!(f, "item {work_item_id} of {workspace_id}"),
            Self::Workspace { workspace_id } => write!(f, "workspace {workspace_id}"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(untagged)]
pub enum EventData {
    /// To a run.
    Run(RunEvent),
    /// To a work item.
    Item(ItemEvent),
    /// To a workspace.
    Workspace(WorkspaceEvent),
}

impl EventData {
    /// The event's stable type name.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Run(event) => event.type_name(),
            Self::Item(event) => event.type_name(),
            Self::Workspace(WorkspaceEvent::Registered(_)) => "workspace.registered",
        }
    }
}

/// One event of the capsule, as every door shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Event {
    /// Its place in the capsule.
    pub cursor: Cursor,
    /// Its place in its stream.
    pub seq: Seq,
    /// When it was committed. For display; order is by cursor.
    pub at: Timestamp,
    /// Its stream.
    #[serde(flatten)]
    pub stream: Stream,
    /// The attempt that did it, for events of a run that has one.
    pub attempt: Option<Epoch>,
    /// What happened: `type` and `data`.
    #[serde(flatten)]
    pub data: EventData,
    /// The hash of the event before it in its stream; zeros for the first.
    pub prev_hash: Digest,
    /// Its own hash; see [`Event::hash_of`].
    pub hash: Digest,
}

impl Event {
    /// The hash of an event: SHA-256 over the canonical JSON (RFC 8785) of its fields, without `hash` and with `data`
    /// replaced by `data_digest`, the SHA-256 over the canonical JSON of `{"data":…,"type":…}`. A payload can be dropped
    /// later without breaking the chain.
    ///
    /// # Errors
    /// [`NotJson`] when the event holds something that JSON cannot express, which no event does.
    pub fn hash_of(&self) -> Result<Digest, NotJson> {
        self.hash_over(self.data_digest()?)
    }

    /// The digest of the payload alone, which the event's hash covers.
    ///
    /// # Errors
    /// [`NotJson`], as [`Event::hash_of`].
    pub fn data_digest(&self) -> Result<Digest, NotJson> {
        Ok(Digest::of(canonical_json(&self.data)?.as_bytes()))
    }

    /// The hash of the event that stands here with a payload of this digest, for one whose payload is left out.
    ///
    /// # Errors
    /// [`NotJson`], as [`Event::hash_of`].
    pub fn hash_over(&self, data_digest: Digest) -> Result<Digest, NotJson> {
        let header = Header {
            at: self.at,
            attempt: self.attempt,
            cursor: self.cursor,
            data_digest,
            prev_hash: self.prev_hash,
            seq: self.seq,
            stream: &self.stream,
        };
        Digest::of_json(&header)
    }
}

/// What an event's hash covers.
#[derive(Serialize)]
struct Header<'a> {
    at: Timestamp,
    attempt: Option<Epoch>,
    cursor: Cursor,
    data_digest: Digest,
    prev_hash: Digest,
    seq: Seq,
    #[serde(flatten)]
    stream: &'a Stream,
}
