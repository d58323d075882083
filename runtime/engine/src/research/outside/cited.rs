//! What a report cites of what came back: the passages that answer best, or, where no text is kept, the results themselves.

use std::collections::BTreeSet;

use windlass_contract::document::{PassageSource, WebPassage};
use windlass_domain::digest::Digest;

use super::Gathered;
use crate::research::search::{Corpus, Facet};
use crate::research::selection::Omissions;

impl Gathered {
    /// Selects at most `limit` passages, each in the first request that gave its text.
    pub fn select(&mut self, facets: &[Facet], limit: usize) {
        let has_texts = self.requests.iter().any(|answered| answered.texts.iter().any(Option::is_some));
        let selected = if has_texts { self.passages(facets, limit) } else { self.whole(limit) };
        for (place, (request, mut passage)) in selected.into_iter().enumerate() {
            passage.id = format!("w{}", place + 1);
            self.requests[request].request.selected.push(passage);
        }
    }

    fn passages(&self, facets: &[Facet], limit: usize) -> Vec<(usize, WebPassage)> {
        let mut corpus = Corpus::default();
        // The place of each text: the request, and the digest of the text.
        let mut known: Vec<(&str, usize, Digest)> = Vec::new();
        for (request, answered) in self.requests.iter().enumerate() {
            for (result, text) in answered.request.results.iter().zip(&answered.texts) {
                if let Some(text) = text
                    && !known.iter().any(|(url, _, _)| *url == result.url)
                {
                    known.push((&result.url, request, result.content_hash));
                    corpus.add_as(PassageSource::Document, result.url.clone(), text.clone());
                }
            }
        }
        let found = corpus.search(facets, limit, Omissions::default());
        let passages = found.passages.into_iter().filter_map(|found| {
            let (_, request, content_hash) = *known.iter().find(|(url, _, _)| *url == found.path)?;
            let passage = WebPassage {
                id: String::new(),
                digest: Digest::of(found.text.as_bytes()),
                url: found.path,
                content_hash,
                lines: Some(found.lines),
                found_for: found.found_for,
                text: Some(found.text),
            };
            Some((request, passage))
        });
        passages.collect()
    }

    fn whole(&self, limit: usize) -> Vec<(usize, WebPassage)> {
        let mut known = BTreeSet::new();
        let results = self.requests.iter().enumerate().flat_map(|(request, answered)| {
            let results = answered.request.results.iter();
            results.map(move |result| (request, result, &answered.asked_for))
        });
        let first = results.filter(|(_, result, _)| known.insert(result.url.clone()));
        let passages = first.take(limit).map(|(request, result, asked_for)| {
            let passage = WebPassage {
                id: String::new(),
                url: result.url.clone(),
                content_hash: result.content_hash,
                lines: None,
                digest: result.content_hash,
                found_for: asked_for.clone(),
                text: None,
            };
            (request, passage)
        });
        passages.collect()
    }
}
