//! Submissions: the rules are `domain::admission`'s, the facts are read here, inside the transaction.

use windlass_domain::admission::{self, AdmissionRefusal, Admitted, Deduped, Facts, hold_for};
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::item::{ItemCommand, WorkItem};
use windlass_domain::run::event::{InheritedStep, RunEvent};
use windlass_domain::run::request::RunRequest;
use windlass_domain::run::{RunState, continuable, inheritance};

use super::draft::Draft;
use super::{Submission, Written};
use crate::error::{ContinuationRefusal, ReadError, WriteError};
use crate::keys;

impl Draft<'_> {
    pub(super) fn submit(&mut self, submission: Submission) -> Result<Written, WriteError> {
        admission::check_request(&submission.request)?;
        if let Some(run_id) = self.recall(&submission)? {
            return Ok(Written::Submitted { run_id, new: false, events: Vec::new() });
        }
        let item = self.prepare_item(&submission)?;
        let Submission { run_id, request, admission, policy, .. } = submission;
        let active = self.active(request.workspace_id, &request.work_item_id, request.kind)?;
        let facts = Facts { item: &item, active, deduped: None };
        let mut events = match admission::admit(&request, &admission, facts)? {
            Admitted::New(events) => events,
            Admitted::Known(run_id) => {
                return Ok(Written::Submitted { run_id, new: false, events: Vec::new() });
            }
        };
        if self.view().run(run_id)?.is_some() || self.batch.runs.get(run_id).is_some() {
            return Err(WriteError::RunExists { run_id });
        }
        self.check_continuation(run_id, &request, admission.worktree_of)?;
        // Behind `run.submitted`, which is the first of every run.
        events.splice(1..1, self.inherited(&request)?.into_iter().map(RunEvent::StepInherited));
        for event in events {
            self.run_event(run_id, None, event)?;
        }
        self.take_blobs(vec![policy])?;
        Ok(Written::Submitted { run_id, new: true, events: Vec::new() })
    }

    /// The run that the same request made before. The key decides before the item is looked at, so the known run's item
    /// stands in for it.
    fn recall(&mut self, submission: &Submission) -> Result<Option<RunId>, WriteError> {
        let Some(key) = &submission.request.trigger.dedupe_key else { return Ok(None) };
        let view = self.view();
        let Some(deduped) = view.tables.dedupe.read::<Deduped>(view.txn, &keys::text(key))? else {
            return Ok(None);
        };
        let request = self.known_run(deduped.run_id)?.row.run.request.clone();
        let item = self.known_item(request.workspace_id, &request.work_item_id)?;
        let facts = Facts { item: &item, active: None, deduped: Some(deduped) };
        match admission::admit(&submission.request, &submission.admission, facts)? {
            Admitted::Known(run_id) => Ok(Some(run_id)),
            Admitted::New(_) => Ok(None),
        }
    }

    /// The item after the context and the hold that the submission brings, with its context only if that is complete.
    fn prepare_item(&mut self, submission: &Submission) -> Result<WorkItem, WriteError> {
        let (workspace_id, id) = (submission.request.workspace_id, &submission.request.work_item_id);
        if self.view().workspace(workspace_id)?.is_none() {
            return Err(AdmissionRefusal::UnknownWorkspace { workspace_id }.into());
        }
        let unknown = || AdmissionRefusal::UnknownItem { id: id.clone() };
        let found = self.item(workspace_id, id)?.ok_or_else(unknown)?;
        if let Some(expected) = submission.expected_item_version.filter(|expected| *expected != found.version)
        {
            return Err(WriteError::ItemChanged { id: id.clone(), expected, found: found.version });
        }
        let mut complete = None;
        if let Some(context) = &submission.context {
            self.answer_context(workspace_id, id, context, context.answered_by.clone())?;
            complete = Some(context.missing().is_empty());
        }
        let hold = hold_for(submission.request.kind);
        let item = self.known_item(workspace_id, id)?;
        if let Some(by) = submission.hold.clone().filter(|_| item.state_name() != Some(hold)) {
            self.change_item(item, ItemCommand::Move { to: hold, by })?;
        }
        let mut item = self.known_item(workspace_id, id)?;
        if let Some(digest) = item.context {
            let complete = match complete {
                Some(complete) => complete,
                None => self.view().context(digest)?.missing().is_empty(),
            };
            item.context = item.context.filter(|_| complete);
        }
        Ok(item)
    }

    fn check_continuation(
        &mut self,
        run_id: RunId,
        request: &RunRequest,
        worktree_of: RunId,
    ) -> Result<(), WriteError> {
        let expected = match request.continues {
            None => run_id,
            Some(before) => self.continuable(before, request)?,
        };
        if worktree_of == expected {
            Ok(())
        } else {
            Err(ContinuationRefusal::Worktree { expected, given: worktree_of }.into())
        }
    }

    /// What the run that is continued has done.
    fn inherited(&self, request: &RunRequest) -> Result<Vec<InheritedStep>, ReadError> {
        let Some(run_id) = request.continues else { return Ok(Vec::new()) };
        let events = self.view().events(&Stream::Run { run_id }, Seq(1), usize::MAX)?;
        let of_run = events.iter().filter_map(|event| match &event.data {
            EventData::Run(event) => Some(event),
            EventData::Item(_) | EventData::Workspace(_) => None,
        });
        Ok(inheritance(of_run, request.settlement.as_ref()))
    }

    /// Checks that a run can be continued, and says whose worktree it used.
    fn continuable(&mut self, run_id: RunId, request: &RunRequest) -> Result<RunId, WriteError> {
        let row = match self.known_run(run_id) {
            Ok(drafted) => &drafted.row,
            Err(WriteError::UnknownRun { run_id }) => {
                return Err(ContinuationRefusal::Unknown { run_id }.into());
            }
            Err(error) => return Err(error),
        };
        let (before, worktree_of) = (&row.run.request, row.run.admission.worktree_of);
        let same = before.workspace_id == request.workspace_id
            && before.work_item_id == request.work_item_id
            && before.kind == request.kind;
        if !same {
            return Err(ContinuationRefusal::OtherWork { run_id }.into());
        }
        let RunState::Ended(ended) = &row.run.state else {
            return Err(ContinuationRefusal::Active { run_id }.into());
        };
        continuable(&ended.outcome, request.settlement.as_ref())
            .map_err(|why| ContinuationRefusal::Outcome { run_id, why })?;
        match self.view().continued_by(run_id)? {
            Some(by) => Err(ContinuationRefusal::Continued { run_id, by }.into()),
            None => Ok::<_, ReadError>(worktree_of).map_err(WriteError::from),
        }
    }
}
