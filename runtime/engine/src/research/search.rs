//! Ranks the passages of a commit against a question, with BM25 (Robertson and others, TREC-3; k1 = 1.2, b = 0.75).
//!
//! A passage is ranked by its own words, those of its path and those of the headings above it. Equal scores keep the
//! order of the files, so the same commit and question give the same passages.

use std::collections::{BTreeMap, BTreeSet};

use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};
use serde::{Deserialize, Serialize};
use windlass_contract::document::{LeftOut, LineRange, PassageSource, ResearchQuestion, SearchedAmount};
use windlass_domain::run::request::Preset;
use windlass_policy::secrets;

use crate::research::passages::{Piece, cut};
use crate::research::selection::{Omissions, source_of};
use crate::research::terms::{stems, terms};

/// Most passages of one file in an answer, so that one long file does not hide the others.
const MAX_PASSAGES_OF_A_FILE: usize = 3;
/// Most files that a question names and that are looked at for it alone.
const MAX_NAMED_FILES: usize = 4;

/// How many passages an answer has at each depth: what a person reads in minutes, or in an hour.
#[must_use]
pub const fn passages_at(preset: Preset) -> usize {
    match preset {
        Preset::Quick => 8,
        Preset::Standard => 12,
        Preset::Deep => 20,
        Preset::Exhaustive => 32,
    }
}

/// A part of the question that is searched for by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facet {
    /// `goal`, `criterion 1`, `constraint 1` and so on.
    pub name: String,
    /// Its words.
    pub text: String,
}

/// The parts of a question, the goal with the title first.
#[must_use]
pub fn facets(question: &ResearchQuestion) -> Vec<Facet> {
    let numbered = |name: &'static str, texts: &[String]| -> Vec<Facet> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(place, text)| Facet { name: format!("{name} {}", place + 1), text: text.clone() })
            .collect()
    };
    let goal = Facet { name: "goal".to_owned(), text: format!("{}. {}", question.goal, question.title) };
    let mut facets = vec![goal];
    facets.extend(numbered("criterion", &question.acceptance_criteria));
    facets.extend(numbered("constraint", &question.constraints));
    facets
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The passages, the best first.
    pub passages: Vec<FoundPassage>,
    /// Words of each facet that stand nowhere in what was searched.
    pub unknown_words: Vec<Vec<String>>,
    /// How much was searched.
    pub searched: SearchedAmount,
    /// What was not.
    pub left_out: Vec<LeftOut>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPassage {
    /// The file.
    pub path: String,
    /// What the file is.
    pub source: PassageSource,
    /// The lines.
    pub lines: LineRange,
    /// The headings above it.
    pub headings: String,
    /// The facet that it was found for, or `named`.
    pub found_for: String,
    /// Its score, in thousandths.
    pub score_thousandths: u32,
    /// Its text, line ends and all.
    pub text: String,
}

/// The files to search, cut into passages.
#[derive(Debug, Default)]
pub struct Corpus {
    files: Vec<SourceFile>,
    passages: Vec<Passage>,
    bytes: u64,
}

#[derive(Debug)]
struct SourceFile {
    path: String,
    source: PassageSource,
    text: String,
}

#[derive(Debug)]
struct Passage {
    file: usize,
    piece: Piece,
    stems: String,
}

/// Takes stems that are divided by spaces.
#[derive(Default)]
struct Stems;

impl Tokenizer for Stems {
    fn tokenize(&self, stems: &str) -> Vec<String> {
        stems.split_ascii_whitespace().map(str::to_owned).collect()
    }
}

impl Corpus {
    /// Adds a file.
    pub fn add(&mut self, path: String, text: String) {
        let source = source_of(&path);
        self.add_as(source, path, text);
    }

    /// Adds a text from this place, of which it is known what it is.
    pub fn add_as(&mut self, source: PassageSource, path: String, text: String) {
        let of_path = stems(&path);
        for piece in cut(&text, source) {
            let own = stems(&text[piece.bytes.clone()]);
            let stems = format!("{of_path} {} {own}", stems(&piece.headings));
            self.passages.push(Passage { file: self.files.len(), piece, stems });
        }
        self.bytes += text.len() as u64;
        self.files.push(SourceFile { path, source, text });
    }

    /// The passages that answer a question best, at most `limit`.
    #[must_use]
    pub fn search(&self, facets: &[Facet], limit: usize, mut omissions: Omissions) -> Found {
        let ranker = Ranker::of(self);
        let ranked: Vec<Ranked> = facets.iter().map(|facet| ranker.rank(facet)).collect();
        let mut taken = Taken { corpus: self, limit, places: Vec::new(), clean: BTreeMap::new() };
        taken.named(facets, ranked.first());
        if let Some(goal) = ranked.first() {
            taken.best_of(goal, limit.div_ceil(2));
        }
        taken.turn_by_turn(ranked.get(1..).unwrap_or_default());
        if let Some(goal) = ranked.first() {
            taken.best_of(goal, limit);
        }
        for (file, rule) in &taken.clean {
            if rule.is_some() {
                omissions.note("it holds a secret", &self.files[*file].path);
            }
        }
        Found {
            passages: taken.places.iter().map(|place| self.found(place)).collect(),
            unknown_words: facets.iter().map(|facet| self.unknown_words(&facet.text)).collect(),
            searched: SearchedAmount {
                files: self.files.len() as u64,
                bytes: self.bytes,
                passages: self.passages.len() as u64,
            },
            left_out: omissions.into_document(),
        }
    }

    fn found(&self, place: &Place) -> FoundPassage {
        let passage = &self.passages[place.passage];
        let file = &self.files[passage.file];
        FoundPassage {
            path: file.path.clone(),
            source: file.source,
            lines: passage.piece.lines,
            headings: passage.piece.headings.clone(),
            found_for: place.found_for.clone(),
            score_thousandths: thousandths(place.score),
            text: file.text[passage.piece.bytes.clone()].to_owned(),
        }
    }

    /// The words of a text whose stems no passage has, in their order.
    fn unknown_words(&self, text: &str) -> Vec<String> {
        let known: BTreeSet<&str> =
            self.passages.iter().flat_map(|passage| passage.stems.split(' ')).collect();
        let mut unknown = Vec::new();
        for term in terms(text) {
            if !known.contains(term.stem.as_str()) && !unknown.contains(&term.word) {
                unknown.push(term.word);
            }
        }
        unknown
    }

    /// The files that a text names by path, or by a file name of which there is one.
    fn named_in(&self, text: &str) -> Vec<usize> {
        let mut named = Vec::new();
        for word in text.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '_'));
            if !word.contains(['.', '/']) {
                continue;
            }
            let ending = format!("/{word}");
            let fits = |file: &SourceFile| file.path == word || file.path.ends_with(&ending);
            let mut fitting = (0..self.files.len()).filter(|file| fits(&self.files[*file]));
            if let (Some(file), None) = (fitting.next(), fitting.next())
                && !named.contains(&file)
            {
                named.push(file);
            }
        }
        named.truncate(MAX_NAMED_FILES);
        named
    }
}

/// A score as a whole number, so that the record holds no fractions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scores are small and not negative"
)]
fn thousandths(score: f32) -> u32 {
    (score * 1_000.0).round() as u32
}

/// The passages for one facet, the best first.
struct Ranked {
    name: String,
    passages: Vec<(usize, f32)>,
}

struct Ranker {
    embedder: Embedder<u64, Stems>,
    scorer: Scorer<usize, u64>,
}

impl Ranker {
    #[expect(clippy::cast_precision_loss, reason = "an average length needs no more precision")]
    fn of(corpus: &Corpus) -> Self {
        let words: usize =
            corpus.passages.iter().map(|passage| passage.stems.split_ascii_whitespace().count()).sum();
        let average = words as f32 / corpus.passages.len().max(1) as f32;
        let embedder = EmbedderBuilder::<u64, Stems>::with_avgdl(average).build();
        let mut scorer = Scorer::new();
        for (place, passage) in corpus.passages.iter().enumerate() {
            scorer.upsert(&place, embedder.embed(&passage.stems));
        }
        Self { embedder, scorer }
    }

    fn rank(&self, facet: &Facet) -> Ranked {
        let distinct: BTreeSet<String> = terms(&facet.text).into_iter().map(|term| term.stem).collect();
        let query = distinct.into_iter().collect::<Vec<_>>().join(" ");
        let matches = self.scorer.matches(&self.embedder.embed(&query));
        let mut passages: Vec<(usize, f32)> =
            matches.into_iter().map(|found| (found.id, found.score)).collect();
        passages.sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        Ranked { name: facet.name.clone(), passages }
    }
}

struct Place {
    passage: usize,
    score: f32,
    found_for: String,
}

/// What was taken so far.
struct Taken<'a> {
    corpus: &'a Corpus,
    limit: usize,
    places: Vec<Place>,
    /// The files that were looked through for secrets, with the rule that found one.
    clean: BTreeMap<usize, Option<String>>,
}

impl Taken<'_> {
    /// The best passage for the goal, else the first, of each file that the question names.
    fn named(&mut self, facets: &[Facet], goal: Option<&Ranked>) {
        let text: Vec<&str> = facets.iter().map(|facet| facet.text.as_str()).collect();
        for file in self.corpus.named_in(&text.join(" ")) {
            let of_file = |passage: usize| self.corpus.passages[passage].file == file;
            let best =
                goal.and_then(|goal| goal.passages.iter().copied().find(|(passage, _)| of_file(*passage)));
            let first = || (0..self.corpus.passages.len()).find(|passage| of_file(*passage));
            if let Some((passage, score)) = best.or_else(|| first().map(|passage| (passage, 0.0))) {
                self.take(passage, score, "named");
            }
        }
    }

    fn best_of(&mut self, ranked: &Ranked, until: usize) {
        for &(passage, score) in &ranked.passages {
            if self.places.len() >= until {
                return;
            }
            self.take(passage, score, &ranked.name);
        }
    }

    /// One passage for each in turn, until there are enough.
    fn turn_by_turn(&mut self, ranked: &[Ranked]) {
        let share = self.limit.saturating_sub(self.places.len()).div_ceil(ranked.len().max(1));
        for of_facet in ranked {
            let until = self.limit.min(self.places.len() + share);
            self.best_of(of_facet, until);
        }
    }

    fn take(&mut self, passage: usize, score: f32, found_for: &str) {
        let file = self.corpus.passages[passage].file;
        let of_file = |place: &&Place| self.corpus.passages[place.passage].file == file;
        let known = self.places.iter().any(|place| place.passage == passage);
        if known || self.places.iter().filter(of_file).count() >= MAX_PASSAGES_OF_A_FILE {
            return;
        }
        // A secret may reach over two passages, so the file is looked at as a whole.
        let text = &self.corpus.files[file].text;
        let secret = || secrets::scan(text).into_iter().next().map(|found| found.rule.to_string());
        if self.clean.entry(file).or_insert_with(secret).is_none() {
            self.places.push(Place { passage, score, found_for: found_for.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facet(name: &str, text: &str) -> Facet {
        Facet { name: name.to_owned(), text: text.to_owned() }
    }

    fn corpus(files: &[(&str, &str)]) -> Corpus {
        let mut corpus = Corpus::default();
        for (path, text) in files {
            corpus.add((*path).to_owned(), (*text).to_owned());
        }
        corpus
    }

    fn paths(found: &Found) -> Vec<(&str, &str)> {
        found.passages.iter().map(|passage| (passage.path.as_str(), passage.found_for.as_str())).collect()
    }

    #[test]
    fn what_the_question_asks_for_comes_first_and_each_part_has_its_turn() {
        let corpus = corpus(&[
            ("anchor.md", "# Anchor\n\nHow an anchor is dropped.\n"),
            ("src/winch.rs", "fn haul_rope() {}\n"),
            ("src/sail.rs", "fn set_sail() {}\n"),
        ]);
        let facets = [facet("goal", "hauling ropes"), facet("criterion 1", "sails are set in a gale")];
        let found = corpus.search(&facets, 8, Omissions::default());
        assert_eq!(paths(&found), [("src/winch.rs", "goal"), ("src/sail.rs", "criterion 1")]);
        assert_eq!(found.unknown_words, [vec![], vec!["gale".to_owned()]]);
        assert_eq!(found.searched.files, 3);
    }

    #[test]
    fn a_file_that_is_named_is_looked_at_whatever_it_says() {
        let corpus = corpus(&[("a/plan.txt", "nothing of note\n"), ("b.rs", "fn anchor() {}\n")]);
        let found =
            corpus.search(&[facet("goal", "Drop the anchor, see `plan.txt`.")], 8, Omissions::default());
        assert_eq!(paths(&found), [("a/plan.txt", "named"), ("b.rs", "goal")]);
    }

    #[test]
    fn a_file_with_a_secret_is_not_quoted() {
        // Put together here, so that no finder of secrets takes this file for one that holds one.
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n".repeat(8);
        let key = format!("-----BEGIN {0}-----\n{line}-----END {0}-----\n", "RSA PRIVATE KEY");
        let corpus = corpus(&[("a.md", &format!("the anchor\n\n{key}")), ("b.md", "another anchor\n")]);
        let found = corpus.search(&[facet("goal", "anchor")], 8, Omissions::default());
        assert_eq!(paths(&found), [("b.md", "goal")]);
        assert_eq!((found.left_out[0].reason.as_str(), found.left_out[0].files), ("it holds a secret", 1));
    }

    #[test]
    fn one_file_does_not_hide_the_others() {
        let long = "# Anchor\nanchor\n".repeat(9);
        let corpus =
            corpus(&[("long.md", &long), ("short.md", "There is much else to say, and an anchor.\n")]);
        let found = corpus.search(&[facet("goal", "anchor")], 8, Omissions::default());
        assert_eq!(found.passages.len(), MAX_PASSAGES_OF_A_FILE + 1);
    }
}
