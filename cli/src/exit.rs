//! Exit codes as processes give them.

use std::process;

use windlass_contract::ExitCode;

/// The process's exit status.
pub(crate) fn status(code: ExitCode) -> process::ExitCode {
    process::ExitCode::from(code as u8)
}
