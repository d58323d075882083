//! What an engine holds while it runs: the way to do journaled steps.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::DataClass;
use windlass_domain::child::{ChildEnd, ChildSpec, EndedBecause};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{HoldId, RunId};
use windlass_domain::run::command::Act;
use windlass_domain::run::event::{Checkpoint, RunEvent};
use windlass_domain::run::request::RunRequest;
use windlass_domain::run::step::{
    BranchPath, OnInterrupt, OnLost, StepIntent, StepKey, StepName, StepResult,
};
use windlass_domain::run::{BlockedReason, Phase, Refusal, Run};
use windlass_failpoint::Place;
use windlass_policy::RunTool;

use crate::failpoint;
use crate::journal::{Journal, RecordedStep};
use crate::leave::Leave;
use crate::ports::{AttemptError, ChildFinish, Held, Payload, Ports, RecordError};
use crate::stop::Stop;

/// Largest step result that stands in its event; larger ones are blobs. The capsule keeps blobs up to this size in its
/// database too, so nothing is gained below it.
const INLINE_RESULT_BYTES: usize = 16 * 1024;

/// A step result's type, with the kind of data that it holds.
///
/// An engine gets a result back decoded from the record, live and on replay alike: what must not be stored never reaches
/// an engine's variables.
pub trait Recorded: Serialize + DeserializeOwned + Send {
    /// What kind of data it holds. One that the run's capture mode forbids blocks the run.
    const CLASS: DataClass;
}

/// What an engine holds while it runs. Clones share the journal; [`RunContext::branch`] makes one for parallel work.
#[derive(Clone)]
pub struct RunContext {
    ports: Ports,
    run_id: RunId,
    request: Arc<RunRequest>,
    worktree_of: RunId,
    context_digest: Digest,
    branch: BranchPath,
    journal: Arc<Mutex<Journal>>,
    /// A cancel was committed before this attempt: nothing new is begun but finalization.
    cancelled: bool,
    finalizing: Arc<AtomicBool>,
    /// Held by the branch that asks a person.
    asking: Arc<futures::lock::Mutex<()>>,
}

impl RunContext {
    /// The context of one attempt at a run, with the journal that the record holds.
    #[must_use]
    pub fn new(ports: Ports, run: &Run, journal: Journal) -> Self {
        Self {
            ports,
            run_id: run.run_id,
            request: Arc::new(run.request.clone()),
            worktree_of: run.admission.worktree_of,
            context_digest: run.admission.context_digest,
            branch: BranchPath::default(),
            journal: Arc::new(Mutex::new(journal)),
            cancelled: run.cancel().is_some(),
            finalizing: Arc::new(AtomicBool::new(false)),
            asking: Arc::default(),
        }
    }

    /// The run.
    #[must_use]
    pub const fn run_id(&self) -> RunId {
        self.run_id
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &RunRequest {
        &self.request
    }

    /// The run whose worktree this one uses.
    #[must_use]
    pub const fn worktree_of(&self) -> RunId {
        self.worktree_of
    }

    /// The digest of the answers that the run was admitted with.
    #[must_use]
    pub const fn context_digest(&self) -> Digest {
        self.context_digest
    }

    /// What the engine may reach outside, for use inside steps only.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// A step whose effect is in process and can be done again: a read, a diff, a worktree that is made or found.
    ///
    /// # Errors
    /// [`Stop`] when the run must not go on, or the effect says so.
    pub async fn step<I, T, F, Fut>(&self, name: &str, input: &I, effect: F) -> Result<T, Stop>
    where
        I: Serialize + Sync,
        T: Recorded,
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, Stop>> + Send,
    {
        self.in_process(name, input, OnInterrupt::Redo, effect).await
    }

    /// A step whose effect cannot be looked up afterwards. A crash in it ends the run `needs_attention`.
    ///
    /// # Errors
    /// [`Stop`] when the run must not go on, the step is in doubt, or the effect says so.
    pub async fn step_once<I, T, F, Fut>(&self, name: &str, input: &I, effect: F) -> Result<T, Stop>
    where
        I: Serialize + Sync,
        T: Recorded,
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, Stop>> + Send,
    {
        self.in_process(name, input, OnInterrupt::Ask, effect).await
    }

    async fn in_process<I, T, F, Fut>(
        &self,
        name: &str,
        input: &I,
        on_interrupt: OnInterrupt,
        effect: F,
    ) -> Result<T, Stop>
    where
        I: Serialize + Sync,
        T: Recorded,
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, Stop>> + Send,
    {
        let (key, input_digest, recorded) = self.look_up(name, input)?;
        match recorded {
            Some(RecordedStep { result: Some(result), .. }) => return self.decode(result).await,
            Some(RecordedStep { on_interrupt: OnInterrupt::Ask, .. }) => return Err(Stop::in_doubt(key)),
            Some(_) | None => {}
        }
        self.begin(StepIntent { key: key.clone(), input_digest, on_interrupt }).await?;
        failpoint::pass(self.run_id, Place::StepIntended);
        let began_ms = self.ports.record.boot_clock_ms();
        let value = effect().await?;
        let duration_ms = self.ports.record.boot_clock_ms().saturating_sub(began_ms);
        self.finish(key, &value, duration_ms).await
    }

    /// A step that is a child under a holder. `derive` makes the result of what the child said; the raw output is
    /// forgotten afterwards.
    ///
    /// # Errors
    /// [`Stop`] when the run must not go on, or the child is lost and `on_lost` says to ask.
    pub async fn held<I, T>(
        &self,
        name: &str,
        input: &I,
        child: HeldChild<'_>,
        derive: impl Fn(&ChildFinish) -> T + Send + Sync,
    ) -> Result<T, Stop>
    where
        I: Serialize + Sync,
        T: Recorded + Sync,
    {
        let (key, input_digest, recorded) = self.look_up(name, input)?;
        let mut hold_id = match recorded {
            Some(RecordedStep { result: Some(result), .. }) => return self.decode(result).await,
            Some(RecordedStep { on_interrupt: OnInterrupt::Held { hold_id, .. }, .. }) => {
                if let Err(stop) = child.leave.permit() {
                    self.ports.children.end(hold_id).await.map_err(AttemptError::from)?;
                    return Err(stop);
                }
                hold_id
            }
            Some(RecordedStep { on_interrupt, .. }) => {
                return Err(Stop::mismatch(key, &format!("it as {on_interrupt:?}")));
            }
            None => {
                child.leave.permit()?;
                self.intend(&key, input_digest, child.on_lost).await?
            }
        };
        let permit = child.leave.permit()?;
        loop {
            let held = self
                .ports
                .children
                .hold(permit, hold_id, &key, child.spec)
                .await
                .map_err(|error| Stop::Attempt(AttemptError::Children(error)))?;
            match held {
                Held::Finished(finish) => {
                    self.note_lost_tail(&key, hold_id, finish.lost_bytes).await?;
                    let value = derive(&finish);
                    let value = self.finish(key.clone(), &value, finish.duration_ms).await?;
                    self.ports.children.discard(hold_id).await;
                    return match finish.end {
                        ChildEnd::Ended { why: EndedBecause::Cancelled } => Err(Stop::Cancelled),
                        ChildEnd::Ended { why: EndedBecause::TimeLimit }
                            if self.ports.record.is_out_of_time() =>
                        {
                            Err(out_of_time(&key))
                        }
                        _ => Ok(value),
                    };
                }
                Held::Lost { why } => match child.on_lost {
                    OnLost::Redo | OnLost::ResumeSession => {
                        let lost = hold_id;
                        hold_id = self.intend(&key, input_digest, child.on_lost).await?;
                        self.ports.children.discard(lost).await;
                    }
                    OnLost::Ask => {
                        let Stop::NeedsAttention { reason, message } = Stop::in_doubt(key) else {
                            return Err(Stop::failed(why));
                        };
                        return Err(Stop::NeedsAttention { reason, message: format!("{message}: {why}") });
                    }
                },
            }
        }
    }

    async fn intend(&self, key: &StepKey, input_digest: Digest, on_lost: OnLost) -> Result<HoldId, Stop> {
        let hold_id = self.ports.record.draw_hold_id();
        let on_interrupt = OnInterrupt::Held { hold_id, on_lost };
        self.begin(StepIntent { key: key.clone(), input_digest, on_interrupt }).await?;
        Ok(hold_id)
    }

    async fn note_lost_tail(&self, key: &StepKey, hold_id: HoldId, bytes: u64) -> Result<(), Stop> {
        if bytes == 0 {
            return Ok(());
        }
        self.act(Act::LoseTail { key: key.clone(), hold_id, bytes }).await
    }

    /// A context for one of several branches of parallel work. Its name is unique in this context.
    #[must_use]
    pub fn branch(&self, name: &str) -> Self {
        Self { branch: self.branch.child(name), ..self.clone() }
    }

    /// Does the work of several branches at once, and gives their results in the order given. Each branch is journaled
    /// and compared on its own. When one stops, the others are still followed to their end.
    ///
    /// # Errors
    /// The first [`Stop`] in the order given.
    pub async fn join<T: Send>(&self, branches: Vec<BoxFuture<'_, Result<T, Stop>>>) -> Result<Vec<T>, Stop> {
        futures::future::join_all(branches).await.into_iter().collect()
    }

    /// Enters a phase.
    ///
    /// # Errors
    /// [`Stop`] when the record cannot take it.
    pub async fn enter(&self, phase: Phase) -> Result<(), Stop> {
        self.finalizing.store(phase.finalizes(), Ordering::Relaxed);
        self.act(Act::EnterPhase(phase)).await
    }

    /// Records progress for people.
    ///
    /// # Errors
    /// [`Stop`] when the record cannot take it.
    pub async fn checkpoint(
        &self,
        phase: Phase,
        percent: u8,
        summary: impl Into<String> + Send,
        analysis_base: Option<&ObjectId>,
    ) -> Result<(), Stop> {
        let key = self.key("checkpoint");
        let resume_hint = Some("it goes on by itself".to_owned());
        let (summary, percent) = (summary.into(), Some(percent.min(100)));
        let analysis_base_commit = analysis_base.cloned();
        let checkpoint = Checkpoint { key, phase, summary, percent, resume_hint, analysis_base_commit };
        self.act(Act::Checkpoint(checkpoint)).await
    }

    /// Stores an artifact. Storing the same again is no news.
    ///
    /// # Errors
    /// [`Stop`] when the record cannot take it, and `blocked` when the capture mode forbids it.
    pub async fn store(
        &self,
        path: ArtifactPath,
        media_type: &str,
        class: DataClass,
        bytes: Vec<u8>,
    ) -> Result<Artifact, Stop> {
        let artifact = Artifact {
            path,
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
            media_type: media_type.to_owned(),
            class,
        };
        if !self.request.capture_mode.keeps(class) {
            self.act(Act::StoreArtifact(artifact.clone())).await?;
            return Err(self.blocked(artifact.path.as_str(), class));
        }
        let payloads = vec![Payload { class, bytes }];
        let events = self.commit(vec![Act::StoreArtifact(artifact.clone())], payloads).await?;
        let refused =
            events.iter().any(|event| matches!(event.data, EventData::Run(RunEvent::CaptureBlocked { .. })));
        if refused { Err(self.blocked(artifact.path.as_str(), class)) } else { Ok(artifact) }
    }

    /// Names an artifact whose bytes a recorded step has stored. Naming it again is no news.
    ///
    /// # Errors
    /// [`Stop`] when the record cannot take it.
    pub async fn name(&self, artifact: Artifact) -> Result<Artifact, Stop> {
        self.act(Act::StoreArtifact(artifact.clone())).await?;
        Ok(artifact)
    }

    fn blocked(&self, target: &str, class: DataClass) -> Stop {
        Stop::Blocked {
            reason: BlockedReason::CaptureBlocked,
            message: format!(
                "`{target}` holds {class:?} data, which capture mode {:?} does not store",
                self.request.capture_mode
            ),
        }
    }

    /// Looks the next step of this name up in the journal, which must hold it next or not at all.
    fn look_up(
        &self,
        name: &str,
        input: &(impl Serialize + Sync),
    ) -> Result<(StepKey, Digest, Option<RecordedStep>), Stop> {
        let input_digest = Digest::of_json(input)
            .map_err(|error| Stop::failed(format!("the input of step `{name}` has no JSON form: {error}")))?;
        let mut journal = self.journal();
        let key = journal.next_key(StepName::new(&self.branch, name));
        let ends_here = self.cancelled && !self.finalizing.load(Ordering::Relaxed);
        if ends_here && journal.peek(&self.branch).is_none_or(|step| step.key != key) {
            return Err(Stop::Cancelled);
        }
        let recorded = journal.next_of(&self.branch);
        let refusal = journal.refusal();
        drop(journal);
        let finalizing = self.finalizing.load(Ordering::Relaxed);
        // A person's no to one branch ends the others before their next step.
        if let (None, false, Some(stop)) = (&recorded, finalizing, refusal) {
            return Err(stop);
        }
        if recorded.is_none() && !finalizing && self.ports.record.is_out_of_time() {
            return Err(out_of_time(&key));
        }
        match &recorded {
            Some(step) if step.key != key => Err(Stop::mismatch(key, &format!("`{}` there", step.key))),
            Some(step) if step.input_digest != input_digest => {
                Err(Stop::mismatch(key, "it with another input"))
            }
            _ => Ok((key, input_digest, recorded)),
        }
    }

    pub(crate) fn key(&self, name: &str) -> StepKey {
        self.journal().next_key(StepName::new(&self.branch, name))
    }

    /// The key that the next step of this name will have.
    pub(crate) fn coming_key(&self, name: &str) -> StepKey {
        self.journal().coming_key(StepName::new(&self.branch, name))
    }

    pub(crate) fn asking(&self) -> &futures::lock::Mutex<()> {
        &self.asking
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        // A panic between two field writes cannot happen in the journal; its state is sound even when a thread that held
        // it panicked elsewhere.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, intent: StepIntent) -> Result<(), Stop> {
        self.act(Act::BeginStep(intent)).await
    }

    async fn finish<T: Recorded>(&self, key: StepKey, value: &T, duration_ms: u64) -> Result<T, Stop> {
        let no_json = |error| Stop::failed(format!("the result of step `{key}` has no JSON form: {error}"));
        let value = Json::of(value).map_err(no_json)?;
        if !self.request.capture_mode.keeps(T::CLASS) {
            let target = format!("result of step {key}");
            let block =
                Act::BlockCapture { key: self.key("capture"), target: target.clone(), class: T::CLASS };
            self.act(block).await?;
            return Err(self.blocked(&target, T::CLASS));
        }
        let (result, payloads) = if value.as_str().len() <= INLINE_RESULT_BYTES {
            (StepResult::Inline { value }, Vec::new())
        } else {
            let bytes = value.as_str().as_bytes().to_vec();
            let stored = StepResult::Stored { digest: value.digest(), bytes: bytes.len() as u64 };
            (stored, vec![Payload { class: T::CLASS, bytes }])
        };
        failpoint::pass(self.run_id, Place::StepEffected);
        let finish = Act::FinishStep { key, result: result.clone(), duration_ms };
        self.commit(vec![finish], payloads).await?;
        failpoint::pass(self.run_id, Place::StepRecorded);
        self.decode(result).await
    }

    async fn decode<T: Recorded>(&self, result: StepResult) -> Result<T, Stop> {
        let corrupt = |error: serde_json::Error| {
            Stop::from(RecordError::Corrupt(format!("a step result cannot be read: {error}")))
        };
        match result {
            StepResult::Inline { value } => value.read().map_err(corrupt),
            StepResult::Stored { digest, .. } => {
                let bytes = self.ports.record.payload(digest).await?;
                serde_json::from_slice(&bytes).map_err(corrupt)
            }
        }
    }

    pub(crate) async fn act(&self, act: Act) -> Result<(), Stop> {
        self.commit(vec![act], Vec::new()).await.map(drop)
    }

    pub(crate) async fn commit(&self, acts: Vec<Act>, payloads: Vec<Payload>) -> Result<Vec<Event>, Stop> {
        match self.ports.record.commit(acts, payloads).await {
            Ok(events) => Ok(events),
            Err(RecordError::Refused(Refusal::Cancelling { .. })) => Err(Stop::Cancelled),
            Err(RecordError::Refused(Refusal::InDoubt { step })) => Err(Stop::in_doubt(step)),
            Err(RecordError::Refused(Refusal::InputChanged { step } | Refusal::OutOfOrder { step, .. })) => {
                Err(Stop::mismatch(step, "another step in its place"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The run's time is used up, at this step.
pub(crate) fn out_of_time(key: &StepKey) -> Stop {
    let message = format!("the run's time was used up at step `{key}`; give it more with --max-duration");
    Stop::Blocked { reason: BlockedReason::BudgetExhausted, message }
}

/// A child to hold, and what its loss means.
#[derive(Debug, Clone, Copy)]
pub struct HeldChild<'a> {
    /// What to start.
    pub spec: &'a ChildSpec,
    /// Leave to start it.
    pub leave: &'a Leave<RunTool>,
    /// What to do when it is lost.
    pub on_lost: OnLost,
}
