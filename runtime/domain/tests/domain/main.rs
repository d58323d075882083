//! The rules of runs, items and admission from outside: tables of one-line cases, properties of random histories, and
//! what is written is what is read.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test is what they are for")]

mod admission;
mod arbitrary;
mod corrupt;
mod encodings;
mod histories;
mod inherit;
mod item_histories;
mod items;
mod runs;
mod support;
