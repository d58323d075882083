//! Carrying a bot's commits onto a target that moved, in memory.
//!
//! Each commit becomes a three-way merge of trees: its parent, what has been carried so far, and itself. No checkout
//! takes part and no branch moves. Merge drivers and `merge` attributes of the repository have no say; where they
//! would have settled something there is a conflict, which a person sees.

use git2::ObjectType;
use windlass_domain::diff::{Conflict, ConflictKind, ObjectId, Rebase};

use crate::objects::{KeepError, Objects, ObjectsError, could_not, id_of};
use crate::patch::shown_path;
use crate::program::{GitError, unexpected};
use crate::repository::Repository;

/// Most commits that are carried; a bot makes a handful.
pub const MAX_REBASED_COMMITS: usize = 10_000;

/// Why a change could not be tried on its target.
#[derive(Debug, thiserror::Error)]
pub enum RebaseError {
    /// The change does not begin where it is said to.
    #[error("{base} is not an ancestor of {head}; the bot branch was changed by something else")]
    NotBehind {
        /// Where the change should begin.
        base: ObjectId,
        /// Where it ends.
        head: ObjectId,
    },
    /// A merge cannot be carried as one change.
    #[error("commit {commit} is a merge, and only a plain series of commits can be carried onto a target")]
    Merge {
        /// The merge.
        commit: ObjectId,
    },
    /// Too many commits.
    #[error("there are {count} commits to carry, more than {MAX_REBASED_COMMITS}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The object database failed.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The program failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl From<KeepError> for RebaseError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Objects(error) => Self::Objects(error),
            KeepError::Git(error) => Self::Git(error),
        }
    }
}

impl Repository {
    /// Carries the commits after `base` up to `head` onto `onto`.
    ///
    /// [`Rebase::NotNeeded`] where `head` already has `onto` behind it. Clean: the new commits keep message, author,
    /// committer and times, so doing it again gives the same ids; commits whose change the target already has are
    /// left out. Conflict: nothing is kept, and the list has every file that stands in the way of the change as a
    /// whole or of the commit that could not be carried.
    ///
    /// # Errors
    /// The commits are no plain series, or an object is not here.
    pub fn rebase(&self, base: &ObjectId, head: &ObjectId, onto: &ObjectId) -> Result<Rebase, RebaseError> {
        if !self.is_ancestor(base, head)? {
            return Err(RebaseError::NotBehind { base: base.clone(), head: head.clone() });
        }
        if self.is_ancestor(onto, head)? {
            return Ok(Rebase::NotNeeded);
        }
        let commits = self.commits_between(base, head)?;
        let objects = self.objects()?;
        let mut carried = onto.clone();
        for commit in &commits {
            match carry(&objects, commit, &carried)? {
                Ok(next) => carried = next,
                Err(mut conflicts) => {
                    let whole = merge(&objects, base, onto, head)?;
                    conflicts.extend(conflicts_of(&whole)?);
                    return Ok(Rebase::Conflict { target: onto.clone(), conflicts: sorted(conflicts) });
                }
            }
        }
        objects.keep(&self.place(), objects.oid(&carried)?)?;
        Ok(Rebase::Clean { target: onto.clone(), head: carried })
    }

    /// Whether a commit is what [`Self::rebase`] makes of the commits after `base` up to `head` on some target, with at least
    /// one of them left.
    ///
    /// # Errors
    /// Those of [`Self::rebase`].
    pub fn is_carried(
        &self,
        base: &ObjectId,
        head: &ObjectId,
        found: &ObjectId,
    ) -> Result<bool, RebaseError> {
        let objects = self.objects()?;
        let mut target = found.clone();
        // The target is as many commits behind as were carried: fewer than there are where it had some of the changes already.
        for _ in self.commits_between(base, head)? {
            let Some(parent) = objects.commit(&target)?.parent_ids().next() else { break };
            target = id_of(parent);
            let carried = self.rebase(base, head, &target)?;
            if matches!(&carried, Rebase::Clean { head, .. } if head == found) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commits after `base` up to `head`, oldest first.
    fn commits_between(&self, base: &ObjectId, head: &ObjectId) -> Result<Vec<ObjectId>, RebaseError> {
        let place = self.place();
        let range = format!("{base}..{head}");
        let listed = place.git("rev-list").args(["--reverse", "--topo-order", "--parents", &range]).line()?;
        let mut commits = Vec::new();
        for line in listed.lines() {
            let mut ids = line.split(' ').map(ObjectId::new);
            let commit =
                ids.next().and_then(Result::ok).ok_or_else(|| unexpected("rev-list", line.as_bytes()))?;
            if ids.count() != 1 {
                return Err(RebaseError::Merge { commit });
            }
            commits.push(commit);
        }
        if commits.len() > MAX_REBASED_COMMITS {
            return Err(RebaseError::TooMany { count: commits.len() });
        }
        Ok(commits)
    }
}

/// One commit on top of `onto`: the new commit (or `onto` itself where nothing is left of it), or its conflicts.
fn carry(
    objects: &Objects,
    commit: &ObjectId,
    onto: &ObjectId,
) -> Result<Result<ObjectId, Vec<Conflict>>, ObjectsError> {
    let parent = objects.commit(commit)?.parent_id(0).map_err(could_not("find a commit's parent"))?;
    let mut merged = merge(objects, &id_of(parent), onto, commit)?;
    if merged.has_conflicts() {
        return Ok(Err(conflicts_of(&merged)?));
    }
    let tree = merged.write_tree_to(&objects.all).map_err(could_not("build a tree"))?;
    if tree == objects.tree(onto)?.id() {
        return Ok(Ok(onto.clone()));
    }
    let database = objects.all.odb().map_err(could_not("be opened"))?;
    let old = database.read(objects.oid(commit)?).map_err(could_not("read a commit"))?;
    let new = recommit(old.data(), &id_of(tree), onto);
    Ok(Ok(id_of(objects.make(ObjectType::Commit, &new)?)))
}

/// The commit's own text with another tree and parent. Signatures over the old text are dropped; what else stands
/// in it (author, committer, encoding, message) stays byte for byte.
fn recommit(old: &[u8], tree: &ObjectId, parent: &ObjectId) -> Vec<u8> {
    let mut new = format!("tree {tree}\nparent {parent}\n").into_bytes();
    let mut rest = old;
    let mut dropping = false;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if line == b"\n" {
            break;
        }
        let name = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        // A line that begins with a space goes on with the field before it.
        if !name.is_empty() {
            dropping = matches!(name, b"tree" | b"parent" | b"gpgsig" | b"gpgsig-sha256" | b"mergetag");
        }
        if !dropping {
            new.extend_from_slice(line);
        }
        rest = after;
    }
    new.extend_from_slice(rest);
    new
}

fn merge(
    objects: &Objects,
    base: &ObjectId,
    target: &ObjectId,
    bot: &ObjectId,
) -> Result<git2::Index, ObjectsError> {
    let mut options = git2::MergeOptions::new();
    options.find_renames(true).fail_on_conflict(false).skip_reuc(true);
    objects
        .all
        .merge_trees(&objects.tree(base)?, &objects.tree(target)?, &objects.tree(bot)?, Some(&options))
        .map_err(could_not("merge trees"))
}

fn conflicts_of(merged: &git2::Index) -> Result<Vec<Conflict>, ObjectsError> {
    let mut conflicts = Vec::new();
    for conflict in merged.conflicts().map_err(could_not("list conflicts"))? {
        let conflict = conflict.map_err(could_not("list conflicts"))?;
        let kind = match (&conflict.ancestor, &conflict.our, &conflict.their) {
            (Some(_), None, Some(_)) => ConflictKind::DeletedInTarget,
            (Some(_), Some(_), None) => ConflictKind::DeletedByBot,
            // Both renamed it, to different names, or both changed it.
            (Some(_), _, _) => ConflictKind::BothModified,
            // Both added it, or one added a file where the other has a folder, or renamed another file to it.
            (None, _, _) => ConflictKind::BothAdded,
        };
        let entry = conflict.our.as_ref().or(conflict.their.as_ref()).or(conflict.ancestor.as_ref());
        if let Some(entry) = entry {
            conflicts.push(Conflict { path: shown_path(&entry.path), kind });
        }
    }
    Ok(conflicts)
}

fn sorted(mut conflicts: Vec<Conflict>) -> Vec<Conflict> {
    conflicts.sort_by(|one, two| one.path.cmp(&two.path));
    conflicts.dedup_by(|later, earlier| later.path == earlier.path);
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carried_commit_keeps_its_text_and_loses_its_signature() {
        let old = b"tree aaaa\nparent bbbb\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 +0100\n\
            gpgsig -----BEGIN\n more\n  \n -----END\nencoding ISO-8859-1\n\nsubject \xe4\n\nbody\n";
        let tree = ObjectId::new("1".repeat(40)).unwrap();
        let parent = ObjectId::new("2".repeat(40)).unwrap();
        let mut expected = format!("tree {tree}\nparent {parent}\n").into_bytes();
        expected.extend_from_slice(
            b"author A <a@b> 1 +0000\ncommitter C <c@d> 2 +0100\nencoding ISO-8859-1\n\nsubject \xe4\n\nbody\n",
        );
        assert_eq!(recommit(old, &tree, &parent), expected);
    }
}
