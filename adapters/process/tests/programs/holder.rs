//! `windlass-process-test-holder DIR`: the holder as a process of its own.
//!
//! The tests start it where the product starts `windlass holder DIR`. It is a binary, so that cargo builds it for
//! every integration test and names its path, and so that a holder in a test is as single-threaded and as killable as
//! a real one.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1).map(PathBuf::from) {
        Some(dir) => windlass_process::holder::run(&dir).into(),
        None => ExitCode::from(64),
    }
}
