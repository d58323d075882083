//! What a write does, and what it answers.

use super::support::*;
use windlass_capsule::{ContinuationRefusal, Op, RecordedProjection, StageError, WriteError, Written};
use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::item::{ItemChanges, ItemCommand, ItemRefusal, PlanState, ReturnState, StateName};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::projection::{ProjectedFile, Projection};
use windlass_domain::run::command::Act;
use windlass_domain::run::request::{Door, RunKind};
use windlass_domain::run::step::StepResult;
use windlass_domain::run::{BlockedReason, Outcome, Phase, Refusal, RunState, RunStatus};

fn types(written: &Written) -> Vec<&'static str> {
    written.events().iter().map(|event| event.data.type_name()).collect()
}

fn item_command(item: &str, command: ItemCommand) -> Op {
    Op::Item { workspace_id: workspace_id(), work_item_id: item_id(item), command }
}

fn moved(item: &str, to: StateName) -> Op {
    item_command(item, ItemCommand::Move { to, by: "crew".to_owned() })
}

fn state(ship: &Ship, item: &str) -> Option<PlanState> {
    ship.reader.item(workspace_id(), &item_id(item)).unwrap().unwrap().plan_state()
}

fn blocked() -> Outcome {
    Outcome::Blocked { reason: BlockedReason::PolicyDenied }
}

#[test]
fn a_run_goes_from_submission_to_its_end() {
    let (ship, run_id) = Ship::with_run();
    let written = ship.write(act(
        run_id,
        vec![begin("look", 0), finish("look", 0, inline("seen")), end(1, Outcome::Succeeded)],
    ));
    assert_eq!(types(&written), ["step.started", "step.finished", "run.ended"]);
    assert_eq!(ship.reader.run(run_id).unwrap().unwrap().status(), RunStatus::Succeeded);
    assert_eq!(ship.reader.head().unwrap().cursor, written.events()[2].cursor);
    assert!(ship.reader.active_runs().unwrap().is_empty());
    let error = ship.refused(act(run_id, vec![cancel()]));
    assert!(matches!(error, WriteError::Run(Refusal::RunEnded { .. })), "{error}");
    ship.is_sound();
}

#[test]
fn a_known_common_dir_gives_its_workspace_and_a_taken_id_is_refused() {
    let ship = Ship::with_task();
    let mut again = workspace();
    again.workspace_id = windlass_domain::id::WorkspaceId::from_bytes(id(7));
    let Written::Workspace { workspace: found, new, events } = ship.write(Op::RegisterWorkspace(again))
    else {
        panic!("a registration is answered with a workspace")
    };
    assert!(!new && events.is_empty());
    assert_eq!(found, workspace());
    assert_eq!(ship.reader.workspace_by_common_dir("/home/crew/boat/.git").unwrap(), Some(workspace()));
    let mut other = workspace();
    other.common_dir = "/elsewhere/.git".to_owned();
    let error = ship.refused(Op::RegisterWorkspace(other));
    assert!(matches!(error, WriteError::WorkspaceExists { .. }), "{error}");
}

#[test]
fn items_are_created_once_below_a_parent_of_a_wider_type() {
    let ship = Ship::with_task();
    let create = |item| Op::CreateItem(Box::new(item));
    let below = |mut item: windlass_domain::item::WorkItem, parent: &str| {
        item.parent_id = Some(item_id(parent));
        create(item)
    };
    ship.write(create(project("P")));
    ship.write(below(feature("F", PlanState::Backlog), "P"));
    ship.write(below(task("T-2"), "F"));
    assert!(matches!(ship.refused(create(task("T-1"))), WriteError::ItemExists { .. }));
    assert!(matches!(ship.refused(below(task("T-3"), "nowhere")), WriteError::UnknownItem { .. }));
    assert!(matches!(ship.refused(below(task("T-3"), "T-2")), WriteError::BadParent { .. }));
    assert!(matches!(ship.refused(below(project("P-2"), "P")), WriteError::BadParent { .. }));
    let mut stray = task("T-9");
    stray.workspace_id = windlass_domain::id::WorkspaceId::from_bytes(id(9));
    assert!(matches!(ship.refused(create(stray)), WriteError::UnknownWorkspace { .. }));
    let mut claims = task("T-4");
    claims.context = Some(Digest::of(b"nothing"));
    assert!(matches!(ship.refused(create(claims)), WriteError::Read(_)));
    ship.is_sound();
}

#[test]
fn a_context_is_kept_under_its_digest() {
    let ship = Ship::with_task();
    let item = ship.reader.item(workspace_id(), &item_id("T-1")).unwrap().unwrap();
    assert_eq!(item.context, Some(Digest::of_json(&context()).unwrap()));
    assert_eq!(ship.reader.context(item.context.unwrap()).unwrap(), context());
    let unknown = ItemCommand::AnswerContext { digest: Digest::of(b"x"), by: "crew".to_owned() };
    assert!(matches!(ship.refused(item_command("T-1", unknown)), WriteError::Read(_)));
}

#[test]
fn a_dedupe_key_gives_the_same_run_also_after_it_ended() {
    let ship = Ship::with_task();
    let keyed = |number: u16, preset_base: &str| {
        let mut request = request("T-1", RunKind::Review);
        request.trigger.dedupe_key = Some("k".repeat(600));
        request.base = Some(preset_base.to_owned());
        submit(submission_of(run_id(number), request))
    };
    let first = ship.write(keyed(1, "main"));
    assert!(matches!(first, Written::Submitted { new: true, .. }));
    let known = |op| matches!(ship.write(op), Written::Submitted { run_id: id, new: false, events } if id == run_id(1) && events.is_empty());
    assert!(known(keyed(2, "main")));
    let conflict = |error: &WriteError| matches!(error, WriteError::Admission(AdmissionRefusal::DedupeConflict { run_id: id, .. }) if *id == run_id(1));
    let error = ship.refused(keyed(3, "other"));
    assert!(conflict(&error), "{error}");
    ship.write(act(run_id(1), vec![start(1), end(1, Outcome::Succeeded)]));
    assert!(known(keyed(4, "main")));
    let error = ship.refused(keyed(5, "other"));
    assert!(conflict(&error), "{error}");
    ship.is_sound();
}

#[test]
fn a_dedupe_key_decides_before_the_item_does() {
    let ship = Ship::with_task();
    ship.write(Op::CreateItem(Box::new(feature("F", PlanState::InProgress))));
    let mut request = request("F", RunKind::Review);
    request.trigger.dedupe_key = Some("once".to_owned());
    let mut asked = submission_of(run_id(1), request.clone());
    asked.context = Some(context());
    asked.hold = Some("crew".to_owned());
    asked.expected_item_version = Some(1);
    ship.write(submit(asked.clone()));
    asked.run_id = run_id(2);
    assert!(matches!(ship.write(submit(asked)), Written::Submitted { new: false, .. }));
    request.work_item_id = item_id("nowhere");
    let error = ship.refused(submit(submission_of(run_id(3), request)));
    assert!(matches!(error, WriteError::Admission(AdmissionRefusal::DedupeConflict { .. })), "{error}");
}

#[test]
fn admission_is_decided_with_what_the_transaction_sees() {
    let ship = Ship::with_task();
    let refused = |change: &dyn Fn(&mut windlass_capsule::Submission)| {
        let mut asked = submission(1, "T-1");
        change(&mut asked);
        ship.refused(submit(asked))
    };
    let admission = |error: WriteError| match error {
        WriteError::Admission(refusal) => refusal,
        error => panic!("{error}"),
    };
    let error =
        refused(&|asked| asked.request.workspace_id = windlass_domain::id::WorkspaceId::from_bytes(id(9)));
    assert!(matches!(admission(error), AdmissionRefusal::UnknownWorkspace { .. }));
    let error = refused(&|asked| asked.request.work_item_id = item_id("T-9"));
    assert!(matches!(admission(error), AdmissionRefusal::UnknownItem { .. }));
    let error = refused(&|asked| asked.expected_item_version = Some(1));
    assert!(matches!(error, WriteError::ItemChanged { expected: 1, found: 2, .. }), "{error}");
    let error = refused(&|asked| asked.admission.context_digest = Digest::of(b"old"));
    assert!(matches!(admission(error), AdmissionRefusal::ContextChanged { .. }));
    let error = refused(&|asked| asked.request.capture_mode = CaptureMode::None);
    assert!(matches!(admission(error), AdmissionRefusal::CaptureNone));
    let open = MaieuticContext { open_questions: vec!["why?".to_owned()], ..context() };
    let error = refused(&|asked| {
        asked.context = Some(open.clone());
        asked.admission.context_digest = Digest::of_json(&open).unwrap();
    });
    assert!(matches!(admission(error), AdmissionRefusal::NoContext { .. }));
    let error = refused(&|asked| asked.admission.worktree_of = run_id(7));
    assert!(matches!(error, WriteError::Continuation(ContinuationRefusal::Worktree { .. })), "{error}");
    ship.write(submit(submission(1, "T-1")));
    assert!(matches!(refused(&|_| {}), WriteError::Admission(AdmissionRefusal::AlreadyActive { .. })));
    let research = submission_of(run_id(1), request("T-1", RunKind::Research));
    assert!(matches!(ship.refused(submit(research)), WriteError::RunExists { .. }));
}

#[test]
fn a_submission_can_bring_context_and_hold_in_one_transaction_and_the_end_returns_the_item() {
    let ship = Ship::with_task();
    ship.write(Op::CreateItem(Box::new(feature("F", PlanState::InProgress))));
    let mut asked = submission(1, "F");
    asked.context = Some(context());
    let error = ship.refused(submit(asked.clone()));
    assert!(matches!(error, WriteError::Admission(AdmissionRefusal::NotEligible { .. })), "{error}");
    asked.hold = Some("crew".to_owned());
    let links = ship.reader.head().unwrap().link_seq;
    let written = ship.write(submit(asked));
    assert_eq!(types(&written), ["item.context_answered", "item.moved", "run.submitted", "run.queued"]);
    assert_eq!(ship.reader.head().unwrap().link_seq, links + 1);
    assert_eq!(state(&ship, "F"), Some(PlanState::NeedsReview { return_state: ReturnState::InProgress }));
    let error = ship.refused(moved("F", StateName::InProgress));
    assert!(matches!(error, WriteError::Item(ItemRefusal::HoldActive { .. })), "{error}");
    let early = ItemCommand::ReturnFromHold { run_id: run_id(1), hold: StateName::NeedsReview };
    let error = ship.refused(item_command("F", early));
    assert!(matches!(error, WriteError::Item(ItemRefusal::HoldActive { .. })), "{error}");
    let written = ship.write(act(run_id(1), vec![start(1), end(1, blocked())]));
    assert_eq!(types(&written), ["run.started", "attempt.started", "run.ended", "item.returned"]);
    assert_eq!(state(&ship, "F"), Some(PlanState::InProgress));
    ship.is_sound();
}

#[test]
fn a_hold_that_the_item_is_in_already_is_kept() {
    let ship = Ship::with_task();
    let held = PlanState::NeedsReview { return_state: ReturnState::Planned };
    ship.write(Op::CreateItem(Box::new(feature("F", held))));
    ship.write(answered("F"));
    let mut asked = submission(1, "F");
    asked.hold = Some("crew".to_owned());
    assert_eq!(types(&ship.write(submit(asked))), ["run.submitted", "run.queued"]);
    assert_eq!(state(&ship, "F"), Some(held));
}

#[test]
fn deprecating_an_item_asks_its_active_run_to_stop() {
    let ship = Ship::with_task();
    ship.write(Op::CreateItem(Box::new(feature("F", PlanState::InProgress))));
    let mut asked = submission(1, "F");
    (asked.context, asked.hold) = (Some(context()), Some("crew".to_owned()));
    ship.write(submit(asked));
    let written = ship.write(moved("F", StateName::Deprecated));
    assert_eq!(types(&written), ["item.moved", "cancel.requested"]);
    let run = ship.reader.run(run_id(1)).unwrap().unwrap();
    let cancel = run.cancel().unwrap();
    assert_eq!((cancel.by.as_str(), cancel.door), ("crew", Door::Runtime));
    let written = ship.write(act(run_id(1), vec![start(1), end(1, Outcome::Cancelled)]));
    assert_eq!(types(&written).last(), Some(&"run.ended"), "a deprecated item stays deprecated");
    ship.is_sound();
}

#[test]
fn an_ended_run_is_continued_once_in_its_own_worktree() {
    let ship = Ship::with_task();
    let continuing = |number: u16, before: RunId, worktree_of: RunId| {
        let mut request = request("T-1", RunKind::Review);
        request.continues = Some(before);
        let mut asked = submission_of(run_id(number), request);
        asked.admission.worktree_of = worktree_of;
        submit(asked)
    };
    let refusal = |op| match ship.refused(op) {
        WriteError::Continuation(refusal) => refusal,
        error => panic!("{error}"),
    };
    let one = run_id(1);
    assert!(matches!(refusal(continuing(2, one, one)), ContinuationRefusal::Unknown { .. }));
    ship.start_run(1, "T-1");
    ship.write(act(one, vec![end(1, blocked())]));
    assert!(matches!(refusal(continuing(2, one, run_id(2))), ContinuationRefusal::Worktree { .. }));
    ship.write(Op::CreateItem(Box::new(task("T-2"))));
    ship.write(answered("T-2"));
    let mut elsewhere = request("T-2", RunKind::Review);
    elsewhere.continues = Some(one);
    let refused = refusal(submit(submission_of(run_id(2), elsewhere)));
    assert!(matches!(refused, ContinuationRefusal::OtherWork { .. }));
    ship.write(continuing(2, one, one));
    assert_eq!(ship.reader.continued_by(one).unwrap(), Some(run_id(2)));
    ship.write(act(run_id(2), vec![start(1), end(1, blocked())]));
    let refused = refusal(continuing(3, one, one));
    assert_eq!(refused, ContinuationRefusal::Continued { run_id: one, by: run_id(2) });
    ship.write(continuing(3, run_id(2), one));
    ship.write(act(run_id(3), vec![start(1), end(1, Outcome::Succeeded)]));
    assert!(matches!(refusal(continuing(4, run_id(3), one)), ContinuationRefusal::Outcome { .. }));
    ship.start_run(5, "T-2");
    assert!(matches!(refusal(continuing(6, run_id(5), one)), ContinuationRefusal::OtherWork { .. }));
    ship.is_sound();
}

#[test]
fn a_run_that_continues_begins_with_what_was_done() {
    let (ship, one) = Ship::with_run();
    let done = vec![begin("look", 0), finish("look", 0, inline("seen")), begin("look", 1)];
    ship.write(act(one, done));
    ship.write(act(one, vec![finish("look", 1, inline("seen")), end(1, blocked())]));
    let mut request = request("T-1", RunKind::Review);
    request.continues = Some(one);
    let mut asked = submission_of(run_id(2), request);
    asked.admission.worktree_of = one;
    ship.write(submit(asked));
    ship.write(act(run_id(2), vec![start(1)]));
    let error = ship.refused(act(run_id(2), vec![begin("look", 1)]));
    assert!(matches!(error, WriteError::Run(Refusal::OutOfOrder { .. })), "{error}");
    ship.write(act(run_id(2), vec![begin("look", 2)]));
    let events = ship.reader.events(&Stream::Run { run_id: run_id(2) }, Seq(1), 10).unwrap();
    let types: Vec<&str> = events.iter().map(|event| event.data.type_name()).collect();
    assert_eq!(types[..4], ["run.submitted", "step.inherited", "step.inherited", "run.queued"]);
    ship.is_sound();
}

#[test]
fn an_entry_is_all_or_nothing() {
    let (ship, run_id) = Ship::with_run();
    let commands = vec![begin("look", 0), finish("look", 0, inline("seen")), begin("look", 5)];
    let error = ship.refused(act(run_id, commands));
    assert!(matches!(error, WriteError::Run(Refusal::OutOfOrder { .. })), "{error}");
    let RunState::Running(progress) = ship.reader.run(run_id).unwrap().unwrap().state else { panic!() };
    assert!(progress.open.is_empty() && progress.recorded.is_empty());
    ship.write(act(run_id, vec![begin("look", 0), finish("look", 0, inline("seen"))]));
    ship.is_sound();
}

#[test]
fn what_is_no_news_is_answered_and_writes_nothing() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![checkpoint(0)]));
    let before = ship.reader.head().unwrap();
    assert_eq!(ship.write(act(run_id, vec![checkpoint(0)])).events(), []);
    assert_eq!(ship.reader.head().unwrap(), before);
}

#[test]
fn a_stale_attempt_writes_nothing() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![start(2)]));
    let error = ship.refused(act(run_id, vec![checkpoint(0)]));
    assert!(matches!(error, WriteError::Run(Refusal::StaleEpoch { .. })), "{error}");
}

#[test]
fn events_name_only_blobs_that_are_stored() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![begin("look", 0)]));
    let stored = |digest, bytes| vec![finish("look", 0, StepResult::Stored { digest, bytes })];
    let error = ship.refused(act(run_id, stored(Digest::of(b"gone"), 4)));
    assert!(matches!(error, WriteError::BlobMissing { .. }), "{error}");
    let small = ship.writer.stage(OUTPUT, CaptureMode::FullIo, b"small".to_vec()).unwrap();
    let large = ship.writer.stage(OUTPUT, CaptureMode::FullIo, vec![b'x'; 20_000]).unwrap();
    let unnamed = ship.writer.stage(OUTPUT, CaptureMode::FullIo, b"unnamed".to_vec()).unwrap();
    let error = ship.refused(act(run_id, stored(small.digest(), 5)));
    assert!(matches!(error, WriteError::BlobMissing { .. }), "it did not travel with the entry: {error}");
    let wrong_size = Op::Run { run_id, commands: stored(small.digest(), 6), blobs: vec![small.clone()] };
    assert!(matches!(ship.refused(wrong_size), WriteError::BlobMissing { .. }));
    let report = |path: &str, digest, bytes| {
        let path = ArtifactPath::new(path).unwrap();
        let media_type = "text/plain".to_owned();
        of(1, Act::StoreArtifact(Artifact { path, digest, bytes, media_type, class: OUTPUT }))
    };
    let mut commands = stored(small.digest(), 5);
    commands.push(report("a/large.txt", large.digest(), large.bytes()));
    commands.push(report("b.txt", small.digest(), 5));
    let blobs = vec![small.clone(), large.clone(), unnamed.clone()];
    ship.write(Op::Run { run_id, commands, blobs });
    assert_eq!(ship.reader.blob(small.digest()).unwrap(), b"small");
    assert_eq!(ship.reader.blob(large.digest()).unwrap(), vec![b'x'; 20_000]);
    assert!(ship.reader.blob(unnamed.digest()).is_err(), "what no event names is not kept");
    let paths: Vec<_> =
        ship.reader.artifacts(run_id).unwrap().into_iter().map(|a| a.path.to_string()).collect();
    assert_eq!(paths, ["a/large.txt", "b.txt"]);
    let stats = ship.reader.stats().unwrap();
    assert_eq!((stats.file_blobs, stats.file_blob_bytes, stats.artifacts), (1, 20_000, 2));
    ship.is_sound();
}

#[test]
fn runs_are_counted_by_where_they_stand() {
    let ship = Ship::new();
    ship.outfit(3);
    let stats = || ship.reader.stats().unwrap();
    assert_eq!((stats().runs, stats().oldest_run_at, stats().newest_run_at), (Vec::new(), None, None));
    for number in [1, 2, 3] {
        ship.start_run(number, &format!("T-{number}"));
    }
    ship.write(act(run_id(2), vec![end(1, Outcome::Succeeded)]));
    let submitted_at = |number| Some(ship.reader.run(run_id(number)).unwrap().unwrap().submitted_at);
    assert_eq!(stats().runs, [(RunStatus::Running, 2), (RunStatus::Succeeded, 1)]);
    assert_eq!((stats().oldest_run_at, stats().newest_run_at), (submitted_at(1), submitted_at(3)));
}

#[test]
fn what_the_capture_mode_forbids_never_touches_the_disk() {
    let (ship, run_id) = Ship::with_run();
    let bytes = vec![b's'; 20_000];
    let error = ship.writer.stage(DataClass::Io, CaptureMode::PromptsOnly, bytes.clone()).unwrap_err();
    assert!(matches!(error, StageError::Forbidden { .. }), "{error}");
    assert_eq!(ship.reader.stats().unwrap().file_blobs, 0);
    // Staged under another run's wider mode, it is refused for this run.
    let io = ship.writer.stage(DataClass::Io, CaptureMode::FullIo, b"secret".to_vec()).unwrap();
    let entry = Op::Run { run_id, commands: vec![begin("look", 0)], blobs: vec![io] };
    assert!(matches!(ship.refused(entry), WriteError::CaptureForbids { .. }));
    let path = ArtifactPath::new("raw.txt").unwrap();
    let digest = Digest::of(&bytes);
    let raw =
        Artifact { path, digest, bytes: 20_000, media_type: "text/plain".to_owned(), class: DataClass::Io };
    let written = ship.write(act(run_id, vec![of(1, Act::StoreArtifact(raw))]));
    assert_eq!(types(&written), ["capture.blocked"]);
    assert!(ship.reader.artifacts(run_id).unwrap().is_empty());
}

#[test]
fn a_record_over_the_limit_is_refused() {
    let ship = Ship::with_task();
    let changes = ItemChanges { description: Some("x".repeat(5 << 20)), ..ItemChanges::default() };
    let edit = ItemCommand::Edit { changes: Box::new(changes), by: "crew".to_owned() };
    assert!(matches!(ship.refused(item_command("T-1", edit)), WriteError::TooLarge { .. }));
}

#[test]
fn a_projection_is_noted_for_a_run_of_the_item_only() {
    let (ship, run_id) = Ship::with_run();
    let note = |run_id| ItemCommand::NoteProjection { run_id, projection: Projection::default() };
    assert_eq!(types(&ship.write(item_command("T-1", note(run_id)))), ["projection.written"]);
    ship.write(Op::CreateItem(Box::new(task("T-2"))));
    assert!(matches!(ship.refused(item_command("T-2", note(run_id))), WriteError::UnknownRun { .. }));
}

#[test]
fn the_end_of_a_run_and_its_projection_commit_together() {
    let (ship, run_id) = Ship::with_run();
    let files = vec![ProjectedFile { path: "/x/run_log.json".to_owned(), digest: Digest::of(b"log") }];
    let projection = Projection { rule: "built-in/own-projections".to_owned(), files, unwritten: Vec::new() };
    let end = |act| Op::EndRun {
        run_id,
        commands: vec![of(1, act)],
        blobs: Vec::new(),
        projection: projection.clone(),
    };
    let early = ship.refused(end(Act::EnterPhase(Phase::Publish)));
    assert!(matches!(early, WriteError::NotEnded { .. }), "{early:?}");
    assert_eq!(ship.reader.projection(run_id).unwrap(), RecordedProjection::default());
    let outcome = Outcome::Failed { reason: "no luck".to_owned() };
    let written = ship.write(end(Act::End { outcome, summary: "no luck".to_owned() }));
    assert_eq!(types(&written), ["run.ended", "projection.written"]);
    let found = ship.reader.projection(run_id).unwrap();
    assert_eq!(found.newest, Some(projection.clone()));
    let intended = ProjectedFile { path: "/x/again.json".to_owned(), digest: Digest::of(b"again") };
    let intend = ItemCommand::IntendProjection { run_id, files: vec![intended.clone()] };
    ship.write(item_command("T-1", intend));
    let again = Projection { unwritten: Vec::new(), files: Vec::new(), ..projection.clone() };
    ship.write(item_command("T-1", ItemCommand::NoteProjection { run_id, projection: again.clone() }));
    let found = ship.reader.projection(run_id).unwrap();
    assert_eq!(found.newest, Some(again));
    let ours = [projection.files[0].digest, intended.digest];
    assert_eq!(found.ours, ours.into_iter().collect(), "what was ever written or meant to be is ours");
}
