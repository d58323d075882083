//! What goes on inside, on standard error, for whoever asks with `-v` or `WINDLASS_LOG`.

use tracing_subscriber::EnvFilter;

/// The variable that holds a filter in the syntax of tracing-subscriber, for instance `windlass=debug`.
const FILTER_VARIABLE: &str = "WINDLASS_LOG";

/// Starts telling, when asked to: `-v` is info, `-vv` debug, `-vvv` everything.
pub(crate) fn start(verbose: u8) {
    let named = std::env::var(FILTER_VARIABLE).ok();
    let filter = match (named, verbose) {
        (Some(filter), _) => EnvFilter::new(filter),
        (None, 0) => return,
        (None, 1) => EnvFilter::new("warn,windlass=info"),
        (None, 2) => EnvFilter::new("info,windlass=debug"),
        (None, _) => EnvFilter::new("trace"),
    };
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color).init();
}
