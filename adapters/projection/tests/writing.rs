//! Files for people, in places that are as they should be and in hostile ones. The folders are real ones.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use windlass_domain::digest::Digest;
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_policy::{Layer, LayerKind, Policy, ProjectionPlace, ProjectionPlaces};
use windlass_projection::{NotWritten, Standing, WantedFile, Written, look, strangers, write};

/// A place for a run's files, in a folder of the test.
struct Ground {
    folder: tempfile::TempDir,
    policy: Policy,
    place: ProjectionPlace,
}

impl Ground {
    fn own() -> Self {
        Self::of(Vec::new())
    }

    fn in_tree() -> Self {
        let text = "version = 1\n[projections]\nfolder = \"docs/specs\"\n";
        Self::of(vec![Layer::parse(LayerKind::Workspace, "policy.toml", text).unwrap()])
    }

    fn of(layers: Vec<Layer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::merge(layers, BTreeSet::new());
        let place = place(&policy, folder.path());
        Self { folder, policy, place }
    }

    fn write(&self, files: &[WantedFile], ours: &[&str]) -> Vec<Result<Written, NotWritten>> {
        write(&self.policy.permit_projection(&self.place).unwrap(), &self.place, files, &digests(ours))
    }

    /// What became of one file.
    fn write_one(&self, ours: &[&str]) -> Result<Written, NotWritten> {
        self.write(&[file("review/a.md", "new")], ours).remove(0)
    }

    fn path(&self, path: &str) -> PathBuf {
        Path::new(&self.place.path()).join(path)
    }

    /// Puts something in the place of the file.
    fn put(&self, text: &str) {
        fs::create_dir_all(self.path("review")).unwrap();
        fs::write(self.path("review/a.md"), text).unwrap();
    }

    /// Everything below the test's folder, with the text of files and the target of links.
    fn all(&self) -> BTreeSet<(PathBuf, String)> {
        fn collect(folder: &Path, all: &mut BTreeSet<(PathBuf, String)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    collect(&path, all);
                } else if kind.is_symlink() {
                    all.insert((path.clone(), fs::read_link(&path).unwrap().display().to_string()));
                } else {
                    all.insert((path.clone(), fs::read_to_string(&path).unwrap_or_default()));
                }
            }
        }
        let mut all = BTreeSet::new();
        collect(self.folder.path(), &mut all);
        all
    }
}

fn place(policy: &Policy, anchor: &Path) -> ProjectionPlace {
    let anchor = anchor.to_str().unwrap();
    policy.projection_place(&ProjectionPlaces {
        state: anchor,
        tree: anchor,
        workspace_id: WorkspaceId::from_bytes([1; 16]),
        work_item_id: &ItemId::new("T-1").unwrap(),
        run_id: RunId::from_bytes([2; 16]),
    })
}

fn file(path: &str, text: &str) -> WantedFile {
    WantedFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn digests(texts: &[&str]) -> BTreeSet<Digest> {
    texts.iter().map(|text| Digest::of(text.as_bytes())).collect()
}

#[test]
fn files_are_written_once_and_left_alone_where_they_stand() {
    for ground in [Ground::own(), Ground::in_tree()] {
        let files = [file("run_log.json", "{}"), file("review/a.md", "new")];
        let standing = look(&ground.place, &files, &digests(&[]));
        assert!(standing.iter().all(|standing| matches!(standing, Ok(Standing::Otherwise))), "{standing:?}");
        assert!(ground.all().is_empty(), "looking makes nothing");
        let written = ground.write(&files, &[]);
        assert!(written.iter().all(|written| matches!(written, Ok(Written::Written))), "{written:?}");
        assert_eq!(fs::read_to_string(ground.path("review/a.md")).unwrap(), "new");
        let again = ground.write(&files, &[]);
        assert!(again.iter().all(|written| matches!(written, Ok(Written::Unchanged))), "{again:?}");
        let standing = look(&ground.place, &files, &digests(&[]));
        assert!(standing.iter().all(|standing| matches!(standing, Ok(Standing::AsWanted))), "{standing:?}");
        assert_eq!(ground.all().len(), 2, "nothing else is left behind: {:?}", ground.all());
    }
}

#[test]
fn among_the_users_files_only_what_the_record_proves_ours_is_replaced() {
    let ground = Ground::in_tree();
    ground.put("mine");
    let before = ground.all();
    assert!(matches!(ground.write_one(&["old"]), Err(NotWritten::NotOurs)));
    assert_eq!(ground.all(), before);
    assert!(matches!(ground.write_one(&["old", "mine"]), Ok(Written::Written)));
    assert_eq!(fs::read_to_string(ground.path("review/a.md")).unwrap(), "new");
    // In a folder of our own whatever stands in a file's place is ours.
    let own = Ground::own();
    own.put("anything");
    assert!(matches!(own.write_one(&[]), Ok(Written::Written)));
}

#[test]
fn no_link_is_followed_and_nothing_behind_one_is_written() {
    let outside = tempfile::tempdir().unwrap();
    for ground in [Ground::own(), Ground::in_tree()] {
        let parts: Vec<&str> = ground.place.folder().split('/').collect();
        for depth in 0..parts.len() {
            let link = ground.folder.path().join(parts[..=depth].join("/"));
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(outside.path(), &link).unwrap();
            let refused = ground.write_one(&[]);
            assert!(
                matches!(&refused, Err(NotWritten::Link { name }) if name == parts[depth]),
                "{refused:?}"
            );
            fs::remove_file(link).unwrap();
        }
        fs::create_dir_all(ground.path("")).unwrap();
        symlink(outside.path(), ground.path("review")).unwrap();
        assert!(matches!(ground.write_one(&[]), Err(NotWritten::Link { .. })));
        fs::remove_file(ground.path("review")).unwrap();
        fs::create_dir(ground.path("review")).unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, ground.path("review/a.md")).unwrap();
        assert!(matches!(ground.write_one(&["precious"]), Err(NotWritten::Link { .. })));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(&victim).unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_stands_in_the_way_is_named_and_stays() {
    let ground = Ground::in_tree();
    fs::create_dir_all(ground.path("review/a.md")).unwrap();
    let refused = ground.write_one(&[]);
    assert!(matches!(&refused, Err(NotWritten::InTheWay { found: "a folder", .. })), "{refused:?}");
    fs::remove_dir(ground.path("review/a.md")).unwrap();
    mknodat(CWD, ground.path("review/a.md"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let refused = ground.write_one(&[]);
    assert!(matches!(&refused, Err(NotWritten::InTheWay { .. })), "{refused:?}");

    let ground = Ground::in_tree();
    fs::write(ground.folder.path().join("docs"), "a file").unwrap();
    let refused = ground.write_one(&[]);
    assert!(
        matches!(&refused, Err(NotWritten::InTheWay { name, found: "a file" }) if name == "docs"),
        "{refused:?}"
    );

    let ground = Ground::in_tree();
    fs::create_dir_all(ground.folder.path().join("docs/specs/.git")).unwrap();
    let refused = ground.write_one(&[]);
    assert!(matches!(&refused, Err(NotWritten::OtherRepository { name }) if name == "specs"), "{refused:?}");
}

#[test]
fn a_place_that_is_gone_or_takes_no_files_is_told() {
    let policy = Policy::merge(Vec::new(), BTreeSet::new());
    for (anchor, gone) in [("/nowhere/at/all", true), ("/proc", false)] {
        let place = place(&policy, Path::new(anchor));
        let permit = policy.permit_projection(&place).unwrap();
        let refused = write(&permit, &place, &[file("run_log.json", "{}")], &digests(&[])).remove(0);
        match (refused, gone) {
            (Err(NotWritten::NoAnchor { .. }), true) | (Err(NotWritten::Io { .. }), false) => {}
            (other, _) => panic!("{anchor}: {other:?}"),
        }
    }
}

#[test]
fn one_file_that_cannot_be_written_keeps_no_other_from_it() {
    let ground = Ground::in_tree();
    ground.put("mine");
    let written = ground.write(&[file("review/a.md", "new"), file("review/b.md", "b")], &[]);
    assert!(matches!(written[..], [Err(NotWritten::NotOurs), Ok(Written::Written)]), "{written:?}");
}

#[test]
fn what_a_crash_left_under_our_name_is_in_nobodys_way() {
    let ground = Ground::own();
    fs::create_dir_all(ground.path("review")).unwrap();
    fs::write(ground.path("review/.windlass-unfinished-a.md"), "half").unwrap();
    assert!(matches!(ground.write_one(&[]), Ok(Written::Written)));
    assert_eq!(ground.all().len(), 1, "{:?}", ground.all());
}

#[test]
fn a_permit_for_another_folder_is_no_leave() {
    let (ground, other) = (Ground::own(), Ground::own());
    let permit = other.policy.permit_projection(&other.place).unwrap();
    let refused = write(&permit, &ground.place, &[file("run_log.json", "{}")], &digests(&[])).remove(0);
    assert!(matches!(refused, Err(NotWritten::NotPermitted { .. })), "{refused:?}");
    assert!(ground.all().is_empty());
}

#[test]
fn files_that_belong_to_nobody_are_told_and_no_link_is_walked_through() {
    let ground = Ground::own();
    let known = BTreeSet::from(["review/a.md", "run_log.json"]);
    assert_eq!(strangers(&ground.place, &known).unwrap(), Vec::<String>::new());
    ground.put("new");
    fs::write(ground.path("review/notes.md"), "mine").unwrap();
    fs::create_dir(ground.path("other")).unwrap();
    fs::write(ground.path("other/x"), "mine").unwrap();
    symlink("/", ground.path("root")).unwrap();
    assert_eq!(strangers(&ground.place, &known).unwrap(), ["other", "review/notes.md", "root"]);
}
