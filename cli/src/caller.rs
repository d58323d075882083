//! Who types.

use jiff::Timestamp as Clock;
use windlass_contract::request::Caller;
use windlass_domain::run::request::Door;
use windlass_domain::time::Timestamp;

/// This user, through this door. The bus service looks the name up by itself and does not trust this one.
pub(crate) fn caller() -> Caller {
    Caller { name: user_name(), door: Door::Cli }
}

/// The name of the user that this process runs as; the number where it has none.
pub(crate) fn user_name() -> String {
    let named = windlass_process::user_name().map(str::to_owned);
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The time on this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(Clock::now().as_millisecond())
}
