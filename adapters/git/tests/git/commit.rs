//! Committing all that a bot changed, whatever an agent did to the folder.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use windlass_git::{CommitError, WorktreeError};

use crate::support::{AT, Scene, branch, git, write};

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
    git(&evil, &["commit", "-q", "--allow-empty", "-m", "not the worktree's"]);
    for key in ["core.fsmonitor", "core.pager", "filter.x.clean", "diff.external", "core.sshCommand"] {
        git(&evil, &["config", key, &format!("touch {}", witness.display())]);
    }
    write(&worktree.path().join(".gitattributes"), "* filter=x\n");
    write(&worktree.path().join(".git"), format!("gitdir: {}\n", evil.join(".git").display()));
    write(&worktree.path().join("new"), "x");
    assert_eq!(worktree.head().unwrap(), scene.id("HEAD"));
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    assert_eq!(scene.id(&worktree.branch().unwrap().to_string()), commit);
    assert!(!witness.exists());
    assert_eq!(git(worktree.path(), &["rev-parse", "HEAD"]).trim(), commit.as_str(), "the link is restored");

    std::fs::remove_file(worktree.path().join(".git")).unwrap();
    std::os::unix::fs::symlink(evil.join(".git"), worktree.path().join(".git")).unwrap();
    write(&worktree.path().join("new"), "y");
    worktree.commit_all(&scene.permit(), "y", AT).unwrap().unwrap();
    assert!(!witness.exists());
    assert_eq!(git(&evil, &["log", "--format=%s", "-1"]), "not the worktree's\n");

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

#[test]
fn locks_that_a_killed_git_left_do_not_block() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    let lock = scene.user().join(".git").join(format!("{}.lock", branch(1).reference()));
    write(&lock, "");
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    write(&scene.entry().join("index.lock"), "");
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
    let inode = format!(":{} ", lock.metadata().unwrap().ino());
    // The orphan changes a file once it is let, and ends; it holds the lock through its standard output.
    let mut orphan = std::process::Command::new("sh")
        .args(["-c", "read line; echo orphan >new"])
        .current_dir(worktree.path())
        .stdin(std::process::Stdio::piped())
        .stdout(lock)
        .spawn()
        .unwrap();
    let waits = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode))
    };
    let commit = std::thread::scope(|scope| {
        let worker = scope.spawn(|| worktree.commit_all(&scene.permit(), "x", AT).unwrap());
        while !waits() && !worker.is_finished() {
            std::thread::yield_now();
        }
        drop(orphan.stdin.take());
        worker.join().unwrap()
    });
    orphan.wait().unwrap();
    assert_eq!(git(worktree.path(), &["show", &format!("{}:new", commit.unwrap())]), "orphan\n");
}
