//! The pure parts of the review, from outside: real tool output, diffs as data, whole reports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

#[path = "review/change.rs"]
mod change;
#[path = "review/checks.rs"]
mod checks;
#[path = "review/compare.rs"]
mod compare;
#[path = "review/looks.rs"]
mod looks;
#[path = "review/parse.rs"]
mod parse;
#[path = "review/report.rs"]
mod report;
