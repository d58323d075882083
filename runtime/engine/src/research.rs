//! Research: a question is answered with places of the repository. Everything below `research` but its procedure is pure:
//! files and commits come in as data, passages and documents go out as data.
//!
//! The order: [`selection`] says which files are worth reading and why the others are not, [`passages`] cuts them into
//! pieces, [`terms`] makes comparable words of a text, [`search`] ranks the pieces with BM25, [`report`] puts the report
//! together, [`render`] writes it for people. `docs/research.md` describes the scheme with its limits.

pub mod outside;
pub mod passages;
pub mod procedure;
pub mod render;
pub mod report;
pub mod search;
pub mod selection;
pub mod terms;
