//! The adapter against real repositories, made by the `git` program in temporary folders.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod diff;
mod open;
mod pick;
mod read;
mod rebase;
mod remove;
mod support;
mod unusual;
mod worktree;
