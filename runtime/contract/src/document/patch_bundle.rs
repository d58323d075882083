//! A proposed change, ready to be judged and applied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::diff::{Conflict, FileStatus, ObjectId};
use windlass_domain::digest::Digest;

use super::Header;

/// A proposed change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchBundle {
    /// `patch_bundle@1.0`.
    #[serde(flatten)]
    pub header: Header,
    /// The bot worktree.
    pub worktree_path: String,
    /// The bot branch.
    pub branch_name: String,
    /// The commit that all analysis refers to.
    pub analysis_base_commit: ObjectId,
    /// The commit that the patch applies to, when it was carried onto a newer target.
    pub rebase_target_commit: Option<ObjectId>,
    /// How the change met its target.
    pub rebase: RebaseState,
    /// The patch, in a form that `git apply` takes.
    pub diff_uri: ArtifactUri,
    /// The digest of the patch: what a verdict is bound to.
    pub diff_digest: Digest,
    /// The files with their hunks.
    pub files: Vec<PatchFile>,
    /// What stands in the way, when it does.
    pub conflicts: Vec<Conflict>,
    /// How to apply it, as commands to paste.
    pub apply_instructions: Vec<String>,
}

impl PatchBundle {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "patch_bundle@1.0";
}

/// How a change met its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebaseState {
    /// It was carried over.
    Clean,
    /// It does not fit; the patch applies to the analysis base.
    Conflict,
    /// The target had not moved.
    NotNeeded,
}

/// A file of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchFile {
    /// Its stable id.
    pub id: String,
    /// Its path.
    pub path: String,
    /// Its path before, where it was renamed.
    pub old_path: Option<String>,
    /// What happens to it.
    pub status: FileStatus,
    /// Whether its content is binary.
    pub binary: bool,
    /// Its hunks.
    pub hunks: Vec<PatchHunk>,
}

/// A hunk of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchHunk {
    /// Its stable id.
    pub id: String,
    /// First line before.
    pub old_start: u32,
    /// Lines before.
    pub old_lines: u32,
    /// First line after.
    pub new_start: u32,
    /// Lines after.
    pub new_lines: u32,
}
