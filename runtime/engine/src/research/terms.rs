//! Words that can be compared: identifiers are taken apart, stop words left out, endings removed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use heck::ToSnakeCase as _;
use rust_stemmers::{Algorithm, Stemmer};

/// Longest run of letters that is a word, in bytes. Longer ones are digests and encoded data.
const MAX_WORD_BYTES: usize = 40;

/// English words that say nothing about a subject. The list is NLTK's; the NLTK forms with an apostrophe are cut at it,
/// as words are.
static STOP_WORDS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let words = stop_words::lookup("en").unwrap_or_default();
    words.iter().flat_map(|word| word.split('\'')).collect()
});

/// A word of a text with what it is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The word, in small letters.
    pub word: String,
    /// Its stem.
    pub stem: String,
}

/// The terms of a text, in its order. An identifier gives each of its parts, and itself as a whole.
#[must_use]
pub fn terms(text: &str) -> Vec<Term> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut found = Vec::new();
    let mut push = |word: &str| {
        if word.len() > 1 && !STOP_WORDS.contains(word) {
            found.push(Term { word: word.to_owned(), stem: stemmer.stem(word).into_owned() });
        }
    };
    for word in words(text) {
        let parts = word.to_snake_case();
        if parts.contains('_') {
            push(&word.to_lowercase());
        }
        parts.split('_').for_each(&mut push);
    }
    found
}

/// The stems of a text, divided by spaces.
#[must_use]
pub fn stems(text: &str) -> String {
    let stems: Vec<String> = terms(text).into_iter().map(|term| term.stem).collect();
    stems.join(" ")
}

/// The words and identifiers of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty() && word.len() <= MAX_WORD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::stems;

    #[test]
    fn words_are_taken_apart_and_compared_by_their_stem() {
        for (text, expected) in [
            ("What are the recorded steps?", "record step"),
            ("step_finished", "step_finish step finish"),
            ("StepFinished", "stepfinish step finish"),
            ("HTTPServer", "httpserver http server"),
            ("it isn't so", ""),
            ("", ""),
        ] {
            assert_eq!(stems(text), expected, "{text}");
        }
        assert_eq!(stems(&"ab".repeat(21)), "");
    }
}
