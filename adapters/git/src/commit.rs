//! Making commits that stand on no branch yet.

use windlass_domain::diff::ObjectId;
use windlass_domain::time::Timestamp;

use crate::program::{GitError, Place};
use crate::repository::{Repository, object_id};

/// The name that the runtime commits under.
pub const BOT_NAME: &str = "Windlass";

/// The address that the runtime commits under.
pub const BOT_ADDRESS: &str = "windlass@localhost";

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Their name. Git drops line feeds and angle brackets from it.
    pub name: String,
    /// Their address.
    pub address: String,
}

impl Signature {
    /// The runtime's own.
    #[must_use]
    pub fn bot() -> Self {
        Self { name: BOT_NAME.to_owned(), address: BOT_ADDRESS.to_owned() }
    }
}

/// A commit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: &'a ObjectId,
    /// Its parents; none for a first commit.
    pub parents: &'a [&'a ObjectId],
    /// Its message. It is stored as it is, but that it ends with a line feed.
    pub message: &'a str,
    /// Its author; the committer is always the runtime.
    pub author: &'a Signature,
    /// When it was made, for author and committer, to the second. A parameter, so that a step done again after a
    /// crash makes the same commit.
    pub at: Timestamp,
}

impl Repository {
    /// Makes a commit object. No branch and no checkout is touched, no hook runs, nothing is signed.
    ///
    /// # Errors
    /// The tree or a parent is not here, or the program failed.
    pub fn commit_tree(&self, commit: &NewCommit<'_>) -> Result<ObjectId, GitError> {
        commit_tree(&self.place(), commit)
    }
}

pub(crate) fn commit_tree(place: &Place, commit: &NewCommit<'_>) -> Result<ObjectId, GitError> {
    let when = format!("@{} +0000", commit.at.as_millis().div_euclid(1_000));
    let mut call = place.git("commit-tree").arg("--no-gpg-sign").arg(commit.tree.as_str());
    for parent in commit.parents {
        call = call.args(["-p", parent.as_str()]);
    }
    let mut message = commit.message.as_bytes().to_vec();
    if message.last() != Some(&b'\n') {
        message.push(b'\n');
    }
    let stdout = call
        .variable("GIT_AUTHOR_NAME", &commit.author.name)
        .variable("GIT_AUTHOR_EMAIL", &commit.author.address)
        .variable("GIT_AUTHOR_DATE", &when)
        .variable("GIT_COMMITTER_DATE", &when)
        .input(message)
        .run()?;
    object_id("commit-tree", &stdout)
}
