//! The capsule's chain: each link follows the one before it and covers exactly the events of its transaction.

use std::collections::BTreeMap;

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, Stream};
use windlass_domain::id::{Cursor, Seq};

use super::report::{Fault, FaultKind};
use super::{VerifyMark, Work};
use crate::canonical::Scratch;
use crate::error::ReadError;
use crate::keys;
use crate::reader::View;
use crate::rows::{Link, StreamHead};

/// How many links are looked at in one transaction. Each covers up to some hundred events.
const LINKS_AT_ONCE: u64 = 64;

/// Where the walk along the chain stands.
struct Chain {
    /// The link that was looked at last, and its hash.
    seq: u64,
    hash: Digest,
    /// The newest event that a link covered.
    cursor: Cursor,
    /// The hashes of events behind this link are recomputed: their streams were not looked at.
    rehash_after: u64,
}

impl Work<'_> {
    /// The links after a place, up to the head; and whether one has the given hash.
    pub(super) fn links(&mut self, after: u64, wanted: Option<Digest>) -> Result<(), ReadError> {
        let head = self.report.head;
        let rehash_after = self.under.link_seq;
        let start = self.reader.read(|view| Chain::start(view, after, rehash_after));
        let mut chain = match start {
            Ok(chain) => chain,
            Err(error) => {
                let fault = Fault::of_read(error)?;
                self.fault(fault);
                return Ok(());
            }
        };
        let mut found = wanted.is_none_or(|wanted| wanted == Digest::ZERO);
        while chain.seq < head.link_seq {
            let before = chain.seq;
            let until = head.link_seq.min(before + LINKS_AT_ONCE);
            let broken = self.reader.read(|view| {
                while chain.seq < until {
                    if let Err(fault) = chain.step(view)? {
                        return Ok(Some(fault));
                    }
                    found |= wanted == Some(chain.hash);
                }
                Ok(None)
            })?;
            self.report.links += chain.seq - before;
            if let Some(fault) = broken {
                self.fault(fault);
                return Ok(());
            }
            self.mark(VerifyMark::Links { after: chain.seq });
        }
        if chain.hash != head.hash || chain.cursor != head.cursor {
            let why = format!(
                "it states event {} and hash {}, and the chain ends at event {} with {}",
                head.cursor.0, head.hash, chain.cursor.0, chain.hash
            );
            self.fault(Fault::alone(FaultKind::CapsuleHead { why }));
        }
        if let (false, Some(head)) = (found, wanted) {
            self.fault(Fault::alone(FaultKind::HeadNotFound { head }));
        }
        Ok(())
    }
}

impl Chain {
    /// Before the first link, or behind one that is taken for granted.
    fn start(view: &View<'_>, after: u64, rehash_after: u64) -> Result<Self, ReadError> {
        if after == 0 {
            return Ok(Self { seq: 0, hash: Digest::ZERO, cursor: Cursor(0), rehash_after });
        }
        let link: Link = view.tables.links.demand(view.txn, &keys::link(after))?;
        let mut cursor = Cursor(0);
        for head in &link.heads {
            let key = keys::stream_event(&keys::stream(&head.stream), head.seq);
            let place = view.tables.streams.fixed(view.txn, &key)?;
            cursor = cursor.max(Cursor(place.map_or(0, u64::from_be_bytes)));
        }
        Ok(Self { seq: after, hash: link.hash(), cursor, rehash_after })
    }

    fn step(&mut self, view: &View<'_>) -> Result<Result<(), Fault>, ReadError> {
        let seq = self.seq + 1;
        let broken = |why: String| Ok(Err(Fault::alone(FaultKind::Link { link: seq, why })));
        let link: Link = match view.tables.links.read(view.txn, &keys::link(seq)) {
            Ok(Some(link)) => link,
            Ok(None) => return broken("it is missing".to_owned()),
            Err(ReadError::Damaged { why, .. }) => return broken(format!("it cannot be read: {why}")),
            Err(error) => return Err(error),
        };
        if link.seq != seq {
            return broken(format!("link {} stands in its place", link.seq));
        }
        if link.prev != self.hash {
            return broken(format!("it follows {}, and the link before it has {}", link.prev, self.hash));
        }
        if let Err(fault) = self.cover(view, &link)? {
            return Ok(Err(fault));
        }
        (self.seq, self.hash) = (seq, link.hash());
        Ok(Ok(()))
    }

    /// Goes along the events until each stream of the link has reached the head that the link states.
    fn cover(&mut self, view: &View<'_>, link: &Link) -> Result<Result<(), Fault>, ReadError> {
        let mut open: BTreeMap<&Stream, (Seq, Digest)> =
            link.heads.iter().map(|head| (&head.stream, (head.seq, head.hash))).collect();
        let broken = |why: String| FaultKind::Link { link: link.seq, why };
        if open.is_empty() || open.len() != link.heads.len() {
            return Ok(Err(Fault::alone(broken("its heads are not one for each stream".to_owned()))));
        }
        while !open.is_empty() {
            let cursor = self.cursor.next();
            let place = |kind| Fault { stream: None, seq: None, cursor: Some(cursor), kind };
            let event: Event = match view.tables.events.read(view.txn, &keys::cursor(cursor)) {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Err(place(FaultKind::Missing))),
                Err(ReadError::Damaged { why, .. }) => {
                    return Ok(Err(place(FaultKind::Unreadable { why: why.to_string() })));
                }
                Err(error) => return Err(error),
            };
            if event.cursor != cursor {
                let kind =
                    FaultKind::OutOfOrder { cursor: event.cursor, stream: event.stream, seq: event.seq };
                return Ok(Err(place(kind)));
            }
            if let Some(kind) = self.hash_fault(link.seq, &event) {
                return Ok(Err(Fault::at(&event, kind)));
            }
            match open.get(&event.stream) {
                Some((seq, hash)) if event.seq == *seq && event.hash == *hash => {
                    open.remove(&event.stream);
                }
                Some((seq, _)) if event.seq < *seq => {}
                Some((seq, hash)) => {
                    let why = format!("it states that the stream then ended at seq {} with {hash}", seq.0);
                    return Ok(Err(Fault::at(&event, broken(why))));
                }
                None => {
                    let why = "it does not name the event's stream".to_owned();
                    return Ok(Err(Fault::at(&event, broken(why))));
                }
            }
            self.cursor = cursor;
        }
        heads_reach(view, link)
    }
}

impl Chain {
    /// What is wrong with the hash of an event, where nobody else looks at it.
    fn hash_fault(&self, link: u64, event: &Event) -> Option<FaultKind> {
        if link <= self.rehash_after {
            return None;
        }
        match Scratch::default().event_hash(event) {
            Ok(computed) if computed == event.hash => None,
            Ok(computed) => Some(FaultKind::Hash { stated: event.hash, computed }),
            Err(error) => Some(FaultKind::Unreadable { why: error.to_string() }),
        }
    }
}

/// The stored heads of the streams are at least those that the link states.
fn heads_reach(view: &View<'_>, link: &Link) -> Result<Result<(), Fault>, ReadError> {
    for head in &link.heads {
        let key = keys::stream(&head.stream);
        let found: Option<StreamHead> = view.tables.heads.read(view.txn, &key)?;
        let reaches = found
            .is_some_and(|found| found.seq > head.seq || (found.seq == head.seq && found.hash == head.hash));
        if !reaches {
            return Ok(Err(Fault::model("heads", &key, "it is behind the link that the stream is in")));
        }
    }
    Ok(Ok(()))
}
