//! Puts the report together from what was found. Nothing is worded here that a source does not say: sentences are quoted,
//! facts are counted, and what stands nowhere is an open question.

use std::collections::BTreeSet;

use windlass_contract::document::{
    Citation, Confidence, EvidenceChange, EvidencePassage, Header, KnowledgeEvidencePack, MissingProvider,
    PassageSource, ResearchOption, ResearchProvider, ResearchQuestion, ResearchReport,
};
use windlass_domain::artifact::ArtifactUri;
use windlass_domain::run::request::Preset;

use crate::research::search::Facet;
use crate::research::terms::terms;

/// Most options: more than a person compares at once.
const MAX_OPTIONS: usize = 4;
/// Most quoted sentences in the summary.
const MAX_SENTENCES: usize = 3;
/// Longest quoted sentence, in characters.
const MAX_SENTENCE: usize = 300;

/// What the report is made of.
pub struct Material<'a> {
    /// What was asked.
    pub question: ResearchQuestion,
    /// Its parts.
    pub facets: &'a [Facet],
    /// Words of each part that stand nowhere.
    pub unknown_words: &'a [Vec<String>],
    /// How deep.
    pub preset: Preset,
    /// What was found.
    pub pack: &'a KnowledgeEvidencePack,
    /// Where that is stored.
    pub pack_uri: ArtifactUri,
    /// What there was none of.
    pub missing: Vec<MissingProvider>,
}

/// The providers that this version does not have.
#[must_use]
pub fn missing_providers() -> Vec<MissingProvider> {
    let missing = |provider, reason: &str| MissingProvider { provider, reason: reason.to_owned() };
    vec![
        missing(
            ResearchProvider::Model,
            "this version of windlass asks no model: sentences are quoted and places are named, nothing is concluded",
        ),
        missing(
            ResearchProvider::Web,
            "this version of windlass reads no web page and asks no search server: only the repository was searched",
        ),
    ]
}

/// The report.
#[must_use]
pub fn assemble(material: Material<'_>) -> ResearchReport {
    let pack = material.pack;
    let goal = words_of(material.facets.first().map_or("", |facet| &facet.text));
    let inputs = vec![material.pack_uri.to_string(), format!("swh:1:rev:{}", pack.commit)];
    ResearchReport {
        header: Header::of(ResearchReport::SCHEMA),
        executive_summary: summary(pack, &goal),
        options: options(pack, material.facets, &goal),
        open_questions: open_questions(&material),
        citations: citations(pack),
        question: material.question,
        commit: pack.commit.clone(),
        preset: material.preset,
        inputs,
        degraded: !material.missing.is_empty(),
        degraded_reasons: material.missing,
    }
}

fn words_of(text: &str) -> BTreeSet<String> {
    terms(text).into_iter().map(|term| term.stem).collect()
}

/// How many of these words a passage has, in its text or its path.
fn overlap(words: &BTreeSet<String>, passage: &EvidencePassage) -> usize {
    words_of(&format!("{} {}", passage.path, passage.text)).intersection(words).count()
}

fn summary(pack: &KnowledgeEvidencePack, goal: &BTreeSet<String>) -> String {
    let about_goal = pack.passages.iter().filter(|passage| passage.found_for == "goal");
    let quotes: Vec<String> = about_goal
        .filter_map(|passage| best_sentence(passage, goal).map(|quote| format!("“{quote}” [{}]", passage.id)))
        .take(MAX_SENTENCES)
        .collect();
    if quotes.is_empty() {
        let searched = pack.searched;
        return format!("Nothing in the {} files that were searched speaks of the goal.", searched.files);
    }
    quotes.join(" ")
}

/// The sentence of a passage with most of these words; the earliest of several.
fn best_sentence(passage: &EvidencePassage, words: &BTreeSet<String>) -> Option<String> {
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
fn sentences(passage: &EvidencePassage) -> Vec<String> {
    let lines = passage
        .text
        .lines()
        .map(|line| line.trim().trim_start_matches(['/', '#', '*', '!', '-', '>']).trim());
    match passage.source {
        PassageSource::Code => lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        PassageSource::Document => {
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

/// The files where the work could begin: those of the passages for the goal, in their order.
fn options(pack: &KnowledgeEvidencePack, facets: &[Facet], goal: &BTreeSet<String>) -> Vec<ResearchOption> {
    let mut paths: Vec<&str> = Vec::new();
    for passage in
        pack.passages.iter().filter(|passage| matches!(passage.found_for.as_str(), "goal" | "named"))
    {
        if !paths.contains(&passage.path.as_str()) {
            paths.push(&passage.path);
        }
    }
    let options = paths.into_iter().take(MAX_OPTIONS).enumerate();
    options.map(|(place, path)| option(pack, facets, goal, path, place == 0)).collect()
}

fn option(
    pack: &KnowledgeEvidencePack,
    facets: &[Facet],
    goal: &BTreeSet<String>,
    path: &str,
    first: bool,
) -> ResearchOption {
    let passages: Vec<&EvidencePassage> =
        pack.passages.iter().filter(|passage| passage.path == path).collect();
    let changes: Vec<&EvidenceChange> = pack.changes.iter().filter(|change| change.path == path).collect();
    let covered = passages.iter().map(|passage| overlap(goal, passage)).max().unwrap_or(0);
    let confidence = confidence(covered, goal.len());
    let quote = passages.iter().find_map(|passage| best_sentence(passage, goal));
    let mut tradeoffs =
        vec![format!("One of its passages has {covered} of the goal's {} words.", goal.len())];
    let others: Vec<&str> = facets
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
    tradeoffs.push(match passages.first().map(|passage| passage.source) {
        Some(PassageSource::Document) => "A document: it says what is meant, not what is done.".to_owned(),
        Some(PassageSource::Code) | None => "Code: it says what is done, not always why.".to_owned(),
    });
    if let Some(change) = changes.first() {
        let day = change.at.to_string();
        let day = day.get(..10).unwrap_or(&day);
        tradeoffs.push(format!("Last changed on {day}: “{}” [{}].", change.subject, change.id));
    }
    let ids = passages.iter().map(|passage| passage.id.clone());
    ResearchOption {
        title: format!("Begin with `{path}`"),
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
fn is_answered(words: &BTreeSet<String>, passage: &EvidencePassage) -> bool {
    !words.is_empty() && overlap(words, passage) * 2 >= words.len()
}

/// The parts of the question of which no passage has half of the words.
fn open_questions(material: &Material<'_>) -> Vec<String> {
    let mut open = Vec::new();
    for (facet, unknown) in material.facets.iter().zip(material.unknown_words) {
        let words = words_of(&facet.text);
        let text = if facet.name == "goal" { &material.question.goal } else { &facet.text };
        if words.is_empty() {
            open.push(format!("{} has no word to search for: “{text}”.", capitalized(&facet.name)));
        } else if !material.pack.passages.iter().any(|passage| is_answered(&words, passage)) {
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

fn citations(pack: &KnowledgeEvidencePack) -> Vec<Citation> {
    let passages = pack.passages.iter().map(|passage| Citation {
        id: passage.id.clone(),
        path: passage.path.clone(),
        lines: Some(passage.lines),
        commit: passage.commit.clone(),
        digest: passage.digest,
    });
    let changes = pack.changes.iter().map(|change| Citation {
        id: change.id.clone(),
        path: change.path.clone(),
        lines: None,
        commit: change.commit.clone(),
        digest: change.digest,
    });
    passages.chain(changes).collect()
}
