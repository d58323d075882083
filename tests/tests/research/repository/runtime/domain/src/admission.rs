//! Whether a submission may become a run. The capsule's writer asks this inside its transaction, with facts that it read
//! there, so that the answer cannot be overtaken.

use crate::capture::CaptureMode;
use crate::digest::Digest;
use crate::id::{ItemId, RunId, WorkspaceId};
use crate::item::{ItemBody, StateName, TaskState, WorkItem};
use crate::run::event::{Admission, RunEvent};
use crate::run::request::{RunKind, RunRequest, WriteMode};

/// What the writer found when it looked.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The item, as it would stand after a hold that the submission asks for.
    pub item: &'a WorkItem,
    /// The active run of the same (workspace, item, kind), if there is one.
    pub active: Option<RunId>,
    /// What the dedupe key was used for before, if it was.
    pub deduped: Option<Deduped>,
}

/// What a dedupe key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Deduped {
    /// The run that it made.
    pub run_id: RunId,
    /// The digest of the request that made it.
    pub request_digest: Digest,
}

/// What a submission comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A new run with these first events.
    New(Vec<RunEvent>),
    /// The same request made this run before.
    Known(RunId),
}

/// Why a submission is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    /// The key was used for another request.
    #[error("dedupe key `{key}` was used for another request, which made run {run_id}")]
    DedupeConflict {
        /// The key.
        key: String,
        /// The run that it made.
        run_id: RunId,
    },
    /// The workspace is not known.
    #[error("workspace {workspace_id} is not known")]
    UnknownWorkspace {
        /// Which.
        workspace_id: WorkspaceId,
    },
    /// The item is not known.
    #[error("there is no work item `{id}` in this workspace")]
    UnknownItem {
        /// Which.
        id: ItemId,
    },
    /// The item is not in a state that this kind of run serves.
    #[error("`{id}` is {state}; a {} needs {needed}", kind.word())]
    NotEligible {
        /// The item.
        id: ItemId,
        /// Where it stands, in words.
        state: String,
        /// The kind.
        kind: RunKind,
        /// What it needs, in words.
        needed: String,
    },
    /// The context is missing or was changed.
    #[error("`{id}` has no complete maieutic context")]
    NoContext {
        /// The item.
        id: ItemId,
    },
    /// The context changed between the judgement and the commit.
    #[error("the maieutic context of `{id}` changed while the run was submitted; submit again")]
    ContextChanged {
        /// The item.
        id: ItemId,
    },
    /// A run without a record is none.
    #[error("capture mode `none` stores nothing, and a run without a record is not run")]
    CaptureNone,
    /// Research never writes.
    #[error("a research run never writes to the repository; use --write-mode none")]
    ResearchWrites,
    /// One active run for a key.
    #[error("`{id}` has an active {} run: {run_id}", kind.word())]
    AlreadyActive {
        /// The item.
        id: ItemId,
        /// The kind.
        kind: RunKind,
        /// The run.
        run_id: RunId,
    },
}

/// Checks what can be said of a request alone.
///
/// # Errors
/// The refusal that the request earns by itself.
pub fn check_request(request: &RunRequest) -> Result<(), AdmissionRefusal> {
    if request.kind == RunKind::Research && request.write_mode == WriteMode::Worktree {
        return Err(AdmissionRefusal::ResearchWrites);
    }
    Ok(())
}

/// Decides a submission, in the order of the contract.
///
/// # Errors
/// The first rule that it breaks.
pub fn admit(
    request: &RunRequest,
    admission: &Admission,
    facts: Facts<'_>,
) -> Result<Admitted, AdmissionRefusal> {
    check_request(request)?;
    if let (Some(key), Some(deduped)) = (&request.trigger.dedupe_key, facts.deduped) {
        if deduped.request_digest == admission.request_digest {
            return Ok(Admitted::Known(deduped.run_id));
        }
        return Err(AdmissionRefusal::DedupeConflict { key: key.clone(), run_id: deduped.run_id });
    }
    check_eligible(facts.item, request.kind)?;
    match facts.item.context {
        None => return Err(AdmissionRefusal::NoContext { id: facts.item.id.clone() }),
        Some(context) if context != admission.context_digest => {
            return Err(AdmissionRefusal::ContextChanged { id: facts.item.id.clone() });
        }
        Some(_) => {}
    }
    if request.capture_mode == CaptureMode::None {
        return Err(AdmissionRefusal::CaptureNone);
    }
    if let Some(run_id) = facts.active {
        return Err(AdmissionRefusal::AlreadyActive {
            id: facts.item.id.clone(),
            kind: request.kind,
            run_id,
        });
    }
    let submitted = RunEvent::Submitted { request: Box::new(request.clone()), admission: admission.clone() };
    Ok(Admitted::New(vec![submitted, RunEvent::Queued {}]))
}

/// The holding state that a kind of run serves.
#[must_use]
pub const fn hold_for(kind: RunKind) -> StateName {
    match kind {
        RunKind::Research => StateName::NeedsResearch,
        RunKind::Review => StateName::NeedsReview,
    }
}

fn check_eligible(item: &WorkItem, kind: RunKind) -> Result<(), AdmissionRefusal> {
    let refuse = |state: &str, needed: &str| {
        Err(AdmissionRefusal::NotEligible {
            id: item.id.clone(),
            state: state.to_owned(),
            kind,
            needed: needed.to_owned(),
        })
    };
    match &item.body {
        ItemBody::Project => refuse("a project, which is a container", "a feature, a spec or a task"),
        ItemBody::Task { state: TaskState::Open, .. } => Ok(()),
        ItemBody::Task { .. } => refuse("a task that is closed", "an open task"),
        ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } if state.awaits() == Some(kind) => {
            Ok(())
        }
        ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } => {
            refuse(state.name().word(), hold_for(kind).word())
        }
    }
}
