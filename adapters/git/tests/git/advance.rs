//! Moving a bot branch with its worktree.

use windlass_domain::diff::{ObjectId, Rebase};
use windlass_git::{MoveError, Worktree};

use crate::support::{AT, Scene, branch, git, write};

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
        write(&scene.entry().join("windlass-move"), format!("{from} {to}\n"));
        if state != "noted" {
            git(&scene.user(), &["update-ref", &branch(1).reference(), to.as_str()]);
        }
        if state == "half checked out" {
            write(&worktree.path().join("from the target"), "");
            write(&scene.entry().join("index.lock"), "");
        }
        println!("{state}");
        scene.open().move_bot_branch(&scene.permit(), &branch(1), &from, &to).unwrap();
        assert_moved(&scene, &worktree, &to);
        assert!(!scene.entry().join("windlass-move").exists());
    }
}

#[test]
fn a_commit_after_a_move_that_was_cut_short_does_not_undo_it() {
    let scene = Scene::new();
    let (worktree, from, to) = moving(&scene);
    write(&scene.entry().join("windlass-move"), format!("{from} {to}\n"));
    git(&scene.user(), &["update-ref", &branch(1).reference(), to.as_str()]);
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
    assert_moved(&scene, &worktree, &to);
}
