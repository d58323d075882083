//! The lines of an export: events and links as canonical JSON, one on each.
//!
//! A line is accepted only when it is, byte for byte, the canonical JSON of what was read from it, so that nothing that no
//! hash covers can hide in it.

use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::{Digest, Json, canonical_json};
use windlass_domain::event::{Event, EventData};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::StepResult;

use crate::rows::{Link, LinkHead, LinkSeal, digest_of_heads};

/// Longest line, in bytes. A record has at most 4 MiB, of which JSON can make six times as much by escapes.
pub(crate) const MAX_LINE_BYTES: u64 = 32 << 20;

/// The member of an event's line that stands for the payload that was left out.
const DATA_DIGEST: &str = "data_digest";

/// An event of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventLine {
    /// The event; where its payload is left out, with the result's digest in place of the result.
    pub(crate) event: Event,
    /// The digest of the payload that its hash covers, where that was left out.
    pub(crate) left_out: Option<Digest>,
}

/// Why a line is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("a line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    #[error("a line is cut short")]
    CutShort,
    #[error("a line cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a line is not the canonical JSON of what it says")]
    NotCanonical,
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Whether an export in this mode has to leave out results of steps. Nothing says of what class a result is, so that where
/// the run could store what commands said, every result counts as that.
pub(crate) const fn withholds_results(of_run: CaptureMode, exported_as: CaptureMode) -> bool {
    of_run.keeps(DataClass::Io) && !exported_as.keeps(DataClass::Io)
}

impl EventLine {
    /// The line for a recorded event.
    pub(crate) fn of(mut event: Event, withholds_results: bool) -> Result<Self, BadLine> {
        let payload = event.data_digest().map_err(|_| BadLine::NotCanonical)?;
        let EventData::Run(RunEvent::StepFinished { result, .. }) = &mut event.data else {
            return Ok(Self { event, left_out: None });
        };
        if !withholds_results {
            return Ok(Self { event, left_out: None });
        }
        if let StepResult::Inline { value } = result {
            *result = withheld(value);
        }
        Ok(Self { event, left_out: Some(payload) })
    }

    /// The hash that the event must state.
    pub(crate) fn hash(&self) -> Result<Digest, BadLine> {
        let hash = match self.left_out {
            Some(payload) => self.event.hash_over(payload),
            None => self.event.hash_of(),
        };
        hash.map_err(|_| BadLine::NotCanonical)
    }

    pub(crate) fn render(&self) -> Result<String, BadLine> {
        let mut value = serde_json::to_value(&self.event)?;
        if let (Some(digest), Value::Object(members)) = (self.left_out, &mut value) {
            members.insert(DATA_DIGEST.to_owned(), Value::String(digest.to_string()));
        }
        line_of(&value)
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let mut value: Value = serde_json::from_slice(line)?;
        let payload = value.as_object_mut().and_then(|members| members.remove(DATA_DIGEST));
        let left_out = payload.map(serde_json::from_value).transpose()?;
        let read = Self { event: serde_json::from_value(value)?, left_out };
        same(read, line, Self::render)
    }
}

/// A result's digest and size in place of the result.
fn withheld(value: &Json) -> StepResult {
    StepResult::Stored { digest: value.digest(), bytes: value.as_str().len() as u64 }
}

/// A link of an export: with the head of the run where it has one, and of all others the digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkLine {
    /// The head of the run, and the digests of all heads, where the run is among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<OwnHead>,
    /// The digest of the list of the heads' digests.
    pub(crate) heads_digest: Digest,
    /// The hash of the link before.
    pub(crate) prev: Digest,
    /// Its place among the links.
    pub(crate) seq: u64,
}

/// The run's part in a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnHead {
    /// Where the run's stream ended after this link.
    pub(crate) head: LinkHead,
    /// The digests of all heads of the link, in its order.
    pub(crate) heads: Vec<Digest>,
}

impl LinkLine {
    /// The line for a recorded link, as the run of this stream may see it.
    pub(crate) fn of(link: &Link, stream: &windlass_domain::event::Stream) -> Self {
        let heads: Vec<Digest> = link.heads.iter().map(LinkHead::digest).collect();
        let heads_digest = digest_of_heads(&heads);
        let head = link.heads.iter().find(|head| head.stream == *stream).cloned();
        let own = head.map(|head| OwnHead { head, heads });
        Self { own, heads_digest, prev: link.prev, seq: link.seq }
    }

    /// The hash of the link.
    pub(crate) fn hash(&self) -> Digest {
        LinkSeal { heads_digest: self.heads_digest, prev: self.prev, seq: self.seq }.hash()
    }

    /// Whether the run's head is one of the heads that the link covers.
    pub(crate) fn covers_its_head(&self) -> bool {
        self.own.as_ref().is_none_or(|own| {
            own.heads.contains(&own.head.digest()) && digest_of_heads(&own.heads) == self.heads_digest
        })
    }

    pub(crate) fn render(&self) -> Result<String, BadLine> {
        line_of(self)
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, BadLine> {
        same(serde_json::from_slice(line)?, line, Self::render)
    }
}

fn line_of(value: &impl Serialize) -> Result<String, BadLine> {
    let mut line = canonical_json(value).map_err(|_| BadLine::NotCanonical)?;
    line.push('\n');
    Ok(line)
}

fn same<T>(read: T, line: &[u8], render: impl Fn(&T) -> Result<String, BadLine>) -> Result<T, BadLine> {
    if render(&read)?.as_bytes() == line { Ok(read) } else { Err(BadLine::NotCanonical) }
}

/// The next line with its end; none where nothing follows.
pub(crate) fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, BadLine> {
    let mut line = Vec::new();
    let read = input.take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') if read as u64 <= MAX_LINE_BYTES => Ok(Some(line)),
        Some(_) if read as u64 > MAX_LINE_BYTES => Err(BadLine::TooLong),
        Some(_) => Err(BadLine::CutShort),
    }
}
