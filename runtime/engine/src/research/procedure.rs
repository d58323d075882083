//! The procedure of research, as journaled steps.
//!
//! ```text
//! prepare   inputs → files
//! execute   search → changes → what policy's providers say
//! publish   evidence pack, bundle of web research, pages and report as artifacts
//! ```
//!
//! **Invariant:** it asks for no permit to write, so it cannot change a worktree, and the only programs that it starts are the
//! MCP servers that the user's policy names.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{
    EvidenceChange, EvidencePassage, Header, KnowledgeEvidencePack, LeftOut, MissingProvider,
    ResearchQuestion, ResearchReport, TOOL_VERSION, WebRequest, WebResearch, WebResearchBundle,
};
use windlass_domain::artifact::{Artifact, ArtifactPath, ArtifactUri};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::run::{Outcome, Phase};
use windlass_policy::{Policy, Provider, secrets};

use crate::context::{Recorded, RunContext};
use crate::drive::Conclusion;
use crate::ports::{AttemptError, Repository, RepositoryError};
use crate::research::outside::{Answered, Gathered, Outside, ServerPlace, unprovided};
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
    /// The program that the run began with; its documents name it.
    tool_version: String,
    /// The digest of the policy that holds.
    policy: Digest,
    /// Whether a missing provider only labels the report.
    allow_degraded: bool,
    /// What is asked beside the repository.
    providers: Vec<Provider>,
    /// What MCP servers find on this machine, where there are any.
    place: Option<ServerPlace>,
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

/// Everything that was found.
struct Evidence {
    files: Files,
    found: Found,
    changes: Vec<EvidenceChange>,
    gathered: Gathered,
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
    let allow_degraded = inputs.allow_degraded && research.policy.allow_degraded();
    if !allow_degraded && inputs.providers.is_empty() {
        return Err(unprovided(&report::no_web().reason));
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
    context.checkpoint(Phase::Execute, 50, summary, Some(&inputs.head)).await?;
    let outside = Outside { context, policy: &research.policy, allow_degraded, place: inputs.place.as_ref() };
    let mut gathered = outside.gather(&inputs.providers, &facets).await?;
    gathered.select(&facets, limit.div_ceil(2));
    if !inputs.providers.is_empty() {
        let summary = format!("{} requests to what policy names", gathered.requests.len());
        context.checkpoint(Phase::Execute, 80, summary, Some(&inputs.head)).await?;
    }

    context.enter(Phase::Finalize).await?;
    context.checkpoint(Phase::Finalize, 90, "the results are gathered", Some(&inputs.head)).await?;
    context.enter(Phase::Publish).await?;
    let summary = research.publish(inputs, Evidence { files, found, changes, gathered }, &facets).await?;
    Ok(Conclusion { outcome: Outcome::Succeeded, summary })
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
        let providers: Vec<Provider> = self.policy.providers().into_iter().cloned().collect();
        let place = if providers.iter().any(|provider| matches!(provider, Provider::Mcp(_))) {
            Some(self.context.ports().children.surroundings().await.map_err(AttemptError::from)?.into())
        } else {
            None
        };
        let allow_degraded = self.policy.allow_degraded();
        let tool_version = TOOL_VERSION.to_owned();
        Ok(Inputs { head, tool_version, policy, allow_degraded, providers, place, question })
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

    /// Stores the pack, the bundle and the report, and says in a sentence what was found.
    async fn publish(&self, inputs: Inputs, evidence: Evidence, facets: &[Facet]) -> Result<String, Stop> {
        let request = self.context.request();
        let Evidence { files, found, changes, gathered } = evidence;
        let passages = found.passages.into_iter().enumerate();
        let pack = KnowledgeEvidencePack {
            header: Header::by(&inputs.tool_version, KnowledgeEvidencePack::SCHEMA),
            capture_mode: request.capture_mode,
            commit: inputs.head.clone(),
            passages: passages.map(|(place, passage)| evidence_of(place, passage, &inputs.head)).collect(),
            changes,
            searched: found.searched,
            left_out: files.left_out.into_iter().chain(found.left_out).collect(),
        };
        let stored =
            self.store_json("research/knowledge_evidence_pack.json", DataClass::Output, &pack).await?;
        let mut missing = vec![report::no_model()];
        if inputs.providers.is_empty() {
            missing.push(report::no_web());
        }
        missing.extend(gathered.missing.iter().cloned());
        let web = self.store_pages(gathered).await?;
        let bundle_uri = self.store_bundle(&inputs, &web).await?;
        let material = report::Material {
            tool_version: &inputs.tool_version,
            question: inputs.question,
            facets,
            unknown_words: &found.unknown_words,
            preset: request.preset,
            pack: &pack,
            pack_uri: self.uri(stored.path),
            web: &web,
            bundle_uri,
            missing,
        };
        let synthesis = report::extract(&material);
        let report = report::assemble(material, synthesis);
        self.store_json("research/research_report.json", DataClass::Output, &report).await?;
        let markdown = render::markdown(&report).into_bytes();
        self.store("research/research_report.md", "text/markdown", DataClass::Output, markdown).await?;
        Ok(in_a_sentence(&pack, &web, &report))
    }

    /// Stores the texts that came back, each once, and gives the requests with where they are.
    async fn store_pages(&self, gathered: Gathered) -> Result<Vec<WebRequest>, Stop> {
        let mut requests = Vec::new();
        for Answered { mut request, texts, .. } in gathered.requests {
            for (result, text) in request.results.iter_mut().zip(texts) {
                let Some(text) = text else { continue };
                let path = format!("research/pages/{}.txt", result.content_hash);
                let stored = self.store(&path, "text/plain", DataClass::Io, text.into_bytes()).await?;
                result.content_uri = Some(self.uri(stored.path));
            }
            requests.push(request);
        }
        Ok(requests)
    }

    /// Stores what was asked and what came back, if policy names anybody to ask.
    async fn store_bundle(
        &self,
        inputs: &Inputs,
        requests: &[WebRequest],
    ) -> Result<Option<ArtifactUri>, Stop> {
        let providers = &inputs.providers;
        if providers.is_empty() {
            return Ok(None);
        }
        let capture_mode = self.context.request().capture_mode;
        let names: Vec<&str> = providers.iter().map(Provider::name).collect();
        let research = WebResearch {
            header: Header::by(&inputs.tool_version, WebResearchBundle::SCHEMA),
            provider: names.join(", "),
            capture_mode,
            requests: requests.to_vec(),
        };
        let bundle = WebResearchBundle::seal(research).map_err(|error| Stop::failed(error.to_string()))?;
        // With snippets and passages it is what pages said; without, it is what was asked and where answers are.
        let class = if capture_mode == CaptureMode::FullIo { DataClass::Io } else { DataClass::Prompt };
        let stored = self.store_json("research/web_research_bundle.json", class, &bundle).await?;
        Ok(Some(self.uri(stored.path)))
    }

    async fn store_json(
        &self,
        path: &str,
        class: DataClass,
        document: &(impl Serialize + Sync),
    ) -> Result<Artifact, Stop> {
        let json = canonical_json(document).map_err(|error| Stop::failed(error.to_string()))?;
        self.store(path, "application/json", class, json.into_bytes()).await
    }

    async fn store(
        &self,
        path: &str,
        media_type: &str,
        class: DataClass,
        bytes: Vec<u8>,
    ) -> Result<Artifact, Stop> {
        let path = ArtifactPath::new(path).map_err(|error| Stop::failed(error.to_string()))?;
        self.context.store(path, media_type, class, bytes).await
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

fn in_a_sentence(pack: &KnowledgeEvidencePack, web: &[WebRequest], report: &ResearchReport) -> String {
    let outside = match web.iter().map(|request| request.results.len()).sum::<usize>() {
        0 => String::new(),
        results => format!(", {results} results from outside"),
    };
    let lacking: Vec<&str> = report.degraded_reasons.iter().map(MissingProvider::what).collect();
    format!(
        "{} passages in {} files searched{outside}, {} open questions; degraded: no {}",
        pack.passages.len(),
        pack.searched.files,
        report.open_questions.len(),
        lacking.join(", no ")
    )
}

fn evidence_of(place: usize, passage: FoundPassage, commit: &ObjectId) -> EvidencePassage {
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
