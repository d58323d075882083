//! The folder of imported exports: one read-only file for each run, checked before it was put there and never a part of the
//! capsule.
//!
//! ```text
//! <run-id>.tar         an import
//! .incoming-<number>   one that is being put there; left by a crash, it is read by nobody and swept away
//! ```

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, Permissions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufReader, ErrorKind, Read, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use windlass_domain::artifact::Artifact;
use windlass_domain::digest::Digest;
use windlass_domain::event::Event;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::Run;

use super::{BadExport, ExportReport, damaged, verify_export};
use crate::error::ReadError;
use crate::export::container::{ArchiveReader, BadArchive};
use crate::export::lines::{EventLine, next_line};
use crate::export::manifest::Contents;
use crate::export::{EVENTS_FILE, MANIFEST_FILE, Manifest, blob_name};
use crate::folder::sync_folder;

/// Largest export that is taken in, in bytes.
const MAX_IMPORT_BYTES: u64 = 64 << 30;

/// The ending of an import's file.
const ENDING: &str = ".tar";

/// How the name of a file begins that is being put here.
const INCOMING: &str = ".incoming-";

/// Why something was not imported, or an import cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is no sound export.
    #[error(transparent)]
    Bad(#[from] BadExport),
    /// Another record of this run is there.
    #[error(
        "another record of run {run_id} is imported here: its last event has the hash {here}, and this one has {given}"
    )]
    Other {
        /// The run.
        run_id: RunId,
        /// The head of the run that is here.
        here: Digest,
        /// The head of the given one.
        given: Digest,
    },
    /// It is too large.
    #[error("it is larger than {MAX_IMPORT_BYTES} bytes")]
    TooLarge,
    /// The capsule beside it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be read or written.
    #[error("{path} cannot be {doing}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder of imports.
#[derive(Debug, Clone)]
pub struct Imports {
    folder: PathBuf,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// It is here.
    Kept {
        /// What the export holds.
        report: Box<ExportReport>,
        /// Whether it was put here now; otherwise the same record was here before.
        new: bool,
    },
    /// It is a run of the capsule beside which imports are kept; nothing was changed.
    Own {
        /// The run.
        run_id: RunId,
    },
}

impl Imports {
    /// The imports in this folder, which need not exist.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Checks an export and puts it here, unless it is of a run that is not to be: one of the capsule beside this folder. The
    /// same record twice changes nothing the second time.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn add(
        &self,
        export: &mut File,
        is_own: impl FnOnce(RunId) -> Result<bool, ReadError>,
    ) -> Result<Import, ImportError> {
        let fails = |source| self.failed("read", source);
        export.rewind().map_err(fails)?;
        let report = Box::new(verify_export(BufReader::new(&mut *export), None)?);
        let run_id = report.manifest.run_id;
        if is_own(run_id)? {
            return Ok(Import::Own { run_id });
        }
        if let Some(here) = self.open(run_id)? {
            let (here, given) = (here.manifest.run_head, report.manifest.run_head);
            return if here == given {
                Ok(Import::Kept { report, new: false })
            } else {
                Err(ImportError::Other { run_id, here, given })
            };
        }
        export.rewind().map_err(fails)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| self.failed("created", source))?;
        let incoming =
            self.folder.join(format!("{INCOMING}{:016x}", RandomState::new().build_hasher().finish()));
        let put = self.put(export, &incoming, &report);
        if put.is_err() {
            // The first error is the one to tell; a leftover has a name that nothing reads.
            let _ = fs::remove_file(&incoming);
        }
        put.map(|()| Import::Kept { report, new: true })
    }

    /// Copies, checks the copy, and gives it its name.
    fn put(&self, export: &mut File, incoming: &Path, report: &ExportReport) -> Result<(), ImportError> {
        let fails = |doing| {
            let path = incoming.to_owned();
            move |source| ImportError::Io { path, doing, source }
        };
        let mut copy = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(incoming)
            .map_err(fails("created"))?;
        let copied = io::copy(&mut export.take(MAX_IMPORT_BYTES + 1), &mut copy).map_err(fails("written"))?;
        if copied > MAX_IMPORT_BYTES {
            return Err(ImportError::TooLarge);
        }
        // Whoever handed the file over may have changed it meanwhile: what counts is what is here now.
        copy.rewind().map_err(fails("read"))?;
        if verify_export(BufReader::new(&mut copy), None)? != *report {
            return Err(damaged("it changed while it was read").into());
        }
        copy.set_permissions(Permissions::from_mode(0o400)).map_err(fails("made read-only"))?;
        copy.sync_all().map_err(fails("synced"))?;
        fs::rename(incoming, self.path(report.manifest.run_id)).map_err(fails("renamed"))?;
        sync_folder(&self.folder).map_err(|source| self.failed("synced", source))
    }

    /// Removes what a crash left of imports, and says how many there were. Only for the writer of the capsule beside this folder,
    /// before it takes imports: then nobody is putting one here.
    ///
    /// # Errors
    /// [`ImportError`] when one cannot be removed.
    pub fn sweep(&self) -> Result<usize, ImportError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(source) => return Err(self.failed("read", source)),
        };
        let mut swept = 0;
        for entry in entries {
            let entry = entry.map_err(|source| self.failed("read", source))?;
            let is_ours =
                entry.file_name().to_str().and_then(|name| name.strip_prefix(INCOMING)).is_some_and(
                    |number| number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit()),
                );
            if is_ours {
                let path = entry.path();
                fs::remove_file(&path).map_err(|source| ImportError::Io {
                    path,
                    doing: "removed",
                    source,
                })?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// What is imported, in the order of the runs' ids.
    ///
    /// # Errors
    /// [`ImportError`] when one cannot be read.
    pub fn list(&self) -> Result<Vec<Manifest>, ImportError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed("read", source)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| self.failed("read", source))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            runs.extend(id.and_then(|id| id.parse::<RunId>().ok()));
        }
        runs.sort_unstable();
        let mut manifests = Vec::with_capacity(runs.len());
        for run_id in runs {
            manifests.extend(self.open(run_id)?.map(|import| import.manifest));
        }
        Ok(manifests)
    }

    /// An import; none where this run was not imported.
    ///
    /// # Errors
    /// [`ImportError`] when it cannot be read.
    pub fn open(&self, run_id: RunId) -> Result<Option<ImportedRun>, ImportError> {
        let path = self.path(run_id);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ImportError::Io { path, doing: "opened", source }),
        };
        ImportedRun::open(run_id, file).map(Some)
    }

    fn path(&self, run_id: RunId) -> PathBuf {
        self.folder.join(format!("{run_id}{ENDING}"))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> ImportError {
        ImportError::Io { path: self.folder.clone(), doing, source }
    }
}

/// One import, open for reading. What it gives is checked again: hashes of events, digests of blobs.
#[derive(Debug)]
pub struct ImportedRun {
    /// What it holds.
    pub manifest: Manifest,
    file: File,
    /// Where the body of each entry stands, and its size.
    places: BTreeMap<String, (u64, u64)>,
}

impl ImportedRun {
    fn open(run_id: RunId, mut file: File) -> Result<Self, ImportError> {
        let places = places(&mut file).map_err(BadExport::from)?;
        let manifest: Manifest = {
            let place = places.get(MANIFEST_FILE).ok_or_else(|| damaged("it has no manifest"))?;
            let mut text = Vec::new();
            Body::new(&file, *place).read_to_end(&mut text).map_err(BadExport::Io)?;
            serde_json::from_slice(&text).map_err(|error| damaged(format!("{MANIFEST_FILE}: {error}")))?
        };
        if manifest.run_id != run_id {
            return Err(
                damaged(format!("the import of run {run_id} is about run {}", manifest.run_id)).into()
            );
        }
        Ok(Self { manifest, file, places })
    }

    /// The run as its events make it, with its artifacts in the order of their paths.
    ///
    /// # Errors
    /// [`ImportError`] when an event cannot be read.
    pub fn run(&self) -> Result<(Run, Vec<Artifact>), ImportError> {
        let mut contents = self.contents();
        self.each(&mut contents, |_| {})?;
        let mut artifacts = contents.artifacts().to_vec();
        artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        let run = contents.run().cloned().ok_or_else(|| damaged("it has no events"))?;
        Ok((run, artifacts))
    }

    /// Its events from a place on, at most `limit`. Where a result is left out, its digest stands in its place.
    ///
    /// # Errors
    /// [`ImportError`] when an event cannot be read.
    pub fn events(&self, from: Seq, limit: usize) -> Result<Vec<Event>, ImportError> {
        let mut events = Vec::new();
        self.each(&mut self.contents(), |event| {
            if event.seq >= from && events.len() < limit {
                events.push(event);
            }
        })?;
        Ok(events)
    }

    /// The bytes of a blob, checked against its digest; none where it was left out.
    ///
    /// # Errors
    /// [`ImportError`] when it cannot be read or was changed.
    pub fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, ImportError> {
        let Some(mut body) = self.body(&blob_name(digest)) else { return Ok(None) };
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).map_err(BadExport::Io)?;
        match Digest::of(&bytes) {
            found if found == digest => Ok(Some(bytes)),
            found => {
                Err(damaged(format!("blob {digest} was changed: its bytes have the digest {found}")).into())
            }
        }
    }

    fn contents(&self) -> Contents {
        Contents::new(self.manifest.run_id, self.manifest.exported_as)
    }

    fn each(&self, contents: &mut Contents, mut each: impl FnMut(Event)) -> Result<(), ImportError> {
        let body = self.body(EVENTS_FILE).ok_or_else(|| damaged("it has no events"))?;
        let mut lines = BufReader::new(body);
        loop {
            let fails = |error| ImportError::from(super::bad_line("event", contents.events() + 1, error));
            let Some(line) = next_line(&mut lines).map_err(fails)? else { return Ok(()) };
            let line = EventLine::parse(&line).map_err(fails)?;
            contents.take(&line).map_err(|error| damaged(error.to_string()))?;
            each(line.event);
        }
    }

    fn body(&self, name: &str) -> Option<Body<'_>> {
        self.places.get(name).map(|place| Body::new(&self.file, *place))
    }
}

/// Where the body of each entry stands, and its size; by the name inside the archive's own folder.
fn places(file: &mut File) -> Result<BTreeMap<String, (u64, u64)>, BadArchive> {
    let mut archive = ArchiveReader::new(file);
    let mut places = BTreeMap::new();
    while let Some(entry) = archive.next()? {
        let name = match entry.folder.split_once('/') {
            Some((_, folder)) => format!("{folder}/{}", entry.name),
            None => entry.name,
        };
        places.insert(name, (entry.at, entry.bytes));
        archive.pass()?;
    }
    Ok(places)
}

/// The body of an entry, read without moving the file's own place.
struct Body<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl<'a> Body<'a> {
    const fn new(file: &'a File, (at, left): (u64, u64)) -> Self {
        Self { file, at, left }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..most], self.at)?;
        (self.at, self.left) = (self.at + read as u64, self.left - read as u64);
        Ok(read)
    }
}
