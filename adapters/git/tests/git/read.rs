//! Names, commits, files and history.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use windlass_git::{Head, ReadError, Repository};

use crate::support::{Scene, git, id};

#[test]
fn names_resolve_to_commits() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    let second = scene.commit("second");
    git(&scene.user(), &["tag", "-a", "-m", "x", "v1", first.as_str()]);
    let repository = scene.open();
    for (name, commit) in [("HEAD", &second), ("HEAD~1", &first), ("v1", &first), ("main", &second)] {
        assert_eq!(&repository.resolve(name).unwrap(), commit, "{name}");
    }
    assert_eq!(repository.resolve(first.as_str()).unwrap(), first);
}

#[test]
fn names_of_nothing_are_named_in_the_error() {
    let scene = Scene::new();
    for name in ["nope", "", "--all", "^main", "main..main", "HEAD:a.txt", "a\nb", "HEAD~9"] {
        let error = scene.open().resolve(name).unwrap_err();
        assert!(matches!(error, ReadError::UnknownRevision { .. }), "{name}: {error:?}");
    }
}

#[test]
fn a_repository_without_commits_says_so() {
    let scene = Scene::empty(&[]);
    let repository = scene.open();
    assert_eq!(repository.head().unwrap(), Head::Unborn { branch: "main".to_owned() });
    assert!(matches!(repository.resolve("HEAD"), Err(ReadError::NoCommits { branch }) if branch == "main"));
    assert_eq!(repository.default_branch().unwrap(), None);
}

#[test]
fn head_is_a_branch_or_detached() {
    let scene = Scene::new();
    let commit = scene.id("HEAD");
    git(&scene.user(), &["switch", "-q", "-c", "topic/ä"]);
    let on = Head::Branch { name: "topic/ä".to_owned(), commit: commit.clone() };
    assert_eq!(scene.open().head().unwrap(), on);
    git(&scene.user(), &["switch", "-q", "--detach"]);
    assert_eq!(scene.open().head().unwrap(), Head::Detached { commit });
}

#[test]
fn the_default_branch_is_the_remotes_then_the_configured_then_main() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    let name = |repository: &Repository| repository.default_branch().unwrap().map(|branch| branch.name);
    assert_eq!(name(&scene.open()).as_deref(), Some("main"));
    git(&scene.user(), &["branch", "trunk"]);
    git(&scene.user(), &["config", "init.defaultBranch", "trunk"]);
    assert_eq!(name(&scene.open()).as_deref(), Some("trunk"));

    git(&scene.folder(), &["clone", "-q", "user", "clone"]);
    let clone = scene.folder().join("clone");
    git(&clone, &["commit", "-q", "--allow-empty", "-m", "local only"]);
    let found = Repository::open(&clone).unwrap().default_branch().unwrap().unwrap();
    assert_eq!((found.name.as_str(), &found.commit), ("origin/main", &first));
    assert_eq!(Repository::open(&clone).unwrap().resolve(&found.name).unwrap(), first);
}

#[test]
fn merge_bases_are_found_or_absent() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    let main = scene.commit("on main");
    git(&scene.user(), &["switch", "-q", "-c", "topic", first.as_str()]);
    let topic = scene.commit("on topic");
    let repository = scene.open();
    assert_eq!(repository.merge_base(&main, &topic).unwrap(), Some(first.clone()));
    assert!(repository.is_ancestor(&first, &topic).unwrap());
    assert!(!repository.is_ancestor(&main, &topic).unwrap());
    git(&scene.user(), &["checkout", "-q", "--orphan", "island"]);
    let island = scene.commit("unrelated");
    assert_eq!(repository.merge_base(&main, &island).unwrap(), None);
}

#[test]
fn files_of_a_commit_have_mode_and_size() {
    let scene = Scene::new();
    scene.write("ordner/ä.txt", "12345");
    let odd = std::ffi::OsStr::from_bytes(b"ordner/\xff.txt");
    std::fs::write(scene.user().join(odd), "123").unwrap();
    std::os::unix::fs::symlink("a.txt", scene.user().join("link")).unwrap();
    let first = scene.id("HEAD");
    git(&scene.user(), &["update-index", "--add", "--cacheinfo", &format!("160000,{first},sub")]);
    let commit = scene.commit("all kinds");
    // `add -A` drops a submodule without a folder; it is put back.
    git(&scene.user(), &["update-index", "--add", "--cacheinfo", &format!("160000,{first},sub")]);
    git(&scene.user(), &["commit", "-q", "-m", "submodule"]);
    assert_ne!(commit, scene.id("HEAD"));
    let files = scene.open().files_at(&scene.id("HEAD")).unwrap();
    let facts: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode, file.bytes)).collect();
    let expected = [
        ("a.txt", 0o100_644, Some(151)),
        ("b.txt", 0o100_644, Some(14)),
        ("link", 0o120_000, Some(5)),
        ("ordner/ä.txt", 0o100_644, Some(5)),
        ("ordner/\\xff.txt", 0o100_644, Some(3)),
        ("run.sh", 0o100_755, Some(10)),
        ("sub", 0o160_000, None),
    ];
    assert_eq!(facts, expected);
}

#[test]
fn a_file_of_a_commit_is_read_within_a_limit() {
    let scene = Scene::new();
    let commit = scene.id("HEAD");
    scene.write("b.txt", "changed in the checkout");
    let repository = scene.open();
    let read = |path: &str, limit| repository.read_blob_at(&commit, Path::new(path), limit);
    assert_eq!(read("b.txt", 14).unwrap().unwrap(), b"one\ntwo\nthree\n");
    assert!(matches!(read("b.txt", 13), Err(ReadError::TooLarge { bytes: 14, limit: 13, .. })));
    assert_eq!(read("none", 100).unwrap(), None);
    assert_eq!(read("a.txt/below", 100).unwrap(), None);
}

#[test]
fn history_is_that_of_the_given_paths() {
    let scene = Scene::new();
    scene.write("b.txt", "new\n");
    let second = scene.commit("change b\nstill the subject\n\nbody");
    scene.write("*.txt", "a name like a pattern\n");
    let third = scene.commit("add a star");
    let repository = scene.open();
    let log = |paths: &[&Path], limit| repository.log(&third, paths, limit).unwrap();
    let ids = |paths: &[&Path]| log(paths, 10).into_iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(&[]).len(), 3);
    assert_eq!(ids(&[Path::new("b.txt")])[0], second);
    assert_eq!(ids(&[Path::new("*.txt")]), std::slice::from_ref(&third));
    assert_eq!(log(&[], 1).len(), 1);
    let entry = &log(&[Path::new("b.txt")], 1)[0];
    assert_eq!(entry.subject, "change b still the subject");
    assert_eq!(entry.author, "User <user@example.org>");
    assert_eq!(entry.at.as_millis(), 1_600_000_000_000);
}

#[test]
fn a_shallow_clone_is_read_as_far_as_it_goes() {
    let scene = Scene::new();
    scene.commit("second");
    let url = format!("file://{}", scene.user().display());
    git(&scene.folder(), &["clone", "-q", "--depth=1", &url, "shallow"]);
    let shallow = scene.folder().join("shallow");
    let bottom = id(&shallow, "HEAD");
    git(&shallow, &["commit", "-q", "--allow-empty", "-m", "on top"]);
    let repository = Repository::open(&shallow).unwrap();
    let top = id(&shallow, "HEAD");
    assert_eq!(repository.merge_base(&bottom, &top).unwrap(), Some(bottom));
    assert_eq!(repository.log(&top, &[], 10).unwrap().len(), 2);
    assert_eq!(repository.files_at(&top).unwrap().len(), 3);
}

#[test]
fn borrowed_objects_are_found() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    git(&scene.folder(), &["clone", "-q", "--shared", "user", "borrower"]);
    git(&scene.folder(), &["clone", "-q", "--shared", "borrower", "borrower's borrower"]);
    let borrower = scene.folder().join("borrower's borrower");
    let repository = Repository::open(&borrower).unwrap();
    assert_eq!(repository.files_at(&first).unwrap().len(), 3);
    assert_eq!(repository.diff(None, &first).unwrap().diff.files.len(), 3);
}

#[test]
fn the_library_and_git_agree_about_replaced_objects() {
    let scene = Scene::new();
    let first = scene.id("HEAD");
    let second = scene.commit("second");
    git(&scene.user(), &["replace", second.as_str(), first.as_str()]);
    let repository = scene.open();
    assert!(repository.is_ancestor(&first, &second).unwrap());
    assert_eq!(repository.log(&second, &[], 10).unwrap().len(), 2);
}
