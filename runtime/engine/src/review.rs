//! The review of a change. Everything below `review` but its procedure is pure: tool output, diffs and files come in as
//! data, findings and documents go out as data.
//!
//! The order: [`checks`] says which commands to run, [`parse`] reads what they said, [`looks`] judges the diff without
//! any tool, [`compare`] tells new findings from old ones, [`report`] puts the report together, [`render`] writes it for
//! people and for machines. [`preset`] is the table of what each depth does, [`bounds`] what the
//! answers let a change touch.

pub mod bounds;
pub mod checks;
pub mod compare;
pub mod looks;
pub mod parse;
pub mod preset;
pub mod procedure;
pub mod render;
pub mod report;
