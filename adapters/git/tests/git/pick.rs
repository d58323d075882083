//! Trees from chosen parts of a patch.

use std::collections::BTreeSet;

use windlass_domain::diff::{FileChange, FileContent, ObjectId, Patch};
use windlass_git::{NewCommit, PickError, Repository, Selection, Signature};

use crate::diff::{every_kind_of_change, noise};
use crate::support::{AT, Scene, git, git_bytes, lines};

fn file<'a>(patch: &'a Patch, path: &str) -> &'a FileChange {
    patch.diff.files.iter().find(|file| file.path == path).unwrap()
}

fn hunk(patch: &Patch, path: &str, at: usize) -> String {
    match &file(patch, path).content {
        FileContent::Text { hunks } => hunks[at].id.clone(),
        FileContent::Binary | FileContent::Submodule => panic!("{path} is not text"),
    }
}

fn files<'a>(ids: impl IntoIterator<Item = &'a FileChange>) -> Selection {
    Selection { files: ids.into_iter().map(|file| file.id.clone()).collect(), hunks: BTreeSet::new() }
}

fn hunks<const N: usize>(ids: [String; N]) -> Selection {
    Selection { files: BTreeSet::new(), hunks: ids.into() }
}

fn content(scene: &Scene, tree: &ObjectId, path: &str) -> String {
    git(&scene.user(), &["cat-file", "blob", &format!("{tree}:{path}")])
}

#[test]
fn all_files_together_are_the_head() {
    let (scene, base, head) = every_kind_of_change();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let tree = repository.pick(Some(&base), &patch.bytes, &files(&patch.diff.files)).unwrap();
    assert_eq!(tree, repository.tree_of(&head).unwrap());
}

#[test]
fn nothing_chosen_is_the_base() {
    let (scene, base, head) = every_kind_of_change();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let tree = repository.pick(Some(&base), &patch.bytes, &Selection::default()).unwrap();
    assert_eq!(tree, repository.tree_of(&base).unwrap());
}

#[test]
fn each_file_alone_is_that_file_of_the_head() {
    let (scene, base, head) = every_kind_of_change();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    // A folder in the place of a file needs the file's deletion chosen too, as in any patch.
    let entangled = ["to folder", "from folder"];
    for file in
        patch.diff.files.iter().filter(|file| !entangled.iter().any(|name| file.path.starts_with(name)))
    {
        let tree = repository.pick(Some(&base), &patch.bytes, &files([file])).unwrap();
        let again = repository.diff(Some(&base), &tree).unwrap();
        assert_eq!(again.diff.files.as_slice(), std::slice::from_ref(file));
    }
}

#[test]
fn the_head_is_not_needed() {
    let (scene, base, head) = every_kind_of_change();
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    let wanted = scene.open().tree_of(&head).unwrap();
    git(&scene.folder(), &["init", "-q", "lone"]);
    let lone = scene.folder().join("lone");
    git(&lone, &["fetch", "-q", "../user", base.as_str()]);
    let repository = Repository::open(&lone).unwrap();
    assert!(repository.tree_of(&head).is_err());
    let tree = repository.pick(Some(&base), &patch.bytes, &files(&patch.diff.files)).unwrap();
    assert_eq!(tree, wanted);
    // Everything new was written: another process finds the tree whole.
    git(&lone, &["ls-tree", "-r", "-l", tree.as_str()]);
    assert_eq!(git_bytes(&lone, &["cat-file", "blob", &format!("{tree}:change.bin")]).len(), 5_000);
}

#[test]
fn hunks_are_taken_one_by_one() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let begin = |text: String| text.replace("line 2\n", "");
    let end = |text: String| text.replace("line 18\n", "line x\nline y\n");
    scene.write("a.txt", end(begin(lines(1..=20))));
    let head = scene.commit("both");
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let pick = |selection| {
        let tree = repository.pick(Some(&base), &patch.bytes, &selection).unwrap();
        content(&scene, &tree, "a.txt")
    };
    assert_eq!(pick(hunks([hunk(&patch, "a.txt", 0)])), begin(lines(1..=20)));
    assert_eq!(pick(hunks([hunk(&patch, "a.txt", 1)])), end(lines(1..=20)));
    assert_eq!(pick(hunks([hunk(&patch, "a.txt", 0), hunk(&patch, "a.txt", 1)])), end(begin(lines(1..=20))));
}

#[test]
fn a_hunk_brings_neither_a_new_name_nor_a_new_mode() {
    let (scene, base, head) = every_kind_of_change();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let selection = hunks([hunk(&patch, "new/ name ü.txt", 0), hunk(&patch, "run.sh", 0)]);
    let tree = repository.pick(Some(&base), &patch.bytes, &selection).unwrap();
    let changed = repository.diff(Some(&base), &tree).unwrap();
    let facts: Vec<_> = changed.diff.files.iter().map(|file| (file.path.as_str(), file.new_mode)).collect();
    assert_eq!(facts, [("old name.txt", 0o100_644), ("run.sh", 0o100_755)]);
    assert!(content(&scene, &tree, "old name.txt").contains("line fifteen"));
}

#[test]
fn a_hunk_of_a_new_a_deleted_or_a_turned_file_is_all_of_it() {
    let (scene, base, head) = every_kind_of_change();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    for path in ["gone.txt", "-- a/looks like a patch", "to link", "sub to file"] {
        let whole = repository.pick(Some(&base), &patch.bytes, &files([file(&patch, path)])).unwrap();
        if matches!(file(&patch, path).content, FileContent::Text { .. }) {
            let part = repository.pick(Some(&base), &patch.bytes, &hunks([hunk(&patch, path, 0)])).unwrap();
            assert_eq!(part, whole, "{path}");
        }
        assert_ne!(whole, repository.tree_of(&base).unwrap(), "{path}");
    }
}

#[test]
fn ids_that_the_patch_does_not_have_are_refused() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "changed\n");
    let head = scene.commit("change");
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let selection = hunks(["0123456789abcdef".to_owned()]);
    let error = repository.pick(Some(&base), &patch.bytes, &selection).unwrap_err();
    assert!(matches!(&error, PickError::UnknownId { id } if id == "0123456789abcdef"), "{error:?}");
    // A file's id is no hunk's.
    let selection = hunks([file(&patch, "b.txt").id.clone()]);
    assert!(matches!(
        repository.pick(Some(&base), &patch.bytes, &selection),
        Err(PickError::UnknownId { .. })
    ));
}

#[test]
fn another_base_is_refused() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "one\nzwei\nthree\n");
    scene.write("new.txt", "new\n");
    let head = scene.commit("change");
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    for selection in
        [files([file(&patch, "b.txt")]), files([file(&patch, "new.txt")]), hunks([hunk(&patch, "b.txt", 0)])]
    {
        let error = repository.pick(Some(&head), &patch.bytes, &selection).unwrap_err();
        assert!(matches!(error, PickError::OtherBase { .. }), "{error:?}");
    }
}

#[test]
fn a_patch_that_was_tampered_with_is_refused() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "one\nzwei\nthree\n");
    scene.write("c.bin", noise(5, 100));
    let head = scene.commit("change");
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let text = String::from_utf8(patch.bytes.clone()).unwrap();
    let evil = text.replace("+zwei", "+evil");
    let error = repository.pick(Some(&base), evil.as_bytes(), &files([file(&patch, "b.txt")])).unwrap_err();
    assert!(matches!(error, PickError::OtherBase { .. }), "{error:?}");
    let error = repository.pick(Some(&base), b"no patch", &Selection::default()).unwrap_err();
    assert!(matches!(error, PickError::NotAPatch(_)), "{error:?}");
}

#[test]
fn a_picked_tree_becomes_a_commit_and_nothing_of_the_users_moves() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "one\nzwei\nthree\n");
    let head = scene.commit("change");
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    git(&scene.user(), &["config", "commit.gpgSign", "true"]);
    scene.write("a.txt", "not committed");
    let before = scene.fingerprint();
    let repository = scene.open();
    let patch = repository.diff(Some(&base), &head).unwrap();
    let tree = repository.pick(Some(&base), &patch.bytes, &hunks([hunk(&patch, "b.txt", 0)])).unwrap();
    let author = Signature { name: "Ä. Person".to_owned(), address: "person@example.org".to_owned() };
    let new =
        NewCommit { tree: &tree, parents: &[&base], message: "approved\n\n# kept", author: &author, at: AT };
    let commit = repository.commit_tree(&new).unwrap();
    assert_eq!(repository.commit_tree(&new).unwrap(), commit);
    let text = git(&scene.user(), &["cat-file", "commit", commit.as_str()]);
    let expected = format!(
        "tree {tree}\nparent {base}\nauthor Ä. Person <person@example.org> 1700000000 +0000\n\
         committer Windlass <windlass@localhost> 1700000000 +0000\n\napproved\n\n# kept\n"
    );
    assert_eq!(text, expected);
    assert_eq!(scene.fingerprint(), before);
}
