//! An ended run is continued by a new one: what was done is not done again, what was cut short is, and the worktree and the
//! branch are taken over.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use serde_json::{Value, json};
use windlass_actors::Recover;
use windlass_contract::control::Control;
use windlass_contract::error::ErrorCode;
use windlass_contract::request::{AnswerContext, CancelRun, ResumeRun, VerifyCapsule};
use windlass_contract::view::RunView;
use windlass_domain::event::EventData;
use windlass_domain::id::RunId;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{BlockedReason, Outcome};
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, caller, check_schema, follow, prepare, review, show,
};

fn resume(run_id: RunId) -> ResumeRun {
    ResumeRun { run_id, hold: false, step: None, headless: true, dedupe_key: None }
}

fn outcome(view: &RunView) -> &Outcome {
    &view.ended.as_ref().unwrap().outcome
}

/// A check that leaves a mark each time it is run, before the gate.
fn marking(home: &Home, gate: &Gate) -> (std::path::PathBuf, String) {
    let marks = home.path().join("marks");
    let mark = format!("echo x >> {}", marks.display());
    let checks =
        format!("[[check]]\nname = \"mark\"\nargv = [\"sh\", \"-c\", \"{mark}\"]\n{}", gate.checks());
    (marks, checks)
}

/// Submits, and cancels when the run has come to the gate.
async fn cancelled(control: &dyn Control, repository: &Repository, gate: &Gate, more: &Value) -> RunView {
    let run_id = control.submit_run(caller(), review(repository, more)).await.unwrap().run_id;
    let held = gate.meet();
    control.cancel_run(caller(), CancelRun { run_id, reason: None }).await.unwrap();
    follow(control, run_id).await;
    drop(held);
    let view = show(control, run_id).await;
    assert_eq!(outcome(&view), &Outcome::Cancelled);
    view
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_done_again_and_what_was_cut_short_is() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let (marks, checks) = marking(&home, &gate);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &checks)]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let first = cancelled(&control, &repository, &gate, &json!({})).await;
    let run_id = control.resume_run(caller(), resume(first.row.run_id)).await.unwrap().run_id;
    drop(gate.meet());
    let events = follow(&control, run_id).await;
    let view = show(&control, run_id).await;
    assert_eq!(outcome(&view), &Outcome::Succeeded, "{view:?}");
    assert_eq!(view.request.continues, Some(first.row.run_id));
    assert_eq!(std::fs::read_to_string(marks).unwrap(), "x\n", "the check before the gate was done once");
    let keys = |fits: fn(&RunEvent) -> Option<String>| -> Vec<String> {
        let of_run = |event: &windlass_domain::event::Event| match &event.data {
            EventData::Run(event) => fits(event),
            _ => None,
        };
        events.iter().filter_map(of_run).collect()
    };
    let inherited = keys(|event| match event {
        RunEvent::StepInherited(step) => Some(step.key.to_string()),
        _ => None,
    });
    let finished = keys(|event| match event {
        RunEvent::StepFinished { key, .. } => Some(key.to_string()),
        _ => None,
    });
    assert!(inherited.contains(&"head/check mark#0".to_owned()), "{inherited:?}");
    assert!(finished.contains(&"head/check gate#0".to_owned()), "{finished:?}");
    assert!(inherited.iter().all(|key| !finished.contains(key)), "{inherited:?} {finished:?}");
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worktree_and_the_branch_are_taken_over() {
    let home = Home::new();
    let gate = Gate::new(&home);
    // The fixer changes a file, and waits at the gate before it ends.
    let fixers = format!(
        "[[fixer]]\nname = \"add\"\nargv = [\"sh\", \"-c\", \"echo more >> README.md\"]\n\
         [[fixer]]\nname = \"wait\"\nargv = [\"cat\", \"{}\"]\n",
        gate.path().display()
    );
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &fixers)]);
    let before = repository.fingerprint();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let first = cancelled(&control, &repository, &gate, &json!({"write_mode": "worktree"})).await;
    let run_id = control.resume_run(caller(), resume(first.row.run_id)).await.unwrap().run_id;
    drop(gate.meet());
    follow(&control, run_id).await;
    let view = show(&control, run_id).await;
    assert_eq!(outcome(&view), &Outcome::Succeeded, "{view:?}");
    assert_eq!((&view.worktree_path, &view.branch_name), (&first.worktree_path, &first.branch_name));
    let branch = view.branch_name.unwrap();
    assert_eq!(repository.git(&["show", &format!("{branch}:README.md")]), "# It\nmore");
    drop(before);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_carried_once_is_carried_onto_a_target_that_moved_again() {
    let home = Home::new();
    let gate = Gate::new(&home);
    // The fixer adds a secret, put together only there: the patch is not stored, and the run ends after its finalization.
    let fixer = "[[fixer]]\nname = \"add\"\nargv = [\"sh\", \"-c\", \"echo ghp_''16C7e42F292c6912E7710c838347Ae178B4a >> notes.md\"]\n";
    let checks = format!("{}{fixer}", gate.checks());
    let repository = Repository::with(&[("notes.md", "# It\n"), (".windlass/checks.toml", &checks)]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let move_target = |text: &str| {
        repository.write_all(&[("other.md", text)]);
        repository.commit(text)
    };
    let request = review(&repository, &json!({"write_mode": "worktree"}));
    let first = control.submit_run(caller(), request).await.unwrap().run_id;
    let held = gate.meet();
    let target = move_target("moved");
    drop(held);
    follow(&control, first).await;
    let first = show(&control, first).await;
    let blocked = Outcome::Blocked { reason: BlockedReason::CaptureBlocked };
    let branch = first.branch_name.clone().unwrap();
    let stands_on = || repository.git(&["rev-parse", &format!("{branch}~1")]);
    assert_eq!((outcome(&first), stands_on()), (&blocked, target));

    let target = move_target("moved again");
    let second = control.resume_run(caller(), resume(first.row.run_id)).await.unwrap().run_id;
    follow(&control, second).await;
    let second = show(&control, second).await;
    assert_eq!((outcome(&second), stands_on()), (&blocked, target), "{second:?}");

    // What a person puts on the branch is theirs: it is not moved away from under them.
    repository.git(&[
        "-C",
        second.worktree_path.as_deref().unwrap(),
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "mine",
    ]);
    let mine = repository.git(&["rev-parse", &branch]);
    move_target("moved once more");
    let third = control.resume_run(caller(), resume(second.row.run_id)).await.unwrap().run_id;
    follow(&control, third).await;
    let third = show(&control, third).await;
    assert!(matches!(outcome(&third), Outcome::Failed { reason } if reason.contains(&mine)), "{third:?}");
    assert_eq!(repository.git(&["rev-parse", &branch]), mine);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_changed_meanwhile_are_not_taken_for_those_that_were_judged() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let first = cancelled(&control, &repository, &gate, &json!({})).await;
    let mut context = review(&repository, &json!({})).context.unwrap();
    context.goal = "something else".to_owned();
    let answer = AnswerContext { folder: repository.text(), id: first.row.work_item_id.clone(), context };
    control.answer_context(caller(), answer).await.unwrap();
    let refused = control.resume_run(caller(), resume(first.row.run_id)).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::MaieuticIncomplete, "{refused:?}");
    runtime.stop().await;
}

#[test]
fn the_command_line_continues_and_waits() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let submit = ["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a", "--json"];
    let first = run(&submit).ok().json()["run_id"].as_str().unwrap().to_owned();
    let held = gate.meet();
    let refused = run(&["bot", "resume", &first, "--json"]);
    assert_eq!((refused.code, refused.error_codes()), (10, vec!["bad_request".to_owned()]), "{refused:?}");
    run(&["bot", "cancel", &first]).ok();
    run(&["bot", "watch", &first]).ok();
    drop(held);
    let mut resume = bus.windlass(&home, repository.path());
    resume.args(["bot", "resume", &first, "--wait", "--json"]);
    let waiting = resume.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(gate.meet());
    let done = waiting.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let result: Value = serde_json::from_slice(&done.stdout).unwrap();
    check_schema(&result);
    assert_eq!((&result["status"], &result["work_item_id"]), (&json!("succeeded"), &json!("T-1")));
    let again = run(&["bot", "resume", &first, "--json"]);
    assert_eq!((again.code, again.error_codes()), (10, vec!["bad_request".to_owned()]), "{again:?}");
}
