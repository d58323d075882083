//! Names that libgit2 can answer in this process: where a checkout is, what HEAD and a branch lead to. Starting the `git`
//! program for each of these questions would make up most of the time that a submission takes.
//!
//! **Invariant:** nothing here says no. An answer is given only where libgit2 opens the whole repository and is sure; for
//! everything else (formats that it does not know, repositories that it does not trust, names that it does not find,
//! broken references) there is none, and the `git` program is asked, which decides and says why.

use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Reference, RepositoryOpenFlags};
use windlass_domain::diff::ObjectId;

use crate::objects::id_of;
use crate::read::{DefaultBranch, Head};

/// Variables with which the program finds another repository than libgit2 does.
const STEER_DISCOVERY: [&str; 2] = ["GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"];

/// Variables with which the program reads other configuration than libgit2 does.
const STEER_CONFIGURATION: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Where a checkout and its repository are, as canonical paths.
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) git_dir: PathBuf,
    pub(crate) common_dir: PathBuf,
}

/// A repository that libgit2 opened as a whole, for one operation.
pub(crate) struct Names {
    repository: git2::Repository,
}

impl Names {
    /// The repository that the folder lies in, searched upwards.
    pub(crate) fn discover(folder: &Path) -> Option<Self> {
        if any_set(&STEER_DISCOVERY) {
            return None;
        }
        let nowhere: [&Path; 0] = [];
        let opened = git2::Repository::open_ext(folder, RepositoryOpenFlags::empty(), nowhere);
        Some(Self { repository: opened.ok()? })
    }

    /// The repository of this checkout's `.git`.
    pub(crate) fn open(git_dir: &Path) -> Option<Self> {
        let nowhere: [&Path; 0] = [];
        let opened = git2::Repository::open_ext(git_dir, RepositoryOpenFlags::NO_SEARCH, nowhere);
        Some(Self { repository: opened.ok()? })
    }

    /// Where the checkout around `folder` is. None for a bare repository and for the inside of a `.git`.
    pub(crate) fn checkout(&self, folder: &Path) -> Option<Checkout> {
        let canonical = |path: &Path| {
            let path = path.canonicalize().ok()?;
            path.to_str().is_some().then_some(path)
        };
        let root = canonical(self.repository.workdir()?)?;
        let git_dir = canonical(self.repository.path())?;
        let common_dir = canonical(self.repository.commondir())?;
        let inside = folder.starts_with(&root) && !folder.starts_with(&git_dir);
        inside.then_some(Checkout { root, git_dir, common_dir })
    }

    /// Where HEAD stands, if there is a commit.
    pub(crate) fn head(&self) -> Option<Head> {
        let head = self.repository.find_reference("HEAD").ok()?;
        let commit = commit_of(&head)?;
        match head.symbolic_target().ok()? {
            Some(target) => {
                let name = target.strip_prefix("refs/heads/").unwrap_or(target).to_owned();
                Some(Head::Branch { name, commit })
            }
            None => Some(Head::Detached { commit }),
        }
    }

    /// The commit that HEAD, a full id, or a local branch by its short or full name leads to.
    pub(crate) fn commit(&self, revision: &str) -> Option<ObjectId> {
        if revision == "HEAD" {
            return self.reference(revision);
        }
        if let Ok(id) = ObjectId::new(revision) {
            let oid = Oid::from_str(id.as_str()).ok()?;
            let object = self.repository.find_object(oid, None).ok()?;
            return (object.kind() == Some(ObjectType::Commit)).then_some(id);
        }
        if revision.starts_with("refs/heads/") {
            return self.reference(revision);
        }
        // A short name may also be a tag's, a remote's or a file's below `.git`, which come before a branch.
        let before = [revision.to_owned(), format!("refs/{revision}"), format!("refs/tags/{revision}")];
        let only_a_branch = before.iter().all(|name| match self.repository.find_reference(name) {
            Err(error) => matches!(error.code(), git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec),
            Ok(_) => false,
        });
        only_a_branch.then(|| self.reference(&format!("refs/heads/{revision}"))).flatten()
    }

    /// The branch that work is measured against.
    pub(crate) fn default_branch(&self) -> Option<DefaultBranch> {
        if let Ok(remote) = self.repository.find_reference("refs/remotes/origin/HEAD") {
            let target = remote.symbolic_target().ok()??.to_owned();
            let name = target.strip_prefix("refs/remotes/").unwrap_or(&target).to_owned();
            return Some(DefaultBranch { name, commit: self.reference(&target)? });
        }
        if any_set(&STEER_CONFIGURATION) {
            return None;
        }
        let configured = match self.repository.config().ok()?.snapshot().ok()?.get_str("init.defaultBranch") {
            Ok(name) => Some(name.to_owned()),
            Err(error) if error.code() == git2::ErrorCode::NotFound => None,
            Err(_) => return None,
        };
        let names = configured.into_iter().chain(["main".to_owned(), "master".to_owned()]);
        names.into_iter().find_map(|name| {
            let commit = self.reference(&format!("refs/heads/{name}"))?;
            Some(DefaultBranch { name, commit })
        })
    }

    /// The only best common ancestor of two commits. Where there are several, the program says which one counts.
    pub(crate) fn merge_base(&self, one: &ObjectId, two: &ObjectId) -> Option<ObjectId> {
        if self.repository.is_shallow() {
            return None;
        }
        let oid = |id: &ObjectId| Oid::from_str(id.as_str()).ok();
        let bases = self.repository.merge_bases(oid(one)?, oid(two)?).ok()?;
        let [only] = bases[..] else { return None };
        Some(id_of(only))
    }

    fn reference(&self, name: &str) -> Option<ObjectId> {
        commit_of(&self.repository.find_reference(name).ok()?)
    }
}

fn commit_of(reference: &Reference<'_>) -> Option<ObjectId> {
    Some(id_of(reference.peel_to_commit().ok()?.id()))
}

fn any_set(variables: &[&str]) -> bool {
    variables.iter().any(|variable| std::env::var_os(variable).is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::Names;
    use crate::Repository;

    /// Runs git with nothing of the user's configuration, and gives what it printed.
    fn git(folder: &Path, arguments: &str) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false"]);
        git.args(arguments.split(' ')).current_dir(folder);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Three commits on `main`, `side` from the first, a tag and a branch of one name, one packed branch.
    fn planted() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for arguments in [
            "init -q -b main",
            "commit -q --allow-empty -m one",
            "branch side",
            "branch both",
            "pack-refs --all",
            "commit -q --allow-empty -m two",
            "tag both",
            "commit -q --allow-empty -m three",
            "switch -q side",
            "commit -q --allow-empty -m aside",
            "tag -a noted -m noted",
            "switch -q main",
        ] {
            git(folder.path(), arguments);
        }
        folder
    }

    #[test]
    fn an_answer_is_what_git_answers() {
        let folder = planted();
        let full = git(folder.path(), "rev-parse main");
        let names = Names::discover(folder.path()).unwrap();
        for (revision, sure) in [
            ("HEAD", true),
            ("main", true),
            ("side", true),
            ("refs/heads/both", true),
            (full.as_str(), true),
            ("both", false),
            ("noted", false),
            ("main~1", false),
            (&full[..8], false),
        ] {
            let found = names.commit(revision);
            assert_eq!(found.is_some(), sure, "{revision}");
            let program = git(folder.path(), &format!("rev-parse {revision}^{{commit}}"));
            if let Some(commit) = found {
                assert_eq!(commit.as_str(), program, "{revision}");
            }
            let repository = Repository::open(folder.path()).unwrap();
            assert_eq!(repository.resolve(revision).unwrap().as_str(), program, "{revision}");
        }
        assert_eq!(names.commit("absent"), None);
        let (main, side) = (names.commit("main").unwrap(), names.commit("side").unwrap());
        let base = names.merge_base(&main, &side).unwrap();
        assert_eq!(base.as_str(), git(folder.path(), "merge-base main side"));
    }

    #[test]
    fn several_best_ancestors_are_left_to_git() {
        let folder = planted();
        for arguments in ["merge -q -m crossed side", "switch -q side", "merge -q -m crossing main~1"] {
            git(folder.path(), arguments);
        }
        let names = Names::discover(folder.path()).unwrap();
        let (main, side) = (names.commit("main").unwrap(), names.commit("side").unwrap());
        assert_eq!(git(folder.path(), "merge-base --all main side").lines().count(), 2);
        assert_eq!(names.merge_base(&main, &side), None);
        let repository = Repository::open(folder.path()).unwrap();
        let base = repository.merge_base(&main, &side).unwrap().unwrap();
        assert_eq!(base.as_str(), git(folder.path(), "merge-base main side"));
    }

    #[test]
    fn a_linked_worktree_a_folder_below_and_the_inside_of_git() {
        let folder = planted();
        let root = folder.path().canonicalize().unwrap();
        git(&root, "worktree add -q linked side");
        std::fs::create_dir(root.join("below")).unwrap();
        let found = |path: &Path| Names::discover(path).and_then(|names| names.checkout(path));
        let below = found(&root.join("below")).unwrap();
        assert_eq!((below.root, below.git_dir.clone()), (root.clone(), root.join(".git")));
        let linked = found(&root.join("linked")).unwrap();
        assert_eq!(linked.root, root.join("linked"));
        assert_eq!((linked.git_dir, linked.common_dir), (root.join(".git/worktrees/linked"), below.git_dir));
        assert!(found(&root.join(".git/refs")).is_none());
    }
}
