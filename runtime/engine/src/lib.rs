//! The procedures of each kind of run, written against [`RunContext`]: ordinary async functions whose every effect is a
//! journaled step, so that a crash anywhere goes on where the record ends.
//!
//! It is not a place for effects: git, child processes and the clock come in through [`ports`].
//! **Invariant:** between steps an engine has no clock, randomness, environment or files; it branches only on its inputs
//! and on step results.

pub mod context;
pub mod drive;
pub mod failpoint;
pub mod journal;
pub mod leave;
pub mod ports;
mod progress;
pub mod replay;
pub mod research;
pub mod review;
pub mod stop;

pub use context::{Recorded, RunContext};
pub use leave::{Asking, Leave, NoLeave, Wish};
pub use stop::Stop;
