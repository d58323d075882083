//! The door on a real bus: whether it is there, and what goes through it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod presence;
mod runs;
mod support;
