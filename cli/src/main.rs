//! The one binary: the command line in front of [`windlass_contract::Control`], the service, and the holder of child
//! processes.
//!
//! A door only translates: no rule about runs, items or policy stands here. **Invariants:** nothing but `item intake` in a
//! terminal asks a question; with `--json` standard output holds one document; every exit code is one of the contract's.

mod answers;
mod args;
mod caller;
mod commands;
mod demo;
mod exit;
mod failure;
mod folders;
mod follow;
mod intake;
mod logs;
mod output;
mod progress;
mod reach;
mod render;
mod resolve;
mod service;
mod session;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match args::usage::read(&arguments) {
        Ok(cli) => commands::run(cli),
        Err(none) => commands::refuse(&arguments, none),
    }
}
