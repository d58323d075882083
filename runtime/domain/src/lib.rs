//! What a run and a work item are: their ids, states, commands and events, and the two pure functions
//! that hold every rule about them, `decide` and `apply`.
//!
//! It is not a place for effects. **Invariant:** nothing in this crate starts a process, opens a socket
//! or a file, reads the clock, draws a random number, or names tokio. Times and ids are arguments.
//!
//! Everything stored derives two encodings: bincode (natively, never through serde) for the capsule, and
//! serde for the JSON that callers see and that hashes are computed over.

pub mod admission;
pub mod artifact;
pub mod capture;
pub mod child;
pub mod diff;
pub mod digest;
pub mod event;
pub mod id;
pub mod item;
pub mod maieutic;
pub mod projection;
pub mod run;
pub mod time;
pub mod tool_call;
pub mod workspace;
