//! The patch between two commits: git takes it, it depends on nothing else, and its ids stay.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use windlass_domain::diff::{FileChange, FileContent, FileStatus, LineSide, ObjectId, Patch};
use windlass_git::{DiffError, Repository};

use crate::support::{Scene, git, lines, write};

/// Bytes that are no text and do not compress to nothing.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    let mut noise: Vec<u8> = (0..bytes).map(|_| next()).collect();
    noise[0] = 0;
    noise
}

/// A base and a head that differ in every way a commit can.
pub(crate) fn every_kind_of_change() -> (Scene, ObjectId, ObjectId) {
    let scene = Scene::new();
    let user = scene.user();
    let odd = |name: &[u8]| user.join(OsStr::from_bytes(name));
    scene.write("gone.txt", "gone\n");
    scene.write("gone.bin", noise(1, 300));
    scene.write("change.bin", noise(2, 5_000));
    scene.write("move.bin", noise(3, 5_000));
    scene.write("old name.txt", lines(1..=30));
    scene.write("pure rename", lines(100..=130));
    scene.write("mode.sh", "echo\n");
    scene.write("ends without", "a\nb");
    scene.write("gets an end", "a\nb");
    scene.write("crlf.txt", "one\r\ntwo\r\nthree\r\n");
    scene.write("to link", "was a file\n");
    scene.write("to folder", "was a file\n");
    scene.write("from folder/file", "in a folder\n");
    scene.write("tab\there \"quoted\" \\ and\nnew line", "x\n");
    std::fs::write(odd(b"not-\xff-text.txt"), "1\n").unwrap();
    std::fs::write(odd(b"latin.txt"), b"gr\xfc\xdfe\n").unwrap();
    std::os::unix::fs::symlink("a.txt", user.join("link")).unwrap();
    std::os::unix::fs::symlink("a.txt", user.join("from link")).unwrap();
    let first = scene.id("HEAD");
    scene.commit("base");
    for name in ["sub change", "sub gone", "sub to file"] {
        git(&user, &["update-index", "--add", "--cacheinfo", &format!("160000,{first},{name}")]);
    }
    git(&user, &["commit", "-q", "-m", "submodules"]);
    let base = scene.id("HEAD");

    std::fs::remove_file(user.join("gone.txt")).unwrap();
    std::fs::remove_file(user.join("gone.bin")).unwrap();
    let mut changed = noise(2, 5_000);
    changed[2_500] ^= 0xff;
    scene.write("change.bin", changed);
    let mut moved = noise(3, 5_000);
    moved[10] ^= 0xff;
    std::fs::remove_file(user.join("move.bin")).unwrap();
    scene.write("moved.bin", moved);
    std::fs::remove_file(user.join("old name.txt")).unwrap();
    scene.write("new/ name ü.txt", lines(1..=30).replace("line 15\n", "line fifteen\n"));
    std::fs::rename(user.join("pure rename"), user.join("purely renamed")).unwrap();
    std::fs::set_permissions(user.join("mode.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    scene.write("run.sh", "#!/bin/sh\necho changed\n");
    std::fs::set_permissions(user.join("run.sh"), PermissionsExt::from_mode(0o644)).unwrap();
    scene.write("ends without", "a\nc");
    scene.write("gets an end", "a\nb\n");
    scene.write("crlf.txt", "one\r\nzwei\r\nthree\n");
    std::fs::remove_file(user.join("to link")).unwrap();
    std::os::unix::fs::symlink("elsewhere", user.join("to link")).unwrap();
    std::fs::remove_file(user.join("from link")).unwrap();
    scene.write("from link", "is a file\n");
    std::fs::remove_file(user.join("to folder")).unwrap();
    scene.write("to folder/file", "is a folder\n");
    std::fs::remove_dir_all(user.join("from folder")).unwrap();
    scene.write("from folder", "is a file\n");
    scene.write("tab\there \"quoted\" \\ and\nnew line", "y\n");
    std::fs::write(odd(b"not-\xff-text.txt"), "2\n").unwrap();
    std::fs::write(odd(b"latin.txt"), b"gro\xdf\n").unwrap();
    std::fs::remove_file(user.join("link")).unwrap();
    std::os::unix::fs::symlink("b.txt", user.join("link")).unwrap();
    scene.write("empty", "");
    scene.write("-- a/looks like a patch", "--- a/x\n+++ b/x\n@@ -1 +1 @@\ndiff --git a/x b/x\n");
    scene.write(
        "a.txt",
        lines(1..=20).replace("line 2\n", "line two\n").replace("line 18\n", "line x\nline y\n"),
    );
    git(&user, &["rm", "-q", "--cached", "sub gone", "sub to file"]);
    scene.write("sub to file", "now a file\n");
    let head = scene.commit("head");
    git(&user, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub change")]);
    git(&user, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub new")]);
    git(&user, &["commit", "-q", "-m", "submodules"]);
    let head = scene.id("HEAD");
    (scene, base, head)
}

/// Checks the patch with the `git` program: applied to the base it gives the head, in an index and in a checkout.
pub(crate) fn assert_git_takes(scene: &Scene, base: &ObjectId, head: &ObjectId, patch: &Patch) {
    let file = scene.folder().join("the.patch");
    std::fs::write(&file, &patch.bytes).unwrap();
    let file = file.to_str().unwrap();
    let checkout = scene.folder().join("applied");
    let folder = checkout.to_str().unwrap();
    git(&scene.user(), &["worktree", "add", "-q", "-f", "--detach", folder, base.as_str()]);
    git(&checkout, &["apply", "--check", file]);
    git(&checkout, &["apply", "--index", "--whitespace=nowarn", file]);
    let tree = git(&checkout, &["write-tree"]);
    let wanted = git(&scene.user(), &["rev-parse", &format!("{head}^{{tree}}")]);
    assert_eq!(tree, wanted, "{}", git(&checkout, &["diff-index", "--cached", "--stat", head.as_str()]));
    git(&checkout, &["reset", "-q", "--hard", base.as_str()]);
    git(&checkout, &["clean", "-q", "-ffdx"]);
    git(&checkout, &["apply", "--whitespace=nowarn", file]);
    git(&checkout, &["add", "-A"]);
    let difference =
        git(&checkout, &["diff-index", "--cached", "--raw", "--ignore-submodules", head.as_str()]);
    assert_eq!(difference, "");
    git(&scene.user(), &["worktree", "remove", "--force", folder]);
}

fn change<'a>(patch: &'a Patch, path: &str) -> &'a FileChange {
    patch.diff.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no change of {path}"))
}

#[test]
fn git_takes_a_patch_of_every_kind_of_change() {
    let (scene, base, head) = every_kind_of_change();
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    assert_git_takes(&scene, &base, &head, &patch);
    // Other readers of patches take a space for the end of a name.
    let tabbed = b"\n--- a/ends without\t\n+++ b/ends without\t\n";
    assert!(patch.bytes.windows(tabbed.len()).any(|window| window == tabbed));
    let back = scene.open().diff(Some(&head), &base).unwrap();
    assert_git_takes(&scene, &head, &base, &back);
}

#[test]
fn a_first_commit_is_compared_with_nothing() {
    let (scene, _, head) = every_kind_of_change();
    let patch = scene.open().diff(None, &head).unwrap();
    assert!(patch.diff.files.iter().all(|file| file.status == FileStatus::Added && file.old_mode == 0));
    let empty = git(&scene.user(), &["hash-object", "-t", "tree", "/dev/null"]);
    let nothing = git(&scene.user(), &["commit-tree", "-m", "nothing", empty.trim()]);
    assert_git_takes(&scene, &ObjectId::new(nothing.trim()).unwrap(), &head, &patch);
}

#[test]
fn the_index_says_what_happened_to_each_file() {
    let (scene, base, head) = every_kind_of_change();
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    let facts = |path: &str| {
        let file = change(&patch, path);
        let content = match &file.content {
            FileContent::Text { hunks } => format!("text {}", hunks.len()),
            FileContent::Binary => "binary".to_owned(),
            FileContent::Submodule => "submodule".to_owned(),
        };
        (file.status, file.old_path.as_deref(), file.old_mode, file.new_mode, file.new_bytes, content)
    };
    let text = |hunks: u32| format!("text {hunks}");
    use FileStatus::{Added, Deleted, Modified, Renamed, TypeChanged};
    let (file, program, link, commit) = (0o100_644, 0o100_755, 0o120_000, 0o160_000);
    assert_eq!(facts("a.txt"), (Modified, None, file, file, 159, text(2)));
    assert_eq!(facts("gone.txt"), (Deleted, None, file, 0, 0, text(1)));
    assert_eq!(facts("gone.bin"), (Deleted, None, file, 0, 0, "binary".to_owned()));
    assert_eq!(facts("change.bin"), (Modified, None, file, file, 5_000, "binary".to_owned()));
    assert_eq!(facts("moved.bin"), (Renamed, Some("move.bin"), file, file, 5_000, "binary".to_owned()));
    assert_eq!(facts("new/ name ü.txt"), (Renamed, Some("old name.txt"), file, file, 236, text(1)));
    assert_eq!(facts("purely renamed"), (Renamed, Some("pure rename"), file, file, 279, "text 0".to_owned()));
    assert_eq!(facts("mode.sh"), (Modified, None, file, program, 5, text(0)));
    assert_eq!(facts("run.sh"), (Modified, None, program, file, 23, text(1)));
    assert_eq!(facts("to link"), (TypeChanged, None, file, link, 9, text(2)));
    assert_eq!(facts("from link"), (TypeChanged, None, link, file, 10, text(2)));
    assert_eq!(facts("to folder"), (Deleted, None, file, 0, 0, text(1)));
    assert_eq!(facts("empty"), (Added, None, 0, file, 0, text(0)));
    assert_eq!(facts("link"), (Modified, None, link, link, 5, text(1)));
    assert_eq!(facts("not-\\xff-text.txt"), (Modified, None, file, file, 2, text(1)));
    assert_eq!(facts("sub change"), (Modified, None, commit, commit, 0, "submodule".to_owned()));
    assert_eq!(facts("sub gone"), (Deleted, None, commit, 0, 0, "submodule".to_owned()));
    assert_eq!(facts("sub new"), (Added, None, 0, commit, 0, "submodule".to_owned()));
    assert_eq!(facts("sub to file"), (TypeChanged, None, commit, file, 11, "submodule".to_owned()));
    let paths: Vec<_> =
        patch.diff.files.iter().map(|file| &file.path).filter(|path| path.is_ascii()).collect();
    assert!(paths.is_sorted());
}

#[test]
fn hunks_have_their_lines_and_numbers() {
    let (scene, base, head) = every_kind_of_change();
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    let FileContent::Text { hunks } = &change(&patch, "a.txt").content else { panic!("a.txt is text") };
    let numbers =
        |at: usize| (hunks[at].old_start, hunks[at].old_lines, hunks[at].new_start, hunks[at].new_lines);
    assert_eq!(numbers(0), (1, 5, 1, 5));
    assert_eq!(numbers(1), (15, 6, 15, 7));
    let lines: Vec<_> = hunks[0].lines.iter().map(|line| (line.side, line.text.as_str())).collect();
    use LineSide::{Added, Context, Removed};
    let expected = [
        (Context, "line 1"),
        (Removed, "line 2"),
        (Added, "line two"),
        (Context, "line 3"),
        (Context, "line 4"),
        (Context, "line 5"),
    ];
    assert_eq!(lines, expected);
    let FileContent::Text { hunks } = &change(&patch, "latin.txt").content else {
        panic!("latin.txt is text")
    };
    assert_eq!(hunks[0].lines[0].text, "gr\u{fffd}\u{fffd}e");
    let FileContent::Text { hunks } = &change(&patch, "crlf.txt").content else { panic!("crlf.txt is text") };
    assert_eq!(hunks[0].lines[1].text, "two\r");
}

#[test]
fn no_configuration_and_no_attribute_changes_the_patch() {
    let (scene, base, head) = every_kind_of_change();
    let before = scene.open().diff(Some(&base), &head).unwrap();
    for (key, value) in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.algorithm", "patience"),
        ("diff.context", "0"),
        ("diff.interHunkContext", "9"),
        ("diff.renames", "false"),
        ("diff.renameLimit", "1"),
        ("diff.indentHeuristic", "false"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.ignoreSubmodules", "all"),
        ("diff.external", "false"),
        ("diff.odd.textconv", "false"),
        ("diff.odd.binary", "true"),
        ("core.quotePath", "false"),
        ("core.abbrev", "4"),
        ("core.symlinks", "false"),
        ("core.fileMode", "false"),
        ("core.ignoreCase", "true"),
        ("core.autocrlf", "true"),
    ] {
        git(&scene.user(), &["config", key, value]);
    }
    scene.write(".gitattributes", "*.txt -diff\n*.bin text diff\ncrlf.txt diff=odd\n");
    write(&scene.user().join(".git/info/attributes"), "*.txt -diff\n*.bin diff=odd\n");
    assert_eq!(scene.open().diff(Some(&base), &head).unwrap(), before);
}

/// The definition of the ids is written at `Entry::id` and `Entry::hunk_id`. Verdicts are stored with them: a change
/// of these values is a change of a stored format.
#[test]
fn ids_stay_what_they_are() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "one\nzwei\nthree\n");
    std::fs::rename(scene.user().join("a.txt"), scene.user().join("c.txt")).unwrap();
    scene.write("new.bin", [0, 1, 2]);
    let head = scene.commit("change");
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    let ids: Vec<_> = patch
        .diff
        .files
        .iter()
        .map(|file| {
            let hunks = match &file.content {
                FileContent::Text { hunks } => hunks.iter().map(|hunk| hunk.id.as_str()).collect(),
                FileContent::Binary | FileContent::Submodule => Vec::new(),
            };
            (file.path.as_str(), file.id.as_str(), hunks)
        })
        .collect();
    assert_eq!(ids, IDS.map(|(path, id, hunks)| (path, id, hunks.to_vec())));
    assert_eq!(
        patch.digest().to_string(),
        "582fcbb96b0099bbd24d3cdd787efe08e23d17440b7356bc4b1ec22540fdda03"
    );
}

/// Path, file id and hunk ids, computed once by hand from the definition.
const IDS: [(&str, &str, &[&str]); 3] = [
    ("b.txt", "d7677de29341dc73", &["8fd2490946640627"]),
    ("c.txt", "1ee200a11eb426d0", &[]),
    ("new.bin", "caa7cc82aa8b832b", &[]),
];

#[test]
fn an_id_survives_changes_elsewhere_and_not_its_own() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let with = |end: &str, other: &str| {
        scene.write("a.txt", lines(1..=20).replace("line 2\n", "line two\n").replace("line 18\n", end));
        scene.write("b.txt", other);
        let head = scene.commit("a head");
        scene.open().diff(Some(&base), &head).unwrap()
    };
    let hunks = |patch: &Patch| match &change(patch, "a.txt").content {
        FileContent::Text { hunks } => hunks.iter().map(|hunk| hunk.id.clone()).collect::<Vec<_>>(),
        FileContent::Binary | FileContent::Submodule => panic!("a.txt is text"),
    };
    let one = with("line x\n", "1\n");
    let two = with("line x\n", "2\n");
    let three = with("line y\n", "2\n");
    assert_eq!(hunks(&one), hunks(&two));
    assert_eq!(change(&one, "a.txt").id, change(&two, "a.txt").id);
    assert_ne!(change(&one, "b.txt").id, change(&two, "b.txt").id);
    assert_ne!(change(&two, "a.txt").id, change(&three, "a.txt").id);
    assert_eq!(hunks(&two)[0], hunks(&three)[0]);
    assert_ne!(hunks(&two)[1], hunks(&three)[1]);
    assert_ne!(one.digest(), two.digest());
}

#[test]
fn commits_with_one_tree_have_an_empty_patch() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let head = scene.commit("nothing");
    let patch = scene.open().diff(Some(&base), &head).unwrap();
    assert!(patch.bytes.is_empty() && patch.diff.files.is_empty());
}

#[test]
fn what_does_not_fit_into_a_patch_is_named() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let file = std::fs::File::create(scene.user().join("huge")).unwrap();
    file.set_len(windlass_git::MAX_FILE_BYTES + 1).unwrap();
    let head = scene.commit("huge");
    let error = scene.open().diff(Some(&base), &head).unwrap_err();
    assert!(matches!(&error, DiffError::FileTooLarge { path, .. } if path == "huge"), "{error:?}");
}

#[test]
fn an_object_that_is_not_here_is_named() {
    let scene = Scene::new();
    scene.write("b.txt", "changed\n");
    let head = scene.commit("second");
    let blob = scene.id("HEAD:b.txt");
    let (folder, name) = blob.as_str().split_at(2);
    std::fs::remove_file(scene.user().join(".git/objects").join(folder).join(name)).unwrap();
    let error = scene.open().diff(Some(&scene.id("HEAD~1")), &head).unwrap_err();
    assert!(error.to_string().contains(blob.as_str()), "{error}");
}

/// Random edits of random files: git takes the patch, and so does our own picker.
#[test]
fn random_changes_survive_the_way_through_a_patch() {
    let scene = Scene::new();
    let mut base = scene.id("HEAD");
    for seed in 0..12 {
        let choices = noise(seed + 7, 400);
        for (at, choice) in choices.chunks_exact(5).take(10).enumerate() {
            let path = format!("file {}", at % 6);
            let old = std::fs::read(scene.user().join(&path)).unwrap_or_default();
            let mut lines: Vec<Vec<u8>> =
                old.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            let place = usize::from(choice[0]) % (lines.len() + 1);
            match choice[1] % 4 {
                0 => lines.insert(place, format!("{}\n", choice[2] % 4).into_bytes()),
                1 => lines.insert(place, vec![choice[2] % 3 + b'a'; usize::from(choice[3]) % 3 + 1]),
                2 => lines.extend((0..choice[2]).map(|number| format!("{}\n", number % 7).into_bytes())),
                _ => drop(lines.drain(place / 2..place)),
            }
            scene.write(&path, lines.concat());
        }
        let head = scene.commit("random");
        let repository = Repository::open(&scene.user()).unwrap();
        let patch = repository.diff(Some(&base), &head).unwrap();
        assert_git_takes(&scene, &base, &head, &patch);
        let mut all = windlass_git::Selection::default();
        let mut parts = windlass_git::Selection::default();
        for file in &patch.diff.files {
            all.files.insert(file.id.clone());
            if let FileContent::Text { hunks } = &file.content {
                parts.hunks.extend(hunks.iter().map(|hunk| hunk.id.clone()));
            }
        }
        let tree = repository.tree_of(&head).unwrap();
        assert_eq!(repository.pick(Some(&base), &patch.bytes, &all).unwrap(), tree, "seed {seed}");
        if patch.diff.files.iter().all(|file| file.status == FileStatus::Modified) {
            assert_eq!(repository.pick(Some(&base), &patch.bytes, &parts).unwrap(), tree, "seed {seed}");
        }
        base = head;
    }
}
