//! The hands for git: reading, comparing, picking and carrying changes, and the worktrees that bots write in.
//!
//! libgit2 works on objects in memory (diffs, hunks, merges) and answers plain questions about names; the `git` program
//! does everything else with names, files and configuration (references, checkouts, commits). It is not a git client: it never talks to a remote, never
//! merges into a branch of the user's, and knows nothing of runs or items beyond their ids in a branch's name.
//!
//! **Invariants:** the user's working tree, index, HEAD, branches, stashes and configuration are never written; no
//! hook runs; nothing asks a question; every change to a worktree or a branch demands a [`windlass_policy::Permit`].
//! All functions block: call them where that is allowed.

mod branch;
mod commit;
mod names;
mod objects;
mod patch;
mod program;
mod read;
mod rebase;
mod repository;
mod worktree;

pub use branch::{BotBranch, NotABotBranch};
pub use commit::{BOT_ADDRESS, BOT_NAME, NewCommit, Signature};
pub use objects::ObjectsError;
pub use patch::{DiffError, MAX_FILE_BYTES, MAX_PATCH_BYTES, NotAPatch, PickError, Selection};
pub use program::{GitError, check_program};
pub use read::{DefaultBranch, Head, LogEntry, Look, ReadError, TrackedFile};
pub use rebase::{MAX_REBASED_COMMITS, RebaseError};
pub use repository::{OpenError, Repository};
pub use worktree::{
    CommitError, CreateError, DeleteBranchError, MoveError, RemoveError, Worktree, WorktreeError,
    WorktreeSpec,
};
