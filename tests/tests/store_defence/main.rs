//! The store is defended: what was damaged behind the service's back is found by a process that may die of it, never by the service or
//! a command; what is sound can be read; a full disk makes results wait.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

mod disk_full;
mod matrix;
mod verification;
mod wreck;
