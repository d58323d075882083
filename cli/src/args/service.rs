//! `windlass service …`

use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Run the service in this process; systemd or the bus does this for you
    Run(ServiceArgs),
    /// Let systemd and the bus start the service: at boot or login, and with the first call
    #[command(after_help = "\
Writes two files, windlass.service below $XDG_CONFIG_HOME/systemd/user and the activation file \
below $XDG_DATA_HOME/dbus-1/services, for this program where it is now. Asking again mends what \
differs and touches nothing else; do so after the program was moved or replaced. Runs outlive a \
logout where lingering is on: loginctl enable-linger.

Example:
  windlass service install")]
    Install,
    /// Take back what install did; the record and the runs in it stay
    Uninstall,
    /// Start the service through systemd, and let runs go on that a crash loop has paused
    Start,
    /// Stop the service through systemd; runs go on with its next start
    Stop,
    /// Show the service and what goes on in it
    Status,
    /// Look for what keeps runs from going on, and name the command that mends it
    #[command(after_help = "\
Exit codes: 0 when all is well, 2 when the worst finding is a warning, 3 when it is a problem.")]
    Doctor,
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
