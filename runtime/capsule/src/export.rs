//! Export: one ended run as one file that anybody can check, with this program or with `tar`, `jq` and `sha256sum`.
//!
//! The file and how to check it by hand are described in `docs/formats/export.md`. What the capsule holds is not changed, and
//! the same capsule gives the same bytes.
//!
//! **Invariant:** nothing that the export's capture mode forbids is in the file; its place shows its digest instead.
//! **Invariant:** no file is handed out that the verifier did not find sound.

pub(crate) mod container;
pub(crate) mod lines;
pub(crate) mod manifest;

use std::fs::File;
use std::io::{self, BufReader, Seek as _};

use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::{Digest, canonical_json};
use windlass_domain::event::Stream;
use windlass_domain::id::{Cursor, RunId, Seq};
use windlass_domain::run::{Run, RunState, RunStatus};

use crate::error::ReadError;
use crate::import::{BadExport, ExportReport, verify_export};
use crate::keys;
use crate::page::MAX_PAGE;
use crate::reader::{Reader, View};
use crate::rows::{CapsuleHead, Link};
use container::ArchiveWriter;
use lines::{BadLine, EventLine, LinkLine, withholds_results};
use manifest::{BadEvent, Contents, Sealed};

pub use manifest::{LeftOut, LeftOutKind, Manifest};

/// The format of exports that this version writes, and the newest that it reads.
///
/// Changelog:
/// - 1: the first.
pub const EXPORT_FORMAT: u16 = 1;

/// The names in the archive, in their order. Blobs stand behind the links, each under its digest.
pub(crate) const FORMAT_FILE: &str = "FORMAT";
pub(crate) const EVENTS_FILE: &str = "events.jsonl";
pub(crate) const LINKS_FILE: &str = "links.jsonl";
pub(crate) const BLOBS_FOLDER: &str = "blobs";
pub(crate) const MANIFEST_FILE: &str = "manifest.json";
pub(crate) const SUMS_FILE: &str = "SHA256SUMS";

/// What the folder of all entries is called, before the run's id.
pub(crate) const ROOT_BEGINNING: &str = "windlass-";

/// What the first entry says before its number and the mode of the export.
pub(crate) const FORMAT_WORDS: &str = "windlass export ";

/// Links that are read in one transaction.
const LINKS_AT_ONCE: u64 = 256;

/// Why a run was not exported. The capsule is as it was; the file is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such run.
    #[error("there is no run {run_id}")]
    UnknownRun {
        /// Which.
        run_id: RunId,
    },
    /// Only an ended run has a record that will not change any more.
    #[error("run {run_id} is {}; only a run that has ended can be exported", status.word())]
    NotEnded {
        /// Which.
        run_id: RunId,
        /// Where it stands.
        status: RunStatus,
    },
    /// Nothing of a run can be shown without its prompts and outputs.
    #[error("an export in capture mode `none` would hold nothing of the run")]
    CaptureNone,
    /// The capsule cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is recorded of the run does not fit together.
    #[error("the record of run {run_id} is not sound: {what}")]
    Unsound {
        /// Which run.
        run_id: RunId,
        /// What does not fit.
        what: String,
    },
    /// The file cannot be written.
    #[error("the export cannot be written")]
    Io(#[from] io::Error),
}

/// An export that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// What it holds.
    pub report: ExportReport,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Writes an ended run into an empty file, and leaves the file at its start. Of a run that was allowed to store more than
/// `mode`, what `mode` does not keep is left out, and the manifest says so.
///
/// # Errors
/// [`ExportError`].
pub fn export_run(
    reader: &Reader,
    run_id: RunId,
    mode: CaptureMode,
    file: &mut File,
) -> Result<Exported, ExportError> {
    if mode == CaptureMode::None {
        return Err(ExportError::CaptureNone);
    }
    let Begun { head, run, submitted, workspace_name } = begin(reader, run_id)?;
    let mode = mode.min(run.request.capture_mode);
    let work = Work { reader, run_id, contents: Contents::new(run_id, mode) };
    let bytes = work.write(file, &run, submitted, &head, &workspace_name)?;
    file.rewind()?;
    let report = verify_export(BufReader::new(&mut *file), Some(head.hash)).map_err(|error| match error {
        BadExport::Io(error) => ExportError::Io(error),
        error => ExportError::Unsound { run_id, what: error.to_string() },
    })?;
    file.rewind()?;
    Ok(Exported { report, bytes })
}

/// What an export starts from.
struct Begun {
    head: CapsuleHead,
    run: Run,
    submitted: Cursor,
    workspace_name: String,
}

fn begin(reader: &Reader, run_id: RunId) -> Result<Begun, ExportError> {
    let found = reader.read(|view| {
        let Some(row) = view.run(run_id)? else { return Ok(None) };
        let workspace = view.workspace(row.run.request.workspace_id)?;
        Ok(Some(Begun {
            head: view.head()?,
            workspace_name: workspace.map(|workspace| workspace.name).unwrap_or_default(),
            submitted: row.submitted,
            run: row.run,
        }))
    })?;
    let begun = found.ok_or(ExportError::UnknownRun { run_id })?;
    match begun.run.state {
        RunState::Ended(_) => Ok(begun),
        RunState::Queued { .. } | RunState::Running(_) => {
            Err(ExportError::NotEnded { run_id, status: begun.run.status() })
        }
    }
}

/// An export under way. Each read is a transaction of its own: what an ended run left behind does not change, and of links
/// only those up to the head of the beginning are looked at.
struct Work<'a> {
    reader: &'a Reader,
    run_id: RunId,
    contents: Contents,
}

impl Work<'_> {
    fn write(
        mut self,
        file: &mut File,
        run: &Run,
        submitted: Cursor,
        head: &CapsuleHead,
        workspace_name: &str,
    ) -> Result<u64, ExportError> {
        let mut archive = ArchiveWriter::new(file, root_name(self.run_id));
        archive.entry(FORMAT_FILE, format_text(self.contents.mode()).as_bytes())?;
        archive.open(EVENTS_FILE)?;
        self.events(&mut archive, run)?;
        archive.close()?;
        archive.open(LINKS_FILE)?;
        let first = self.reader.read(|view| first_link(view, submitted, head.link_seq))?;
        self.links(&mut archive, first, head.link_seq)?;
        archive.close()?;
        for digest in self.contents.kept().keys() {
            archive.entry(&blob_name(*digest), &self.reader.blob(*digest)?)?;
        }
        let sealed = Sealed { first, last: head.link_seq, hash: head.hash };
        let manifest = self.contents.manifest(workspace_name, sealed, EXPORT_FORMAT);
        let manifest = manifest.ok_or_else(|| self.unsound("its events do not end".to_owned()))?;
        archive.entry(MANIFEST_FILE, manifest_text(&manifest).as_bytes())?;
        let sums = archive.sums();
        archive.entry(SUMS_FILE, sums.as_bytes())?;
        Ok(archive.finish()?)
    }

    fn events(&mut self, archive: &mut ArchiveWriter<'_>, run: &Run) -> Result<(), ExportError> {
        let stream = Stream::Run { run_id: self.run_id };
        let withholds = withholds_results(run.request.capture_mode, self.contents.mode());
        loop {
            let page = self.reader.events(&stream, Seq(self.contents.events()).next(), MAX_PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            for event in page {
                let line = EventLine::of(event, withholds).map_err(|error| self.bad_line(error))?;
                self.contents
                    .take(&line)
                    .map_err(|BadEvent { seq, why }| self.unsound(format!("event {}: {why}", seq.0)))?;
                archive.write(line.render().map_err(|error| self.bad_line(error))?.as_bytes())?;
            }
        }
    }

    fn links(&self, archive: &mut ArchiveWriter<'_>, first: u64, last: u64) -> Result<(), ExportError> {
        let stream = Stream::Run { run_id: self.run_id };
        let mut next = first;
        while next <= last {
            let until = last.min(next + LINKS_AT_ONCE - 1);
            let links: Vec<Link> = self.reader.read(|view| {
                (next..=until).map(|seq| view.tables.links.demand(view.txn, &keys::link(seq))).collect()
            })?;
            for link in links {
                let line = LinkLine::of(&link, &stream).render().map_err(|error| self.bad_line(error))?;
                archive.write(line.as_bytes())?;
            }
            next = until + 1;
        }
        Ok(())
    }

    fn unsound(&self, what: String) -> ExportError {
        ExportError::Unsound { run_id: self.run_id, what }
    }

    fn bad_line(&self, error: BadLine) -> ExportError {
        self.unsound(error.to_string())
    }
}

/// The first link that covers the event at this place. Links cover events in order, so that halving finds it.
fn first_link(view: &View<'_>, cursor: Cursor, last: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (1, last);
    while low < high {
        let middle = low + (high - low) / 2;
        let link: Link = view.tables.links.demand(view.txn, &keys::link(middle))?;
        let mut reached = Cursor(0);
        for head in &link.heads {
            let key = keys::stream_event(&keys::stream(&head.stream), head.seq);
            let place = view.tables.streams.fixed(view.txn, &key)?;
            reached = reached.max(Cursor(place.map_or(0, u64::from_be_bytes)));
        }
        if reached < cursor { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// What the first entry says.
pub(crate) fn format_text(mode: CaptureMode) -> String {
    let mode = match mode {
        CaptureMode::None => "none",
        CaptureMode::PromptsOnly => "prompts_only",
        CaptureMode::FullIo => "full_io",
    };
    format!("{FORMAT_WORDS}{EXPORT_FORMAT} {mode}\n")
}

/// The folder that an export's entries stand in.
pub(crate) fn root_name(run_id: RunId) -> String {
    format!("{ROOT_BEGINNING}{run_id}")
}

/// The manifest as it stands in the file: canonical JSON on one line.
pub(crate) fn manifest_text(manifest: &Manifest) -> String {
    let mut text = canonical_json(manifest).expect("a manifest holds texts and small numbers only");
    text.push('\n');
    text
}

/// The name of a blob in the archive.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("{BLOBS_FOLDER}/{digest}")
}
