//! A git repository that Windlass knows.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;
use crate::time::Timestamp;

/// A known repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Workspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// The top folder of the checkout that was registered.
    pub root: String,
    /// The canonical path of the shared `.git` folder: what makes it this repository, whichever of its worktrees
    /// one stands in.
    pub common_dir: String,
    /// The name of the top folder, for display.
    pub name: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What happened to a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "type", content = "data")]
pub enum WorkspaceEvent {
    /// It became known.
    #[serde(rename = "workspace.registered")]
    Registered(Workspace),
}
