//! Submitting a run: everything that must be known is looked up here, and decided again inside the writer's transaction.

use std::sync::Arc;

use windlass_capsule::Reader;
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{Caller, SubmitRun};
use windlass_contract::view::Accepted;
use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::digest::Digest;
use windlass_domain::id::{RunId, WorkspaceId};
use windlass_domain::item::WorkItem;
use windlass_domain::run::request::{Preset, RunKind, RunRequest, Scope, Trigger, WriteMode};

use super::admit::{Admissible, Found, admit};
use super::range::{self, Range};
use super::{faults, places};
use crate::attempt::workspace_layer;
use crate::clock;
use crate::shared::Shared;
use crate::store::blocking;

/// Submits a run. The reply means that it is on disk.
pub(super) async fn submit(
    shared: &Arc<Shared>,
    caller: Caller,
    request: SubmitRun,
) -> Result<Accepted, Fault> {
    let store = shared.store.clone();
    // All in one visit to a blocking thread: the visits would take longer than what is done there.
    let found = blocking(move || look_up(store.reader(), caller, request)).await?;
    admit(shared, found).await
}

/// Whether this version can do what is asked. A run that could only fail is refused before it exists.
fn check_offered(request: &SubmitRun) -> Result<(), Fault> {
    match (request.kind, request.write_mode, &request.agent_profile) {
        (RunKind::Research, WriteMode::Worktree, _) => {
            Err(faults::admission(AdmissionRefusal::ResearchWrites))
        }
        (_, _, Some(profile)) => {
            let text = format!("there is no agent profile `{}`", profile.escape_debug());
            Err(Fault::new(ErrorCode::UnknownProfile, text)
                .hint(format!("leave --agent out; a {} run needs no agent", request.kind.word())))
        }
        (_, _, None) => Ok(()),
    }
}

/// What makes a repeated request the same: all that was asked for, without when, by whom, and from which
/// folder of the repository.
fn digest_of(request: &SubmitRun, root: &str) -> Result<Digest, Fault> {
    let mut asked = SubmitRun { folder: root.to_owned(), ..request.clone() };
    if let Some(context) = &mut asked.context {
        context.answered_at = windlass_domain::time::Timestamp::from_millis(0);
    }
    Digest::of_json(&asked).map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))
}

/// Looks up all that a submission needs, in the order in which refusals are told. Blocks.
fn look_up(reader: &Reader, caller: Caller, request: SubmitRun) -> Result<Found, Fault> {
    let repository = places::open_here(&request.folder)?;
    let workspace = places::workspace_of(reader, &repository)?;
    let request_digest = digest_of(&request, &workspace.root)?;
    if let Some(run_id) = known_run(reader, request.dedupe_key.as_deref(), request_digest)? {
        return Ok(Found::Known(run_id));
    }
    check_offered(&request)?;
    let workspace_id = workspace.workspace_id;
    let item = reader.item(workspace_id, &request.id).map_err(faults::read)?;
    let item = item.ok_or_else(|| faults::unknown_item(request.id.as_str()))?;
    let context_digest = check_context(reader, &item, &request)?;
    let range = range::resolve(&repository, request.base.as_deref(), request.head.as_deref())?;
    let layer = workspace_layer(&repository, range.trusted());
    Ok(Found::Admissible(Box::new(Admissible {
        request_digest,
        folder: request.folder.clone(),
        context: request.context.clone(),
        context_digest,
        hold: request.hold.then(|| caller.name.clone()),
        worktree_of: None,
        layer,
        request: run_request(caller, request, workspace_id, range),
    })))
}

/// The run that an equal request made before.
pub(super) fn known_run(
    reader: &Reader,
    dedupe_key: Option<&str>,
    request_digest: Digest,
) -> Result<Option<RunId>, Fault> {
    let Some(key) = dedupe_key else { return Ok(None) };
    let known = reader.deduped(key).map_err(faults::read)?;
    Ok(known.filter(|known| known.request_digest == request_digest).map(|known| known.run_id))
}

/// The digest of a context that is complete: the one that comes with the request, or the item's.
fn check_context(reader: &Reader, item: &WorkItem, request: &SubmitRun) -> Result<Digest, Fault> {
    let id = item.id.as_str();
    let (context, digest) = match (&request.context, item.context) {
        (Some(context), _) => {
            let digest = Digest::of_json(context);
            (context.clone(), digest.map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))?)
        }
        (None, Some(digest)) => (reader.context(digest).map_err(faults::read)?, digest),
        (None, None) => return Err(faults::missing_context(id, &[])),
    };
    let missing = context.missing();
    if missing.is_empty() { Ok(digest) } else { Err(faults::missing_context(id, &missing)) }
}

fn run_request(caller: Caller, request: SubmitRun, workspace_id: WorkspaceId, range: Range) -> RunRequest {
    let mut scopes = if request.scopes.is_empty() { Scope::ALL.to_vec() } else { request.scopes };
    scopes.sort_unstable();
    scopes.dedup();
    // A whole tree has no change to judge, so a review stays on its surface; research reads the whole tree at any depth.
    let shallow = range.whole_tree && request.kind == RunKind::Review;
    RunRequest {
        workspace_id,
        work_item_id: request.id,
        kind: request.kind,
        capture_mode: request.capture_mode,
        write_mode: request.write_mode,
        preset: if shallow { Preset::Quick } else { request.preset },
        scopes,
        base: range.base.map(|base| base.to_string()),
        head: Some(range.head),
        agent_profile: request.agent_profile,
        capabilities: request.allow,
        budget: request.budget,
        headless: request.headless,
        continues: None,
        settlement: None,
        requested_at: clock::now(),
        trigger: Trigger { source: caller.door, dedupe_key: request.dedupe_key, url: request.url },
    }
}
