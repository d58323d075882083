//! A report as a text for people and as SARIF for machines.

mod markdown;
mod sarif;

pub use markdown::markdown;
pub use sarif::sarif;
