//! What callers may ask and what they get: requests, replies, documents, errors, exit codes, and [`Control`], the one trait
//! that every surface calls, so that an operation means the same on all of them.
//!
//! It is not a place for rules: those are in `domain` and `policy`.

pub mod control;
pub mod document;
pub mod error;
pub mod request;
pub mod schema;
pub mod view;

pub use control::{Control, EventStream};
pub use error::{ErrorBody, ErrorCode, ExitCode, Fault};
