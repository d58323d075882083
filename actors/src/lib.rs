//! The supervision tree: actors that own the capsule's writer, the policy, the queue, the worktrees and the runs, and
//! [`Local`], which implements `Control` in this process on top of them.
//!
//! It is not a place for rules about runs: those are in `domain` and are applied in the writer's transaction. The only crate
//! that names ractor.
//!
//! **Invariant:** there is one path for every crash. A panic in a run, a killed actor, a killed service and a rebooted machine
//! all end in the same call: a `RunActor` starts, reads its run from the capsule, replays the journal and goes on.

mod alarm;
mod attempt;
mod check;
mod clock;
mod control;
mod folders;
mod offline;
mod projections;
mod runtime;
mod shared;
mod store;
mod tree;
mod verification;

pub use check::{Finding, Look, StoreCheck, answer};
pub use control::Local;
pub use folders::Folders;
pub use offline::{restore_capsule, verify_export};
pub use runtime::{CHECKPOINT_EVERY, Config, Recover, Runtime, StartError, read_only, start};
pub use shared::Activity;
