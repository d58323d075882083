//! Reading an export: whether it is sound, on a machine that may have no capsule at all; and the folder of exports that were
//! imported here.
//!
//! A file from elsewhere is hostile until shown otherwise: every length has a limit, nothing is reserved because a file says
//! so, and what was read is kept only as far as the check needs it.
//!
//! **Invariant:** an import is a file of its own, read-only, never a part of the capsule.

mod shelf;

use std::io::{self, BufReader, Read};

use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, Seq};

use crate::export::container::{ArchiveReader, BadArchive, EntryHeader, sum_line};
use crate::export::lines::{BadLine, EventLine, LinkLine, next_line};
use crate::export::manifest::{BadEvent, Contents, Sealed};
use crate::export::{
    EVENTS_FILE, EXPORT_FORMAT, FORMAT_FILE, FORMAT_WORDS, LINKS_FILE, MANIFEST_FILE, Manifest,
    ROOT_BEGINNING, SUMS_FILE, blob_name, format_text, manifest_text, root_name,
};

pub use shelf::{Import, ImportError, ImportedRun, Imports};

/// Longest first entry: words and a number.
const MAX_FORMAT_BYTES: u64 = 64;

/// Largest manifest. It has some hundred bytes for each artifact and for each thing that is left out.
const MAX_MANIFEST_BYTES: u64 = 256 << 20;

/// Longest names that a manifest repeats without a hash that covers them.
const MAX_WORKSPACE_NAME_BYTES: usize = 4096;

/// Why a file is no sound export.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// It is something else.
    #[error("this is no export of a run")]
    NotAnExport,
    /// A newer version wrote it.
    #[error("this export has format {found}; this version reads up to {EXPORT_FORMAT}")]
    Newer {
        /// Its format.
        found: u64,
    },
    /// It was cut short or changed.
    #[error("{what}")]
    Damaged {
        /// What does not fit, and where.
        what: String,
    },
    /// No link of it has the head that was given.
    #[error(
        "no link has the hash {head}: this is not a record of the capsule that had it, or that head was noted before the run \
         began or after it was exported (links {first} to {last} are here)"
    )]
    HeadNotFound {
        /// The given head.
        head: Digest,
        /// The first link of the export.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The system refused.
    #[error("the export cannot be read")]
    Io(#[source] io::Error),
}

/// A sound export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// What it holds.
    pub manifest: Manifest,
    /// How many links there are.
    pub links: u64,
}

impl From<BadArchive> for BadExport {
    fn from(error: BadArchive) -> Self {
        match error {
            BadArchive::Io(error) if is_damage(&error) => {
                damaged(format!("it is cut short or was changed: {error}"))
            }
            BadArchive::Io(error) => Self::Io(error),
            error => Self::Damaged { what: error.to_string() },
        }
    }
}

fn damaged(what: impl Into<String>) -> BadExport {
    BadExport::Damaged { what: what.into() }
}

/// Checks everything that an export says: its container byte by byte, every hash, the chain, every blob, the seals, and that
/// the manifest is what the events make. With a head that was noted earlier, that one of the links has it.
///
/// # Errors
/// [`BadExport`], which names the first thing that does not fit.
pub fn verify_export(input: impl Read, head: Option<Digest>) -> Result<ExportReport, BadExport> {
    let mut check = Check { archive: ArchiveReader::new(input), root: String::new(), sums: String::new() };
    let (run_id, exported_as) = check.opening()?;
    let contents = check.events(run_id, exported_as)?;
    let seals = check.links(run_id, head, &contents)?;
    check.blobs(&contents)?;
    let manifest = check.manifest(&contents, seals.sealed)?;
    check.sums_and_end()?;
    if let (Some(head), false) = (head, seals.found) {
        let (first, last) = (seals.sealed.first, seals.sealed.last);
        return Err(BadExport::HeadNotFound { head, first, last });
    }
    Ok(ExportReport { links: manifest.last_link - manifest.first_link + 1, manifest })
}

/// A check under way.
struct Check<R> {
    archive: ArchiveReader<R>,
    /// The folder that all entries stand in, once the first one said so.
    root: String,
    /// What the last entry must hold.
    sums: String,
}

/// What the links said.
struct Seals {
    sealed: Sealed,
    /// Whether one of them, or the one before them, has the head that is looked for.
    found: bool,
}

impl<R: Read> Check<R> {
    /// The first entry, which says what the rest is.
    fn opening(&mut self) -> Result<(RunId, CaptureMode), BadExport> {
        let entry = match self.archive.next() {
            Ok(Some(entry)) if entry.name == FORMAT_FILE => entry,
            Err(error @ BadArchive::Io(_)) => return Err(error.into()),
            Ok(_) | Err(_) => return Err(BadExport::NotAnExport),
        };
        let run_id = entry.folder.strip_prefix(ROOT_BEGINNING).and_then(|id| id.parse().ok());
        let run_id: RunId = run_id.ok_or(BadExport::NotAnExport)?;
        self.root = root_name(run_id);
        if self.root != entry.folder {
            return Err(BadExport::NotAnExport);
        }
        let body = self.archive.body(MAX_FORMAT_BYTES)?;
        let (format, stated) = format_of(&body).ok_or(BadExport::NotAnExport)?;
        if format > u64::from(EXPORT_FORMAT) {
            return Err(BadExport::Newer { found: format });
        }
        let mode = CAPTURES.into_iter().find(|known| format_text(*known).as_bytes() == body);
        let mode =
            mode.ok_or_else(|| damaged(format!("{FORMAT_FILE}: no export has format {format} {stated}")))?;
        self.sum(FORMAT_FILE)?;
        Ok((run_id, mode))
    }

    fn events(&mut self, run_id: RunId, exported_as: CaptureMode) -> Result<Contents, BadExport> {
        self.enter(EVENTS_FILE)?;
        let mut contents = Contents::new(run_id, exported_as);
        let mut lines = BufReader::new(&mut self.archive);
        loop {
            let here = |error| bad_line("event", contents.events() + 1, error);
            let Some(line) = next_line(&mut lines).map_err(here)? else { break };
            let line = EventLine::parse(&line).map_err(here)?;
            contents.take(&line).map_err(|error: BadEvent| damaged(error.to_string()))?;
        }
        drop(lines);
        self.sum(EVENTS_FILE)?;
        Ok(contents)
    }

    fn links(
        &mut self,
        run_id: RunId,
        wanted: Option<Digest>,
        contents: &Contents,
    ) -> Result<Seals, BadExport> {
        self.enter(LINKS_FILE)?;
        let mut lines = BufReader::new(&mut self.archive);
        let mut chain = SealChain { wanted, found: false, sealed: None, covered: Seq(0) };
        loop {
            let here = |error| bad_line("link", chain.sealed.map_or(1, |sealed| sealed.last + 1), error);
            let Some(line) = next_line(&mut lines).map_err(here)? else { break };
            let line = LinkLine::parse(&line).map_err(here)?;
            chain.take(&line, run_id, contents)?;
        }
        drop(lines);
        self.sum(LINKS_FILE)?;
        if chain.covered.0 != contents.events() {
            return Err(damaged(format!("event {}: no link covers it", chain.covered.next().0)));
        }
        let sealed = chain.sealed.ok_or_else(|| damaged("there are no links"))?;
        Ok(Seals { sealed, found: chain.found })
    }

    fn blobs(&mut self, contents: &Contents) -> Result<(), BadExport> {
        for (digest, bytes) in contents.kept() {
            let name = blob_name(*digest);
            let entry = self.enter(&name)?;
            if bytes.is_some_and(|bytes| bytes != entry.bytes) {
                return Err(damaged(format!(
                    "blob {digest} has {} bytes, and its event says otherwise",
                    entry.bytes
                )));
            }
            self.archive.skim()?;
            let found = self.sum(&name)?;
            if found != *digest {
                return Err(damaged(format!("blob {digest} was changed: its bytes have the digest {found}")));
            }
        }
        Ok(())
    }

    fn manifest(&mut self, contents: &Contents, sealed: Sealed) -> Result<Manifest, BadExport> {
        self.enter(MANIFEST_FILE)?;
        let body = self.archive.body(MAX_MANIFEST_BYTES)?;
        self.sum(MANIFEST_FILE)?;
        let wrong = |why: &str| damaged(format!("{MANIFEST_FILE}: {why}"));
        let stated: Manifest = serde_json::from_slice(&body).map_err(|error| wrong(&error.to_string()))?;
        if stated.workspace_name.len() > MAX_WORKSPACE_NAME_BYTES {
            return Err(wrong("the workspace's name is too long"));
        }
        let made = contents.manifest(&stated.workspace_name, sealed, EXPORT_FORMAT);
        let made = made.ok_or_else(|| wrong("the run has not ended"))?;
        if manifest_text(&made).as_bytes() != body {
            return Err(wrong("it is not what the events and links make"));
        }
        Ok(made)
    }

    /// The sums of all entries before, and nothing behind them.
    fn sums_and_end(&mut self) -> Result<(), BadExport> {
        self.enter(SUMS_FILE)?;
        let body = self.archive.body(self.sums.len() as u64)?;
        if body != self.sums.as_bytes() {
            return Err(damaged(format!("{SUMS_FILE} does not fit the entries")));
        }
        self.archive.finish()?;
        match self.archive.next()? {
            None => Ok(()),
            Some(entry) => Err(damaged(format!("`{}` does not belong here", entry.name))),
        }
    }

    /// The next entry, which must have this name.
    fn enter(&mut self, name: &str) -> Result<EntryHeader, BadExport> {
        let (folder, file) = match name.rsplit_once('/') {
            Some((folder, file)) => (format!("{}/{folder}", self.root), file),
            None => (self.root.clone(), name),
        };
        match self.archive.next()? {
            Some(entry) if entry.folder == folder && entry.name == file => Ok(entry),
            Some(entry) => Err(damaged(format!("`{}` stands where {name} belongs", entry.name))),
            None => Err(damaged(format!("{name} is missing"))),
        }
    }

    /// Ends the current entry, and notes its digest.
    fn sum(&mut self, name: &str) -> Result<Digest, BadExport> {
        let digest = self.archive.finish()?;
        self.sums.push_str(&sum_line(name, digest));
        Ok(digest)
    }
}

/// The walk along the links.
struct SealChain {
    wanted: Option<Digest>,
    found: bool,
    sealed: Option<Sealed>,
    /// The newest event of the run that a link covers.
    covered: Seq,
}

impl SealChain {
    fn take(&mut self, line: &LinkLine, run_id: RunId, contents: &Contents) -> Result<(), BadExport> {
        let broken = |why: String| damaged(format!("link {}: {why}", line.seq));
        match self.sealed {
            None => {
                if line.own.is_none() || line.seq == 0 {
                    return Err(broken("the first link does not cover the run's first event".to_owned()));
                }
                self.found |= self.wanted == Some(line.prev);
            }
            Some(before) if line.seq != before.last + 1 => {
                return Err(broken(format!("it stands behind link {}", before.last)));
            }
            Some(before) if line.prev != before.hash => {
                return Err(broken(format!(
                    "it follows {}, and the link before has {}",
                    line.prev, before.hash
                )));
            }
            Some(_) => {}
        }
        if let Some(own) = &line.own {
            let head = &own.head;
            if head.stream != (Stream::Run { run_id }) || !line.covers_its_head() {
                return Err(broken("it does not cover the head that it shows".to_owned()));
            }
            if head.seq <= self.covered || contents.hash_at(head.seq) != Some(head.hash) {
                let why = format!("it covers an event {} with {}, which is not here", head.seq.0, head.hash);
                return Err(broken(why));
            }
            self.covered = head.seq;
        }
        let hash = line.hash();
        self.found |= self.wanted == Some(hash);
        let first = self.sealed.map_or(line.seq, |sealed| sealed.first);
        self.sealed = Some(Sealed { first, last: line.seq, hash });
        Ok(())
    }
}

/// The modes that an export can have.
const CAPTURES: [CaptureMode; 2] = [CaptureMode::PromptsOnly, CaptureMode::FullIo];

/// The format and the mode that the first entry names, without a judgement on either.
fn format_of(body: &[u8]) -> Option<(u64, &str)> {
    let text = std::str::from_utf8(body).ok()?;
    let rest = text.strip_prefix(FORMAT_WORDS)?.trim_end_matches('\n');
    let (number, mode) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((number.parse().ok()?, mode))
}

fn bad_line(what: &str, number: u64, error: BadLine) -> BadExport {
    match error {
        BadLine::Io(error) => BadArchive::Io(error).into(),
        error => damaged(format!("{what} {number}: {error}")),
    }
}

/// Whether an error of reading tells of the file and not of the system: it ends too early, or a decryption failed.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}
