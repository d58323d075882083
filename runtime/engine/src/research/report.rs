//! Puts the report together from what was found. Nothing is worded here that a source does not say: sentences are quoted,
//! facts are counted, and what stands nowhere is an open question.

use std::collections::BTreeSet;

use windlass_contract::document::{
    Citation, CitedPlace, Confidence, EvidenceChange, Header, KnowledgeEvidencePack, MissingProvider,
    PassageSource, ResearchOption, ResearchProvider, ResearchQuestion, ResearchReport, WebPassage,
    WebRequest,
};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::run::request::Preset;

use crate::research::search::Facet;
use crate::research::terms::terms;

/// Most options: more than a person compares at once.
const MAX_OPTIONS: usize = 4;
/// Most quoted sentences in the summary.
const MAX_SENTENCES: usize = 3;
/// Most of them from outside of the repository, beside those.
const MAX_WEB_SENTENCES: usize = 2;
/// Longest quoted sentence, in characters.
const MAX_SENTENCE: usize = 300;

/// What the report is made of.
pub struct Material<'a> {
    /// The program that the run began with.
    pub tool_version: &'a str,
    /// What was asked.
    pub question: ResearchQuestion,
    /// Its parts.
    pub facets: &'a [Facet],
    /// Words of each part that stand nowhere.
    pub unknown_words: &'a [Vec<String>],
    /// How deep.
    pub preset: Preset,
    /// What was found in the repository.
    pub pack: &'a KnowledgeEvidencePack,
    /// Where that is stored.
    pub pack_uri: ArtifactUri,
    /// What came back from outside, with what is cited of it.
    pub web: &'a [WebRequest],
    /// Where that is stored, if anybody was asked.
    pub bundle_uri: Option<ArtifactUri>,
    /// What there was none of.
    pub missing: Vec<MissingProvider>,
}

/// What a report says, as opposed to what it rests on. [`extract`] makes it of the sources' own words; whoever words it
/// otherwise cites the same sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synthesis {
    /// The sentences that answer best.
    pub executive_summary: String,
    /// Where the work could begin.
    pub options: Vec<ResearchOption>,
    /// What is not answered.
    pub open_questions: Vec<String>,
}

/// The model that this version does not have.
#[must_use]
pub fn no_model() -> MissingProvider {
    MissingProvider {
        provider: ResearchProvider::Model,
        name: None,
        reason: "this version of windlass asks no model: sentences are quoted and places are named, nothing is concluded"
            .to_owned(),
    }
}

/// The web, of which policy names nothing.
#[must_use]
pub fn no_web() -> MissingProvider {
    MissingProvider {
        provider: ResearchProvider::Web,
        name: None,
        reason:
            "policy names no page and no MCP server ([[research.provider]]): only the repository was searched"
                .to_owned(),
    }
}

/// The report.
#[must_use]
pub fn assemble(material: Material<'_>, synthesis: Synthesis) -> ResearchReport {
    let pack = material.pack;
    let mut inputs = vec![material.pack_uri.to_string()];
    inputs.extend(material.bundle_uri.map(|uri| uri.to_string()));
    inputs.push(format!("swh:1:rev:{}", pack.commit));
    ResearchReport {
        header: Header::by(material.tool_version, ResearchReport::SCHEMA),
        executive_summary: synthesis.executive_summary,
        options: synthesis.options,
        open_questions: synthesis.open_questions,
        citations: citations(pack, material.web),
        question: material.question,
        commit: pack.commit.clone(),
        preset: material.preset,
        inputs,
        degraded: !material.missing.is_empty(),
        degraded_reasons: material.missing,
    }
}

/// What the sources say by themselves, without a model.
#[must_use]
pub fn extract(material: &Material<'_>) -> Synthesis {
    let goal = words_of(material.facets.first().map_or("", |facet| &facet.text));
    let sources = sources(material);
    Synthesis {
        executive_summary: summary(material, &sources, &goal),
        options: options(material, &sources, &goal),
        open_questions: open_questions(material, &sources),
    }
}

/// A passage that can be quoted.
struct Source<'a> {
    id: &'a str,
    /// The path of a file, or the address of a page.
    place: &'a str,
    kind: SourceKind,
    found_for: &'a str,
    text: &'a str,
}

/// What a passage is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    Document,
    Code,
    Web,
}

/// What can be quoted, the repository first.
fn sources<'a>(material: &'a Material<'_>) -> Vec<Source<'a>> {
    let own = material.pack.passages.iter().map(|passage| Source {
        id: &passage.id,
        place: &passage.path,
        kind: match passage.source {
            PassageSource::Document => SourceKind::Document,
            PassageSource::Code => SourceKind::Code,
        },
        found_for: &passage.found_for,
        text: &passage.text,
    });
    let mut cited: Vec<&WebPassage> = material.web.iter().flat_map(|request| &request.selected).collect();
    cited.sort_by_key(|passage| rank(&passage.id));
    let web = cited.into_iter().filter_map(|passage| {
        let (id, place, found_for) = (&*passage.id, &*passage.url, &*passage.found_for);
        Some(Source { id, place, kind: SourceKind::Web, found_for, text: passage.text.as_deref()? })
    });
    own.chain(web).collect()
}

/// The place of a passage of the web among the others.
fn rank(id: &str) -> usize {
    id.get(1..).and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

fn words_of(text: &str) -> BTreeSet<String> {
    terms(text).into_iter().map(|term| term.stem).collect()
}

/// How many of these words a passage has, in its text or its place.
fn overlap(words: &BTreeSet<String>, source: &Source<'_>) -> usize {
    words_of(&format!("{} {}", source.place, source.text)).intersection(words).count()
}

fn summary(material: &Material<'_>, sources: &[Source<'_>], goal: &BTreeSet<String>) -> String {
    let quotes = |web: bool, most: usize| -> Vec<String> {
        let about_goal = sources.iter().filter(|source| source.found_for == "goal");
        about_goal
            .filter(|source| (source.kind == SourceKind::Web) == web)
            .filter_map(|source| {
                best_sentence(source, goal).map(|quote| format!("“{quote}” [{}]", source.id))
            })
            .take(most)
            .collect()
    };
    let mut sentences = quotes(false, MAX_SENTENCES);
    sentences.extend(quotes(true, MAX_WEB_SENTENCES));
    if sentences.is_empty() {
        let searched = material.pack.searched.files;
        sentences.push(format!("Nothing in the {searched} files that were searched speaks of the goal."));
    }
    let selected = || material.web.iter().flat_map(|request| &request.selected);
    let untold: Vec<&str> =
        selected().filter(|passage| passage.text.is_none()).map(|passage| passage.id.as_str()).collect();
    if !untold.is_empty() {
        sentences.push(format!(
            "What was read outside of the repository is named and not quoted, because this capture mode stores no text of it [{}].",
            untold.join(", ")
        ));
    }
    sentences.join(" ")
}

/// The sentence of a passage with most of these words; the earliest of several.
fn best_sentence(passage: &Source<'_>, words: &BTreeSet<String>) -> Option<String> {
    let sentences = sentences(passage);
    let scored = sentences.into_iter().map(|sentence| {
        let score = words_of(&sentence).intersection(words).count();
        (score, sentence)
    });
    let mut best: Option<(usize, String)> = None;
    for (score, sentence) in scored.filter(|(score, _)| *score > 0) {
        if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
            best = Some((score, sentence));
        }
    }
    best.map(|(_, sentence)| shortened(&sentence))
}

/// The sentences of a document, across its lines; the lines of code, without the marks of a comment.
fn sentences(passage: &Source<'_>) -> Vec<String> {
    let lines = passage
        .text
        .lines()
        .map(|line| line.trim().trim_start_matches(['/', '#', '*', '!', '-', '>']).trim());
    match passage.kind {
        SourceKind::Code => lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        SourceKind::Document | SourceKind::Web => {
            let mut paragraphs = vec![String::new()];
            for line in lines {
                // A row of a table and an empty line stand for themselves.
                if line.is_empty() || line.starts_with('|') {
                    paragraphs.push(String::new());
                }
                if let Some(paragraph) = paragraphs.last_mut() {
                    if !paragraph.is_empty() {
                        paragraph.push(' ');
                    }
                    paragraph.push_str(line);
                }
            }
            let split = |paragraph: &String| {
                let sentences = paragraph.split_inclusive(". ").map(|sentence| sentence.trim().to_owned());
                sentences.collect::<Vec<_>>()
            };
            paragraphs.iter().flat_map(split).filter(|sentence| !sentence.is_empty()).collect()
        }
    }
}

fn shortened(sentence: &str) -> String {
    match sentence.char_indices().nth(MAX_SENTENCE) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence.to_owned(),
    }
}

/// The places where the work could begin: those of the passages for the goal, in their order. One is kept for what is
/// outside of the repository, where that has something.
fn options(material: &Material<'_>, sources: &[Source<'_>], goal: &BTreeSet<String>) -> Vec<ResearchOption> {
    let places = |web: bool| {
        let mut places: Vec<&str> = Vec::new();
        let leading = sources.iter().filter(|source| matches!(source.found_for, "goal" | "named"));
        for source in leading.filter(|source| (source.kind == SourceKind::Web) == web) {
            if !places.contains(&source.place) {
                places.push(source.place);
            }
        }
        places
    };
    let web = places(true);
    let own = places(false).into_iter().take(MAX_OPTIONS - usize::from(!web.is_empty()));
    let leading = own.chain(web).take(MAX_OPTIONS).enumerate();
    leading.map(|(rank, place)| option(material, sources, goal, place, rank == 0)).collect()
}

fn option(
    material: &Material<'_>,
    sources: &[Source<'_>],
    goal: &BTreeSet<String>,
    place: &str,
    first: bool,
) -> ResearchOption {
    let passages: Vec<&Source<'_>> = sources.iter().filter(|source| source.place == place).collect();
    let changes: Vec<&EvidenceChange> =
        material.pack.changes.iter().filter(|change| change.path == place).collect();
    let covered = passages.iter().map(|passage| overlap(goal, passage)).max().unwrap_or(0);
    let confidence = confidence(covered, goal.len());
    let quote = passages.iter().find_map(|passage| best_sentence(passage, goal));
    let mut tradeoffs =
        vec![format!("One of its passages has {covered} of the goal's {} words.", goal.len())];
    let others: Vec<&str> = material
        .facets
        .iter()
        .skip(1)
        .filter(|facet| {
            let words = words_of(&facet.text);
            passages.iter().any(|passage| is_answered(&words, passage))
        })
        .map(|facet| facet.name.as_str())
        .collect();
    if !others.is_empty() {
        tradeoffs.push(format!("It also speaks of {}.", others.join(", ")));
    }
    let kind = passages.first().map_or(SourceKind::Code, |passage| passage.kind);
    let (begin, weighed) = match kind {
        SourceKind::Document => ("Begin with", "A document: it says what is meant, not what is done."),
        SourceKind::Code => ("Begin with", "Code: it says what is done, not always why."),
        SourceKind::Web => {
            ("Read", "From outside: nobody here answers for it, and it may say something else today.")
        }
    };
    tradeoffs.push(weighed.to_owned());
    if let Some(change) = changes.first() {
        let day = change.at.to_string();
        let day = day.get(..10).unwrap_or(&day);
        tradeoffs.push(format!("Last changed on {day}: “{}” [{}].", change.subject, change.id));
    }
    let ids = passages.iter().map(|passage| passage.id.to_owned());
    ResearchOption {
        title: format!("{begin} `{place}`"),
        summary: quote
            .map_or_else(|| "It is named in the question.".to_owned(), |quote| format!("“{quote}”")),
        tradeoffs,
        confidence,
        recommended: first && confidence != Confidence::Low,
        citations: ids.chain(changes.first().map(|change| change.id.clone())).collect(),
    }
}

const fn confidence(covered: usize, words: usize) -> Confidence {
    if words > 0 && covered * 3 >= words * 2 {
        Confidence::High
    } else if words > 0 && covered * 3 >= words {
        Confidence::Medium
    } else {
        Confidence::Low
    }
}

/// Whether a passage has at least half of these words.
fn is_answered(words: &BTreeSet<String>, passage: &Source<'_>) -> bool {
    !words.is_empty() && overlap(words, passage) * 2 >= words.len()
}

/// The parts of the question of which no passage has half of the words.
fn open_questions(material: &Material<'_>, sources: &[Source<'_>]) -> Vec<String> {
    let mut open = Vec::new();
    for (facet, unknown) in material.facets.iter().zip(material.unknown_words) {
        let words = words_of(&facet.text);
        let text = if facet.name == "goal" { &material.question.goal } else { &facet.text };
        if words.is_empty() {
            open.push(format!("{} has no word to search for: “{text}”.", capitalized(&facet.name)));
        } else if !sources.iter().any(|source| is_answered(&words, source)) {
            let nowhere = match &unknown[..] {
                [] => String::new(),
                unknown => format!(" Nowhere in the repository: {}.", unknown.join(", ")),
            };
            let part = capitalized(&facet.name);
            open.push(format!("{part} is not answered by any one place: “{text}”.{nowhere}"));
        }
    }
    open
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn citations(pack: &KnowledgeEvidencePack, web: &[WebRequest]) -> Vec<Citation> {
    let passages = pack.passages.iter().map(|passage| Citation {
        id: passage.id.clone(),
        place: CitedPlace::Passage {
            path: passage.path.clone(),
            lines: passage.lines,
            commit: passage.commit.clone(),
        },
        digest: passage.digest,
    });
    let changes = pack.changes.iter().map(|change| Citation {
        id: change.id.clone(),
        place: CitedPlace::Change { path: change.path.clone(), commit: change.commit.clone() },
        digest: change.digest,
    });
    let outside = web.iter().flat_map(|request| {
        request.selected.iter().map(|passage| Citation {
            id: passage.id.clone(),
            place: CitedPlace::Web {
                url: passage.url.clone(),
                content_hash: passage.content_hash,
                lines: passage.lines,
                retrieved_at: request.retrieved_at,
            },
            digest: passage.digest,
        })
    });
    passages.chain(changes).chain(outside).collect()
}
