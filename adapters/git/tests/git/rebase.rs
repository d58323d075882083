//! Carrying a change onto a target that moved.

use windlass_domain::diff::{ConflictKind, ObjectId, Rebase};
use windlass_git::RebaseError;

use crate::support::{Scene, git, lines};

/// A bot's commits after `base`, made in the user's checkout for brevity, and the target after it.
fn diverge(scene: &Scene, bot: impl Fn(&Scene), target: impl Fn(&Scene)) -> (ObjectId, ObjectId, ObjectId) {
    let base = scene.id("HEAD");
    bot(scene);
    let head = scene.commit("the bot's change");
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    target(scene);
    let onto = scene.commit("the target's change");
    (base, head, onto)
}

fn remove(scene: &Scene, path: &str) {
    std::fs::remove_file(scene.user().join(path)).unwrap();
}

fn conflicts(rebase: Rebase) -> Vec<(String, ConflictKind)> {
    match rebase {
        Rebase::Conflict { conflicts, .. } => {
            conflicts.into_iter().map(|conflict| (conflict.path, conflict.kind)).collect()
        }
        Rebase::NotNeeded | Rebase::Clean { .. } => panic!("no conflict: {rebase:?}"),
    }
}

fn clean(rebase: Rebase) -> ObjectId {
    match rebase {
        Rebase::Clean { head, .. } => head,
        Rebase::NotNeeded | Rebase::Conflict { .. } => panic!("not clean: {rebase:?}"),
    }
}

/// Number of objects, loose and packed.
fn objects(scene: &Scene) -> String {
    git(&scene.user(), &["cat-file", "--batch-all-objects", "--batch-check"])
}

#[test]
fn a_target_that_did_not_move_needs_no_rebase() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "changed\n");
    let head = scene.commit("change");
    assert_eq!(scene.open().rebase(&base, &head, &base).unwrap(), Rebase::NotNeeded);
    assert_eq!(scene.open().rebase(&base, &head, &head).unwrap(), Rebase::NotNeeded);
}

#[test]
fn commits_are_carried_with_their_messages_and_times() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("a.txt", lines(1..=20).replace("line 2\n", "line two\n"));
    scene.commit("one\n\nwith a body\n");
    scene.write("b.txt", "two\n");
    let head = scene.commit("two");
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    scene.write("a.txt", lines(1..=20).replace("line 18\n", "line eighteen\n"));
    let onto = scene.commit("target");
    let before = scene.fingerprint();
    let repository = scene.open();
    let new = clean(repository.rebase(&base, &head, &onto).unwrap());
    assert_eq!(clean(repository.rebase(&base, &head, &onto).unwrap()), new, "the same again");
    assert_eq!(scene.fingerprint(), before);
    let series = git(&scene.user(), &["log", "--format=%B|%an|%ct", &format!("{onto}..{new}")]);
    assert_eq!(series, "two\n|User|1600000000\none\n\nwith a body\n|User|1600000000\n");
    let text = git(&scene.user(), &["cat-file", "blob", &format!("{new}:a.txt")]);
    assert_eq!(text, lines(1..=20).replace("line 2\n", "line two\n").replace("line 18\n", "line eighteen\n"));
    git(&scene.user(), &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn what_was_carried_is_known_again_and_a_commit_on_top_is_not() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "of both\n");
    scene.commit("one");
    scene.write("c.txt", "of the bot\n");
    let head = scene.commit("two");
    let repository = scene.open();
    for (with, carried) in [(("d.txt", "other\n"), 2), (("b.txt", "of both\n"), 1)] {
        git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
        scene.write(with.0, with.1);
        let onto = scene.commit("target");
        let new = clean(repository.rebase(&base, &head, &onto).unwrap());
        assert_eq!(scene.id(&format!("{new}~{carried}")), onto);
        assert!(repository.is_carried(&base, &head, &new).unwrap());
        for other in [&base, &head, &onto] {
            assert!(!repository.is_carried(&base, &head, other).unwrap(), "{other}");
        }
        git(&scene.user(), &["reset", "-q", "--hard", new.as_str()]);
        scene.write("e.txt", "of a person\n");
        let on_top = scene.commit("more");
        assert!(!repository.is_carried(&base, &head, &on_top).unwrap(), "a person's commit is not the bot's");
    }
}

#[test]
fn a_change_that_the_target_already_has_is_left_out() {
    let scene = Scene::new();
    let same = |scene: &Scene| scene.write("b.txt", "the same\n");
    let (base, head, onto) = diverge(&scene, same, |scene| {
        same(scene);
        scene.write("other", "x");
    });
    assert_eq!(clean(scene.open().rebase(&base, &head, &onto).unwrap()), onto);
}

#[test]
fn a_bot_without_commits_moves_to_the_target() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let onto = scene.commit("target");
    assert_eq!(clean(scene.open().rebase(&base, &base, &onto).unwrap()), onto);
}

#[test]
fn the_same_lines_changed_are_a_conflict_and_leave_nothing_behind() {
    let scene = Scene::new();
    let change =
        |word: &'static str| move |scene: &Scene| scene.write("b.txt", format!("one\n{word}\nthree\n"));
    let (base, head, onto) = diverge(&scene, change("zwei"), change("deux"));
    let before = objects(&scene);
    let rebase = scene.open().rebase(&base, &head, &onto).unwrap();
    assert!(matches!(&rebase, Rebase::Conflict { target, .. } if *target == onto));
    assert_eq!(conflicts(rebase), [("b.txt".to_owned(), ConflictKind::BothModified)]);
    assert_eq!(objects(&scene), before);
    assert_eq!(scene.id(head.as_str()), head);
}

#[test]
fn deletions_and_additions_conflict_by_their_side() {
    let scene = Scene::new();
    let (base, head, onto) = diverge(
        &scene,
        |scene| {
            scene.write("b.txt", "changed by the bot\n");
            remove(scene, "run.sh");
            scene.write("added", "by the bot\n");
        },
        |scene| {
            remove(scene, "b.txt");
            scene.write("run.sh", "changed by the target\n");
            scene.write("added", "by the target\n");
        },
    );
    let expected = [
        ("added".to_owned(), ConflictKind::BothAdded),
        ("b.txt".to_owned(), ConflictKind::DeletedInTarget),
        ("run.sh".to_owned(), ConflictKind::DeletedByBot),
    ];
    assert_eq!(conflicts(scene.open().rebase(&base, &head, &onto).unwrap()), expected);
}

#[test]
fn binaries_that_both_changed_conflict() {
    let scene = Scene::new();
    scene.write("x.bin", [0, 1]);
    scene.commit("binary");
    let change = |byte: u8| move |scene: &Scene| scene.write("x.bin", [0, byte]);
    let (base, head, onto) = diverge(&scene, change(2), change(3));
    let expected = [("x.bin".to_owned(), ConflictKind::BothModified)];
    assert_eq!(conflicts(scene.open().rebase(&base, &head, &onto).unwrap()), expected);
}

#[test]
fn a_change_follows_a_file_that_the_target_renamed() {
    let scene = Scene::new();
    let (base, head, onto) = diverge(
        &scene,
        |scene| scene.write("a.txt", lines(1..=20).replace("line 2\n", "line two\n")),
        |scene| std::fs::rename(scene.user().join("a.txt"), scene.user().join("moved.txt")).unwrap(),
    );
    let new = clean(scene.open().rebase(&base, &head, &onto).unwrap());
    let listed = git(&scene.user(), &["ls-tree", "--name-only", new.as_str()]);
    assert_eq!(listed, "b.txt\nmoved.txt\nrun.sh\n");
    assert!(git(&scene.user(), &["cat-file", "blob", &format!("{new}:moved.txt")]).contains("line two"));
}

#[test]
fn a_file_that_both_renamed_differently_conflicts() {
    let scene = Scene::new();
    let to = |name: &'static str| {
        move |scene: &Scene| std::fs::rename(scene.user().join("a.txt"), scene.user().join(name)).unwrap()
    };
    let (base, head, onto) = diverge(&scene, to("bots.txt"), to("targets.txt"));
    let found = conflicts(scene.open().rebase(&base, &head, &onto).unwrap());
    assert!(found.contains(&("a.txt".to_owned(), ConflictKind::BothModified)), "{found:?}");
}

#[test]
fn a_folder_against_a_file_conflicts() {
    let scene = Scene::new();
    let (base, head, onto) =
        diverge(&scene, |scene| scene.write("thing/inside", "x\n"), |scene| scene.write("thing", "a file\n"));
    let found = conflicts(scene.open().rebase(&base, &head, &onto).unwrap());
    assert!(found.iter().any(|(path, _)| path.starts_with("thing")), "{found:?}");
}

#[test]
fn every_conflict_of_the_whole_change_is_listed() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    scene.write("b.txt", "bot\n");
    scene.commit("conflicts first");
    scene.write("run.sh", "bot\n");
    let head = scene.commit("conflicts second");
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    scene.write("b.txt", "target\n");
    scene.write("run.sh", "target\n");
    let onto = scene.commit("target");
    let found = conflicts(scene.open().rebase(&base, &head, &onto).unwrap());
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["b.txt", "run.sh"]);
}

#[test]
fn submodules_are_carried_and_conflict() {
    let scene = Scene::new();
    let sub = |id: &ObjectId| {
        git(&scene.user(), &["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub")]);
        git(&scene.user(), &["commit", "-q", "-m", "submodule"]);
        scene.id("HEAD")
    };
    let one = scene.id("HEAD");
    let base = sub(&one);
    let head = sub(&base);
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    let other = git(&scene.user(), &["commit-tree", "-p", base.as_str(), "-m", "x", "HEAD^{tree}"]);
    let other = ObjectId::new(other.trim()).unwrap();
    let new = clean(scene.open().rebase(&base, &head, &other).unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(new, head_with_parent(&scene, &head, &other));
    let onto = sub(&one_more(&scene));
    let found = conflicts(scene.open().rebase(&base, &head, &onto).unwrap());
    assert_eq!(found, [("sub".to_owned(), ConflictKind::BothModified)]);
}

fn one_more(scene: &Scene) -> ObjectId {
    let id = git(&scene.user(), &["commit-tree", "-m", "another", "HEAD^{tree}"]);
    ObjectId::new(id.trim()).unwrap()
}

fn head_with_parent(scene: &Scene, commit: &ObjectId, parent: &ObjectId) -> ObjectId {
    let text = git(&scene.user(), &["cat-file", "commit", commit.as_str()]);
    let old = text.lines().find(|line| line.starts_with("parent ")).unwrap();
    let file = scene.folder().join("commit");
    std::fs::write(&file, text.replace(old, &format!("parent {parent}"))).unwrap();
    let id = git(&scene.user(), &["hash-object", "-t", "commit", file.to_str().unwrap()]);
    ObjectId::new(id.trim()).unwrap()
}

#[test]
fn configuration_and_merge_drivers_have_no_say() {
    let scene = Scene::new();
    scene.write(".gitattributes", "*.txt merge=evil\n");
    scene.commit("attributes");
    let change =
        |word: &'static str| move |scene: &Scene| scene.write("b.txt", format!("one\n{word}\nthree\n"));
    let (base, head, onto) = diverge(&scene, change("zwei"), change("deux"));
    let witness = scene.folder().join("witness");
    git(&scene.user(), &["config", "merge.evil.driver", &format!("touch {}", witness.display())]);
    git(&scene.user(), &["config", "merge.renames", "false"]);
    git(&scene.user(), &["config", "merge.default", "evil"]);
    assert_eq!(conflicts(scene.open().rebase(&base, &head, &onto).unwrap()).len(), 1);
    assert!(!witness.exists());
}

#[test]
fn what_is_no_plain_series_is_refused() {
    let scene = Scene::new();
    let base = scene.id("HEAD");
    let side = scene.commit("side");
    git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
    let target = scene.commit("target");
    git(&scene.user(), &["merge", "-q", "--no-edit", side.as_str()]);
    let merge = scene.id("HEAD");
    let onto = {
        git(&scene.user(), &["reset", "-q", "--hard", base.as_str()]);
        scene.commit("onto")
    };
    let repository = scene.open();
    let error = repository.rebase(&base, &merge, &onto).unwrap_err();
    assert!(matches!(&error, RebaseError::Merge { commit } if *commit == merge), "{error:?}");
    let error = repository.rebase(&side, &target, &onto).unwrap_err();
    assert!(matches!(error, RebaseError::NotBehind { .. }), "{error:?}");
}
