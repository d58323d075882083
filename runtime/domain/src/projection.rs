//! Projections: files for people, made of the stored artifacts of a run that has ended, and what was recorded of writing them.
//!
//! **Invariant:** a projection holds nothing that the capsule does not hold, so that it can be deleted and made again.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactPath;
use crate::digest::Digest;

/// Which artifact of a run becomes which file of its folder, for every kind of run. An artifact that a run has not is left out.
pub const PROJECTED: [(&str, &str); 6] = [
    ("run_log.json", "run_log.json"),
    ("research/research_report.md", "research/research_report.md"),
    ("research/web_research_bundle.json", "research/web_research_bundle.json"),
    ("review/review_report.md", "review/review_report.md"),
    ("review/review.sarif", "review/review.sarif"),
    ("review/patch.diff", "review/patch.diff"),
];

/// The file that an artifact becomes, relative to its run's folder; none where it becomes none.
#[must_use]
pub fn file_of(artifact: &ArtifactPath) -> Option<&'static str> {
    PROJECTED.iter().find(|(from, _)| *from == artifact.as_str()).map(|(_, file)| *file)
}

/// What writing the files of a run came to: all that stand, and all that do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// The rule of policy that gave leave, or denied it.
    pub rule: String,
    /// The files that stand.
    pub files: Vec<ProjectedFile>,
    /// The files that could not be written.
    pub unwritten: Vec<UnwrittenFile>,
}

/// A file that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct ProjectedFile {
    /// Where, absolute.
    pub path: String,
    /// The digest of its bytes, which are those of an artifact.
    pub digest: Digest,
}

/// A file that could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct UnwrittenFile {
    /// Where it belongs, absolute.
    pub path: String,
    /// What keeps it from being there, in a sentence fragment.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_projected_artifact_and_its_file_is_an_artifact_path() {
        for (artifact, file) in PROJECTED {
            let path = ArtifactPath::new(artifact).unwrap();
            assert_eq!(file_of(&path), Some(file));
            assert!(ArtifactPath::new(file).is_ok(), "{file} stays inside the run's folder");
        }
        assert_eq!(file_of(&ArtifactPath::new("checkpoints.json").unwrap()), None);
    }
}
