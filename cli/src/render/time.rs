//! Times for people: ages in tables, local times elsewhere.

use windlass_domain::time::Timestamp;

/// How long ago, in the largest unit that fits: `12s`, `5m`, `3h`, `2d`. A time that is still to come is `0s`.
pub(crate) fn age(time: Timestamp, now: Timestamp) -> String {
    in_words(u64::try_from(now.as_millis().saturating_sub(time.as_millis())).unwrap_or(0))
}

/// A length of time in the largest unit that fits.
pub(crate) fn in_words(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A length of time in hours, minutes and seconds, as flags take it: `1h30m`. Parts of a second are rounded up.
pub(crate) fn exact(millis: u64) -> String {
    let seconds = millis.div_ceil(1000);
    let parts = [(seconds / 3_600, 'h'), (seconds % 3_600 / 60, 'm'), (seconds % 60, 's')];
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

/// Date and time in this machine's time zone.
pub(crate) fn local(time: Timestamp) -> String {
    zoned(time, "%Y-%m-%d %H:%M:%S")
}

/// Time of day in this machine's time zone.
pub(crate) fn clock(time: Timestamp) -> String {
    zoned(time, "%H:%M:%S")
}

fn zoned(time: Timestamp, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(time.as_millis()) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string(),
        Err(_) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_time_is_read_back_by_the_flags() {
        for millis in [1_000, 90_000, 5_400_000, 90_061_000] {
            assert_eq!(crate::args::bot::duration_ms(&exact(millis)), Ok(millis));
        }
    }

    #[test]
    fn an_age_has_one_unit() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        let ago = |seconds: i64| age(Timestamp::from_millis(now.as_millis() - seconds * 1000), now);
        assert_eq!(
            [ago(-5), ago(0), ago(59), ago(60), ago(3_599), ago(3_600), ago(86_400 * 40)],
            ["0s", "0s", "59s", "1m", "59m", "1h", "40d"]
        );
    }
}
