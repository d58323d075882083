//! Files for people: they come back byte for byte from the record, stand in the user's tree only where policy says so, and nothing
//! that happens to them takes anything from a run.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde_json::{Value, json};
use windlass_actors::{Local, Recover};
use windlass_contract::control::Control;
use windlass_contract::request::{CancelRun, RebuildProjections, VerifyCapsule, WatchRun};
use windlass_contract::view::{RebuiltProjections, RebuiltState, RunView};
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::item::ItemEvent;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{Outcome, Phase, RunStatus};
use windlass_engine::failpoint;
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, artifact, caller, check_schema, follow, prepare, review, show,
    wait_until_gone,
};

const MEND: &str = "[[check]]\nname = \"look\"\nargv = [\"true\"]\n[[fixer]]\nname = \"mend\"\nargv = [\"sh\", \"-c\", \"echo more >> poem.txt\"]\n";
const IN_TREE: &str = "version = 1\n[projections]\nfolder = \"docs/specs\"\n";

/// A repository with a poem, these checks and this policy of its own.
fn repository(checks: &str, policy: Option<&str>) -> Repository {
    let repository = Repository::with(&[("poem.txt", "one\n"), (".windlass/checks.toml", checks)]);
    if let Some(policy) = policy {
        repository.write_all(&[(".windlass/policy.toml", policy)]);
        repository.commit("a policy");
    }
    repository
}

/// Reviews with a change, to the end.
async fn reviewed(control: &Local, repository: &Repository) -> RunView {
    let asked = review(repository, &json!({"write_mode": "worktree"}));
    let run_id = control.submit_run(caller(), asked).await.unwrap().run_id;
    follow(control, run_id).await;
    show(control, run_id).await
}

async fn rebuild(control: &dyn Control, check: bool) -> RebuiltProjections {
    control.rebuild_projections(RebuildProjections { folder: None, check }).await.unwrap()
}

fn outcome(run: &RunView) -> &Outcome {
    &run.ended.as_ref().unwrap().outcome
}

/// The files below a folder, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// That the files of a run are the artifacts of the same names.
async fn assert_copies(control: &dyn Control, run: &RunView, names: &[&str]) {
    let folder = format!("{}/runs/{}/", run.row.work_item_id, run.row.run_id);
    let name = |path: &String| path.split_once(&folder).unwrap().1.to_owned();
    assert_eq!(run.projection_paths.iter().map(name).collect::<Vec<_>>(), names);
    for path in &run.projection_paths {
        let stored = artifact(control, run, &name(path)).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), stored, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_rebuilt_byte_for_byte() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let wait = format!("{MEND}[[fixer]]\nname = \"wait\"\nargv = [\"cat\", \"{}\"]\n", gate.path().display());
    let (changed, held) = (repository(MEND, None), repository(&wait, None));
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &changed, &["T-1"]).await;
    prepare(&control, &held, &["T-1"]).await;
    let run = reviewed(&control, &changed).await;
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    let log = "run_log.json";
    let review_files = ["review/patch.diff", "review/review.sarif", "review/review_report.md", log];
    assert_copies(&control, &run, &review_files).await;

    let asked = review(&changed, &json!({"kind": "research"}));
    let researched = control.submit_run(caller(), asked).await.unwrap().run_id;
    follow(&control, researched).await;
    let researched = show(&control, researched).await;
    assert_copies(&control, &researched, &["research/research_report.md", log]).await;

    let asked = review(&held, &json!({"write_mode": "worktree"}));
    let cancelled = control.submit_run(caller(), asked).await.unwrap().run_id;
    let at_the_gate = gate.meet();
    control.cancel_run(caller(), CancelRun { run_id: cancelled, reason: None }).await.unwrap();
    follow(&control, cancelled).await;
    drop(at_the_gate);
    let cancelled = show(&control, cancelled).await;
    assert_eq!(outcome(&cancelled), &Outcome::Cancelled);
    assert_copies(&control, &cancelled, &[log]).await;

    let projections = home.state().join("projections");
    let before = files(&projections);
    assert_eq!(before.len(), 7);
    home.end(runtime, control).await;
    for folder in [&projections, &home.state().join("worktrees"), &home.path().join("cache")] {
        fs::remove_dir_all(folder).unwrap();
    }
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    let head = control.service_status().await.unwrap().capsule_head;
    let looked = rebuild(&control, true).await;
    assert_eq!((looked.runs, looked.outdated, looked.unchanged, looked.failed), (3, 7, 0, 0));
    assert!(!projections.exists(), "looking makes nothing");
    let made = rebuild(&control, false).await;
    assert_eq!((made.runs, made.written, made.unchanged, made.failed), (3, 7, 0, 0), "{made:?}");
    assert_eq!(files(&projections), before);
    let again = rebuild(&control, false).await;
    assert_eq!((again.written, again.unchanged), (0, 7));
    assert_eq!(
        control.service_status().await.unwrap().capsule_head,
        head,
        "what is recorded already is not recorded again"
    );
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_belongs_to_nobody_is_told_and_stays() {
    let home = Home::new();
    home.without_sandbox();
    let repository = repository(MEND, None);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run = reviewed(&control, &repository).await;
    let log = PathBuf::from(run.projection_paths.last().unwrap());
    let notes = log.with_file_name("notes.md");
    fs::write(&notes, "mine").unwrap();
    fs::write(&log, "spoilt").unwrap();
    let made = rebuild(&control, false).await;
    assert_eq!((made.written, made.unchanged, made.strangers), (1, 3, 1));
    let told: Vec<_> = made.files.iter().map(|file| (file.state, PathBuf::from(&file.path))).collect();
    assert_eq!(told, [(RebuiltState::Written, log.clone()), (RebuiltState::Stranger, notes.clone())]);
    assert_eq!(fs::read_to_string(notes).unwrap(), "mine");
    assert_eq!(fs::read(log).unwrap(), artifact(&control, &run, "run_log.json").await.unwrap());
    runtime.stop().await;
}

/// The place of the files of an item, where policy puts them into the tree.
const OF_ITEM: &str = "docs/specs/T-1";

#[tokio::test(flavor = "multi_thread")]
async fn in_the_tree_only_where_policy_says_so_and_nothing_else_there_is_touched() {
    let home = Home::new();
    home.without_sandbox();
    let (chosen, other) = (repository(MEND, Some(IN_TREE)), repository(MEND, None));
    chosen.write_all(&[
        ("poem.txt", "mine\n"),
        ("docs/specs/README.md", "mine\n"),
        ("docs/note.md", "mine\n"),
    ]);
    let everything_else = || (chosen.fingerprint().beside(&chosen, OF_ITEM), other.fingerprint());
    let before = everything_else();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &chosen, &["T-1"]).await;
    prepare(&control, &other, &["T-1"]).await;
    let run = reviewed(&control, &chosen).await;
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    let folder = chosen.path().join(format!("docs/specs/T-1/runs/{}", run.row.run_id));
    assert!(run.projection_paths.iter().all(|path| Path::new(path).starts_with(&folder)), "{run:?}");
    let names = ["review/patch.diff", "review/review.sarif", "review/review_report.md", "run_log.json"];
    assert_copies(&control, &run, &names).await;
    let written = files(&folder);
    assert_eq!(written.len(), names.len());
    reviewed(&control, &other).await;
    assert_eq!(everything_else(), before);
    assert_eq!(fs::read_to_string(chosen.path().join("docs/specs/README.md")).unwrap(), "mine\n");

    fs::remove_dir_all(&folder).unwrap();
    rebuild(&control, false).await;
    assert_eq!(files(&folder), written);

    // The user's own policy has the last word, and what was written stays.
    let policy = home.config().join("policy.toml");
    let never = format!("{}\n[projections]\nin_tree = false\n", fs::read_to_string(&policy).unwrap());
    fs::write(&policy, never).unwrap();
    let made = rebuild(&control, false).await;
    assert_eq!((made.written, made.unchanged), (4, 4));
    assert_eq!(files(&folder), written);
    let moved = show(&control, run.row.run_id).await;
    assert!(moved.projection_paths.iter().all(|path| Path::new(path).starts_with(home.state())), "{moved:?}");
    assert_eq!(everything_else(), before);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_and_takes_nothing_from_the_run() {
    let outside = tempfile::tempdir().unwrap();
    type Case<'a> = (&'a str, &'a dyn Fn(&Path));
    let cases: [Case<'_>; 3] = [
        ("is a link", &|docs| symlink(outside.path(), docs).unwrap()),
        ("is a file", &|docs| fs::write(docs, "mine").unwrap()),
        ("another repository", &|docs| {
            fs::create_dir_all(docs.join("specs/.git")).unwrap();
        }),
    ];
    for (why, put) in cases {
        let home = Home::new();
        home.without_sandbox();
        let repository = repository(MEND, Some(IN_TREE));
        let docs = repository.path().join("docs");
        put(&docs);
        let before = repository.fingerprint();
        let runtime = home.runtime(Recover::All).await;
        let control = runtime.control();
        prepare(&control, &repository, &["T-1"]).await;
        let run = reviewed(&control, &repository).await;
        assert_eq!(outcome(&run), &Outcome::Succeeded, "{why}");
        assert_eq!((run.projection_paths.len(), run.unwritten_projections.len()), (0, 4), "{why}");
        assert!(run.unwritten_projections.iter().all(|file| file.why.contains(why)), "{why}: {run:?}");
        assert_eq!(repository.fingerprint(), before, "{why}");
        let made = rebuild(&control, false).await;
        assert_eq!((made.written, made.failed), (0, 4), "{why}");
        // Out of the way again, the rebuild mends it.
        fs::rename(&docs, outside.path().join(why)).unwrap();
        let made = rebuild(&control, false).await;
        assert_eq!((made.written, made.failed), (4, 0), "{why}: {made:?}");
        let mended = show(&control, run.row.run_id).await;
        assert_eq!((mended.projection_paths.len(), mended.unwritten_projections.len()), (4, 0), "{why}");
        runtime.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_ours_that_was_changed_in_the_tree_is_the_users_now() {
    let home = Home::new();
    home.without_sandbox();
    let repository = repository(MEND, Some(IN_TREE));
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run = reviewed(&control, &repository).await;
    let report = run.projection_paths.iter().find(|path| path.ends_with(".md")).unwrap();
    fs::write(report, "my notes on it").unwrap();
    let made = rebuild(&control, false).await;
    assert_eq!((made.written, made.unchanged, made.failed), (0, 3, 1));
    assert!(made.files[0].why.as_ref().unwrap().contains("changed since"), "{made:?}");
    assert_eq!(fs::read_to_string(report).unwrap(), "my notes on it");
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_files_and_the_end_writes_them_again() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = repository(&format!("{}{MEND}", gate.checks()), Some(IN_TREE));
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let asked = review(&repository, &json!({"write_mode": "worktree"}));
    let run_id = control.submit_run(caller(), asked).await.unwrap().run_id;
    let held = gate.meet();
    failpoint::arm(run_id, failpoint::PROJECTED, 2);
    drop(held);
    let events = follow(&control, run_id).await;
    assert_eq!(failpoint::left(run_id, failpoint::PROJECTED), 0);
    let attempts =
        events.iter().filter(|event| matches!(event.data, EventData::Run(RunEvent::AttemptStarted { .. })));
    assert_eq!(attempts.count(), 3);
    let run = show(&control, run_id).await;
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    // The log of each attempt is another one, and each replaced the one before: it was recorded before it was written.
    assert_eq!(run.unwritten_projections, []);
    let names = ["review/patch.diff", "review/review.sarif", "review/review_report.md", "run_log.json"];
    assert_copies(&control, &run, &names).await;
    home.end(runtime, control).await;
    assert_recorded_with_the_end(&home, &run);
}

/// That the end of a run and what was written of it are one commit.
fn assert_recorded_with_the_end(home: &Home, run: &RunView) {
    let reader = windlass_capsule::open_read_only(&home.state().join("capsule")).unwrap();
    let of_run = reader.events(&Stream::Run { run_id: run.row.run_id }, run.last_seq, 1).unwrap();
    let (workspace_id, work_item_id) = (run.row.workspace_id, run.row.work_item_id.clone());
    let of_item = reader.events(&Stream::Item { workspace_id, work_item_id }, Seq(1), 100).unwrap();
    let written = of_item
        .iter()
        .find(|event| matches!(event.data, EventData::Item(ItemEvent::ProjectionWritten { .. })));
    assert_eq!(written.unwrap().cursor.0, of_run[0].cursor.0 + 1);
    assert_eq!(written.unwrap().at, of_run[0].at);
}

/// The folder of a run that is still to come, locked, so that whoever is to write there waits.
fn locked(home: &Home, run: &RunView) -> File {
    let folder = home.state().join(format!(
        "projections/{}/{}/runs/{}",
        run.row.workspace_id, run.row.work_item_id, run.row.run_id
    ));
    fs::create_dir_all(&folder).unwrap();
    let folder = File::open(folder).unwrap();
    flock(&folder, FlockOperation::LockExclusive).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_while_it_publishes_has_the_files_written_by_the_next() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = repository(&gate.checks(), None);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = control.submit_run(caller(), review(&repository, &json!({}))).await.unwrap().run_id;
    let held = gate.meet();
    let folder = locked(&home, &show(&control, run_id).await);
    drop(held);
    reaches_publish(&control, run_id).await;
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    drop(folder);
    let control = bus.control().await;
    follow(&control, run_id).await;
    let run = show(&control, run_id).await;
    assert_eq!((run.row.status, run.row.attempt.0), (RunStatus::Succeeded, 2));
    assert_copies(&control, &run, &["review/review.sarif", "review/review_report.md", "run_log.json"]).await;
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
}

async fn reaches_publish(control: &dyn Control, run_id: RunId) {
    let mut watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    while let Some(event) = watched.next().await {
        if let EventData::Run(RunEvent::PhaseChanged { phase: Phase::Publish }) = event.unwrap().data {
            return;
        }
    }
}

#[test]
fn the_command_line_rebuilds_and_looks_with_and_without_a_service() {
    let home = Home::new();
    home.without_sandbox();
    let repository = repository(MEND, None);
    let run = |arguments: &[&str]| home.run(repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let submit = [
        "bot",
        "run",
        "--id",
        "T-1",
        "--kind",
        "review",
        "--goal",
        "g",
        "--accept",
        "a",
        "--ephemeral",
        "--json",
    ];
    let result = run(&submit).ok().json();
    check_schema(&result);
    let paths: Vec<&str> =
        result["projection_paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths.len(), 3, "{result}");
    let looked = run(&["project", "rebuild", "--check", "--json"]).ok().json();
    check_schema(&looked);
    assert_eq!((&looked["unchanged"], &looked["exit_code"]), (&json!(3), &json!(0)));

    fs::remove_file(paths[0]).unwrap();
    let bus = PrivateBus::start(&home);
    let served = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    let looked = served(&["project", "rebuild", "--check", "--json"]);
    assert_eq!((looked.code, looked.error_codes()), (3, vec!["io".to_owned()]), "{looked:?}");
    let text = served(&["project", "rebuild"]).ok();
    assert!(text.stdout.contains("written") && text.stdout.contains(paths[0]), "{text:?}");
    let made = served(&["project", "rebuild", "--all", "--json"]).ok().json();
    check_schema(&made);
    assert_eq!((&made["unchanged"], &made["files"]), (&json!(3), &json!([])));

    // What cannot be written is an error of the result, and of no run.
    fs::remove_file(paths[0]).unwrap();
    fs::create_dir(paths[0]).unwrap();
    let failed = served(&["project", "rebuild", "--json"]);
    assert_eq!(failed.code, 3, "{failed:?}");
    let shown = served(&["bot", "show", "latest", "--json"]).ok().json();
    let error: &Value = &shown["errors"][0];
    assert_eq!(
        (&error["code"], &error["hints"][0]),
        (&json!("io"), &json!("windlass project rebuild")),
        "{shown}"
    );
    assert!(error["message"].as_str().unwrap().contains(paths[0]), "{error}");
    assert_eq!(shown["status"], json!("succeeded"));
}
