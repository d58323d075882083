//! Removing worktrees and branches: never with work that is not recorded.

use std::os::unix::fs::PermissionsExt;

use windlass_domain::diff::ObjectId;
use windlass_git::{DeleteBranchError, RemoveError, Worktree};

use crate::support::{AT, Scene, branch, git, write};

fn with_commit(scene: &Scene) -> (Worktree, ObjectId) {
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x\n");
    let commit = worktree.commit_all(&scene.permit(), "work", AT).unwrap().unwrap();
    (worktree, commit)
}

fn remove(scene: &Scene, worktree: &Worktree, known: &[ObjectId]) -> Result<(), RemoveError> {
    let quarantine = scene.folder().join("quarantine/1");
    scene.open().remove_worktree(&scene.permit(), worktree.path(), known, &quarantine)
}

#[test]
fn a_worktree_whose_work_is_recorded_goes_without_a_trace_but_its_branch() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let (worktree, commit) = with_commit(&scene);
    remove(&scene, &worktree, std::slice::from_ref(&commit)).unwrap();
    assert!(!worktree.path().exists());
    assert!(!scene.folder().join("quarantine/1").exists());
    assert_eq!(std::fs::read_dir(scene.folder().join("state/T-1")).unwrap().count(), 0, "not even a lock");
    assert_eq!(git(&scene.user(), &["worktree", "list"]).lines().count(), 1);
    assert_eq!(scene.id(&branch(1).to_string()), commit);
    assert_eq!(scene.fingerprint(), before);
    remove(&scene, &worktree, &[commit]).unwrap();
}

#[test]
fn what_is_recorded_covers_what_lies_behind_it() {
    let scene = Scene::new();
    let (worktree, _) = with_commit(&scene);
    write(&worktree.path().join("new"), "y\n");
    let last = worktree.commit_all(&scene.permit(), "more", AT).unwrap().unwrap();
    remove(&scene, &worktree, &[last]).unwrap();
}

#[test]
fn uncommitted_work_stays() {
    let scene = Scene::new();
    for change in ["untracked", "changed", "staged", "deleted"] {
        let (worktree, commit) = with_commit(&scene);
        let path = worktree.path();
        match change {
            "untracked" => write(&path.join("more"), "x"),
            "changed" => write(&path.join("b.txt"), "changed"),
            "staged" => {
                write(&path.join("b.txt"), "staged");
                git(path, &["add", "b.txt"]);
                write(&path.join("b.txt"), "one\ntwo\nthree\n");
                git(path, &["update-index", "--assume-unchanged", "b.txt"]);
            }
            _ => std::fs::remove_file(path.join("b.txt")).unwrap(),
        }
        let error = remove(&scene, &worktree, std::slice::from_ref(&commit)).unwrap_err();
        assert!(
            matches!(&error, RemoveError::Uncommitted { changed, .. } if changed.len() == 1),
            "{change}: {error:?}"
        );
        assert!(path.join("new").exists());
        git(path, &["update-index", "--no-assume-unchanged", "b.txt"]);
        git(path, &["reset", "-q", "--hard"]);
        git(path, &["clean", "-qfdx"]);
        remove(&scene, &worktree, std::slice::from_ref(&commit)).unwrap();
        scene.open().delete_bot_branch(&scene.permit(), &branch(1), &commit).unwrap();
    }
}

#[test]
fn commits_that_are_not_recorded_stay() {
    let scene = Scene::new();
    let (worktree, first) = with_commit(&scene);
    write(&worktree.path().join("new"), "y\n");
    let second = worktree.commit_all(&scene.permit(), "more", AT).unwrap().unwrap();
    let absent = ObjectId::new("1".repeat(40)).unwrap();
    for known in [vec![], vec![first], vec![absent]] {
        let error = remove(&scene, &worktree, &known).unwrap_err();
        assert!(matches!(&error, RemoveError::UnknownCommits { first, .. } if *first == second), "{error:?}");
        assert!(worktree.path().join("new").exists());
    }
    // Another bot branch, or a stash, that has it does not count; a branch of the user's does.
    git(&scene.user(), &["branch", "bot/another", second.as_str()]);
    git(&scene.user(), &["update-ref", "refs/stash", second.as_str()]);
    assert!(remove(&scene, &worktree, &[]).is_err());
    git(&scene.user(), &["branch", "kept", second.as_str()]);
    remove(&scene, &worktree, &[]).unwrap();
}

#[test]
fn a_commit_on_a_detached_head_stays() {
    let scene = Scene::new();
    let path = scene.folder().join("state/analysis");
    let head = scene.id("HEAD");
    let worktree = Worktree::create_detached(&scene.permit(), &scene.open(), &path, &head).unwrap();
    git(
        &path,
        &["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "by hand"],
    );
    let error = remove(&scene, &worktree, &[head]).unwrap_err();
    assert!(matches!(error, RemoveError::UnknownCommits { .. }), "{error:?}");
    git(&path, &["reset", "-q", "--hard", "HEAD~1"]);
    remove(&scene, &worktree, &[]).unwrap();
}

#[test]
fn what_is_not_ours_stays() {
    let scene = Scene::new();
    let permit = crate::support::permit(&scene.folder());
    git(&scene.user(), &["worktree", "add", "-q", "--detach", "../linked"]);
    git(
        &scene.user(),
        &["worktree", "add", "-q", "--detach", "--lock", "--reason", "on a stick", "../locked"],
    );
    std::fs::create_dir(scene.folder().join("plain")).unwrap();
    for name in ["linked", "locked", "plain", "user"] {
        let path = scene.folder().join(name);
        let quarantine = scene.folder().join("quarantine");
        let error = scene.open().remove_worktree(&permit, &path, &[], &quarantine).unwrap_err();
        assert!(matches!(error, RemoveError::NotOurs { .. }), "{name}: {error:?}");
        assert!(path.exists());
    }
    assert_eq!(git(&scene.user(), &["worktree", "list"]).lines().count(), 3);
}

#[test]
fn only_its_own_entry_is_pruned() {
    let scene = Scene::new();
    git(&scene.user(), &["worktree", "add", "-q", "--detach", "../on a stick"]);
    std::fs::rename(scene.folder().join("on a stick"), scene.folder().join("unplugged")).unwrap();
    let (worktree, commit) = with_commit(&scene);
    remove(&scene, &worktree, &[commit]).unwrap();
    std::fs::rename(scene.folder().join("unplugged"), scene.folder().join("on a stick")).unwrap();
    assert_eq!(git(&scene.folder().join("on a stick"), &["status", "--porcelain"]), "");
}

#[test]
fn removal_goes_on_after_a_crash_at_any_point() {
    for state in ["put aside", "entry removed", "half deleted"] {
        let scene = Scene::new();
        let (worktree, commit) = with_commit(&scene);
        let quarantine = scene.folder().join("quarantine/1");
        std::fs::create_dir_all(quarantine.parent().unwrap()).unwrap();
        std::fs::rename(worktree.path(), &quarantine).unwrap();
        if state != "put aside" {
            std::fs::remove_dir_all(scene.user().join(".git/worktrees")).unwrap();
        }
        if state == "half deleted" {
            std::fs::remove_file(quarantine.join("b.txt")).unwrap();
        }
        println!("{state}");
        remove(&scene, &worktree, &[commit]).unwrap();
        assert!(!quarantine.exists());
        assert_eq!(git(&scene.user(), &["worktree", "list"]).lines().count(), 1);
    }
}

#[test]
fn an_entry_goes_even_where_all_folders_are_gone() {
    let scene = Scene::new();
    let (worktree, commit) = with_commit(&scene);
    std::fs::remove_dir_all(scene.folder().join("state")).unwrap();
    assert!(matches!(remove(&scene, &worktree, &[]), Err(RemoveError::UnknownCommits { .. })));
    remove(&scene, &worktree, &[commit]).unwrap();
    assert_eq!(git(&scene.user(), &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn something_in_the_quarantine_is_not_overwritten() {
    let scene = Scene::new();
    let (worktree, commit) = with_commit(&scene);
    write(&scene.folder().join("quarantine/1/precious"), "x");
    let error = remove(&scene, &worktree, &[commit]).unwrap_err();
    assert!(matches!(error, RemoveError::QuarantineTaken { .. }), "{error:?}");
    assert!(scene.folder().join("quarantine/1/precious").exists());
    assert!(worktree.path().join("new").exists());
}

#[test]
fn folders_without_write_permission_are_deleted_and_links_not_followed() {
    let scene = Scene::new();
    scene.write(".gitignore", "cache/\n");
    scene.commit("ignore");
    let (worktree, commit) = with_commit(&scene);
    let cache = worktree.path().join("cache/deep");
    write(&cache.join("file"), "x");
    write(&scene.folder().join("outside/precious"), "x");
    std::os::unix::fs::symlink(scene.folder().join("outside"), worktree.path().join("cache/link")).unwrap();
    for folder in [cache.as_path(), cache.parent().unwrap()] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o555)).unwrap();
    }
    remove(&scene, &worktree, &[commit]).unwrap();
    assert!(!scene.folder().join("quarantine/1").exists());
    assert!(scene.folder().join("outside/precious").exists());
}

#[test]
fn a_bot_branch_is_deleted_only_where_it_is_expected() {
    let scene = Scene::new();
    let (worktree, commit) = with_commit(&scene);
    let (repository, permit) = (scene.open(), scene.permit());
    let delete = |at: &ObjectId| repository.delete_bot_branch(&permit, &branch(1), at);
    let error = delete(&commit).unwrap_err();
    assert!(
        matches!(&error, DeleteBranchError::CheckedOut { path, .. } if path == worktree.path()),
        "{error:?}"
    );
    remove(&scene, &worktree, std::slice::from_ref(&commit)).unwrap();
    let error = delete(&scene.id("HEAD")).unwrap_err();
    assert!(matches!(&error, DeleteBranchError::Elsewhere { found, .. } if *found == commit), "{error:?}");
    git(&scene.user(), &["pack-refs", "--all"]);
    delete(&commit).unwrap();
    delete(&commit).unwrap();
    assert_eq!(repository.bot_branch(&branch(1)).unwrap(), None);
}
