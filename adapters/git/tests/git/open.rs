//! Which folders open, and what the others are said to be.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use windlass_git::{OpenError, Repository};

use crate::support::{Scene, git};

#[test]
fn any_folder_inside_a_checkout_opens_it() {
    let scene = Scene::new();
    scene.write("deep/er/file", "x");
    let repository = Repository::open(&scene.user().join("deep/er")).unwrap();
    assert_eq!(repository.root(), scene.user());
    assert_eq!(repository.git_dir(), scene.user().join(".git"));
    assert_eq!(repository.common_dir(), scene.user().join(".git"));
}

#[test]
fn checkouts_of_one_repository_are_one_workspace() {
    let scene = Scene::new();
    let linked = scene.folder().join("linked");
    git(&scene.user(), &["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
    let repository = Repository::open(&linked).unwrap();
    assert_eq!(repository.root(), linked);
    assert_eq!(repository.common_dir(), scene.open().common_dir());
    assert_ne!(repository.git_dir(), scene.open().git_dir());
}

#[test]
fn a_link_to_a_checkout_opens_the_checkout() {
    let scene = Scene::new();
    let link = scene.folder().join("link");
    std::os::unix::fs::symlink(scene.user(), &link).unwrap();
    assert_eq!(Repository::open(&link).unwrap().root(), scene.user());
}

#[test]
fn a_folder_without_a_repository_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Repository::open(folder.path()).unwrap_err();
    assert!(matches!(&error, OpenError::NotARepository { .. }), "{error:?}");
    assert!(error.to_string().contains(folder.path().canonicalize().unwrap().to_str().unwrap()), "{error}");
}

#[test]
fn a_missing_folder_and_a_file_are_no_folders() {
    let scene = Scene::new();
    for path in ["none", "user/a.txt"] {
        let error = Repository::open(&scene.folder().join(path)).unwrap_err();
        assert!(matches!(error, OpenError::NoFolder { .. }), "{error:?}");
    }
}

#[test]
fn a_bare_repository_and_the_inside_of_one_have_no_checkout() {
    let scene = Scene::new();
    git(&scene.folder(), &["clone", "-q", "--bare", "user", "bare"]);
    for path in ["bare", "user/.git", "user/.git/objects"] {
        let error = Repository::open(&scene.folder().join(path)).unwrap_err();
        assert!(matches!(error, OpenError::NoCheckout { .. }), "{path}: {error:?}");
    }
}

#[test]
fn a_worktree_of_a_bare_repository_opens() {
    let scene = Scene::new();
    git(&scene.folder(), &["clone", "-q", "--bare", "user", "bare"]);
    let bare = scene.folder().join("bare");
    git(&bare, &["worktree", "add", "-q", "../linked", "main"]);
    let repository = Repository::open(&scene.folder().join("linked")).unwrap();
    assert_eq!(repository.common_dir(), bare);
}

#[test]
fn sha_256_is_refused_by_its_name() {
    let scene = Scene::empty(&["--object-format=sha256"]);
    let error = Repository::open(&scene.user()).unwrap_err();
    assert!(matches!(&error, OpenError::ObjectFormat { format, .. } if format == "sha256"), "{error:?}");
}

#[test]
fn an_extension_that_git_does_not_know_is_named() {
    let scene = Scene::new();
    git(&scene.user(), &["config", "core.repositoryformatversion", "1"]);
    git(&scene.user(), &["config", "extensions.frobnication", "true"]);
    let error = Repository::open(&scene.user()).unwrap_err();
    assert!(
        matches!(&error, OpenError::UnknownFormat { what, .. } if what.contains("frobnication")),
        "{error:?}"
    );
}

#[test]
fn a_format_version_of_the_future_is_named() {
    let scene = Scene::new();
    git(&scene.user(), &["config", "core.repositoryformatversion", "9"]);
    let error = Repository::open(&scene.user()).unwrap_err();
    assert!(matches!(&error, OpenError::UnknownFormat { what, .. } if what.contains('9')), "{error:?}");
}

#[test]
fn a_path_that_is_not_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"bad\xff"));
    std::fs::create_dir(&path).unwrap();
    git(&path, &["init", "-q"]);
    let error = Repository::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::PathNotText { .. }), "{error:?}");
}

#[test]
fn a_repository_may_be_shared_among_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Repository>();
    shared::<windlass_git::Worktree>();
    assert!(Path::new("/").is_absolute());
}
