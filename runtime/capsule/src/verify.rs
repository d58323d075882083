//! Verification: whether the record is what was written. It recomputes every hash, replays every stream with the same
//! `apply` that wrote it, and compares the read models with what the replay makes.
//!
//! It changes nothing and repairs nothing. It reads in short transactions, so that it can run beside the writer; what
//! is committed after its start is not looked at.
//!
//! **Invariant:** a sound capsule gives no fault, also while it is being written.

mod links;
mod report;
mod streams;
mod tables;

use windlass_domain::digest::Digest;
use windlass_domain::id::RunId;

use crate::error::ReadError;
use crate::folder;
use crate::keys;
use crate::reader::Reader;
use crate::rows::{CapsuleHead, Link};

pub use report::{Fault, FaultKind, VerifyReport};

/// How many entries are read in one transaction at most, where nothing else bounds it.
const CHUNK: usize = 1024;

/// Most faults that are collected; more tell nothing new.
const MAX_FAULTS: usize = 100;

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    Full,
    /// Everything but the bytes of blobs: that those are there, and how many, is looked at.
    Records,
    /// The head, every run that has not ended, and the newest links with their events: what a start looks at after an
    /// unclean stop.
    Bounded {
        /// How many links.
        newest_links: u64,
    },
}

impl Depth {
    /// As a start looks after an unclean stop: well within a second.
    pub const AT_START: Self = Self::Bounded { newest_links: 1_000 };
}

/// How far a full verification came. A later one can go on from there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "pass", rename_all = "snake_case")]
pub enum VerifyMark {
    /// Every stream up to this one, as the hexadecimal of its key.
    Streams {
        /// The last one that was looked at.
        after: String,
    },
    /// Every stream, and the links up to this one.
    Links {
        /// The last one that was looked at.
        after: u64,
    },
}

/// A full verification that was stopped, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VerifyProgress {
    /// What was looked at.
    #[serde(flatten)]
    pub mark: VerifyMark,
    /// Where the capsule ended when it began: what was committed later is not among what was looked at.
    pub under: CapsuleHead,
    /// How many events and links were looked at.
    pub done: u64,
    /// How many there are to look at.
    pub of: u64,
}

/// What to verify.
#[derive(Default)]
pub struct VerifyOptions<'a> {
    /// How much; everything where nothing is said.
    pub depth: Option<Depth>,
    /// The hash of an earlier head, which must be part of the chain.
    pub head: Option<Digest>,
    /// Where an earlier full verification that found nothing stopped. It counts only where this capsule continues the head
    /// that it was made under.
    pub resume: Option<VerifyProgress>,
    /// Told how far it is, now and then.
    pub progress: Option<&'a mut dyn FnMut(&VerifyProgress)>,
}

impl std::fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyOptions")
            .field("depth", &self.depth)
            .field("head", &self.head)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// Verifies the capsule.
///
/// # Errors
/// [`ReadError`] when the store cannot be read at all. What can be read and is wrong is a [`Fault`] of the report.
pub fn verify<'a>(reader: &'a Reader, options: VerifyOptions<'a>) -> Result<VerifyReport, ReadError> {
    let depth = match options.depth.unwrap_or(Depth::Full) {
        // Any page may be among those that are gone.
        Depth::Bounded { .. } if reader.is_cut_short()? => Depth::Records,
        depth => depth,
    };
    let mut work = Work::begin(reader, depth, options.progress)?;
    if reader.is_cut_short()?
        && let Some(bytes) = folder::ends_in_a_page(reader.folder())?
    {
        work.fault(Fault::alone(FaultKind::CutPage { bytes }));
    }
    match depth {
        Depth::Full | Depth::Records => {
            let links_after = match work.go_on_from(options.resume) {
                Some(VerifyMark::Links { after }) => after,
                Some(VerifyMark::Streams { after }) => work.all_streams(hex::decode(after).ok())?,
                None => work.all_streams(None)?,
            };
            // A given head may be any link's, so all of them are looked at.
            work.links(if options.head.is_some() { 0 } else { links_after }, options.head)?;
            work.all_tables()?;
        }
        Depth::Bounded { newest_links } => {
            for run_id in open_runs(reader)? {
                work.run_stream(run_id)?;
            }
            let after = work.report.head.link_seq.saturating_sub(newest_links);
            work.links(if options.head.is_some() { 0 } else { after }, options.head)?;
            work.counts()?;
        }
    }
    Ok(work.finish())
}

/// Replays the whole log into memory, stream by stream, and compares every read model with what it makes.
///
/// # Errors
/// [`ReadError`] when the store cannot be read at all.
pub fn check_read_models(reader: &Reader) -> Result<Vec<Fault>, ReadError> {
    let mut work = Work::begin(reader, Depth::Records, None)?;
    work.all_streams(None)?;
    work.all_tables()?;
    Ok(work.finish().faults)
}

fn open_runs(reader: &Reader) -> Result<Vec<RunId>, ReadError> {
    reader.read(|view| {
        let entries = view.tables.active.from(view.txn, &[])?;
        entries
            .map(|entry| {
                entry.and_then(|(key, id)| Ok(RunId::from_bytes(view.tables.active.width(key, id)?)))
            })
            .collect()
    })
}

/// A verification under way.
struct Work<'a> {
    reader: &'a Reader,
    report: VerifyReport,
    /// Whether blobs are read and hashed, or only looked for.
    read_blobs: bool,
    /// The head that the streams were looked at under; events of later links are hashed with their links.
    under: CapsuleHead,
    /// Events and links that an earlier verification looked at.
    done_before: u64,
    progress: Option<&'a mut dyn FnMut(&VerifyProgress)>,
}

impl<'a> Work<'a> {
    fn begin(
        reader: &'a Reader,
        depth: Depth,
        progress: Option<&'a mut dyn FnMut(&VerifyProgress)>,
    ) -> Result<Self, ReadError> {
        let (head, faults) = match reader.head() {
            Ok(head) => (head, Vec::new()),
            Err(error) => (CapsuleHead::EMPTY, vec![Fault::of_read(error)?]),
        };
        let report = VerifyReport { depth, head, events: 0, links: 0, blobs: 0, faults };
        let (under, read_blobs) = match depth {
            Depth::Full => (head, true),
            Depth::Records => (head, false),
            Depth::Bounded { .. } => (CapsuleHead::EMPTY, false),
        };
        Ok(Self { reader, report, read_blobs, under, done_before: 0, progress })
    }

    /// Takes over what an earlier verification looked at, where this capsule continues what that one saw.
    fn go_on_from(&mut self, earlier: Option<VerifyProgress>) -> Option<VerifyMark> {
        let earlier = earlier?;
        let continued = self.reader.read(|view| {
            if earlier.under.link_seq == 0 {
                return Ok(earlier.under.hash == Digest::ZERO);
            }
            let link: Option<Link> = view.tables.links.read(view.txn, &keys::link(earlier.under.link_seq))?;
            Ok(link.is_some_and(|link| link.hash() == earlier.under.hash))
        });
        // A link that cannot be read is told by the verification from the start.
        if !continued.unwrap_or(false) {
            return None;
        }
        (self.under, self.done_before) = (earlier.under, earlier.done);
        Some(earlier.mark)
    }

    fn fault(&mut self, fault: Fault) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(fault);
        }
    }

    fn mark(&mut self, mark: VerifyMark) {
        let Some(progress) = &mut self.progress else { return };
        let head = self.report.head;
        progress(&VerifyProgress {
            mark,
            under: self.under,
            done: self.done_before + self.report.events + self.report.links,
            of: head.cursor.0 + head.link_seq,
        });
    }

    fn finish(mut self) -> VerifyReport {
        self.report.faults.sort_by_key(|fault| fault.cursor.map_or(u64::MAX, |cursor| cursor.0));
        self.report
    }
}
