//! Answers: read from a file or asked in a terminal. Whether they suffice is not decided here.

pub(crate) mod ask;
pub(crate) mod context;
pub(crate) mod file;
pub(crate) mod form;
