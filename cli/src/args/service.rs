//! `windlass service …`

use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Run the service in this process; systemd or the bus does this for you
    Run(ServiceArgs),
    /// Show the service and what goes on in it
    Status,
}

/// `windlass service run`
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Leave after this many seconds without runs, calls and subscribers; the bus brings it back
    #[arg(long, value_name = "SECONDS")]
    pub(crate) leave_after: Option<u64>,
    /// Filled in from the global flag of this name
    #[arg(skip)]
    pub(crate) verbose: u8,
}
