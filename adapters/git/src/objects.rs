//! The object database through libgit2, without the repository around it.
//!
//! libgit2 gets only the folders with objects: no references, no index, no configuration. So it opens what it could
//! not open as a repository (reftables, unknown extensions, sparse checkouts), and no setting of the user's changes
//! what a diff or a merge gives. New objects stay in memory until [`Objects::keep`] hands them to the `git` program
//! in one pack; an operation that fails or conflicts leaves nothing behind.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid};
use windlass_domain::diff::ObjectId;

use crate::program::{GitError, Place};

/// Above the backends on disk, so that new objects are found first.
const IN_MEMORY: i32 = 1_000;

/// The objects of a repository, and those that one operation made.
pub(crate) struct Objects {
    /// On disk and in memory.
    pub(crate) all: git2::Repository,
    /// On disk only.
    disk: git2::Odb<'static>,
}

/// An object that could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// It is not in the repository: it was never fetched (shallow or partial clone) or is damaged.
    #[error(
        "object {id} is not in this repository; fetch it with git (`git fetch --refetch` in a partial clone)"
    )]
    Missing {
        /// The object.
        id: ObjectId,
    },
    /// The id is not one of a SHA-1 repository.
    #[error("{id} is not an object id of this repository")]
    ForeignId {
        /// The id.
        id: ObjectId,
    },
    /// libgit2 could not read, diff, merge or build.
    #[error("the object database could not {act}")]
    Library {
        /// What it was asked to do.
        act: &'static str,
        /// What it said.
        #[source]
        source: git2::Error,
    },
    /// A path that the library does not take.
    #[error("the path `{path}` is not UTF-8; move the repository", path = path.display())]
    Folder {
        /// The folder of objects.
        path: PathBuf,
    },
}

/// Names the act for an error of libgit2's.
pub(crate) fn could_not(act: &'static str) -> impl Fn(git2::Error) -> ObjectsError {
    move |source| ObjectsError::Library { act, source }
}

impl Objects {
    pub(crate) fn open(folder: &Path) -> Result<Self, ObjectsError> {
        let path = folder.to_str().ok_or_else(|| ObjectsError::Folder { path: folder.to_owned() })?;
        let database = || -> Result<git2::Odb<'static>, ObjectsError> {
            let database = git2::Odb::new().map_err(could_not("be opened"))?;
            // Added as a lender, it is only read, and whatever it borrows from is found as well.
            database.add_disk_alternate(path).map_err(could_not("be opened"))?;
            Ok(database)
        };
        let all = git2::Repository::from_odb(database()?).map_err(could_not("be opened"))?;
        let nothing = git2::Config::new().map_err(could_not("be opened"))?;
        all.set_config(&nothing).map_err(could_not("be opened"))?;
        {
            let database = all.odb().map_err(could_not("be opened"))?;
            database.add_new_mempack_backend(IN_MEMORY).map_err(could_not("be opened"))?;
        }
        Ok(Self { all, disk: database()? })
    }

    /// The library's form of an id.
    pub(crate) fn oid(&self, id: &ObjectId) -> Result<Oid, ObjectsError> {
        Oid::from_str(id.as_str()).map_err(|_| ObjectsError::ForeignId { id: id.clone() })
    }

    /// The tree of a commit, or the tree itself.
    pub(crate) fn tree(&self, id: &ObjectId) -> Result<git2::Tree<'_>, ObjectsError> {
        let object = self.all.find_object(self.oid(id)?, None).map_err(|source| missing(id, source))?;
        let tree = object.peel_to_tree().map_err(could_not("find a tree"))?;
        Ok(tree)
    }

    pub(crate) fn commit(&self, id: &ObjectId) -> Result<git2::Commit<'_>, ObjectsError> {
        self.all.find_commit(self.oid(id)?).map_err(|source| missing(id, source))
    }

    /// Size in bytes of an object's content.
    pub(crate) fn size(&self, oid: Oid) -> Result<u64, ObjectsError> {
        let database = self.all.odb().map_err(could_not("be opened"))?;
        let (size, _) = database.read_header(oid).map_err(|source| missing(&id_of(oid), source))?;
        Ok(size as u64)
    }

    /// A blob's bytes.
    pub(crate) fn blob(&self, oid: Oid) -> Result<Vec<u8>, ObjectsError> {
        let blob = self.all.find_blob(oid).map_err(|source| missing(&id_of(oid), source))?;
        Ok(blob.content().to_vec())
    }

    /// A new object, in memory until it is kept.
    pub(crate) fn make(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, ObjectsError> {
        let database = self.all.odb().map_err(could_not("be opened"))?;
        database.write(kind, bytes).map_err(could_not("make an object"))
    }

    /// Writes the object and all that it needs and that is not on disk yet, synced.
    pub(crate) fn keep(&self, place: &Place, oid: Oid) -> Result<(), KeepError> {
        let mut new = Vec::new();
        self.collect_new(oid, &mut HashSet::new(), &mut new)?;
        if new.is_empty() {
            return Ok(());
        }
        let mut builder = self.all.packbuilder().map_err(could_not("build a pack"))?;
        builder.set_threads(1);
        for oid in new {
            builder.insert_object(oid, None).map_err(could_not("build a pack"))?;
        }
        let mut pack = git2::Buf::new();
        builder.write_buf(&mut pack).map_err(could_not("build a pack"))?;
        place.git("unpack-objects").arg("-q").input(pack.to_vec()).run()?;
        Ok(())
    }

    /// What is reachable from `oid` and not on disk. An object on disk has all that it needs there.
    fn collect_new(&self, oid: Oid, seen: &mut HashSet<Oid>, new: &mut Vec<Oid>) -> Result<(), ObjectsError> {
        if !seen.insert(oid) || self.disk.exists(oid) {
            return Ok(());
        }
        new.push(oid);
        let object = self.all.find_object(oid, None).map_err(could_not("find a new object"))?;
        if let Some(commit) = object.as_commit() {
            self.collect_new(commit.tree_id(), seen, new)?;
            for parent in commit.parent_ids() {
                self.collect_new(parent, seen, new)?;
            }
        } else if let Some(tree) = object.as_tree() {
            for entry in tree.iter().filter(|entry| entry.kind() != Some(ObjectType::Commit)) {
                self.collect_new(entry.id(), seen, new)?;
            }
        }
        Ok(())
    }
}

/// New objects that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The domain's form of an id.
pub(crate) fn id_of(oid: Oid) -> ObjectId {
    ObjectId::new(oid.to_string()).expect("libgit2 writes an id as 40 lower-case hexadecimal digits")
}

fn missing(id: &ObjectId, source: git2::Error) -> ObjectsError {
    if source.code() == git2::ErrorCode::NotFound {
        ObjectsError::Missing { id: id.clone() }
    } else {
        ObjectsError::Library { act: "read an object", source }
    }
}
