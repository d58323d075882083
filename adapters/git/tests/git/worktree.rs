//! Bot worktrees: made, made again after a crash, found; and never in the place of somebody else's.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use windlass_domain::diff::ObjectId;
use windlass_git::{CommitError, CreateError, Worktree, WorktreeError};

use crate::support::{AT, Scene, branch, files, git, lines, permit, write};

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
    let states: [(&str, Undo); 10] = [
        ("branch only", |scene| {
            std::fs::remove_dir_all(scene.entry()).unwrap();
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
        }),
        ("branch and an empty folder", |scene| {
            let path = scene.spec(1, &scene.id("HEAD")).path;
            std::fs::remove_dir_all(scene.entry()).unwrap();
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }),
        ("entry with nothing but its mark", |scene| {
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
            for item in std::fs::read_dir(scene.entry()).unwrap() {
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
            std::fs::remove_file(scene.entry().join("index")).unwrap();
            std::fs::write(scene.entry().join("HEAD"), "0".repeat(40)).unwrap();
        }),
        ("entry without its HEAD, and an empty link", |scene| {
            only_link(scene);
            for name in ["index", "HEAD", "commondir"] {
                std::fs::remove_file(scene.entry().join(name)).unwrap();
            }
            std::fs::write(scene.spec(1, &scene.id("HEAD")).path.join(".git"), "").unwrap();
        }),
        ("entry without a folder", |scene| {
            std::fs::remove_file(scene.entry().join("index")).unwrap();
            std::fs::remove_dir_all(scene.spec(1, &scene.id("HEAD")).path).unwrap();
        }),
        ("nothing checked out", |scene| {
            only_link(scene);
            std::fs::remove_file(scene.entry().join("index")).unwrap();
        }),
        ("half checked out, with git's lock left", |scene| {
            let path = scene.spec(1, &scene.id("HEAD")).path;
            std::fs::remove_file(path.join("b.txt")).unwrap();
            std::fs::write(path.join("a.txt"), "li").unwrap();
            std::fs::rename(scene.entry().join("index"), scene.entry().join("index.lock")).unwrap();
        }),
        ("link left and entry gone", |scene| {
            only_link(scene);
            std::fs::remove_dir_all(scene.entry()).unwrap();
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
        [scene.entry(), scene.entry().join("HEAD"), spec.path.join("many/0"), spec.path.join("many/200")]
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
        while !awaited.exists() && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        // Where git was faster its group is gone, and that is a state to start from, too.
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        // Its own children may live a moment longer; the adapter waits for them.
        child.wait().unwrap();
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
        .remove_worktree(&scene.permit(), worktree.path(), std::slice::from_ref(base), &quarantine)
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
    assert!(!scene.user().join("new").exists(), "not even a folder was made");
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
