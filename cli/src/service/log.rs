//! The service's log: to the journal where systemd reads it, else to standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that holds a filter in the syntax of tracing-subscriber.
const FILTER_VARIABLE: &str = "WINDLASS_LOG";

/// Starts the log.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn,windlass=info",
        1 => "info,windlass=debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets this for a process whose standard error it reads.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => registry.with(journal).init(),
        None => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init(),
    }
}
