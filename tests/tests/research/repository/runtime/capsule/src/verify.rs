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
use crate::reader::Reader;
use crate::rows::CapsuleHead;

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
    /// The head, every run that has not ended, and the newest links with their events: what a start looks at after an
    /// unclean stop.
    Bounded {
        /// How many links.
        newest_links: u64,
    },
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

/// What to verify.
#[derive(Default)]
pub struct VerifyOptions<'a> {
    /// How much; everything where nothing is said.
    pub depth: Option<Depth>,
    /// The hash of an earlier head, which must be part of the chain.
    pub head: Option<Digest>,
    /// Where an earlier full verification that found nothing stopped.
    pub resume: Option<VerifyMark>,
    /// Told how far it is, now and then.
    pub progress: Option<&'a mut dyn FnMut(&VerifyMark)>,
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
    let depth = options.depth.unwrap_or(Depth::Full);
    let mut work = Work::begin(reader, depth, options.progress)?;
    match depth {
        Depth::Full => {
            let links_after = match options.resume {
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
    let mut work = Work::begin(reader, Depth::Full, None)?;
    work.read_blobs = false;
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
    progress: Option<&'a mut dyn FnMut(&VerifyMark)>,
}

impl<'a> Work<'a> {
    fn begin(
        reader: &'a Reader,
        depth: Depth,
        progress: Option<&'a mut dyn FnMut(&VerifyMark)>,
    ) -> Result<Self, ReadError> {
        let (head, faults) = match reader.head() {
            Ok(head) => (head, Vec::new()),
            Err(error) => (CapsuleHead::EMPTY, vec![Fault::of_read(error)?]),
        };
        let report = VerifyReport { depth, head, events: 0, links: 0, blobs: 0, faults };
        Ok(Self { reader, report, read_blobs: depth == Depth::Full, progress })
    }

    fn fault(&mut self, fault: Fault) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(fault);
        }
    }

    fn mark(&mut self, mark: &VerifyMark) {
        if let Some(progress) = &mut self.progress {
            progress(mark);
        }
    }

    fn finish(mut self) -> VerifyReport {
        self.report.faults.sort_by_key(|fault| fault.cursor.map_or(u64::MAX, |cursor| cursor.0));
        self.report
    }
}
