//! What is the user's stays as it is, byte for byte, while a review writes, commits and carries its change over: files, index,
//! HEAD, configuration, branches and stashes, with work of every kind in progress, in every kind of repository. The one exception is
//! told in `projections.rs`: the files of runs, where policy chooses a folder for them, with everything beside that folder compared.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use serde_json::{Value, json};
use windlass_actors::Recover;
use windlass_contract::control::Control;
use windlass_contract::error::ErrorCode;
use windlass_contract::request::Init;
use windlass_contract::view::RunView;
use windlass_domain::run::Outcome;
use windlass_tests::{Home, Repository, artifact, caller, document, follow, prepare, review, show};

/// Mends a file of every kind of repository here, a new one, and an executable one.
const CHECKS: &str = r#"
[[check]]
name = "look"
argv = ["true"]
[[fixer]]
name = "mend"
argv = ["sh", "-c", "echo mended >> poem.txt && echo new > made.txt && chmod +x tool.sh"]
"#;

const FILES: [(&str, &str); 5] = [
    ("poem.txt", "one\n"),
    ("tool.sh", "#!/bin/sh\n"),
    ("notes.txt", "kept\n"),
    (".gitignore", "*.log\n"),
    (".windlass/checks.toml", CHECKS),
];

/// Leaves work of every kind in progress: a stash, and staged, unstaged, untracked and ignored files.
fn work_in_progress(repository: &Repository) {
    repository.write_all(&[("notes.txt", "stashed\n")]);
    repository.git(&["stash", "push", "--quiet"]);
    repository.write_all(&[("notes.txt", "staged\n"), ("added.txt", "staged\n")]);
    repository.git(&["add", "notes.txt", "added.txt"]);
    // The same files that the fixer changes, and one that it makes.
    repository.write_all(&[
        ("notes.txt", "staged\nunstaged\n"),
        ("poem.txt", "mine\n"),
        ("made.txt", "mine\n"),
    ]);
    repository.write_all(&[("ignored.log", "mine\n"), ("folder/untracked.txt", "mine\n")]);
    std::fs::remove_file(repository.path().join("tool.sh")).unwrap();
}

/// Reviews with a change, and compares everything of the user's before and after.
async fn assert_untouched(home: &Home, repository: &Repository) -> (RunView, String) {
    home.without_sandbox();
    let before = repository.fingerprint();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, repository, &["T-1"]).await;
    let asked = review(repository, &json!({"write_mode": "worktree"}));
    let run_id = control.submit_run(caller(), asked).await.unwrap().run_id;
    follow(&control, run_id).await;
    let run = show(&control, run_id).await;
    assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{}", run.row.summary);
    let bundle = document(&control, &run, "review/patch_bundle.json").await;
    assert_eq!(changed(&bundle), ["made.txt", "poem.txt", "tool.sh"], "{bundle}");
    let patch = artifact(&control, &run, "review/patch.diff").await.unwrap();
    runtime.activity().wait_for(|activity| activity.running == 0).await.unwrap();
    runtime.stop().await;
    assert_eq!(repository.fingerprint(), before);
    let branch = run.branch_name.clone().unwrap();
    assert_eq!(
        repository.git(&["show", &format!("{branch}:made.txt")]),
        "new",
        "the change was made, elsewhere"
    );
    (run, String::from_utf8(patch).unwrap())
}

fn changed(bundle: &Value) -> Vec<&str> {
    bundle["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_repository_with_work_in_progress() {
    let repository = Repository::with(&FILES);
    work_in_progress(&repository);
    let (_, patch) = assert_untouched(&Home::new(), &repository).await;
    assert!(
        patch.contains("\n one\n+mended\n"),
        "the commit is mended, not what lies in the checkout: {patch}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_detached_head() {
    let repository = Repository::with(&FILES);
    repository.git(&["checkout", "--quiet", "--detach"]);
    work_in_progress(&repository);
    assert_untouched(&Home::new(), &repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_submodule() {
    let library = Repository::with(&[("library.txt", "a library\n")]);
    let repository = Repository::with(&FILES);
    repository.git(&["submodule", "--quiet", "add", &library.text(), "library"]);
    repository.commit("with a library");
    work_in_progress(&repository);
    repository.write_all(&[("library/library.txt", "mine\n")]);
    let inside = || repository.git(&["-C", "library", "status", "--porcelain=v2", "--branch"]);
    let before = inside();
    assert_untouched(&Home::new(), &repository).await;
    assert_eq!(inside(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_filter_as_large_file_storage_has_it() {
    let repository = Repository::with(&FILES);
    repository.git(&["config", "filter.large.clean", "sed s/^content:/pointer:/"]);
    repository.git(&["config", "filter.large.smudge", "sed s/^pointer:/content:/"]);
    repository.git(&["config", "filter.large.required", "true"]);
    repository.write_all(&[(".gitattributes", "*.large filter=large\n"), ("film.large", "content: long\n")]);
    repository.commit("a film");
    assert_eq!(repository.git(&["cat-file", "blob", "HEAD:film.large"]), "pointer: long");
    work_in_progress(&repository);
    repository.write_all(&[("film.large", "content: cut\n")]);
    let home = Home::new();
    let (run, _) = assert_untouched(&home, &repository).await;
    let made = std::fs::read_to_string(format!("{}/film.large", run.worktree_path.unwrap())).unwrap();
    assert_eq!(made, "content: long\n", "the bot's worktree is checked out as any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_references_in_tables() {
    let home = Home::new();
    let made = std::process::Command::new("git")
        .args(["init", "--quiet", "--ref-format=reftable"])
        .arg(home.path().join("probe"))
        .output()
        .unwrap();
    if !made.status.success() {
        // A git before 2.45 has no such repositories, so nobody has one here.
        return;
    }
    let repository = Repository::unborn(&["--ref-format=reftable"]);
    repository.write_all(&FILES);
    repository.commit("first");
    work_in_progress(&repository);
    assert_untouched(&Home::new(), &repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_sha256_it_is_refused_in_words() {
    let repository = Repository::unborn(&["--object-format=sha256"]);
    repository.write_all(&FILES);
    repository.commit("first");
    work_in_progress(&repository);
    let before = repository.fingerprint();
    let home = Home::new();
    let runtime = home.runtime(Recover::All).await;
    let refused = runtime.control().init(caller(), Init { folder: repository.text() }).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BadRequest);
    let said = &refused.first().message;
    assert!(said.contains("sha256") && said.contains("SHA-1"), "{said}");
    runtime.stop().await;
    assert_eq!(repository.fingerprint(), before);
}
