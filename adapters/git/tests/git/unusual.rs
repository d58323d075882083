//! Repositories that are not the usual kind: sparse, with submodules, with filters, borrowed storage for references.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use windlass_domain::diff::{ObjectId, Rebase};
use windlass_git::{CommitError, CreateError, Head, OpenError, Repository, Worktree, WorktreeError};

use crate::support::{AT, Fingerprint, Scene, branch, command, git, gits, id, lines, write};

#[test]
fn a_sparse_checkout_stays_sparse_and_its_worktrees_are_whole() {
    for cone in [true, false] {
        let scene = Scene::new();
        scene.write("in/file", "in\n");
        scene.write("out/file", "out\n");
        scene.commit("folders");
        let choose = if cone { ["set", "--cone", "in"] } else { ["set", "--no-cone", "/in/"] };
        git(&scene.user(), &[&["sparse-checkout"], choose.as_slice()].concat());
        assert!(!scene.user().join("out").exists());
        let before = scene.fingerprint();
        let worktree = scene.worktree();
        assert!(worktree.path().join("out/file").exists() && worktree.path().join("b.txt").exists());
        assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
        // An agent's own git, which reads the user's configuration, leaves it whole.
        git(worktree.path(), &["read-tree", "-m", "-u", "HEAD"]);
        assert!(worktree.path().join("out/file").exists());
        write(&worktree.path().join("out/file"), "changed\n");
        write(&worktree.path().join("out/new"), "new\n");
        let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
        let repository = scene.open();
        let patch = repository.diff(Some(&scene.id("HEAD")), &commit).unwrap();
        let paths: Vec<_> = patch.diff.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["out/file", "out/new"]);
        assert_eq!(scene.fingerprint(), before);
        repository
            .remove_worktree(&scene.permit(), worktree.path(), &[commit], &scene.folder().join("q"))
            .unwrap();
        assert_eq!(scene.fingerprint(), before);
    }
}

/// A repository with a submodule `sub`, cloned and initialised.
fn with_submodule() -> Scene {
    let scene = Scene::new();
    git(&scene.folder(), &["clone", "-q", "user", "library"]);
    let local = ["-c", "protocol.file.allow=always"];
    git(&scene.user(), &[&local, ["submodule", "--quiet", "add", "../library", "sub"].as_slice()].concat());
    scene.commit("submodule");
    scene
}

#[test]
fn submodules_stay_empty_folders_and_survive_a_commit() {
    let scene = with_submodule();
    git(&scene.user(), &["config", "submodule.recurse", "true"]);
    let before = scene.fingerprint();
    let worktree = scene.worktree();
    let sub = worktree.path().join("sub");
    assert_eq!(std::fs::read_dir(&sub).unwrap().count(), 0);
    write(&worktree.path().join("b.txt"), "changed\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    assert_eq!(scene.id(&format!("{commit}:sub")), scene.id("HEAD:sub"));

    write(&sub.join("file"), "x");
    let error = worktree.commit_all(&scene.permit(), "x", AT).unwrap_err();
    assert!(matches!(error, CommitError::Worktree(WorktreeError::InsideSubmodule { .. })), "{error:?}");
    std::fs::remove_dir_all(&sub).unwrap();
    let commit = worktree.commit_all(&scene.permit(), "no submodule", AT).unwrap().unwrap();
    let gone = git(&scene.user(), &["diff-tree", "--no-commit-id", "--name-status", commit.as_str()]);
    assert_eq!(gone, "D\tsub\n");
    write(&sub, "a file in its place");
    let commit = worktree.commit_all(&scene.permit(), "a file", AT).unwrap().unwrap();
    assert_eq!(git(&scene.user(), &["cat-file", "-t", &format!("{commit}:sub")]), "blob\n");
    assert_eq!(scene.fingerprint(), before);
}

/// An agent can make a repository of its own in a submodule's folder, with programs in its configuration.
#[test]
fn a_submodules_folder_is_never_entered() {
    let scene = with_submodule();
    let worktree = scene.worktree();
    let sub = worktree.path().join("sub");
    let witness = scene.folder().join("witness");
    git(&scene.folder(), &["clone", "-q", "library", sub.to_str().unwrap()]);
    // As large as before, so that git has to run the filter to know whether it changed.
    git(&sub, &["config", "filter.evil.clean", &format!("touch {}; cat", witness.display())]);
    write(&sub.join(".git/info/attributes"), "* filter=evil\n");
    write(&sub.join("b.txt"), "one\nTWO\nthree\n");
    assert!(worktree.commit_all(&scene.permit(), "x", AT).is_err());
    let quarantine = scene.folder().join("quarantine");
    assert!(scene.open().remove_worktree(&scene.permit(), worktree.path(), &[], &quarantine).is_err());
    assert!(!witness.exists());
    // The trap works: git's own porcelain steps into it.
    git(worktree.path(), &["status"]);
    assert!(witness.exists());
}

#[test]
fn a_submodules_own_checkout_is_a_repository_like_any_other() {
    let scene = with_submodule();
    let sub = scene.user().join("sub");
    let repository = Repository::open(&sub).unwrap();
    assert_eq!(repository.root(), sub);
    assert_eq!(repository.common_dir(), scene.user().join(".git/modules/sub"));
    let before = (scene.fingerprint(), Fingerprint::of(&sub));
    let head = id(&sub, "HEAD");
    let worktree = Worktree::create(&scene.permit(), &repository, &scene.spec(1, &head)).unwrap();
    write(&worktree.path().join("b.txt"), "changed\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    repository
        .remove_worktree(
            &scene.permit(),
            worktree.path(),
            std::slice::from_ref(&commit),
            &scene.folder().join("q"),
        )
        .unwrap();
    repository.delete_bot_branch(&scene.permit(), &branch(1), &commit).unwrap();
    let after = (scene.fingerprint(), Fingerprint::of(&sub));
    assert_eq!(after.1, before.1);
    assert_eq!(std::fs::read(sub.join("b.txt")).unwrap(), b"one\ntwo\nthree\n");
}

/// A filter as Git LFS has it: what is stored is upper case, what is checked out lower case.
fn with_filter(required: bool) -> Scene {
    let scene = Scene::new();
    let user = scene.user();
    git(&user, &["config", "filter.case.clean", "tr a-z A-Z"]);
    git(&user, &["config", "filter.case.smudge", "tr A-Z a-z"]);
    git(&user, &["config", "filter.case.required", if required { "true" } else { "false" }]);
    scene.write(".gitattributes", "*.case filter=case\n");
    scene.write("x.case", "text\n");
    scene.commit("filtered");
    assert_eq!(git(&user, &["cat-file", "blob", "HEAD:x.case"]), "TEXT\n");
    scene
}

#[test]
fn filters_run_as_in_any_checkout() {
    let scene = with_filter(true);
    let worktree = scene.worktree();
    let file = worktree.path().join("x.case");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "text\n");
    assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
    write(&file, "other\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    assert_eq!(git(&scene.user(), &["cat-file", "blob", &format!("{commit}:x.case")]), "OTHER\n");
}

#[test]
fn a_filter_program_that_is_missing_matters_only_where_it_is_required() {
    for required in [false, true] {
        let scene = with_filter(required);
        for key in ["filter.case.clean", "filter.case.smudge"] {
            git(&scene.user(), &["config", key, "no-such-program-anywhere"]);
        }
        let base = scene.id("HEAD");
        let made = Worktree::create(&scene.permit(), &scene.open(), &scene.spec(1, &base));
        if required {
            let error = made.unwrap_err();
            assert!(matches!(error, CreateError::Worktree(WorktreeError::Git(_))), "{error:?}");
            assert!(error.to_string().contains("case"), "{error}");
            // With the program back, the same call succeeds.
            git(&scene.user(), &["config", "filter.case.smudge", "tr A-Z a-z"]);
            git(&scene.user(), &["config", "filter.case.clean", "tr a-z A-Z"]);
            let worktree = scene.worktree();
            assert_eq!(std::fs::read_to_string(worktree.path().join("x.case")).unwrap(), "text\n");
        } else {
            let worktree = made.unwrap();
            assert_eq!(std::fs::read_to_string(worktree.path().join("x.case")).unwrap(), "TEXT\n");
            assert_eq!(worktree.commit_all(&scene.permit(), "x", AT).unwrap(), None);
        }
    }
}

#[test]
fn line_end_rules_hold_for_a_bots_commit() {
    let scene = Scene::new();
    scene.write(".gitattributes", "*.txt text eol=crlf\n");
    scene.commit("line ends");
    git(&scene.user(), &["config", "core.safecrlf", "true"]);
    let worktree = scene.worktree();
    assert_eq!(std::fs::read_to_string(worktree.path().join("b.txt")).unwrap(), "one\r\ntwo\r\nthree\r\n");
    write(&worktree.path().join("b.txt"), "one\nzwei\r\nthree\r\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    let stored = git(&scene.user(), &["cat-file", "blob", &format!("{commit}:b.txt")]);
    assert_eq!(stored, "one\nzwei\nthree\n");
}

/// Which of the `git` programs here can make a repository with reftables, if any.
fn maker_of_reftables(folder: &Path) -> Option<PathBuf> {
    gits().into_iter().find(|git| {
        let made =
            command(git, folder).args(["init", "-q", "-b", "main", "--ref-format=reftable", "user"]).output();
        made.is_ok_and(|output| output.status.success())
    })
}

/// The first `git` in PATH is the adapter's. Where it knows reftables everything works; where it does not, opening says so.
#[test]
fn reftables_work_or_are_refused_by_name() {
    let scene = Scene::empty(&[]);
    std::fs::remove_dir_all(scene.user()).unwrap();
    let Some(maker) = maker_of_reftables(&scene.folder()) else {
        println!("NO git HERE MAKES REFTABLES: only the refusal is tested");
        git(&scene.folder(), &["init", "-q", "user"]);
        git(&scene.user(), &["config", "core.repositoryformatversion", "1"]);
        git(&scene.user(), &["config", "extensions.refstorage", "reftable"]);
        return assert_refused(&scene);
    };
    if maker != gits()[0] {
        println!("THE FIRST git IN PATH DOES NOT KNOW REFTABLES: only the refusal is tested");
        return assert_refused(&scene);
    }
    scene.configure();
    assert_eq!(scene.open().head().unwrap(), Head::Unborn { branch: "main".to_owned() });
    scene.write("a.txt", lines(1..=20));
    let base = scene.commit("first");
    scene.write("untracked", "x");
    let before = scene.fingerprint();
    let repository = scene.open();
    assert_eq!(repository.head().unwrap(), Head::Branch { name: "main".to_owned(), commit: base.clone() });
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x\n");
    let commit = worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    let found = Worktree::find(&repository, worktree.path()).unwrap().unwrap();
    assert_eq!(found.head().unwrap(), commit);
    let onto = git(&scene.user(), &["commit-tree", "-p", "HEAD", "-m", "target", "HEAD^{tree}"]);
    let onto = ObjectId::new(onto.trim()).unwrap();
    let Rebase::Clean { head, .. } = repository.rebase(&base, &commit, &onto).unwrap() else {
        panic!("the change is clean");
    };
    repository.move_bot_branch(&scene.permit(), &branch(1), &commit, &head).unwrap();
    assert_eq!(repository.diff(Some(&onto), &head).unwrap().diff.files.len(), 1);
    let quarantine = scene.folder().join("q");
    repository
        .remove_worktree(&scene.permit(), worktree.path(), std::slice::from_ref(&head), &quarantine)
        .unwrap();
    repository.delete_bot_branch(&scene.permit(), &branch(1), &head).unwrap();
    assert_eq!(scene.fingerprint(), before);
}

fn assert_refused(scene: &Scene) {
    let error = Repository::open(&scene.user()).unwrap_err();
    assert!(matches!(&error, OpenError::UnknownFormat { what, .. } if what.contains("ref")), "{error:?}");
}

#[test]
fn a_partial_clone_works_without_fetching() {
    let scene = Scene::new();
    scene.write("b.txt", "later\n");
    scene.commit("later");
    git(&scene.user(), &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", scene.user().display());
    git(&scene.folder(), &["clone", "-q", "--filter=blob:none", &url, "partial"]);
    let partial = scene.folder().join("partial");
    let repository = Repository::open(&partial).unwrap();
    let (old, new) = (id(&partial, "HEAD~1"), id(&partial, "HEAD"));
    let worktree = Worktree::create(&scene.permit(), &repository, &scene.spec(1, &new)).unwrap();
    assert_eq!(std::fs::read_to_string(worktree.path().join("b.txt")).unwrap(), "later\n");
    let sizes: Vec<_> = repository.files_at(&old).unwrap().into_iter().map(|file| file.bytes).collect();
    assert_eq!(sizes, [Some(151), None, Some(10)], "the old b.txt was never fetched");
    let error = repository.diff(Some(&old), &new).unwrap_err();
    assert!(error.to_string().contains("not in this repository"), "{error}");
}

#[test]
fn hooks_of_configuration_files_do_not_run() {
    let scene = Scene::new();
    let witness = scene.folder().join("witness");
    let touch = format!("touch {}", witness.display());
    for event in ["post-checkout", "reference-transaction", "post-index-change"] {
        git(&scene.user(), &["config", &format!("hook.my {event}=x.command"), &touch]);
        git(&scene.user(), &["config", &format!("hook.my {event}=x.event"), event]);
    }
    // The same settings that the adapter gives to git, seen through git: a program that is no git of this age reads them.
    let seen = scene.folder().join("seen");
    git(
        &scene.user(),
        &[
            "config",
            "filter.spy.smudge",
            &format!("git config --get-regexp '^hook' >{}; cat", seen.display()),
        ],
    );
    scene.write(".gitattributes", "*.spy filter=spy\n");
    scene.write("x.spy", "x\n");
    scene.commit("spy");
    let _ = std::fs::remove_file(&witness);
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x\n");
    worktree.commit_all(&scene.permit(), "x", AT).unwrap().unwrap();
    assert!(!witness.exists());
    let seen = std::fs::read_to_string(&seen).unwrap();
    for event in ["post-checkout", "reference-transaction", "post-index-change"] {
        assert!(seen.lines().any(|line| line == format!("hook.my {event}=x.enabled false")), "{seen}");
    }
}

#[test]
fn an_object_folder_that_cannot_be_written_is_an_error_and_leaves_the_branch() {
    let scene = Scene::new();
    let worktree = scene.worktree();
    write(&worktree.path().join("new"), "x\n");
    let objects = scene.user().join(".git/objects");
    let aside = scene.folder().join("objects");
    // A file in its place stops root as well.
    let head = worktree.head().unwrap();
    std::fs::rename(&objects, &aside).unwrap();
    std::fs::write(&objects, "").unwrap();
    std::fs::set_permissions(&objects, PermissionsExt::from_mode(0o444)).unwrap();
    assert!(worktree.commit_all(&scene.permit(), "x", AT).is_err());
    std::fs::remove_file(&objects).unwrap();
    std::fs::rename(&aside, &objects).unwrap();
    assert_eq!(worktree.head().unwrap(), head);
    assert!(worktree.commit_all(&scene.permit(), "x", AT).unwrap().is_some());
}
