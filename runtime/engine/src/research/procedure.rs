//! The procedure of research, as journaled steps.
//!
//! ```text
//! prepare   inputs → files
//! execute   search → changes
//! publish   evidence pack and report as artifacts
//! ```
//!
//! **Invariant:** it asks for no permit, so it cannot start a program or change a worktree.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{
    EvidenceChange, EvidencePassage, Header, KnowledgeEvidencePack, LeftOut, ResearchQuestion,
};
use windlass_domain::artifact::{Artifact, ArtifactPath, ArtifactUri};
use windlass_domain::capture::DataClass;
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::run::{BlockedReason, Outcome, Phase};
use windlass_policy::{Policy, secrets};

use crate::context::{Recorded, RunContext};
use crate::drive::Conclusion;
use crate::ports::{Repository, RepositoryError};
use crate::research::search::{Corpus, Facet, Found, FoundPassage, facets, passages_at};
use crate::research::selection::{MAX_FILE_BYTES, Omissions, select, text_of};
use crate::research::{render, report};
use crate::stop::Stop;

/// Changes that are told of each file: enough to see whether it is being worked on.
const CHANGES_OF_A_FILE: u32 = 3;
/// Files of which changes are told; each costs one walk through the history.
const FILES_WITH_CHANGES: usize = 8;

/// What is looked at and what for. The first step's result: nothing of it is looked up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inputs {
    /// The commit.
    head: ObjectId,
    /// The digest of the policy that holds.
    policy: Digest,
    /// Whether a missing provider only labels the report.
    allow_degraded: bool,
    /// What was asked.
    question: ResearchQuestion,
}

impl Recorded for Inputs {
    const CLASS: DataClass = DataClass::Prompt;
}

/// The files to search, and those that are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Files {
    paths: Vec<String>,
    left_out: Vec<LeftOut>,
}

impl Recorded for Files {
    const CLASS: DataClass = DataClass::Metadata;
}

// What is quoted of the repository is what the run exists to produce, as findings and diffs are.
impl Recorded for Found {
    const CLASS: DataClass = DataClass::Output;
}

impl Recorded for Vec<EvidenceChange> {
    const CLASS: DataClass = DataClass::Output;
}

struct Research<'a> {
    context: &'a RunContext,
    policy: Arc<Policy>,
}

/// Researches, from where the journal ends.
///
/// # Errors
/// [`Stop`] when the run must not go on; `blocked` where policy does not let it go without a provider.
pub async fn run(context: &RunContext, policy: Arc<Policy>) -> Result<Conclusion, Stop> {
    let research = Research { context, policy };
    let inputs: Inputs = context.step("inputs", &context.request().work(), || research.fix_inputs()).await?;
    // Today's policy may be narrower than the one that the run began under.
    if !(inputs.allow_degraded && research.policy.allow_degraded()) {
        return Err(unprovided());
    }
    let files: Files = context.step("files", &inputs.head, || research.list(&inputs.head)).await?;
    let summary = format!("{} files to search", files.paths.len());
    context.checkpoint(Phase::Prepare, 10, summary, Some(&inputs.head)).await?;

    context.enter(Phase::Execute).await?;
    let facets = facets(&inputs.question);
    let limit = passages_at(context.request().preset);
    let asked = (&inputs.head, &facets, limit);
    let found: Found = context.step("search", &asked, || research.search(&inputs, &files, &facets)).await?;
    let paths = found_paths(&found);
    let changes: Vec<EvidenceChange> =
        context.step("changes", &(&inputs.head, &paths), || research.changes(&inputs.head, &paths)).await?;
    let summary = format!("{} passages found", found.passages.len());
    context.checkpoint(Phase::Execute, 80, summary, Some(&inputs.head)).await?;

    context.enter(Phase::Finalize).await?;
    context.checkpoint(Phase::Finalize, 90, "the results are gathered", Some(&inputs.head)).await?;
    context.enter(Phase::Publish).await?;
    let summary = research.publish(inputs, files, &facets, found, changes).await?;
    Ok(Conclusion { outcome: Outcome::Succeeded, summary })
}

fn unprovided() -> Stop {
    let missing: Vec<String> =
        report::missing_providers().into_iter().map(|missing| missing.reason).collect();
    Stop::Blocked {
        reason: BlockedReason::ProviderUnavailable,
        message: format!(
            "policy says `allow_degraded = false`, and {}; see `windlass policy show`",
            missing.join("; ")
        ),
    }
}

/// The files of the passages, in their order, as far as their changes are told.
fn found_paths(found: &Found) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for passage in &found.passages {
        if paths.len() < FILES_WITH_CHANGES && !paths.contains(&passage.path) {
            paths.push(passage.path.clone());
        }
    }
    paths
}

/// A failure of the repository ends the run: what it says can be mended by a person.
fn failed(error: RepositoryError) -> Stop {
    Stop::failed(error.message)
}

impl Research<'_> {
    fn repository(&self) -> &dyn Repository {
        self.context.ports().repository.as_ref()
    }

    async fn fix_inputs(&self) -> Result<Inputs, Stop> {
        let named = self.context.request().head.as_deref().unwrap_or("HEAD");
        let head = self.repository().resolve(named).await.map_err(failed)?;
        let head = head.ok_or_else(|| Stop::failed(format!("`{named}` names no commit any more")))?;
        let policy = self.policy.digest().map_err(|error| Stop::failed(error.to_string()))?;
        let asked = self.context.ports().record.asked().await?;
        let criteria = asked.context.acceptance_criteria.into_iter();
        let question = ResearchQuestion {
            title: asked.title,
            goal: asked.context.goal,
            constraints: asked.context.constraints,
            acceptance_criteria: criteria.map(|criterion| criterion.text).collect(),
            context_digest: asked.context_digest,
        };
        Ok(Inputs { head, policy, allow_degraded: self.policy.allow_degraded(), question })
    }

    async fn list(&self, head: &ObjectId) -> Result<Files, Stop> {
        let listing = self.repository().listing(head).await.map_err(failed)?;
        let (paths, omissions) = select(&listing);
        Ok(Files { paths, left_out: omissions.into_document() })
    }

    async fn search(&self, inputs: &Inputs, files: &Files, facets: &[Facet]) -> Result<Found, Stop> {
        let (mut corpus, mut omissions) = (Corpus::default(), Omissions::default());
        for path in &files.paths {
            match self
                .repository()
                .read(&inputs.head, path, MAX_FILE_BYTES)
                .await
                .map_err(failed)?
                .map(text_of)
            {
                Some(Ok(text)) => corpus.add(path.clone(), text),
                Some(Err(reason)) => omissions.note(reason, path),
                None => omissions.note("its path cannot be read", path),
            }
        }
        Ok(corpus.search(facets, passages_at(self.context.request().preset), omissions))
    }

    async fn changes(&self, head: &ObjectId, paths: &[String]) -> Result<Vec<EvidenceChange>, Stop> {
        let mut found = Vec::new();
        for path in paths {
            let changes =
                self.repository().changes_of(head, path, CHANGES_OF_A_FILE).await.map_err(failed)?;
            // A subject is quoted whole or not at all: its digest is that of what the commit says.
            for change in changes.into_iter().filter(|change| secrets::scan(&change.subject).is_empty()) {
                found.push(EvidenceChange {
                    id: format!("h{}", found.len() + 1),
                    path: path.clone(),
                    commit: change.commit,
                    at: change.at,
                    digest: Digest::of(change.subject.as_bytes()),
                    subject: change.subject,
                });
            }
        }
        Ok(found)
    }

    /// Stores the pack and the report, and says in a sentence what was found.
    async fn publish(
        &self,
        inputs: Inputs,
        files: Files,
        facets: &[Facet],
        found: Found,
        changes: Vec<EvidenceChange>,
    ) -> Result<String, Stop> {
        let request = self.context.request();
        let passages = found.passages.into_iter().enumerate();
        let pack = KnowledgeEvidencePack {
            header: Header::of(KnowledgeEvidencePack::SCHEMA),
            capture_mode: request.capture_mode,
            commit: inputs.head.clone(),
            passages: passages.map(|(place, passage)| evidence(place, passage, &inputs.head)).collect(),
            changes,
            searched: found.searched,
            left_out: files.left_out.into_iter().chain(found.left_out).collect(),
        };
        let stored = self.store_json("research/knowledge_evidence_pack.json", &pack).await?;
        let report = report::assemble(report::Material {
            question: inputs.question,
            facets,
            unknown_words: &found.unknown_words,
            preset: request.preset,
            pack: &pack,
            pack_uri: self.uri(stored.path),
            missing: report::missing_providers(),
        });
        self.store_json("research/research_report.json", &report).await?;
        let markdown = render::markdown(&report).into_bytes();
        self.store("research/research_report.md", "text/markdown", markdown).await?;
        Ok(format!(
            "{} passages in {} files searched, {} open questions; degraded: no model, no web",
            pack.passages.len(),
            pack.searched.files,
            report.open_questions.len()
        ))
    }

    async fn store_json(&self, path: &str, document: &(impl Serialize + Sync)) -> Result<Artifact, Stop> {
        let json = canonical_json(document).map_err(|error| Stop::failed(error.to_string()))?;
        self.store(path, "application/json", json.into_bytes()).await
    }

    async fn store(&self, path: &str, media_type: &str, bytes: Vec<u8>) -> Result<Artifact, Stop> {
        let path = ArtifactPath::new(path).map_err(|error| Stop::failed(error.to_string()))?;
        self.context.store(path, media_type, DataClass::Output, bytes).await
    }

    fn uri(&self, path: ArtifactPath) -> ArtifactUri {
        let request = self.context.request();
        ArtifactUri {
            workspace_id: request.workspace_id,
            work_item_id: request.work_item_id.clone(),
            run_id: self.context.run_id(),
            path,
        }
    }
}

fn evidence(place: usize, passage: FoundPassage, commit: &ObjectId) -> EvidencePassage {
    EvidencePassage {
        id: format!("p{}", place + 1),
        path: passage.path,
        source: passage.source,
        lines: passage.lines,
        commit: commit.clone(),
        digest: Digest::of(passage.text.as_bytes()),
        found_for: passage.found_for,
        score_thousandths: passage.score_thousandths,
        text: passage.text,
    }
}
