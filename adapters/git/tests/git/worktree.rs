//! Bot worktrees: made, found again, committed in, moved; and the user's own things untouched.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use windlass_domain::diff::{ObjectId, Rebase};
use windlass_git::{CommitError, CreateError, MoveError, Worktree, WorktreeError};

use crate::support::{AT, Fingerprint, Scene, branch, files, git, id, lines, permit, write};

/// A scene with everything of the user's that a run could harm: staged, changed, untracked and ignored files, a
/// stash, other branches and tags, a linked worktree.
fn busy_user() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "ignored/\n");
    scene.commit("ignore");
    scene.write("b.txt", "stashed\n");
    git(&scene.user(), &["stash", "-q"]);
    git(&scene.user(), &["tag", "v1"]);
    git(&scene.user(), &["branch", "other", "HEAD~1"]);
    git(&scene.user(), &["worktree", "add", "-q", "../linked", "other"]);
    scene.write("staged", "staged\n");
    git(&scene.user(), &["add", "staged"]);
    scene.write("a.txt", "changed\n");
    scene.write("untracked", "untracked\n");
    scene.write("ignored/file", "ignored\n");
    scene
}

/// A hook of every name, each leaving a trace.
fn hooks(scene: &Scene) -> impl Fn() -> bool + use<> {
    let witness = scene.folder().join("a hook ran");
    for name in [
        "post-checkout",
        "pre-commit",
        "post-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-index-change",
        "reference-transaction",
        "post-rewrite",
        "fsmonitor-watchman",
    ] {
        let hook = scene.user().join(".git/hooks").join(name);
        write(&hook, format!("#!/bin/sh\necho {name} >>'{}'\n", witness.display()));
        std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    }
    move || witness.exists()
}

#[test]
fn a_whole_run_leaves_the_users_things_byte_for_byte() {
    let scene = busy_user();
    let hook_ran = hooks(&scene);
    for (key, value) in [
        ("commit.gpgSign", "true"),
        ("branch.autoSetupMerge", "always"),
        ("branch.autoSetupRebase", "always"),
        ("submodule.recurse", "true"),
        ("worktree.useRelativePaths", "true"),
        ("core.fsmonitor", ".git/hooks/fsmonitor-watchman"),
        ("gc.auto", "1"),
        ("user.useConfigOnly", "true"),
    ] {
        git(&scene.user(), &["config", key, value]);
    }
    let base = scene.id("HEAD");
    // Asking git about the checkout runs hooks of the user's own; what was traced before is not the adapter's doing.
    let before = scene.fingerprint();
    let _ = std::fs::remove_file(scene.folder().join("a hook ran"));
    let repository = scene.open();
    let permit = scene.permit();
    let worktree = Worktree::create(&permit, &repository, &scene.spec(1, &base)).unwrap();
    let analysis = scene.folder().join("state/analysis");
    Worktree::create_detached(&permit, &repository, &analysis, &base).unwrap();
    write(&worktree.path().join("b.txt"), "by the bot\n");
    write(&worktree.path().join("new/file"), "new\n");
    let commit = worktree.commit_all(&permit, "bot", AT).unwrap().unwrap();
    let onto = ObjectId::new(
        git(&scene.user(), &["commit-tree", "-p", base.as_str(), "-m", "target", "HEAD~1^{tree}"]).trim(),
    )
    .unwrap();
    let Rebase::Clean { head, .. } = repository.rebase(&base, &commit, &onto).unwrap() else {
        panic!("the change is clean");
    };
    repository.move_bot_branch(&permit, &branch(1), &commit, &head).unwrap();
    assert!(!worktree.path().join(".gitignore").exists(), "the target has no such file");
    assert!(!hook_ran());
    assert_eq!(scene.fingerprint(), before);
    let quarantine = scene.folder().join("quarantine");
    repository
        .remove_worktree(&permit, worktree.path(), std::slice::from_ref(&head), &quarantine.join("1"))
        .unwrap();
    repository.remove_worktree(&permit, &analysis, &[], &quarantine.join("2")).unwrap();
    repository.delete_bot_branch(&permit, &branch(1), &head).unwrap();
    assert!(!hook_ran());
    assert_eq!(scene.fingerprint(), before);
    assert_eq!(git(&scene.user(), &["for-each-ref", "refs/heads/bot"]), "");
    assert_eq!(git(&scene.user(), &["worktree", "list"]).lines().count(), 2);
}

#[test]
fn a_worktree_has_the_files_of_its_commit_on_its_branch() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    scene.write("b.txt", "later\n");
    scene.commit("later");
    let spec = scene.spec(1, &first);
    let worktree = Worktree::create(&scene.permit(), &scene.open(), &spec).unwrap();
    assert_eq!(worktree.path(), spec.path);
    assert_eq!(worktree.branch(), Some(&spec.branch));
    assert_eq!(worktree.head().unwrap(), first);
    assert_eq!(std::fs::read_to_string(spec.path.join("b.txt")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(std::fs::metadata(spec.path.join("run.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    // An agent's own git works in it and finds it clean.
    assert_eq!(git(&spec.path, &["status", "--porcelain"]), "");
    assert_eq!(git(&spec.path, &["symbolic-ref", "--short", "HEAD"]).trim(), spec.branch.to_string());
}

#[test]
fn a_worktree_is_found_again_with_its_work_in_progress() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    write(&worktree.path().join("b.txt"), "in progress\n");
    write(&worktree.path().join("new"), "in progress\n");
    let found = Worktree::find(&scene.open(), worktree.path()).unwrap().unwrap();
    assert_eq!((found.path(), found.branch()), (worktree.path(), worktree.branch()));
    scene.worktree();
    assert_eq!(std::fs::read_to_string(worktree.path().join("b.txt")).unwrap(), "in progress\n");
    assert_eq!(worktree.changed_paths(&scene.permit()).unwrap(), ["b.txt", "new"]);
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    let spec = scene.spec(1, &scene.id("HEAD"));
    let again = Worktree::create(&scene.permit(), &scene.open(), &spec).unwrap();
    assert_eq!(again.head().unwrap(), commit);
}

#[test]
fn what_is_not_ours_is_not_found() {
    let scene = Scene::new();
    git(&scene.user(), &["worktree", "add", "-q", "-b", "bot/T-1/x", "../linked"]);
    let repository = scene.open();
    assert!(Worktree::find(&repository, &scene.folder().join("linked")).unwrap().is_none());
    assert!(Worktree::find(&repository, &scene.user()).unwrap().is_none());
    assert!(Worktree::find(&repository, &scene.folder().join("no/thing")).unwrap().is_none());
}

/// The files of a worktree's entry, for staging what a crash leaves.
fn entry(scene: &Scene) -> std::path::PathBuf {
    scene.user().join(".git/worktrees/1")
}

fn assert_whole(scene: &Scene, base: &ObjectId) {
    let spec = scene.spec(1, base);
    let worktree = Worktree::create(&scene.permit(), &scene.open(), &spec).unwrap();
    assert_eq!(worktree.head().unwrap(), *base);
    assert_eq!(git(&spec.path, &["status", "--porcelain"]), "");
    assert_eq!(files(&spec.path), files(&scene.user()));
    let entries = std::fs::read_dir(scene.user().join(".git/worktrees")).unwrap().count();
    assert_eq!(entries, 1, "no entry is left over");
    write(&spec.path.join("new"), "x");
    assert!(worktree.commit_all(&scene.permit(), "it works", AT).unwrap().is_some());
}

/// Each state that a kill between two writes of `create` can leave, made by undoing the later writes.
#[test]
fn creation_goes_on_after_a_crash_at_any_point() {
    type Undo = fn(&Scene);
    let states: [(&str, Undo); 9] = [
        ("branch only", |scene| {
            std::fs::remove_dir_all(entry(scene)).unwrap();
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
        }),
        ("branch and an empty folder", |scene| {
            let path = scene.spec(1, &scene.id("HEAD")).path;
            std::fs::remove_dir_all(entry(scene)).unwrap();
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }),
        ("entry with nothing but its mark", |scene| {
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
            for item in std::fs::read_dir(entry(scene)).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() {
                    std::fs::remove_dir_all(path).unwrap();
                } else if path.file_name().unwrap() != "locked" {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }),
        ("entry without its HEAD", |scene| {
            only_link(scene);
            std::fs::remove_file(entry(scene).join("index")).unwrap();
            std::fs::write(entry(scene).join("HEAD"), "0".repeat(40)).unwrap();
        }),
        ("entry without a folder", |scene| {
            std::fs::remove_file(entry(scene).join("index")).unwrap();
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
        }),
        ("nothing checked out", |scene| {
            only_link(scene);
            std::fs::remove_file(entry(scene).join("index")).unwrap();
        }),
        ("half checked out, with git's lock left", |scene| {
            let path = scene.spec(1, &scene.id("HEAD")).path;
            std::fs::remove_file(path.join("b.txt")).unwrap();
            std::fs::write(path.join("a.txt"), "li").unwrap();
            std::fs::rename(entry(scene).join("index"), entry(scene).join("index.lock")).unwrap();
        }),
        ("link left and entry gone", |scene| {
            only_link(scene);
            std::fs::remove_dir_all(entry(scene)).unwrap();
        }),
        ("complete, folder lost", |scene| {
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
        }),
    ];
    for (state, undo) in states {
        let scene = Scene::new();
        let base = scene.id("HEAD");
        scene.worktree();
        undo(&scene);
        println!("{state}");
        assert_whole(&scene, &base);
    }
}

fn only_link(scene: &Scene) {
    let path = scene.spec(1, &scene.id("HEAD")).path;
    let link = std::fs::read(path.join(".git")).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    write(&path.join(".git"), link);
}

/// A real kill: git holds the worktree's lock as the adapter would have it, and is ended while it works.
#[test]
fn creation_goes_on_after_git_was_killed() {
    let scene = Scene::new();
    for number in 0..300 {
        scene.write(&format!("many/{number}"), lines(1..=200));
    }
    let base = scene.commit("many files");
    let spec = scene.spec(1, &base);
    git(&scene.user(), &["branch", &spec.branch.to_string(), base.as_str()]);
    let mark = format!("windlass: {} at {}", spec.branch, spec.path.display());
    for awaited in
        [entry(&scene), entry(&scene).join("HEAD"), spec.path.join("many/0"), spec.path.join("many/200")]
    {
        write(&scene.folder().join("state/T-1/.1.lock"), "");
        let lock = std::fs::File::open(scene.folder().join("state/T-1/.1.lock")).unwrap();
        lock.lock().unwrap();
        let mut child = crate::support::command(Path::new("git"), &scene.user())
            .args(["worktree", "add", "-q", "--lock", "--reason", &mark])
            .arg(&spec.path)
            .arg(spec.branch.to_string())
            .stdin(lock)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut ended = None;
        while !awaited.exists() && ended.is_none() {
            ended = child.try_wait().unwrap();
        }
        if ended.is_none() {
            let group = rustix::process::Pid::from_child(&child);
            // Its own children may live a moment longer; the adapter waits for them.
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
            child.wait().unwrap();
        }
        assert_whole_after_kill(&scene, &base);
    }
}

fn assert_whole_after_kill(scene: &Scene, base: &ObjectId) {
    let spec = scene.spec(1, base);
    let worktree = Worktree::create(&scene.permit(), &scene.open(), &spec).unwrap();
    assert_eq!(files(&spec.path), files(&scene.user()));
    let quarantine = scene.folder().join("quarantine");
    scene
        .open()
        .remove_worktree(&scene.permit(), worktree.path(), std::slice::from_ref(&base), &quarantine)
        .unwrap();
}

#[test]
fn a_folder_branch_or_entry_of_somebody_else_is_left_alone() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let (repository, permit) = (scene.open(), scene.permit());
    let spec = scene.spec(1, &base);

    write(&spec.path.join("somebody's"), "x");
    let error = Worktree::create(&permit, &repository, &spec).unwrap_err();
    assert!(matches!(error, CreateError::PathTaken { .. }), "{error:?}");
    assert!(spec.path.join("somebody's").exists());
    std::fs::remove_dir_all(&spec.path).unwrap();

    git(&scene.user(), &["worktree", "add", "-q", "--detach", spec.path.to_str().unwrap()]);
    let error = Worktree::create(&permit, &repository, &spec).unwrap_err();
    assert!(matches!(error, CreateError::PathTaken { .. }), "{error:?}");
    git(&scene.user(), &["worktree", "remove", spec.path.to_str().unwrap()]);

    let theirs = scene.commit("a person's commit");
    git(&scene.user(), &["branch", &spec.branch.to_string(), theirs.as_str()]);
    let error = Worktree::create(&permit, &repository, &spec).unwrap_err();
    assert!(matches!(&error, CreateError::BranchTaken { found, .. } if *found == theirs), "{error:?}");
    assert_eq!(scene.id(&spec.branch.to_string()), theirs);
    assert!(!spec.path.exists());

    let other = scene.spec(2, &base);
    Worktree::create(&permit, &repository, &other).unwrap();
    let same_folder = windlass_git::WorktreeSpec { branch: branch(3), ..other };
    let error = Worktree::create(&permit, &repository, &same_folder).unwrap_err();
    assert!(matches!(error, CreateError::PathTaken { .. }), "{error:?}");
}

#[test]
fn a_branch_with_the_bots_commits_is_gone_on_with() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x");
    let commit = worktree.commit_all(&scene.permit(), "work", AT).unwrap().unwrap();
    std::fs::remove_dir_all(worktree.path()).unwrap();
    let again = Worktree::create(&scene.permit(), &scene.open(), &scene.spec(1, &base)).unwrap();
    assert_eq!(again.head().unwrap(), commit);
    assert!(again.path().join("new").exists());
}

#[test]
fn places_where_no_worktree_may_be_are_refused() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let before = scene.fingerprint();
    for path in ["user/inside", "user/.git/inside", "user/new/deeper", "state/../user/x", "state/line\nfeed"]
    {
        let mut spec = scene.spec(1, &base);
        spec.path = scene.folder().join(path);
        let error = Worktree::create(&permit(&scene.folder()), &scene.open(), &spec).unwrap_err();
        assert!(matches!(error, CreateError::Worktree(WorktreeError::BadPath { .. })), "{path}: {error:?}");
    }
    let mut spec = scene.spec(1, &base);
    spec.path = "relative".into();
    assert!(Worktree::create(&scene.permit(), &scene.open(), &spec).is_err());
    assert_eq!(scene.fingerprint(), before);
    assert_eq!(git(&scene.user(), &["for-each-ref", "refs/heads/bot"]), "");
}

#[test]
fn a_permit_for_another_folder_allows_nothing() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let elsewhere = permit(&scene.folder().join("state/T-2"));
    let not_permitted = |error: &WorktreeError| matches!(error, WorktreeError::NotPermitted { .. });
    let error = Worktree::create(&elsewhere, &scene.open(), &scene.spec(1, &base)).unwrap_err();
    assert!(matches!(&error, CreateError::Worktree(inner) if not_permitted(inner)), "{error:?}");
    assert!(!scene.folder().join("state/T-1/1").exists());
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x");
    let error = worktree.commit_all(&elsewhere, "x", AT).unwrap_err();
    assert!(matches!(&error, CommitError::Worktree(inner) if not_permitted(inner)), "{error:?}");
    assert!(scene.open().move_bot_branch(&elsewhere, &branch(1), &base, &base).is_err());
    let quarantine = scene.folder().join("quarantine");
    assert!(scene.open().remove_worktree(&elsewhere, worktree.path(), &[base], &quarantine).is_err());
    assert!(worktree.path().join("new").exists());
    // One for exactly this folder does.
    worktree.commit_all(&permit(worktree.path()), "x", AT).unwrap().unwrap();
}

#[test]
fn a_commit_that_is_not_here_makes_nothing() {
    let scene = Scene::new();
    let absent = ObjectId::new("1".repeat(40)).unwrap();
    let error = Worktree::create(&scene.permit(), &scene.open(), &scene.spec(1, &absent)).unwrap_err();
    assert!(matches!(error, CreateError::NoCommit { .. }), "{error:?}");
    assert!(!scene.folder().join("state/T-1/1").exists());
}

#[test]
fn an_analysis_worktree_has_no_branch_and_takes_no_commits() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    let second = scene.commit("second");
    let path = scene.folder().join("state/analysis");
    let (repository, permit) = (scene.open(), scene.permit());
    let worktree = Worktree::create_detached(&permit, &repository, &path, &first).unwrap();
    assert_eq!((worktree.head().unwrap(), worktree.branch()), (first.clone(), None));
    Worktree::create_detached(&permit, &repository, &path, &first).unwrap();
    let error = Worktree::create_detached(&permit, &repository, &path, &second).unwrap_err();
    assert!(matches!(error, CreateError::PathTaken { .. }), "{error:?}");
    write(&path.join("new"), "x");
    let error = worktree.commit_all(&permit, "x", AT).unwrap_err();
    assert!(matches!(error, CommitError::NoBranch { .. }), "{error:?}");
}

#[test]
fn everything_that_changed_is_committed() {
    let scene = Scene::new();
    scene.write(".gitignore", "target/\n");
    scene.write("folder/one", "1\n");
    scene.write("folder/two", "2\n");
    scene.write("turned", "file\n");
    scene.write("deep/a/b", "b\n");
    scene.commit("more files");
    let worktree = scene.worktree();
    let path = worktree.path();
    write(&path.join("b.txt"), "changed\n");
    std::fs::remove_file(path.join("a.txt")).unwrap();
    write(&path.join("new/deep/file"), "new\n");
    write(&path.join("target/built"), "ignored\n");
    write(&path.join("new/-rf *?[x]"), "odd name\n");
    std::fs::set_permissions(path.join("run.sh"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::remove_dir_all(path.join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc", path.join("folder")).unwrap();
    std::fs::remove_file(path.join("turned")).unwrap();
    write(&path.join("turned/inside"), "now a folder\n");
    std::fs::remove_dir_all(path.join("deep/a")).unwrap();
    write(&path.join("deep/a"), "now a file\n");
    let commit = worktree.commit_all(&scene.permit(), "all\n\nof it", AT).unwrap().unwrap();
    let raw =
        git(path, &["diff-tree", "-r", "--no-renames", "--no-commit-id", "--name-status", commit.as_str()]);
    let expected = "D\ta.txt\nM\tb.txt\nA\tdeep/a\nD\tdeep/a/b\nA\tfolder\nD\tfolder/one\nD\tfolder/two\n\
        A\tnew/-rf *?[x]\nA\tnew/deep/file\nM\trun.sh\nD\tturned\nA\tturned/inside\n";
    assert_eq!(raw, expected);
    assert_eq!(git(path, &["status", "--porcelain"]), "");
    assert_eq!(git(path, &["cat-file", "blob", &format!("{commit}:folder")]), "/etc");
    let text = git(path, &["cat-file", "commit", commit.as_str()]);
    let by = "Windlass <windlass@localhost> 1700000000 +0000";
    assert!(text.ends_with(&format!("\nauthor {by}\ncommitter {by}\n\nall\n\nof it\n")), "{text}");
    assert_eq!(worktree.head().unwrap(), commit);
}

#[test]
fn nothing_changed_is_no_commit_and_the_same_commit_again_is_the_same() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
    // Touched is not changed.
    write(&worktree.path().join("b.txt"), "one\ntwo\nthree\n");
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
    write(&worktree.path().join("b.txt"), "changed\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap();
    assert!(commit.is_some());
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), commit);
    assert_eq!(worktree.commit_all(&scene.permit(), "another message", AT).unwrap(), None);
}

#[test]
fn what_an_agent_does_to_the_link_leads_git_nowhere() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    let witness = scene.folder().join("witness");
    // A repository of the agent's, with programs in its configuration, put in the place of the worktree's own.
    let evil = scene.folder().join("evil");
    git(&scene.folder(), &["clone", "-q", "user", "evil"]);
    for key in ["core.fsmonitor", "core.pager", "filter.x.clean", "diff.external", "core.sshCommand"] {
        git(&evil, &["config", key, &format!("touch {}", witness.display())]);
    }
    write(&worktree.path().join(".gitattributes"), "* filter=x\n");
    write(&worktree.path().join(".git"), format!("gitdir: {}\n", evil.join(".git").display()));
    write(&worktree.path().join("new"), "x");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    assert_eq!(scene.id(&worktree.branch().unwrap().to_string()), commit);
    assert!(!witness.exists());
    assert_eq!(git(worktree.path(), &["rev-parse", "HEAD"]).trim(), commit.as_str(), "the link is restored");

    std::fs::remove_file(worktree.path().join(".git")).unwrap();
    std::os::unix::fs::symlink(evil.join(".git"), worktree.path().join(".git")).unwrap();
    write(&worktree.path().join("new"), "y");
    worktree.commit_all(&scene.permit(), "y", AT).unwrap().unwrap();
    assert!(!witness.exists());
    assert_eq!(id(&evil, "HEAD"), scene.id("HEAD"));

    std::fs::remove_file(worktree.path().join(".git")).unwrap();
    std::fs::create_dir(worktree.path().join(".git")).unwrap();
    assert!(worktree.commit_all(&scene.permit(), "z", AT).is_err());
}

#[test]
fn a_repository_inside_a_worktree_is_refused_and_never_entered() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    let inner = worktree.path().join("inner");
    let witness = scene.folder().join("witness");
    git(worktree.path(), &["init", "-q", "inner"]);
    write(&inner.join("file"), "x");
    git(&inner, &["add", "file"]);
    git(&inner, &["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "-m", "x"]);
    git(&inner, &["config", "core.fsmonitor", &format!("touch {}", witness.display())]);
    let error = worktree.commit_all(&scene.permit(), "x", AT).unwrap_err();
    let named = matches!(&error, CommitError::Worktree(WorktreeError::NestedRepository { inner }) if inner == "inner");
    assert!(named, "{error:?}");
    assert!(!witness.exists());
}

#[test]
fn a_worktree_that_was_switched_is_not_committed_in() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    git(worktree.path(), &["switch", "-q", "-c", "elsewhere"]);
    write(&worktree.path().join("new"), "x");
    let error = worktree.commit_all(&scene.permit(), "x", AT).unwrap_err();
    assert!(matches!(error, CommitError::Worktree(WorktreeError::Strayed { .. })), "{error:?}");
    assert_eq!(scene.id("elsewhere"), scene.id("HEAD"));
}

/// A worktree with one bot commit, and a commit to move to.
fn moving(scene: &Scene) -> (Worktree, ObjectId, ObjectId) {
    let worktree = scene.worktree();
    write(&worktree.path().join("b.txt"), "by the bot\n");
    let from = worktree.commit_all(&scene.permit(), "bot", AT).unwrap().unwrap();
    let base = scene.id("HEAD");
    scene.write("from the target", "x\n");
    let onto = scene.commit("target");
    let Rebase::Clean { head, .. } = scene.open().rebase(&base, &from, &onto).unwrap() else {
        panic!("the change is clean");
    };
    (worktree, from, head)
}

fn assert_moved(scene: &Scene, worktree: &Worktree, to: &ObjectId) {
    assert_eq!(worktree.head().unwrap(), *to);
    assert_eq!(scene.id(&branch(1).to_string()), *to);
    assert!(worktree.path().join("from the target").exists());
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
}

#[test]
fn a_bot_branch_moves_with_its_worktree() {
    let scene = Scene::new();
    let (worktree, from, to) = moving(&scene);
    let before = scene.fingerprint();
    let repository = scene.open();
    repository.move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap();
    assert_moved(&scene, &worktree, &to);
    repository.move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap();
    assert_moved(&scene, &worktree, &to);
    assert_eq!(scene.fingerprint(), before);
}

#[test]
fn a_bot_branch_that_is_elsewhere_or_absent_or_dirty_does_not_move() {
    let scene = Scene::new();
    let (worktree, from, to) = moving(&scene);
    let (repository, permit) = (scene.open(), scene.permit());
    let wrong = scene.id("HEAD");
    let error = repository.move_bot_branch(&permit, &branch(1), &wrong, &to).unwrap_err();
    assert!(matches!(&error, MoveError::Elsewhere { found, .. } if *found == from), "{error:?}");
    let error = repository.move_bot_branch(&permit, &branch(9), &from, &to).unwrap_err();
    assert!(matches!(error, MoveError::NoBranch { .. }), "{error:?}");
    write(&worktree.path().join("half done"), "x");
    let error = repository.move_bot_branch(&permit, &branch(1), &from, &to).unwrap_err();
    assert!(matches!(&error, MoveError::Uncommitted { paths, .. } if paths == &["half done"]), "{error:?}");
    assert_eq!(worktree.head().unwrap(), from);
    assert!(worktree.path().join("half done").exists());
}

#[test]
fn a_bot_branch_that_the_user_has_checked_out_does_not_move() {
    let scene = Scene::new();
    let (worktree, from, to) = moving(&scene);
    let quarantine = scene.folder().join("quarantine");
    scene
        .open()
        .remove_worktree(&scene.permit(), worktree.path(), std::slice::from_ref(&from), &quarantine)
        .unwrap();
    git(&scene.user(), &["switch", "-q", &branch(1).to_string()]);
    let before = scene.fingerprint();
    let error = scene.open().move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap_err();
    assert!(matches!(&error, MoveError::CheckedOut { path, .. } if *path == scene.user()), "{error:?}");
    assert!(scene.open().delete_bot_branch(&scene.permit(), &branch(1), &from).is_err());
    assert_eq!(scene.fingerprint(), before);
    assert_eq!(scene.id("HEAD"), from);
    git(&scene.user(), &["switch", "-q", "main"]);
    scene.open().move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap();
    assert_eq!(scene.id(&branch(1).to_string()), to);
}

/// States of a move that a crash cut short: noted; noted and the branch moved; noted and half checked out.
#[test]
fn a_move_goes_on_after_a_crash_at_any_point() {
    for state in ["noted", "branch moved", "half checked out"] {
        let scene = Scene::new();
        let (worktree, from, to) = moving(&scene);
        write(&entry(&scene).join("windlass-move"), format!("{from} {to}\n"));
        if state != "noted" {
            git(&scene.user(), &["update-ref", &branch(1).reference(), to.as_str()]);
        }
        if state == "half checked out" {
            write(&worktree.path().join("from the target"), "");
            write(&entry(&scene).join("index.lock"), "");
        }
        println!("{state}");
        scene.open().move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap();
        assert_moved(&scene, &worktree, &to);
        assert!(!entry(&scene).join("windlass-move").exists());
    }
}

#[test]
fn a_commit_after_a_move_that_was_cut_short_does_not_undo_it() {
    let scene = Scene::new();
    let (worktree, from, to) = moving(&scene);
    write(&entry(&scene).join("windlass-move"), format!("{from} {to}\n"));
    git(&scene.user(), &["update-ref", &branch(1).reference(), to.as_str()]);
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
    assert_moved(&scene, &worktree, &to);
}

#[test]
fn locks_that_a_killed_git_left_do_not_block() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    let lock = scene.user().join(".git").join(format!("{}.lock", branch(1).reference()));
    write(&lock, "");
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    write(&entry(&scene).join("index.lock"), "");
    write(&worktree.path().join("new"), "x");
    worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();

    // One that was made while this process runs may belong to a git that is at work.
    write(&lock, "");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(later).unwrap();
    write(&worktree.path().join("new"), "y");
    assert!(worktree.commit_all(&scene.permit(), "y", AT).is_err());
    assert!(lock.exists());
}

/// A git that a killed service left running holds the lock of its worktree; nobody works beside it.
#[test]
fn work_waits_for_a_git_that_outlived_its_service() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    let lock = std::fs::File::options().append(true).open(scene.folder().join("state/T-1/.1.lock")).unwrap();
    lock.lock().unwrap();
    // The orphan changes a file and ends; it holds the lock through its standard input.
    let mut orphan = std::process::Command::new("sh")
        .args(["-c", "read line; echo orphan >new"])
        .current_dir(worktree.path())
        .stdin(std::process::Stdio::piped())
        .stdout(lock)
        .spawn()
        .unwrap();
    let commit = std::thread::scope(|scope| {
        let worker = scope.spawn(|| worktree.commit_all(&scene.permit(), "x", AT).unwrap());
        drop(orphan.stdin.take());
        worker.join().unwrap()
    });
    orphan.wait().unwrap();
    assert_eq!(git(worktree.path(), &["show", &format!("{}:new", commit.unwrap())]), "orphan\n");
}

#[test]
fn a_linked_worktree_of_the_users_is_as_safe_as_the_main_one() {
    let scene = busy_user();
    let linked = scene.folder().join("linked");
    write(&linked.join("b.txt"), "changed in the linked one\n");
    let before = (scene.fingerprint(), Fingerprint::of(&linked));
    let repository = windlass_git::Repository::open(&linked).unwrap();
    let spec = scene.spec(1, &id(&linked, "HEAD"));
    let worktree = Worktree::create(&scene.permit(), &repository, &spec).unwrap();
    // And one opened from inside a bot worktree: a worktree of a worktree.
    let nested = windlass_git::Repository::open(worktree.path()).unwrap();
    assert_eq!(nested.common_dir(), repository.common_dir());
    let second =
        Worktree::create(&scene.permit(), &nested, &scene.spec(2, &worktree.head().unwrap())).unwrap();
    write(&second.path().join("new"), "x");
    let commit = second.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    let quarantine = scene.folder().join("quarantine");
    nested.remove_worktree(&scene.permit(), second.path(), &[commit], &quarantine).unwrap();
    assert_eq!((scene.fingerprint(), Fingerprint::of(&linked)), before);
    assert!(worktree.path().join("b.txt").exists());
}

#[test]
fn two_runs_of_one_item_at_once_do_not_meet() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let before = scene.fingerprint();
    std::thread::scope(|scope| {
        for run in 1..=6 {
            let (scene, base) = (&scene, &base);
            scope.spawn(move || {
                let spec = scene.spec(run, base);
                let worktree = Worktree::create(&scene.permit(), &scene.open(), &spec).unwrap();
                write(&worktree.path().join("new"), format!("{run}\n"));
                let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
                let text = git(&spec.path, &["show", &format!("{commit}:new")]);
                assert_eq!(text, format!("{run}\n"));
            });
        }
    });
    assert_eq!(scene.fingerprint(), before);
}
