//! A report as a text for people and as SARIF for machines.

mod markdown;
mod sarif;

pub use markdown::markdown;
pub(crate) use markdown::{code, plain};
pub use sarif::sarif;
