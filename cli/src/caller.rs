//! Who types.

use std::fs;

use jiff::Timestamp as Clock;
use windlass_contract::request::Caller;
use windlass_domain::run::request::Door;
use windlass_domain::time::Timestamp;

/// This user, through this door. The bus service looks the name up by itself and does not trust this one.
pub(crate) fn caller() -> Caller {
    Caller { name: user_name(), door: Door::Cli }
}

/// The name of the user that this process runs as: from the password file, else from the environment, else the number.
pub(crate) fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let named = fs::read_to_string("/etc/passwd").ok().and_then(|text| {
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _, found) = (fields.next()?, fields.next()?, fields.next()?);
            (found == uid).then(|| name.to_owned())
        })
    });
    named.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| format!("uid {uid}"))
}

/// The time on this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(Clock::now().as_millisecond())
}
