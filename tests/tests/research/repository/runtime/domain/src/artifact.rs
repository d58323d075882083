//! Artifacts: immutable, content-addressed documents of a run, and their logical addresses.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::DataClass;
use crate::digest::Digest;
use crate::id::{ItemId, RunId, WorkspaceId};

/// Longest artifact path, in bytes. It is part of a store key.
pub const MAX_ARTIFACT_PATH_BYTES: usize = 255;

/// A path inside a run's artifacts, for instance `review/review_report.json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Encode, Decode)]
#[serde(transparent)]
pub struct ArtifactPath(String);

/// The text is not an artifact path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an artifact path: 1 to {MAX_ARTIFACT_PATH_BYTES} bytes of lower-case letters, digits, `_`, `-`, `.`, \
     in parts divided by `/`"
)]
pub struct BadArtifactPath {
    text: String,
}

impl ArtifactPath {
    /// Parses a path.
    ///
    /// # Errors
    /// [`BadArtifactPath`] for empty parts, parts that start with `.`, and other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, BadArtifactPath> {
        let text = text.into();
        let part_fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.'))
        };
        if text.len() <= MAX_ARTIFACT_PATH_BYTES && text.split('/').all(part_fits) {
            Ok(Self(text))
        } else {
            Err(BadArtifactPath { text: text.escape_debug().to_string() })
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ArtifactPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A stored artifact, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Artifact {
    /// Where it stands in its run.
    pub path: ArtifactPath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its media type, for instance `application/json`.
    pub media_type: String,
    /// What kind of data it holds; decides whether the capture mode lets it in.
    pub class: DataClass,
}

/// `mv2://<workspace>/<work-item>/<run-id>/artifact/<path>`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactUri {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The work item.
    pub work_item_id: ItemId,
    /// The run.
    pub run_id: RunId,
    /// The path inside the run.
    pub path: ArtifactPath,
}

/// The text is not an artifact URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an artifact URI of the form mv2://<workspace>/<work-item>/<run-id>/artifact/<path>")]
pub struct BadArtifactUri {
    text: String,
}

impl fmt::Display for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mv2://{}/{}/{}/artifact/{}", self.workspace_id, self.work_item_id, self.run_id, self.path)
    }
}

impl FromStr for ArtifactUri {
    type Err = BadArtifactUri;

    fn from_str(text: &str) -> Result<Self, BadArtifactUri> {
        let parse = || {
            let mut parts = text.strip_prefix("mv2://")?.splitn(5, '/');
            let workspace_id = parts.next()?.parse().ok()?;
            let work_item_id = parts.next()?.parse().ok()?;
            let run_id = parts.next()?.parse().ok()?;
            (parts.next()? == "artifact").then_some(())?;
            let path = ArtifactPath::new(parts.next()?).ok()?;
            Some(Self { workspace_id, work_item_id, run_id, path })
        };
        parse().ok_or_else(|| BadArtifactUri { text: text.escape_debug().to_string() })
    }
}

impl Serialize for ArtifactUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ArtifactUri {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ArtifactUri".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^mv2://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_read_back_from_its_text() {
        let text = "mv2://01890000-0000-7000-8000-000000000001/T-1/01890000-0000-7000-8000-000000000002/artifact/review/a.json";
        assert_eq!(text.parse::<ArtifactUri>().unwrap().to_string(), text);
    }

    #[test]
    fn paths_that_could_leave_the_run_are_refused() {
        for bad in ["", "/a", "a//b", "../a", "a/..", "A", "a b", "a/"] {
            assert!(ArtifactPath::new(bad).is_err(), "{bad}");
        }
    }
}
