//! What packagers and shells want.

pub(crate) mod completions;
pub(crate) mod man;
