//! Asking the providers that policy names: pages of the web, and tools of MCP servers.
//!
//! Each request is a step with its own leave, so that a crash in the middle repeats that one at most, and a replay reads
//! what came back from the record. What a page or a tool says is data here: it names pages that policy's patterns admit,
//! and nothing else.
//!
//! **Invariant:** where the capture mode keeps no text, none reaches a variable of this module: it is left behind by the
//! adapter that read it.

mod cited;
mod pages;
mod tools;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{MissingProvider, ResearchProvider, WebRequest, WebResult};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json};
use windlass_domain::run::BlockedReason;
use windlass_domain::run::request::Preset;
use windlass_domain::time::Timestamp;
use windlass_policy::{Approved, Capability, Connect, Policy, Provider, WebAddress, secrets};

use crate::context::{Recorded, RunContext};
use crate::leave::{Asking, Leave, NoLeave, Wish};
use crate::research::search::Facet;
use crate::stop::Stop;

pub use tools::ServerPlace;

/// Longest snippet of a text, in characters: what tells whether it is worth opening.
const MAX_SNIPPET: usize = 300;

/// Most pages that one run reads: each is a wait of seconds at worst.
const fn pages_at(preset: Preset) -> usize {
    match preset {
        Preset::Quick => 4,
        Preset::Standard => 8,
        Preset::Deep => 16,
        Preset::Exhaustive => 32,
    }
}

/// Most parts of the question that each tool is asked about.
const fn questions_at(preset: Preset) -> usize {
    match preset {
        Preset::Quick => 1,
        Preset::Standard => 2,
        Preset::Deep => 4,
        Preset::Exhaustive => 8,
    }
}

/// What came back.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The requests, in their order, with what each was for.
    pub requests: Vec<Answered>,
    /// What could not be had.
    pub missing: Vec<MissingProvider>,
}

/// A request with what came back.
#[derive(Debug)]
pub struct Answered {
    /// For the bundle; nothing of it is selected yet.
    pub request: WebRequest,
    /// What was asked for: `goal` and so on, or `named`.
    pub asked_for: String,
    /// The texts of its results, in their order; none where they are not kept.
    pub texts: Vec<Option<String>>,
    /// Whether nothing came back that should have.
    failed: bool,
}

/// Something that came back, with the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct At<T> {
    retrieved_at: Timestamp,
    answer: T,
}

/// Something without the texts in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts<T>(At<T>);

/// Something with the texts in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Texts<T>(At<T>);

impl<T: Serialize + for<'de> Deserialize<'de> + Send> Recorded for Facts<T> {
    const CLASS: DataClass = DataClass::Metadata;
}

impl<T: Serialize + for<'de> Deserialize<'de> + Send> Recorded for Texts<T> {
    const CLASS: DataClass = DataClass::Io;
}

/// A thing that came back, as it is told of in a bundle.
struct Told {
    url: String,
    title: Option<String>,
    published_at: Option<Timestamp>,
    digest: Digest,
    bytes: u64,
    text: Option<String>,
}

/// Asks providers, for one run.
pub struct Outside<'a> {
    /// The run.
    pub context: &'a RunContext,
    /// Today's policy.
    pub policy: &'a Policy,
    /// Whether a failure only labels the report.
    pub allow_degraded: bool,
    /// What servers find on this machine; there where policy names one.
    pub place: Option<&'a ServerPlace>,
}

impl Outside<'_> {
    /// Asks all providers, in policy's order.
    ///
    /// # Errors
    /// [`Stop`] when the run must not go on; `blocked` where a provider is missing and policy does not let it go without.
    pub async fn gather(&self, providers: &[Provider], facets: &[Facet]) -> Result<Gathered, Stop> {
        let mut gathered = Gathered::default();
        let preset = self.context.request().preset;
        let mut pages_left = pages_at(preset);
        for provider in providers {
            let before = gathered.requests.len();
            match provider {
                Provider::Urls(provider) => {
                    for page in provider.urls.iter().filter_map(|pattern| pattern.page()) {
                        let answered = match pages_left.checked_sub(1) {
                            Some(left) => {
                                pages_left = left;
                                self.read(provider, page).await?
                            }
                            None => self.not_read(provider, page, "the limit of pages of one run is reached"),
                        };
                        self.note(&mut gathered, answered)?;
                    }
                }
                Provider::Mcp(server) => {
                    for tool in &server.tool {
                        for facet in facets.iter().take(questions_at(preset)) {
                            let answered = self.call(server, tool, facet).await?;
                            self.note(&mut gathered, answered)?;
                        }
                    }
                }
            }
            gathered.missing.extend(missing(provider, &gathered.requests[before..]));
        }
        self.read_what_was_named(providers, facets, &mut gathered, pages_left).await?;
        Ok(gathered)
    }

    /// Pages that the question or a tool names, as far as a pattern of policy admits them. One that cannot be had is an error
    /// of its request, and no provider is missing for it.
    async fn read_what_was_named(
        &self,
        providers: &[Provider],
        facets: &[Facet],
        gathered: &mut Gathered,
        pages_left: usize,
    ) -> Result<(), Stop> {
        let in_question = facets.iter().flat_map(|facet| facet.text.split_whitespace()).map(trimmed);
        let results = gathered.requests.iter().filter(|answered| answered.request.query.is_some());
        let in_results =
            results.flat_map(|answered| &answered.request.results).map(|result| result.url.as_str());
        let mut wanted = Vec::new();
        for address in in_question.chain(in_results).filter_map(|text| text.parse::<WebAddress>().ok()) {
            let admitting = providers.iter().find_map(|provider| match provider {
                Provider::Urls(provider) if provider.urls.iter().any(|pattern| pattern.admits(&address)) => {
                    Some(provider)
                }
                _ => None,
            });
            let read = gathered
                .requests
                .iter()
                .any(|one| one.request.urls.iter().any(|url| url == address.as_str()));
            if let Some(provider) = admitting.filter(|_| !read)
                && !wanted.iter().any(|(_, known)| *known == address)
            {
                wanted.push((provider, address));
            }
        }
        for (provider, address) in wanted.into_iter().take(pages_left) {
            gathered.requests.push(self.read(provider, &address).await?);
        }
        Ok(())
    }

    /// Takes an answer, or ends the run where policy does not let it go without.
    fn note(&self, gathered: &mut Gathered, answered: Answered) -> Result<(), Stop> {
        if answered.failed && !self.allow_degraded {
            let why = answered.request.errors.first().map_or("it gave nothing", String::as_str);
            return Err(unprovided(&format!("provider `{}` is missing: {why}", answered.request.provider)));
        }
        gathered.requests.push(answered);
        Ok(())
    }

    fn keeps_text(&self) -> bool {
        self.context.request().capture_mode == CaptureMode::FullIo
    }

    /// Whom to ask where policy asks: a person, if there is one. A headless run goes without.
    fn asking(&self) -> Asking {
        if self.context.request().headless { Asking::Nobody } else { Asking::Person }
    }

    async fn leave_to_connect(
        &self,
        host: &str,
        step: &str,
    ) -> Result<Result<Leave<Connect>, NoLeave>, Stop> {
        let wish = Wish { capability: Capability::NetConnect, subject: host, step, asking: self.asking() };
        self.context.leave(&wish, |yes: Option<&Approved>| self.policy.permit_connect(host, yes)).await
    }

    /// Whether today's policy still names the provider in the same words. What was done stands.
    fn still_named(&self, name: &str, same: impl Fn(&Provider) -> bool) -> Result<(), Stop> {
        if self.policy.providers().into_iter().any(same) {
            return Ok(());
        }
        let message = format!(
            "policy named provider `{name}` when the run began, and does not in the same words any more"
        );
        Err(Stop::Blocked { reason: BlockedReason::PolicyDenied, message })
    }
}

/// Ends a run that must not go without a provider.
pub(super) fn unprovided(why: &str) -> Stop {
    Stop::Blocked {
        reason: BlockedReason::ProviderUnavailable,
        message: format!("policy says `allow_degraded = false`, and {why}; see `windlass policy show`"),
    }
}

/// A provider of which a request failed.
fn missing(provider: &Provider, answers: &[Answered]) -> Option<MissingProvider> {
    let failed: Vec<&Answered> = answers.iter().filter(|answered| answered.failed).collect();
    let why = failed.first()?.request.errors.first().map_or("it gave nothing", String::as_str);
    let kind = match provider {
        Provider::Urls(_) => ResearchProvider::Web,
        Provider::Mcp(_) => ResearchProvider::Mcp,
    };
    let reason = format!("{} of {} requests failed: {why}", failed.len(), answers.len());
    Some(MissingProvider { provider: kind, name: Some(provider.name().to_owned()), reason })
}

/// A request without an answer.
fn unanswered(provider: &str, tool: String, asked_for: &str) -> Answered {
    let request = WebRequest {
        provider: provider.to_owned(),
        tool,
        query: None,
        urls: Vec::new(),
        params: Json::null(),
        retrieved_at: None,
        results: Vec::new(),
        selected: Vec::new(),
        errors: Vec::new(),
    };
    Answered { request, asked_for: asked_for.to_owned(), texts: Vec::new(), failed: false }
}

impl Answered {
    fn failing(mut self, why: String) -> Self {
        self.request.errors.push(why);
        self.failed = true;
        self
    }

    fn take(&mut self, told: Told) {
        let rank = u32::try_from(self.request.results.len() + 1).unwrap_or(u32::MAX);
        let snippet = told.text.as_ref().map(|text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").chars().take(MAX_SNIPPET).collect()
        });
        self.request.results.push(WebResult {
            domain: told.url.parse::<WebAddress>().map(|address| address.host()).unwrap_or_default(),
            url: told.url,
            title: told.title,
            rank,
            published_at: told.published_at,
            snippet,
            content_hash: told.digest,
            bytes: told.bytes,
            content_uri: None,
        });
        self.texts.push(told.text);
    }
}

/// Whether something holds what looks like a secret, and must not be recorded.
fn holds_secret<'a>(texts: impl IntoIterator<Item = &'a Option<String>>) -> bool {
    texts.into_iter().flatten().any(|text| !secrets::scan(text).is_empty())
}

/// A word of a text without the marks around an address.
fn trimmed(word: &str) -> &str {
    word.trim_matches(['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '`', ',', '.', ';', ':', '!', '?'])
}
