//! What an export contains, counted from its events; and the manifest that says so.
//!
//! The exporter and the verifier count with the same code, so that a manifest that says something else is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_domain::artifact::Artifact;
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::RunKind;
use windlass_domain::run::step::StepResult;
use windlass_domain::run::{self, Run, RunState, RunStatus};

use super::lines::{EventLine, withholds_results};
use crate::rows::StreamHead;

/// The schema of the manifest.
const SCHEMA: &str = "export_manifest@1.0";

/// Most events of an export. The verifier keeps the hash of each, 32 bytes.
pub(crate) const MAX_EVENTS: usize = 4_000_000;

/// What an export holds, and what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `export_manifest@1.0`.
    pub schema_version: String,
    /// The format of the export.
    pub format: u16,
    /// The run.
    pub run_id: RunId,
    /// The workspace that it belonged to.
    pub workspace_id: WorkspaceId,
    /// What the workspace was called, for display.
    pub workspace_name: String,
    /// The work item that it was about.
    pub work_item_id: ItemId,
    /// What it did.
    pub kind: RunKind,
    /// How it ended.
    pub status: RunStatus,
    /// How much the run was allowed to store.
    pub capture_mode: CaptureMode,
    /// How much of that the export may hold.
    pub exported_as: CaptureMode,
    /// How many events there are.
    pub events: u64,
    /// The hash of the last one.
    pub run_head: Digest,
    /// The first link of the capsule that is there: the one that covers the run's first event.
    pub first_link: u64,
    /// The last one.
    pub last_link: u64,
    /// Its hash: the head of the capsule when the run was exported.
    pub capsule_head: Digest,
    /// How many blobs there are.
    pub blobs: u64,
    /// The digest of the policy that the run was admitted under; its text is the blob of this digest.
    pub policy_digest: Digest,
    /// The digest of the answers that the run relied on; they are the blob of this digest.
    pub context_digest: Digest,
    /// The artifacts of the run, in the order of their paths.
    pub artifacts: Vec<Artifact>,
    /// What the mode of the export leaves out, in the order of the events.
    pub left_out: Vec<LeftOut>,
}

/// Something that was left out, with the digest by which it can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The event that holds or names it.
    pub seq: Seq,
    /// What it is.
    pub what: LeftOutKind,
    /// Its class, which the export's mode does not keep.
    pub class: DataClass,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutKind {
    /// The result of a step. The event's line has the digest of its payload.
    StepResult,
    /// The bytes of an artifact.
    Artifact,
}

/// Why an event does not belong where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq}: {why}", seq = .seq.0)]
pub(crate) struct BadEvent {
    pub(crate) seq: Seq,
    pub(crate) why: String,
}

/// What the events so far come to.
pub(crate) struct Contents {
    run_id: RunId,
    wanted: CaptureMode,
    run: Option<Run>,
    cursor: Cursor,
    head: StreamHead,
    /// The hash of each event, in order.
    hashes: Vec<Digest>,
    /// The blobs that are there, with the size where an event states it.
    kept: BTreeMap<Digest, Option<u64>>,
    artifacts: Vec<Artifact>,
    left_out: Vec<LeftOut>,
}

/// Where the links of an export begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) hash: Digest,
}

impl Contents {
    /// Before the first event of a run, of which an export may hold what this mode keeps.
    pub(crate) fn new(run_id: RunId, wanted: CaptureMode) -> Self {
        Self {
            run_id,
            wanted,
            run: None,
            cursor: Cursor(0),
            head: StreamHead::EMPTY,
            hashes: Vec::new(),
            kept: BTreeMap::new(),
            artifacts: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Takes the next event: its place, its hash, the rules of runs, and what it names.
    pub(crate) fn take(&mut self, line: &EventLine) -> Result<(), BadEvent> {
        let (event, seq) = (&line.event, self.head.seq.next());
        let bad = |why: String| BadEvent { seq, why };
        if event.stream != (Stream::Run { run_id: self.run_id }) || event.seq != seq {
            return Err(bad(format!("seq {} of {} stands in its place", event.seq.0, event.stream)));
        }
        if event.cursor <= self.cursor {
            return Err(bad("its cursor is not after that of the event before".to_owned()));
        }
        if self.hashes.len() == MAX_EVENTS {
            return Err(bad(format!("an export has at most {MAX_EVENTS} events")));
        }
        let computed = line.hash().map_err(|error| bad(error.to_string()))?;
        if computed != event.hash {
            return Err(bad(format!("its hash is stated as {} and comes to {computed}", event.hash)));
        }
        if event.prev_hash != self.head.hash {
            let why = "it follows an event of hash";
            return Err(bad(format!("{why} {}, and the one before has {}", event.prev_hash, self.head.hash)));
        }
        let EventData::Run(data) = &event.data else {
            return Err(bad(format!("{} does not belong into a run", event.data.type_name())));
        };
        let applied = run::apply(self.run.take(), self.run_id, data, event.at);
        let after = applied.map_err(|error| bad(error.to_string()))?;
        let withheld = withholds_results(after.request.capture_mode, self.wanted);
        if self.wanted > after.request.capture_mode {
            return Err(bad("the export claims to hold more than the run could store".to_owned()));
        }
        let is_result = matches!(data, RunEvent::StepFinished { .. });
        if line.left_out.is_some() != (withheld && is_result) {
            return Err(bad(
                "what is left out of it is not what the mode of the export leaves out".to_owned()
            ));
        }
        self.run = Some(after);
        (self.cursor, self.head) = (event.cursor, StreamHead { seq, hash: event.hash });
        self.hashes.push(event.hash);
        self.note(event, data, line.left_out.is_some());
        Ok(())
    }

    /// Notes the blobs that an event names.
    fn note(&mut self, event: &Event, data: &RunEvent, withheld: bool) {
        match data {
            RunEvent::Submitted { admission, .. } => {
                self.kept.entry(admission.policy_digest).or_default();
                self.kept.entry(admission.context_digest).or_default();
            }
            RunEvent::StepFinished { result: StepResult::Stored { digest, bytes }, .. } if withheld => {
                self.leave_out(event.seq, LeftOutKind::StepResult, DataClass::Io, *digest, *bytes);
            }
            RunEvent::StepFinished { result: StepResult::Stored { digest, bytes }, .. } => {
                self.kept.insert(*digest, Some(*bytes));
            }
            RunEvent::ArtifactStored(artifact) => {
                if self.wanted.keeps(artifact.class) {
                    self.kept.insert(artifact.digest, Some(artifact.bytes));
                } else {
                    let Artifact { class, digest, bytes, .. } = artifact;
                    self.leave_out(event.seq, LeftOutKind::Artifact, *class, *digest, *bytes);
                }
                self.artifacts.push(artifact.clone());
            }
            _ => {}
        }
    }

    fn leave_out(&mut self, seq: Seq, what: LeftOutKind, class: DataClass, digest: Digest, bytes: u64) {
        self.left_out.push(LeftOut { seq, what, class, digest, bytes });
    }

    /// What the export may hold.
    pub(crate) const fn mode(&self) -> CaptureMode {
        self.wanted
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> u64 {
        self.head.seq.0
    }

    /// The hash of the event at a place.
    pub(crate) fn hash_at(&self, seq: Seq) -> Option<Digest> {
        let place = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.hashes.get(place).copied()
    }

    /// The blobs that belong into the export, in the order of their digests.
    pub(crate) const fn kept(&self) -> &BTreeMap<Digest, Option<u64>> {
        &self.kept
    }

    /// The run as its events make it.
    pub(crate) const fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// The artifacts, in the order in which they were stored.
    pub(crate) fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    /// The manifest; none while the run has not ended.
    pub(crate) fn manifest(&self, workspace_name: &str, sealed: Sealed, format: u16) -> Option<Manifest> {
        let run = self.run.as_ref().filter(|run| matches!(run.state, RunState::Ended(_)))?;
        let mut artifacts = self.artifacts.clone();
        artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        Some(Manifest {
            schema_version: SCHEMA.to_owned(),
            format,
            run_id: self.run_id,
            workspace_id: run.request.workspace_id,
            workspace_name: workspace_name.to_owned(),
            work_item_id: run.request.work_item_id.clone(),
            kind: run.request.kind,
            status: run.status(),
            capture_mode: run.request.capture_mode,
            exported_as: self.wanted,
            events: self.events(),
            run_head: self.head.hash,
            first_link: sealed.first,
            last_link: sealed.last,
            capsule_head: sealed.hash,
            blobs: self.kept.len() as u64,
            policy_digest: run.admission.policy_digest,
            context_digest: run.admission.context_digest,
            artifacts,
            left_out: self.left_out.clone(),
        })
    }
}
