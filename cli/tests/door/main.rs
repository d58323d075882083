//! The real binary, run without a service and without a bus: what it prints, where, and with which exit code.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

mod help;
mod intake;
mod items;
mod offline;
mod policy;
mod refusals;
mod run;
mod service;
mod shell;
mod support;
mod unserved;
