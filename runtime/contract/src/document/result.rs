//! The one result document of a command that submits or shows a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::digest::Digest;
use windlass_domain::id::{ItemId, RunId};
use windlass_domain::run::RunStatus;
use windlass_domain::run::request::RunKind;

use super::Header;
use crate::error::ErrorBody;

/// The result of submitting, waiting for or showing a run; also of a refusal, with its errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultDocument {
    /// `result@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// The work item, once it is known.
    pub work_item_id: Option<ItemId>,
    /// What the run does.
    pub kind: Option<RunKind>,
    /// The run, once there is one.
    pub run_id: Option<RunId>,
    /// Where it stands; none for a refusal.
    pub status: Option<RunStatus>,
    /// The exit code of the command.
    pub exit_code: u8,
    /// One sentence for people.
    pub summary: String,
    /// Its place in the queue, from 1, while it waits.
    pub queue_place: Option<u32>,
    /// Its artifacts so far.
    pub artifact_uris: Vec<ArtifactUri>,
    /// Its projections so far.
    pub projection_paths: Vec<String>,
    /// What went wrong.
    pub errors: Vec<ErrorBody>,
    /// Which rule stopped it, or what a person must decide.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blocked_reason: Option<String>,
    /// The proposed change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub patch_bundle_uri: Option<ArtifactUri>,
    /// Its bot worktree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worktree_path: Option<String>,
    /// Its bot branch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch_name: Option<String>,
    /// The head of the capsule when this was written: keep it to verify later.
    pub capsule_head: Option<Digest>,
}

impl ResultDocument {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "result@1.0";
}
