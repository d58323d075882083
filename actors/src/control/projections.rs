//! Making the files for people again from the record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use windlass_capsule::{Op, Page, ReadError, RecordedProjection, RunFilter, RunScope};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::RebuildProjections;
use windlass_contract::view::{RebuiltFile, RebuiltProjections, RebuiltState};
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_domain::item::ItemCommand;
use windlass_domain::projection::{Projection, file_of};
use windlass_domain::run::{Run, RunStatus};
use windlass_git::Repository;
use windlass_policy::{Policy, ProjectionPlace};
use windlass_projection::{Standing, WantedFile};

use super::{faults, places, with_sources};
use crate::attempt::{merged, workspace_layer};
use crate::projections::{Wrote, no_leave, place_of, projected, unwritten, write};
use crate::shared::Shared;
use crate::store::blocking;

/// Runs that are read at once: their rows, and none of their files.
const RUNS_AT_ONCE: usize = 200;

/// Most files in an answer: about as many as a person reads, and a quarter of a megabyte on the bus.
const FILES_AT_MOST: usize = 1_000;

const ENDED: [RunStatus; 5] = [
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Blocked,
    RunStatus::NeedsAttention,
    RunStatus::Cancelled,
];

/// Makes the files of all ended runs again, or only looks how they stand.
pub(super) async fn rebuild(
    shared: &Arc<Shared>,
    request: RebuildProjections,
) -> Result<RebuiltProjections, Fault> {
    let scope = match &request.folder {
        Some(folder) => RunScope::Workspace(places::workspace(shared, folder).await?.1.workspace_id),
        None => RunScope::All,
    };
    let filter = RunFilter { scope, kind: None, statuses: ENDED.into(), active_only: false };
    let mut rebuild = Rebuild::new(shared, request.check);
    let mut after = None;
    loop {
        let (page_of, page) = (filter.clone(), Page { after, limit: RUNS_AT_ONCE });
        let page =
            shared.store.read(move |reader| reader.runs(&page_of, page)).await.map_err(faults::read)?;
        for row in page.runs {
            rebuild.run(row.run_id).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(rebuild.done),
        }
    }
}

/// One rebuild, under way.
struct Rebuild<'a> {
    shared: &'a Arc<Shared>,
    check: bool,
    policies: HashMap<WorkspaceId, Policy>,
    recorded: HashMap<(WorkspaceId, ItemId), BTreeMap<RunId, RecordedProjection>>,
    done: RebuiltProjections,
}

impl<'a> Rebuild<'a> {
    fn new(shared: &'a Arc<Shared>, check: bool) -> Self {
        let done = RebuiltProjections {
            runs: 0,
            written: 0,
            unchanged: 0,
            outdated: 0,
            failed: 0,
            strangers: 0,
            files: Vec::new(),
            more: 0,
        };
        Self { shared, check, policies: HashMap::new(), recorded: HashMap::new(), done }
    }

    async fn run(&mut self, run_id: RunId) -> Result<(), Fault> {
        let read = self.shared.store.read(move |reader| {
            let Some(run) = reader.run(run_id)? else { return Ok(None) };
            let mut wanted = Vec::new();
            for artifact in reader.artifacts(run_id)? {
                if let Some(file) = file_of(&artifact.path) {
                    wanted.push(WantedFile { path: file.to_owned(), bytes: reader.blob(artifact.digest)? });
                }
            }
            Ok(Some((run, wanted)))
        });
        let Some((run, wanted)) = read.await.map_err(faults::read)? else { return Ok(()) };
        let recorded = self.recorded(&run).await.map_err(faults::read)?;
        let policy = self.policy(run.request.workspace_id).await?;
        let place = place_of(self.shared, &policy, &run).await.map_err(faults::read)?;
        self.done.runs += 1;
        let known: BTreeSet<String> = wanted.iter().map(|file| file.path.clone()).collect();
        if self.check {
            self.look(&policy, &run, place.clone(), wanted, recorded).await;
        } else {
            self.write(&policy, &run, place.clone(), wanted, recorded).await?;
        }
        self.strangers(run_id, place, known).await;
        Ok(())
    }

    /// What the record says of the run's files.
    async fn recorded(&mut self, run: &Run) -> Result<RecordedProjection, ReadError> {
        let key = (run.request.workspace_id, run.request.work_item_id.clone());
        if !self.recorded.contains_key(&key) {
            let (workspace_id, id) = key.clone();
            let read = self.shared.store.read(move |reader| reader.projections(workspace_id, &id)).await?;
            self.recorded.insert(key.clone(), read);
        }
        Ok(self.recorded.get(&key).and_then(|of_item| of_item.get(&run.run_id)).cloned().unwrap_or_default())
    }

    /// Today's policy of a workspace, as its default branch has it. Where the repository is gone nothing is written into it, and the
    /// user's own policy is enough.
    async fn policy(&mut self, workspace_id: WorkspaceId) -> Result<Policy, Fault> {
        if let Some(known) = self.policies.get(&workspace_id) {
            return Ok(known.clone());
        }
        let broken = |why| Fault::new(ErrorCode::BadRequest, why).hint("windlass policy check");
        let workspace = self.shared.store.read(move |reader| reader.workspace(workspace_id)).await;
        let root = workspace.map_err(faults::read)?.map(|workspace| workspace.root).unwrap_or_default();
        let layer = blocking(move || {
            let Ok(repository) = Repository::open(root.as_ref()) else { return Ok(None) };
            match repository.default_branch().map_err(|error| with_sources(&error))? {
                Some(branch) => workspace_layer(&repository, &branch.commit),
                None => Ok(None),
            }
        });
        let layer = layer.await.map_err(broken)?;
        let tree = self.shared.tree().await.ok_or_else(|| places::no_tree(self.shared))?;
        let policy = merged(&tree.policy, layer, BTreeSet::new()).await.map_err(broken)?;
        self.policies.insert(workspace_id, policy.clone());
        Ok(policy)
    }

    async fn write(
        &mut self,
        policy: &Policy,
        run: &Run,
        place: ProjectionPlace,
        wanted: Vec<WantedFile>,
        recorded: RecordedProjection,
    ) -> Result<(), Fault> {
        let Wrote { projection, fresh } = write(self.shared, policy, run, place, wanted, recorded.ours).await;
        for file in &projection.files {
            if fresh.contains(&file.path) {
                self.tell(run.run_id, file.path.clone(), RebuiltState::Written, None);
            } else {
                self.done.unchanged += 1;
            }
        }
        for file in &projection.unwritten {
            self.tell(run.run_id, file.path.clone(), RebuiltState::Failed, Some(file.why.clone()));
        }
        if is_news(&projection, recorded.newest.as_ref()) {
            let command = ItemCommand::NoteProjection { run_id: run.run_id, projection };
            let (workspace_id, work_item_id) = (run.request.workspace_id, run.request.work_item_id.clone());
            let note = Op::Item { workspace_id, work_item_id, command };
            self.shared.store.write(note).await.map_err(faults::write)?;
        }
        Ok(())
    }

    async fn look(
        &mut self,
        policy: &Policy,
        run: &Run,
        place: ProjectionPlace,
        wanted: Vec<WantedFile>,
        recorded: RecordedProjection,
    ) {
        let files = projected(&place, &wanted);
        if let Err(denied) = policy.permit_projection(&place) {
            for file in files {
                self.tell(run.run_id, file.path, RebuiltState::Failed, Some(no_leave(&denied)));
            }
            return;
        }
        let standing = blocking(move || windlass_projection::look(&place, &wanted, &recorded.ours)).await;
        for (file, standing) in files.into_iter().zip(standing) {
            match standing {
                Ok(Standing::AsWanted) => self.done.unchanged += 1,
                Ok(Standing::Otherwise) => self.tell(run.run_id, file.path, RebuiltState::Outdated, None),
                Err(error) => {
                    let file = unwritten(file, &error);
                    self.tell(run.run_id, file.path, RebuiltState::Failed, Some(file.why));
                }
            }
        }
    }

    async fn strangers(&mut self, run_id: RunId, place: ProjectionPlace, known: BTreeSet<String>) {
        let folder = place.path();
        let found = blocking(move || {
            let known = known.iter().map(String::as_str).collect();
            windlass_projection::strangers(&place, &known)
        });
        // A folder that cannot be looked through was told with its files already.
        for name in found.await.unwrap_or_default() {
            self.tell(run_id, format!("{folder}/{name}"), RebuiltState::Stranger, None);
        }
    }

    fn tell(&mut self, run_id: RunId, path: String, state: RebuiltState, why: Option<String>) {
        *match state {
            RebuiltState::Written => &mut self.done.written,
            RebuiltState::Outdated => &mut self.done.outdated,
            RebuiltState::Failed => &mut self.done.failed,
            RebuiltState::Stranger => &mut self.done.strangers,
        } += 1;
        if self.done.files.len() < FILES_AT_MOST {
            self.done.files.push(RebuiltFile { run_id, path, state, why });
        } else {
            self.done.more += 1;
        }
    }
}

/// Whether the record does not say so already.
fn is_news(now: &Projection, recorded: Option<&Projection>) -> bool {
    recorded.is_none_or(|before| (&before.files, &before.unwritten) != (&now.files, &now.unwritten))
}
