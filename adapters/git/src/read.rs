//! Reading: names, commits, trees, files and history. Nothing here writes or touches a checkout.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::ObjectType;
use windlass_domain::diff::ObjectId;
use windlass_domain::time::Timestamp;

use crate::names::Names;
use crate::objects::{Objects, ObjectsError, could_not, id_of};
use crate::program::{GitError, Place, unexpected};
use crate::repository::{Repository, object_id};

/// Where the user's checkout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// On a branch.
    Branch {
        /// Its short name.
        name: String,
        /// Its commit.
        commit: ObjectId,
    },
    /// On a commit without a branch.
    Detached {
        /// The commit.
        commit: ObjectId,
    },
    /// On a branch that has no commit yet.
    Unborn {
        /// Its short name.
        branch: String,
    },
}

/// The branch that work is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultBranch {
    /// Its short name, which resolves: `origin/main` for what `origin/HEAD` names, else `main`.
    pub name: String,
    /// Its commit.
    pub commit: ObjectId,
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedFile {
    /// Its path, relative to the repository; bytes that are not UTF-8 as `\xNN`.
    pub path: String,
    /// Its mode as git writes it: `0o100644`, `0o100755`, `0o120000` (symbolic link), `0o160000` (submodule).
    pub mode: u32,
    /// Its content; a commit of another repository for a submodule.
    pub id: ObjectId,
    /// Its size in bytes; none for a submodule and for content that a partial clone has not fetched.
    pub bytes: Option<u64>,
}

impl TrackedFile {
    /// Whether it is a file, and no symbolic link or submodule.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        matches!(self.mode, 0o100_644 | 0o100_755)
    }
}

/// A commit in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub id: ObjectId,
    /// When it was committed.
    pub at: Timestamp,
    /// Its author, as `Name <address>`; bytes that are not UTF-8 replaced.
    pub author: String,
    /// The first paragraph of its message on one line; bytes that are not UTF-8 replaced.
    pub subject: String,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The name leads to no commit.
    #[error("`{revision}` names no commit in this repository")]
    UnknownRevision {
        /// The name, with unprintable characters escaped.
        revision: String,
    },
    /// There is no commit at all yet.
    #[error("the branch `{branch}` has no commit yet; make a first commit")]
    NoCommits {
        /// The branch that HEAD is on.
        branch: String,
    },
    /// The file is larger than the caller takes.
    #[error("`{path}` has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The object database failed.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The program failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A look at the names of a repository, for questions that come together: libgit2 opens it once for all of them.
pub struct Look<'r> {
    repository: &'r Repository,
    names: Option<Names>,
}

impl Repository {
    /// Begins a look.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        Look { repository: self, names: Names::open(self.git_dir()) }
    }

    /// [`Look::resolve`], for one question alone.
    ///
    /// # Errors
    /// Those of it.
    pub fn resolve(&self, revision: &str) -> Result<ObjectId, ReadError> {
        self.look().resolve(revision)
    }

    /// [`Look::head`], for one question alone.
    ///
    /// # Errors
    /// Those of it.
    pub fn head(&self) -> Result<Head, ReadError> {
        self.look().head()
    }

    /// [`Look::default_branch`], for one question alone.
    ///
    /// # Errors
    /// Those of it.
    pub fn default_branch(&self) -> Result<Option<DefaultBranch>, ReadError> {
        self.look().default_branch()
    }

    /// [`Look::merge_base`], for one question alone.
    ///
    /// # Errors
    /// Those of it.
    pub fn merge_base(&self, one: &ObjectId, two: &ObjectId) -> Result<Option<ObjectId>, ReadError> {
        self.look().merge_base(one, two)
    }
}

impl Look<'_> {
    fn names<T>(&self, answer: impl FnOnce(&Names) -> Option<T>) -> Option<T> {
        self.names.as_ref().and_then(answer)
    }

    fn place(&self) -> Place {
        self.repository.place()
    }

    /// The commit that a name leads to: an id, a branch, a tag, `HEAD~2` and whatever else git understands.
    ///
    /// # Errors
    /// [`ReadError::UnknownRevision`] with the name, or [`ReadError::NoCommits`] for `HEAD` on an unborn branch.
    pub fn resolve(&self, revision: &str) -> Result<ObjectId, ReadError> {
        let unknown = || ReadError::UnknownRevision { revision: revision.escape_debug().to_string() };
        if revision.is_empty() || revision.starts_with(['-', '^']) || revision.contains(['\0', '\n']) {
            return Err(unknown());
        }
        if let Some(commit) = self.names(|names| names.commit(revision)) {
            return Ok(commit);
        }
        let commit = format!("{revision}^{{commit}}");
        let answer = self.place().git("rev-parse").args(["--verify", "--quiet", &commit]).ask()?;
        if answer.code == 0 {
            return Ok(object_id("rev-parse", &answer.stdout)?);
        }
        if matches!(revision, "HEAD" | "@")
            && let Head::Unborn { branch } = self.head()?
        {
            return Err(ReadError::NoCommits { branch });
        }
        Err(unknown())
    }

    /// Where the user's checkout stands.
    ///
    /// # Errors
    /// The program failed, or HEAD is damaged.
    pub fn head(&self) -> Result<Head, ReadError> {
        if let Some(head) = self.names(Names::head) {
            return Ok(head);
        }
        let place = self.place();
        let symbolic = place.git("symbolic-ref").args(["--quiet", "HEAD"]).ask()?;
        let commit = self.repository.reference("HEAD^{commit}")?;
        if symbolic.code != 0 {
            let commit = commit.ok_or_else(|| ReadError::UnknownRevision { revision: "HEAD".to_owned() })?;
            return Ok(Head::Detached { commit });
        }
        let name = symbolic.line("symbolic-ref")?;
        let name = name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned();
        Ok(match commit {
            Some(commit) => Head::Branch { name, commit },
            None => Head::Unborn { branch: name },
        })
    }

    /// The branch that work is measured against, without asking any remote: what `origin/HEAD` names, else the local
    /// branch that `init.defaultBranch` names, else `main`, else `master`.
    ///
    /// # Errors
    /// The program failed.
    pub fn default_branch(&self) -> Result<Option<DefaultBranch>, ReadError> {
        if let Some(branch) = self.names(Names::default_branch) {
            return Ok(Some(branch));
        }
        let place = self.place();
        let mut candidates = Vec::new();
        let remote = place.git("symbolic-ref").args(["--quiet", "refs/remotes/origin/HEAD"]).ask()?;
        if remote.code == 0 {
            candidates.push(remote.line("symbolic-ref")?);
        }
        let configured = place.git("config").args(["--get", "init.defaultBranch"]).ask()?;
        if configured.code == 0 {
            candidates.push(format!("refs/heads/{}", configured.line("config")?));
        }
        candidates.extend(["refs/heads/main".to_owned(), "refs/heads/master".to_owned()]);
        for reference in candidates {
            if let Some(commit) = self.repository.reference(&format!("{reference}^{{commit}}"))? {
                let name =
                    reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/remotes/"));
                return Ok(Some(DefaultBranch { name: name.unwrap_or(&reference).to_owned(), commit }));
            }
        }
        Ok(None)
    }

    /// The best common ancestor of two commits; none where their histories never met.
    ///
    /// # Errors
    /// One of them is not here, or the program failed.
    pub fn merge_base(&self, one: &ObjectId, two: &ObjectId) -> Result<Option<ObjectId>, ReadError> {
        if let Some(base) = self.names(|names| names.merge_base(one, two)) {
            return Ok(Some(base));
        }
        let answer = self.place().git("merge-base").args([one.as_str(), two.as_str()]).ask()?;
        match answer.code {
            0 => Ok(Some(object_id("merge-base", &answer.stdout)?)),
            1 => Ok(None),
            _ => Err(answer.refused("merge-base").into()),
        }
    }
}

impl Repository {
    /// Whether `ancestor` is `commit` or one of its ancestors.
    ///
    /// # Errors
    /// One of them is not here, or the program failed.
    pub fn is_ancestor(&self, ancestor: &ObjectId, commit: &ObjectId) -> Result<bool, GitError> {
        let arguments = ["--is-ancestor", ancestor.as_str(), commit.as_str()];
        let answer = self.place().git("merge-base").args(arguments).ask()?;
        match answer.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(answer.refused("merge-base")),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// The commit is not here.
    pub fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, ObjectsError> {
        Ok(id_of(self.objects()?.tree(commit)?.id()))
    }

    /// All files of a commit, in the order of their paths' bytes.
    ///
    /// # Errors
    /// The commit or one of its trees is not here.
    pub fn files_at(&self, commit: &ObjectId) -> Result<Vec<TrackedFile>, ObjectsError> {
        let objects = self.objects()?;
        let tree = objects.tree(commit)?;
        let mut files = Vec::new();
        list(&objects, &tree, b"", &mut files)?;
        files.sort();
        Ok(files
            .into_iter()
            .map(|(path, mode, oid)| TrackedFile {
                path: crate::patch::shown_path(&path),
                mode,
                id: id_of(oid),
                bytes: if mode == crate::patch::SUBMODULE { None } else { objects.size(oid).ok() },
            })
            .collect())
    }

    /// The content of a file in a commit; none where the commit has no such file or it is a folder or a submodule.
    ///
    /// # Errors
    /// [`ReadError::TooLarge`] beyond `limit` bytes, before the content is read.
    pub fn read_blob_at(
        &self,
        commit: &ObjectId,
        path: &Path,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let objects = self.objects()?;
        let entry = match objects.tree(commit)?.get_path(path) {
            Ok(entry) => entry,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(could_not("find a path")(error).into()),
        };
        if entry.kind() != Some(ObjectType::Blob) {
            return Ok(None);
        }
        let bytes = objects.size(entry.id())?;
        if bytes > limit {
            let path = crate::patch::shown_path(path.as_os_str().as_bytes());
            return Err(ReadError::TooLarge { path, bytes, limit });
        }
        Ok(Some(objects.blob(entry.id())?))
    }

    /// The newest commits behind `from` that touched one of `paths` (all commits where none is given), newest first,
    /// at most `limit`. Paths are taken literally.
    ///
    /// # Errors
    /// The commit is not here, or the program failed.
    pub fn log(&self, from: &ObjectId, paths: &[&Path], limit: u32) -> Result<Vec<LogEntry>, GitError> {
        let place = self.place();
        let stdout = place
            .git("log")
            .args(["-z", "--no-mailmap", "--no-decorate", "--format=%H%x1f%ct%x1f%an <%ae>%x1f%s"])
            .arg(format!("--max-count={limit}"))
            .args([from.as_str(), "--"])
            .args(paths)
            .run()?;
        let records = stdout.split(|&byte| byte == 0).filter(|record| !record.is_empty());
        records.map(|record| log_entry(record).ok_or_else(|| unexpected("log", record))).collect()
    }
}

/// The files below a tree, as path, mode and content.
fn list(
    objects: &Objects,
    tree: &git2::Tree<'_>,
    folder: &[u8],
    files: &mut Vec<(Vec<u8>, u32, git2::Oid)>,
) -> Result<(), ObjectsError> {
    for entry in tree {
        let path = [folder, entry.name_bytes()].concat();
        if entry.kind() == Some(ObjectType::Tree) {
            let below = objects.tree(&id_of(entry.id()))?;
            list(objects, &below, &[&path, b"/".as_slice()].concat(), files)?;
        } else {
            files.push((path, entry.filemode().cast_unsigned(), entry.id()));
        }
    }
    Ok(())
}

fn log_entry(record: &[u8]) -> Option<LogEntry> {
    let text = String::from_utf8_lossy(record);
    let mut fields = text.splitn(4, '\u{1f}');
    let id = ObjectId::new(fields.next()?).ok()?;
    let seconds: i64 = fields.next()?.parse().ok()?;
    let author = fields.next()?.to_owned();
    let subject = fields.next()?.to_owned();
    Some(LogEntry { id, at: Timestamp::from_millis(seconds.saturating_mul(1_000)), author, subject })
}
