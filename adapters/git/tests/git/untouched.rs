//! Promise by promise, a run leaves the user's things alone.

use std::os::unix::fs::PermissionsExt;

use windlass_domain::diff::{ObjectId, Rebase};
use windlass_git::Worktree;

use crate::support::{AT, Fingerprint, Scene, branch, git, id, write};

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
    let monitor = scene.user().join(".git/hooks/fsmonitor-watchman");
    for (key, value) in [
        ("core.fsmonitor", monitor.to_str().unwrap()),
        ("commit.gpgSign", "true"),
        ("branch.autoSetupMerge", "always"),
        ("branch.autoSetupRebase", "always"),
        ("submodule.recurse", "true"),
        ("worktree.useRelativePaths", "true"),
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
fn runs_of_one_item_at_once_do_not_meet() {
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
