//! Hand-made records for the checkers' tests: events in a row, without hashes, also such as no capsule would take.

use std::collections::BTreeMap;

use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, Epoch, ItemId, RunId, Seq, WorkspaceId};
use windlass_domain::run::Outcome;
use windlass_domain::run::event::{Admission, CancelRequest, RunEvent};
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, RunRequest, Trigger, WriteMode};
use windlass_domain::run::step::{BranchPath, OnInterrupt, StepIntent, StepKey, StepName, StepResult};
use windlass_domain::time::Timestamp;

/// A record under way.
#[derive(Default)]
pub(crate) struct Chronicle {
    pub(crate) events: Vec<Event>,
    seqs: BTreeMap<RunId, Seq>,
}

pub(crate) fn run_id(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

pub(crate) fn item(name: &str) -> ItemId {
    ItemId::new(name).expect("tests name items well")
}

pub(crate) fn step(occurrence: u32) -> StepKey {
    StepKey { name: StepName::new(&BranchPath::default(), "look"), occurrence }
}

impl Chronicle {
    /// Adds an event of a run.
    pub(crate) fn and(mut self, run: u8, attempt: Option<u64>, data: RunEvent) -> Self {
        let run_id = run_id(run);
        let seq = self.seqs.entry(run_id).or_default();
        *seq = seq.next();
        self.events.push(Event {
            cursor: Cursor(self.events.len() as u64 + 1),
            seq: *seq,
            at: Timestamp::from_millis(0),
            stream: Stream::Run { run_id },
            attempt: attempt.map(Epoch),
            data: EventData::Run(data),
            prev_hash: Digest::ZERO,
            hash: Digest::ZERO,
        });
        self
    }

    /// A run that is admitted whole.
    pub(crate) fn admitted(self, run: u8, of: &str, key: &str) -> Self {
        self.submitted(run, of, key, None).and(run, None, RunEvent::Queued {})
    }

    pub(crate) fn submitted(self, run: u8, of: &str, key: &str, continues: Option<u8>) -> Self {
        let request = Box::new(RunRequest {
            workspace_id: WorkspaceId::from_bytes([0; 16]),
            work_item_id: item(of),
            kind: RunKind::Review,
            capture_mode: CaptureMode::PromptsOnly,
            write_mode: WriteMode::None,
            preset: Preset::Quick,
            scopes: Vec::new(),
            base: None,
            head: None,
            agent_profile: None,
            capabilities: Vec::new(),
            budget: Budget::default(),
            headless: true,
            continues: continues.map(run_id),
            settlement: None,
            requested_at: Timestamp::from_millis(0),
            trigger: Trigger { source: Door::Cli, dedupe_key: Some(key.to_owned()), url: None },
        });
        let admission = Admission {
            policy_digest: Digest::ZERO,
            context_digest: Digest::ZERO,
            engine_version: 1,
            worktree_of: run_id(run),
            request_digest: Digest::ZERO,
        };
        self.and(run, None, RunEvent::Submitted { request, admission })
    }

    pub(crate) fn attempt(self, run: u8, epoch: u64) -> Self {
        let (boot_id, tool_version) = (String::new(), String::new());
        self.and(run, Some(epoch), RunEvent::AttemptStarted { epoch: Epoch(epoch), boot_id, tool_version })
    }

    pub(crate) fn begun(self, run: u8, epoch: u64, on_interrupt: OnInterrupt) -> Self {
        let intent = StepIntent { key: step(0), input_digest: Digest::ZERO, on_interrupt };
        self.and(run, Some(epoch), RunEvent::StepStarted(intent))
    }

    pub(crate) fn finished(self, run: u8, epoch: u64) -> Self {
        let result = StepResult::Inline { value: Json::null() };
        self.and(run, Some(epoch), RunEvent::StepFinished { key: step(0), result, duration_ms: 0 })
    }

    pub(crate) fn cancelled(self, run: u8) -> Self {
        let request = CancelRequest { by: String::new(), door: Door::Cli, reason: None };
        self.and(run, None, RunEvent::CancelRequested(request))
    }

    pub(crate) fn ended(self, run: u8, epoch: u64, outcome: Outcome) -> Self {
        self.and(run, Some(epoch), RunEvent::Ended { outcome, summary: String::new() })
    }
}
