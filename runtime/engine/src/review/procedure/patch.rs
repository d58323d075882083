//! A patch as a journaled step: what the repository says is read once, and its bytes are kept once, as the artifact.

use serde::{Deserialize, Serialize};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::DataClass;
use windlass_domain::diff::{FileContent, LineSide, ObjectId, Patch, TreeDiff};
use windlass_policy::secrets;

use super::Review;
use super::inputs::{failed, repository};
use crate::context::{Recorded, RunContext};
use crate::stop::Stop;

/// What became of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kept {
    /// It is an artifact.
    Patch {
        /// The artifact.
        artifact: Artifact,
        /// What it changes.
        diff: TreeDiff,
    },
    /// It holds a secret, and is not stored.
    Secret {
        /// In which file.
        file: String,
        /// The rule that knows it.
        rule: String,
    },
}

impl Recorded for Kept {
    const CLASS: DataClass = DataClass::Output;
}

/// Keeps the patch between two commits under a path. The effect stores the bytes and the step names them, so that a crash between
/// the two stores the same bytes again.
pub(super) async fn keep(
    review: &Review<'_>,
    context: &RunContext,
    path: &str,
    from: &ObjectId,
    to: &ObjectId,
) -> Result<Kept, Stop> {
    let path = ArtifactPath::new(path).map_err(|error| Stop::failed(error.to_string()))?;
    let kept = context
        .step("patch", &(&path, from, to), || async {
            let patch = repository(review).patch(Some(from), to).await.map_err(failed)?;
            if let Some((file, rule)) = secret_in(&patch) {
                return Ok(Kept::Secret { file, rule });
            }
            let Patch { bytes, diff } = patch;
            let artifact = context.store(path.clone(), "text/x-diff", DataClass::Output, bytes).await?;
            Ok(Kept::Patch { artifact, diff })
        })
        .await?;
    if let Kept::Patch { artifact, .. } = &kept {
        context.name(artifact.clone()).await?;
    }
    Ok(kept)
}

/// The first secret in what a patch adds: its file and the rule that knows it.
fn secret_in(patch: &Patch) -> Option<(String, String)> {
    patch.diff.files.iter().find_map(|file| {
        let FileContent::Text { hunks } = &file.content else { return None };
        let added: Vec<&str> = hunks
            .iter()
            .flat_map(|hunk| &hunk.lines)
            .filter(|line| line.side == LineSide::Added)
            .map(|line| line.text.as_str())
            .collect();
        let found = secrets::scan(&added.join("\n")).into_iter().next()?;
        Some((file.path.clone(), found.rule.to_string()))
    })
}
