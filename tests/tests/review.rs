//! A review that may write: what its patch says of the branch it is meant for, whatever that branch does meanwhile, and what a
//! review stores of what it found, did and could not finish.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use windlass_actors::{Local, Recover, Runtime};
use windlass_contract::control::Control;
use windlass_contract::request::{CancelRun, ListRuns, VerifyCapsule};
use windlass_contract::view::RunView;
use windlass_domain::run::{AttentionReason, BlockedReason, Outcome};
use windlass_tests::{
    Gate, Home, Repository, artifact, assert_replays, caller, document, follow, prepare, review, show,
};

const REPORT: &str = "review/review_report.json";
const BUNDLE: &str = "review/patch_bundle.json";
const PATCH: &str = "review/patch.diff";

/// Ten lines, so that a change of the second and one of the ninth do not touch.
const POEM: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

/// Mends the second line of the poem.
const MEND: &str = "\n[[fixer]]\nname = \"mend\"\nargv = [\"sed\", \"-i\", \"s/^two$/TWO/\", \"poem.txt\"]\n";

/// A repository whose task is reviewed, held by a check at a gate.
struct Story {
    home: Home,
    gate: Gate,
    repository: Repository,
    runtime: Runtime,
    control: Local,
}

impl Story {
    /// One with these fixers.
    async fn with_fixers(fixers: &str) -> Self {
        let home = Home::new();
        let gate = Gate::new(&home);
        let checks = format!("{}{fixers}", gate.checks());
        Self::new(home, gate, &checks).await
    }

    async fn new(home: Home, gate: Gate, checks: &str) -> Self {
        let repository = Repository::with(&[("poem.txt", POEM), (".windlass/checks.toml", checks)]);
        let runtime = home.runtime(Recover::All).await;
        let control = runtime.control();
        prepare(&control, &repository, &["T-1"]).await;
        Self { home, gate, repository, runtime, control }
    }

    /// A review that may write, through the gate; `meanwhile` happens while it is held there.
    async fn review(&self, more: Value, meanwhile: impl FnOnce(&Repository)) -> RunView {
        let mut asked = json!({"write_mode": "worktree"});
        for (name, value) in more.as_object().into_iter().flatten() {
            asked[name] = value.clone();
        }
        let accepted = self.control.submit_run(caller(), review(&self.repository, &asked)).await.unwrap();
        let held = self.gate.meet();
        meanwhile(&self.repository);
        drop(held);
        follow(&self.control, accepted.run_id).await;
        show(&self.control, accepted.run_id).await
    }

    async fn bundle(&self, run: &RunView) -> Value {
        document(&self.control, run, BUNDLE).await
    }

    async fn patch(&self, run: &RunView) -> String {
        String::from_utf8(artifact(&self.control, run, PATCH).await.unwrap()).unwrap()
    }

    /// Whether `git apply --check` takes the run's patch in a fresh checkout of this commit.
    async fn applies_at(&self, run: &RunView, commit: &str) -> bool {
        let patch = self.home.path().join("patch.diff");
        std::fs::write(&patch, self.patch(run).await).unwrap();
        let checkout = self.home.path().join(format!("checkout-{commit}"));
        self.repository.git(&["worktree", "add", "--quiet", "--detach", checkout.to_str().unwrap(), commit]);
        let mut apply = Command::new("git");
        apply.current_dir(checkout).args(["apply", "--check"]).arg(patch).stderr(Stdio::null());
        apply.status().unwrap().success()
    }

    async fn end(self) {
        let runs = self.control.list_runs(ListRuns::default()).await.unwrap().runs;
        for run in runs {
            assert_replays(&self.control, run.run_id).await;
        }
        assert!(self.control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
        self.runtime.stop().await;
    }
}

fn outcome(run: &RunView) -> &Outcome {
    &run.ended.as_ref().unwrap().outcome
}

fn stored(run: &RunView) -> Vec<&str> {
    run.artifacts.iter().map(|artifact| artifact.artifact.path.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stayed_needs_no_rebase() {
    let story = Story::with_fixers(MEND).await;
    let analysed = story.repository.git(&["rev-parse", "HEAD"]);
    let run = story.review(json!({}), |_| ()).await;
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    let bundle = story.bundle(&run).await;
    assert_eq!((&bundle["rebase"], &bundle["rebase_target_commit"]), (&json!("not_needed"), &Value::Null));
    assert_eq!(bundle["analysis_base_commit"], json!(analysed));
    let patch = story.patch(&run).await;
    assert!(patch.contains("\n-two\n+TWO\n"), "{patch}");
    assert!(story.applies_at(&run, &analysed).await);
    let branch = run.branch_name.clone().unwrap();
    assert_eq!(story.repository.git(&["rev-parse", &format!("{branch}~1")]), analysed);
    assert_eq!(document(&story.control, &run, REPORT).await["patch_bundle_uri"], json!(uri(&run, BUNDLE)));
    document(&story.control, &run, "run_log.json").await;
    document(&story.control, &run, "checkpoints.json").await;
    story.end().await;
}

fn uri(run: &RunView, path: &str) -> String {
    run.artifacts.iter().find(|artifact| artifact.artifact.path.as_str() == path).unwrap().uri.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_moved_elsewhere_is_where_the_patch_applies() {
    let story = Story::with_fixers(MEND).await;
    let analysed = story.repository.git(&["rev-parse", "HEAD"]);
    let run = story
        .review(json!({}), |repository| {
            repository.write_all(&[("poem.txt", &POEM.replace("nine", "NINE")), ("other.txt", "new\n")]);
            repository.commit("moved on");
        })
        .await;
    let target = story.repository.git(&["rev-parse", "main"]);
    assert_ne!(target, analysed);
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    let bundle = story.bundle(&run).await;
    assert_eq!((&bundle["rebase"], &bundle["rebase_target_commit"]), (&json!("clean"), &json!(target)));
    assert_eq!(bundle["analysis_base_commit"], json!(analysed));
    assert!(story.applies_at(&run, &target).await);
    let branch = run.branch_name.clone().unwrap();
    assert_eq!(story.repository.git(&["rev-parse", &format!("{branch}~1")]), target);
    let carried = story.repository.git(&["show", &format!("{branch}:poem.txt")]);
    assert!(carried.contains("TWO") && carried.contains("NINE"), "{carried}");
    story.end().await;
}

/// Holds what must be true of every change that met a conflict: all of it is kept, and a person is told.
async fn assert_conflict(story: Story, run: RunView, analysed: &str, path: &str) {
    let target = story.repository.git(&["rev-parse", "main"]);
    assert_eq!(outcome(&run), &Outcome::NeedsAttention { reason: AttentionReason::RebaseConflict });
    let bundle = story.bundle(&run).await;
    assert_eq!((&bundle["rebase"], &bundle["rebase_target_commit"]), (&json!("conflict"), &json!(target)));
    let conflicts = bundle["conflicts"].as_array().unwrap();
    assert!(conflicts.iter().any(|conflict| conflict["path"] == path), "{conflicts:?}");
    let branch = run.branch_name.clone().unwrap();
    let rebase = format!("git rebase --onto {target} {branch}~1 {branch}");
    assert!(bundle["apply_instructions"].as_array().unwrap().contains(&json!(rebase)), "{bundle}");
    assert!(story.patch(&run).await.contains("\n+TWO\n"));
    assert!(story.applies_at(&run, analysed).await, "the original patch fits where it was made");
    assert_eq!(story.repository.git(&["rev-parse", &format!("{branch}~1")]), analysed);
    assert!(stored(&run).contains(&REPORT), "{:?}", stored(&run));
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_changed_the_same_line_is_for_a_person_to_decide() {
    let story = Story::with_fixers(MEND).await;
    let analysed = story.repository.git(&["rev-parse", "HEAD"]);
    let run = story
        .review(json!({}), |repository| {
            repository.write_all(&[("poem.txt", &POEM.replace("two", "zwei"))]);
            repository.commit("translated");
        })
        .await;
    assert_conflict(story, run, &analysed, "poem.txt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_target_deleted_is_for_a_person_to_decide() {
    let story = Story::with_fixers(MEND).await;
    let analysed = story.repository.git(&["rev-parse", "HEAD"]);
    let run = story
        .review(json!({}), |repository| {
            repository.git(&["rm", "--quiet", "poem.txt"]);
            repository.commit("deleted");
        })
        .await;
    assert_conflict(story, run, &analysed, "poem.txt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_target_moved_takes_the_change_along() {
    let story = Story::with_fixers(MEND).await;
    let analysed = story.repository.git(&["rev-parse", "HEAD"]);
    let run = story
        .review(json!({}), |repository| {
            repository.git(&["mv", "poem.txt", "verse.txt"]);
            repository.commit("moved");
        })
        .await;
    assert_eq!(outcome(&run), &Outcome::Succeeded, "{}", run.row.summary);
    let target = story.repository.git(&["rev-parse", "main"]);
    assert_ne!(target, analysed);
    let bundle = story.bundle(&run).await;
    assert_eq!(bundle["files"][0]["path"], "verse.txt");
    assert!(story.applies_at(&run, &target).await);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_deleted_leaves_the_change_where_it_was_made() {
    let story = Story::with_fixers(MEND).await;
    story.repository.git(&["branch", "topic"]);
    let analysed = story.repository.git(&["rev-parse", "topic"]);
    let run = story
        .review(json!({"head": "topic"}), |repository| {
            repository.git(&["branch", "--quiet", "-D", "topic"]);
            repository.commit("main is not the target");
        })
        .await;
    assert_eq!(outcome(&run), &Outcome::Succeeded);
    let bundle = story.bundle(&run).await;
    assert_eq!((&bundle["rebase"], &bundle["rebase_target_commit"]), (&json!("not_needed"), &Value::Null));
    assert!(story.applies_at(&run, &analysed).await);
    assert!(
        !story.repository.try_git(&["rev-parse", "--verify", "refs/heads/topic"]).0,
        "nobody brings it back"
    );
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_holds_a_secret_is_not_stored() {
    // Put together only when it runs, so that no file of the repository holds it.
    let fixer = "\n[[fixer]]\nname = \"leak\"\nargv = [\"sh\", \"-c\", \"printf 'key = AKIA%s\\\\n' Q7ZR4TWXM2VKPL3D >> poem.txt\"]\n";
    let secret = ["AKIA", "Q7ZR4TWXM2VKPL3D"].concat();
    let story = Story::with_fixers(fixer).await;
    let run = story.review(json!({}), |_| ()).await;
    assert_eq!(outcome(&run), &Outcome::Blocked { reason: BlockedReason::CaptureBlocked });
    let summary = &run.ended.as_ref().unwrap().summary;
    assert!(summary.contains("poem.txt") && !summary.contains(&secret), "{summary}");
    let names = stored(&run);
    assert!(!names.contains(&PATCH) && !names.contains(&BUNDLE), "{names:?}");
    assert!(names.contains(&"run_log.json"), "{names:?}");
    let worktree = run.worktree_path.clone().unwrap();
    let made = std::fs::read_to_string(format!("{worktree}/poem.txt")).unwrap();
    assert!(made.contains(&secret), "the worktree has what the record must not have: {made}");
    let searched = files_without_worktrees(&story.home.state());
    assert!(searched.iter().any(|(_, bytes)| contains(bytes, b"poem.txt")), "the search sees what is stored");
    for (file, bytes) in searched {
        assert!(!contains(&bytes, secret.as_bytes()), "{} holds the secret", file.display());
    }
    story.end().await;
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Everything that the state folder holds but the bot's worktrees, which are not the record.
fn files_without_worktrees(state: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                if entry.path() != state.join("worktrees") {
                    folders.push(entry.path());
                }
            } else if entry.file_type().unwrap().is_file() {
                files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_keeps_its_log_and_what_it_had_changed() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let held_fixer = gate.checks().replace("[[check]]", "\n[[fixer]]");
    let story = Story::new(home, gate, &format!("{MEND}{held_fixer}")).await;
    let before = story.repository.fingerprint();
    let asked = review(&story.repository, &json!({"write_mode": "worktree"}));
    let run_id = story.control.submit_run(caller(), asked).await.unwrap().run_id;
    let held = story.gate.meet();
    let cancel = CancelRun { run_id, reason: Some("enough".to_owned()) };
    story.control.cancel_run(caller(), cancel).await.unwrap();
    follow(&story.control, run_id).await;
    drop(held);
    let run = show(&story.control, run_id).await;
    assert_eq!(outcome(&run), &Outcome::Cancelled);
    assert!(!stored(&run).contains(&BUNDLE), "nothing unfinished is offered: {:?}", stored(&run));
    let partial = artifact(&story.control, &run, "review/partial.diff").await.unwrap();
    assert!(String::from_utf8(partial).unwrap().contains("\n-two\n+TWO\n"));
    let log = document(&story.control, &run, "run_log.json").await;
    assert_eq!((&log["status"], &log["run_id"]), (&json!("cancelled"), &json!(run_id)));
    assert_eq!(story.repository.fingerprint(), before);
    story.end().await;
}

/// Finds `BAD`, with file and line.
const FIND_BAD: &str = r#"[[check]]
name = "bad"
argv = ["grep", "-rn", "--include=*.txt", "BAD", "."]
parser = "regex"
pattern = '^\./(?<file>[^:]+):(?<line>\d+):(?<message>.+)$'
success_exit = [0, 1]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_problem_is_told_from_a_new_one_and_the_base_is_checked_once() {
    let home = Home::new();
    home.without_sandbox();
    let repository = Repository::with(&[("a.txt", "fine\nBAD old\n"), (".windlass/checks.toml", FIND_BAD)]);
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["switch", "--quiet", "-c", "change"]);
    repository.write_all(&[("a.txt", "pushed\ndown\nfine\nBAD old\n"), ("b.txt", "BAD new\n")]);
    repository.commit("a change");
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let mut reports = Vec::new();
    for _ in 0..2 {
        let asked = review(&repository, &json!({"base": base, "preset": "quick"}));
        let run_id = control.submit_run(caller(), asked).await.unwrap().run_id;
        follow(&control, run_id).await;
        let run = show(&control, run_id).await;
        assert_eq!(outcome(&run), &Outcome::Succeeded, "findings change no outcome");
        reports.push(document(&control, &run, REPORT).await);
    }
    for report in &reports {
        assert_eq!(origin(report, "a.txt", 4), "old", "it was line 2 before: {report}");
        assert_eq!(origin(report, "b.txt", 1), "new", "{report}");
    }
    assert_eq!(result(&reports[0], "base"), "exited", "{}", reports[0]);
    assert_eq!(result(&reports[1], "base"), "cached", "{}", reports[1]);
    assert_eq!(result(&reports[1], "head"), "exited", "what is judged is never taken from a cache");
    runtime.stop().await;
}

fn origin(report: &Value, file: &str, line: u64) -> String {
    let findings = ["must_fix", "suggestions"].map(|list| report[list].as_array().unwrap().clone()).concat();
    let mut found = findings.iter().filter(|finding| finding["file"] == file && finding["line"] == line);
    let finding = found.next().unwrap_or_else(|| panic!("no finding in {file}:{line}: {report}"));
    assert!(found.next().is_none(), "it is told once: {report}");
    finding["origin"].as_str().unwrap().to_owned()
}

fn result(report: &Value, side: &str) -> String {
    let commands = report["commands_ran"].as_array().unwrap();
    let ran = commands.iter().find(|ran| ran["name"] == "bad" && ran["at"] == side).unwrap();
    ran["result"]["kind"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_beyond_what_the_answers_let_it_edit_is_not_proposed() {
    let story = Story::with_fixers(MEND).await;
    for (bounds, status) in [
        (json!({"may_edit": ["*.txt"], "must_not_touch": ["infra/**"], "network": false}), "succeeded"),
        (json!({"may_edit": ["*.md"]}), "blocked"),
        (json!({"may_edit": []}), "blocked"),
        (json!({"must_not_touch": ["poem.*"]}), "blocked"),
    ] {
        let mut context = serde_json::to_value(review(&story.repository, &json!({})).context).unwrap();
        (context["delegation_bounds"], context["defaulted"]) = (bounds.clone(), json!([]));
        let run = story.review(json!({"context": context}), |_| ()).await;
        assert_eq!(run.row.status.word(), status, "{bounds}: {}", run.row.summary);
        assert_eq!(stored(&run).contains(&PATCH), status == "succeeded", "{bounds}");
        if status == "blocked" {
            assert_eq!(outcome(&run), &Outcome::Blocked { reason: BlockedReason::PolicyDenied });
            assert!(run.row.summary.contains("`poem.txt`"), "{}", run.row.summary);
        }
    }
    story.end().await;
}
