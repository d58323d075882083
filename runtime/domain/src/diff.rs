//! A change between two trees as data, with ids that stay the same as long as the change does.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A full git object id in hexadecimal: 40 digits, or 64 in a SHA-256 repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Encode, Decode)]
#[serde(transparent)]
pub struct ObjectId(String);

/// The text is not a full git object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a full git object id (40 or 64 hexadecimal digits)")]
pub struct BadObjectId {
    text: String,
}

impl ObjectId {
    /// Parses a full id.
    ///
    /// # Errors
    /// [`BadObjectId`] for abbreviations, names and anything else.
    pub fn new(text: impl Into<String>) -> Result<Self, BadObjectId> {
        let text = text.into();
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && matches!(text.len(), 40 | 64) {
            Ok(Self(text))
        } else {
            Err(BadObjectId { text: text.escape_debug().to_string() })
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One file's change.
///
/// Paths are relative to the repository with `/`. A path that is not UTF-8 has its bad bytes written as `\xNN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct FileChange {
    /// Stable id: the first 16 hexadecimal digits of the SHA-256 over paths, status and content ids.
    pub id: String,
    /// The path after the change, or before it for a deletion.
    pub path: String,
    /// The path before the change, where it was renamed or copied.
    pub old_path: Option<String>,
    /// What happened to it.
    pub status: FileStatus,
    /// File mode before, as git writes it (`0o100644`); 0 for an addition.
    pub old_mode: u32,
    /// File mode after; 0 for a deletion.
    pub new_mode: u32,
    /// Size after the change, in bytes; 0 for a deletion.
    pub new_bytes: u64,
    /// What kind of content it has.
    pub content: FileContent,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its content or mode changed.
    Modified,
    /// It has another path, perhaps with changes.
    Renamed,
    /// It changed between file, symbolic link and submodule.
    TypeChanged,
}

/// The content of a changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileContent {
    /// Lines, as hunks.
    Text {
        /// The hunks in the order of the file.
        hunks: Vec<Hunk>,
    },
    /// Bytes that are no text.
    Binary,
    /// A submodule's commit.
    Submodule,
}

/// A run of changed lines with its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Hunk {
    /// Stable id: the first 16 hexadecimal digits of the SHA-256 over path, header and lines.
    pub id: String,
    /// First line before the change, from 1 (0 where there is none).
    pub old_start: u32,
    /// Number of lines before the change.
    pub old_lines: u32,
    /// First line after the change, from 1 (0 where there is none).
    pub new_start: u32,
    /// Number of lines after the change.
    pub new_lines: u32,
    /// The lines, without their line ends.
    pub lines: Vec<DiffLine>,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct DiffLine {
    /// Which side it stands on.
    pub side: LineSide,
    /// The text, with bytes that are not UTF-8 replaced.
    pub text: String,
}

/// Which side of a change a line stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum LineSide {
    /// On both.
    Context,
    /// Only after.
    Added,
    /// Only before.
    Removed,
}

/// The whole change between two trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct TreeDiff {
    /// The files in the order of their paths.
    pub files: Vec<FileChange>,
}

/// A patch that `git apply` takes, binary content included, with its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The patch text.
    pub bytes: Vec<u8>,
    /// The same change as data.
    pub diff: TreeDiff,
}

impl Patch {
    /// What a verdict is bound to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// How the bot branch met its target just before the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rebase {
    /// The target did not move.
    NotNeeded,
    /// The change was carried onto the target.
    Clean {
        /// The target it was carried onto.
        target: ObjectId,
        /// The new head of the bot branch.
        head: ObjectId,
    },
    /// It could not be carried over; the original patch stands.
    Conflict {
        /// The target that was tried.
        target: ObjectId,
        /// What stands in the way, file by file.
        conflicts: Vec<Conflict>,
    },
}

/// One file that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Conflict {
    /// Its path.
    pub path: String,
    /// How it conflicts.
    pub kind: ConflictKind,
}

/// How a file conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both sides changed the same lines.
    BothModified,
    /// The target deleted what the bot changed.
    DeletedInTarget,
    /// The bot deleted what the target changed.
    DeletedByBot,
    /// Both sides added the file with different content.
    BothAdded,
}
