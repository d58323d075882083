//! The capsule from outside: real folders, real threads, real processes.

#![expect(clippy::unwrap_used, reason = "a failed test is what they are for")]

mod approvals;
mod backup;
mod clock;
mod crash;
mod damage;
mod export;
mod grouping;
mod lints;
mod lists;
mod opening;
mod replay;
mod support;
mod writing;
