//! Making repositories, and the proof that one was left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use windlass_domain::diff::ObjectId;
use windlass_domain::id::{ItemId, RunId};
use windlass_domain::time::Timestamp;
use windlass_git::{BotBranch, Repository, Worktree, WorktreeSpec};
use windlass_policy::{Permit, Policy, WriteWorktree, standard};

/// A user's repository in a folder of its own, and a place beside it for worktrees.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
}

/// A time for commits.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

impl Scene {
    /// A repository with one commit: `a.txt` (20 lines), `b.txt`, `run.sh` (executable).
    pub(crate) fn new() -> Self {
        let scene = Self::empty(&[]);
        scene.write("a.txt", lines(1..=20));
        scene.write("b.txt", "one\ntwo\nthree\n");
        scene.write("run.sh", "#!/bin/sh\n");
        std::fs::set_permissions(scene.user().join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
        scene.commit("first");
        scene
    }

    /// A repository without a commit.
    pub(crate) fn empty(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("user")).unwrap();
        let scene = Self { folder };
        git(&scene.user(), &[&["init", "-q", "-b", "main"], options].concat());
        scene.configure();
        scene
    }

    pub(crate) fn configure(&self) {
        for (key, value) in
            [("user.name", "User"), ("user.email", "user@example.org"), ("core.autocrlf", "false")]
        {
            git(&self.user(), &["config", key, value]);
        }
    }

    /// The temporary folder, without symbolic links.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// The user's checkout.
    pub(crate) fn user(&self) -> PathBuf {
        self.folder().join("user")
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.user()).unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(&self.user().join(path), content);
    }

    /// Commits everything in the user's checkout.
    pub(crate) fn commit(&self, message: &str) -> ObjectId {
        git(&self.user(), &["add", "-A"]);
        git(&self.user(), &["commit", "-q", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    pub(crate) fn id(&self, revision: &str) -> ObjectId {
        id(&self.user(), revision)
    }

    /// What a run with this number writes in.
    pub(crate) fn spec(&self, run: u8, at: &ObjectId) -> WorktreeSpec {
        WorktreeSpec {
            path: self.folder().join(format!("state/T-1/{run}")),
            branch: branch(run),
            at: at.clone(),
        }
    }

    pub(crate) fn permit(&self) -> Permit<WriteWorktree> {
        permit(&self.folder().join("state"))
    }

    /// Run 1's worktree at the user's HEAD.
    pub(crate) fn worktree(&self) -> Worktree {
        Worktree::create(&self.permit(), &self.open(), &self.spec(1, &self.id("HEAD"))).unwrap()
    }

    /// The entry of run 1's worktree, for staging what a crash leaves.
    pub(crate) fn entry(&self) -> PathBuf {
        self.user().join(".git/worktrees/1")
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.user())
    }
}

pub(crate) fn permit(folder: &Path) -> Permit<WriteWorktree> {
    Policy::merge(vec![standard()], BTreeSet::new()).permit_worktree(folder.to_str().unwrap()).unwrap()
}

pub(crate) fn branch(run: u8) -> BotBranch {
    BotBranch::new(ItemId::new("T-1").unwrap(), RunId::from_bytes([run; 16]))
}

pub(crate) fn lines(range: impl IntoIterator<Item = u32>) -> String {
    range.into_iter().map(|number| format!("line {number}\n")).collect()
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(crate) fn id(folder: &Path, revision: &str) -> ObjectId {
    ObjectId::new(git(folder, &["rev-parse", "--verify", revision]).trim()).unwrap()
}

/// The `git` program as a test's own tool, apart from everybody's configuration.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "User").env(format!("GIT_{role}_EMAIL"), "user@example.org");
        command.env(format!("GIT_{role}_DATE"), "@1600000000 +0000");
    }
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command
}

/// Runs git and gives what it printed; it must succeed.
pub(crate) fn git<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> String {
    String::from_utf8_lossy(&git_bytes(folder, arguments)).into_owned()
}

pub(crate) fn git_bytes<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Vec<u8> {
    let output = command(Path::new("git"), folder).args(arguments).output().unwrap();
    let shown: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    assert!(output.status.success(), "git {shown:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Everything about a user's checkout that a run must leave alone: each file of the working tree with its mode and
/// time, and each file of `.git` but objects, bot branches with their logs, and entries of worktrees with our mark.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    tree: BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>,
    git: BTreeMap<PathBuf, Vec<u8>>,
    references: String,
    head: String,
}

impl Fingerprint {
    pub(crate) fn of(checkout: &Path) -> Self {
        let mut tree = BTreeMap::new();
        walk(checkout, &mut |path, found, content| {
            if !path.starts_with(checkout.join(".git")) {
                let facts = (found.mode(), found.mtime(), found.mtime_nsec(), content);
                tree.insert(path.to_owned(), facts);
            }
        });
        let common = git(checkout, &["rev-parse", "--path-format=absolute", "--git-common-dir"]);
        let common = PathBuf::from(common.trim_end());
        let ours: Vec<PathBuf> = std::fs::read_dir(common.join("worktrees"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter(|entry| {
                std::fs::read_to_string(entry.join("locked"))
                    .is_ok_and(|reason| reason.starts_with("windlass: "))
            })
            .collect();
        let left_out = ["objects", "refs/heads/bot", "logs/refs/heads/bot", "reftable"];
        let mut files = BTreeMap::new();
        walk(&common, &mut |path, _, content| {
            let free = left_out.iter().any(|name| path.starts_with(common.join(name)));
            if !free && !ours.iter().any(|entry| path.starts_with(entry)) {
                files.insert(path.to_owned(), content);
            }
        });
        let references = git(checkout, &["for-each-ref", "--format=%(refname) %(objectname) %(symref)"]);
        let references = references.lines().filter(|line| !line.starts_with("refs/heads/bot/"));
        let head =
            command(Path::new("git"), checkout).args(["symbolic-ref", "HEAD"]).output().unwrap().stdout;
        Self {
            tree,
            git: files,
            references: references.collect::<Vec<_>>().join("\n"),
            head: String::from_utf8(head).unwrap(),
        }
    }
}

/// Visits all files and symbolic links below a folder.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &std::fs::Metadata, Vec<u8>)) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let found = path.symlink_metadata().unwrap();
        if found.is_dir() {
            walk(&path, visit);
        } else if found.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            visit(&path, &found, target.as_os_str().as_bytes().to_vec());
        } else {
            visit(&path, &found, std::fs::read(&path).unwrap());
        }
    }
}

/// All files of a checkout but `.git`, by their path in it.
pub(crate) fn files(checkout: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    walk(checkout, &mut |path, _, content| {
        let path = path.strip_prefix(checkout).unwrap();
        if !path.starts_with(".git") {
            files.insert(path.to_owned(), content);
        }
    });
    files
}

/// Every `git` program in PATH, the one that the adapter uses first.
pub(crate) fn gits() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join("git")).filter(|git| git.is_file()).collect()
}
