//! May it? Policy as layered data, its judgement of one ask, and the permits that only a judgement makes. Pure.
//!
//! **Invariant:** nothing here performs what it judges, and no [`Permit`] exists that [`judge`] did not make.

mod permit;

pub use permit::{Permit, RunTool, WriteWorktree};
