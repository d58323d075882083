//! The adapter against real repositories, made by the `git` program in temporary folders.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod advance;
mod commit;
mod diff;
mod open;
mod pick;
mod read;
mod rebase;
mod remove;
mod support;
mod untouched;
mod unusual;
mod worktree;
