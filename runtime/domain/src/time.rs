//! Points in time as values. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use bincode::{BorrowDecode, Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Wall time in milliseconds since 1970-01-01 UTC; RFC 3339 with milliseconds in JSON.
///
/// It serves display and expiry only. Order is by cursor, and durations come from the boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, JsonSchema)]
#[schemars(with = "String")]
pub struct Timestamp(i64);

impl<Context> Decode<Context> for Timestamp {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let millis = i64::decode(decoder)?;
        if Self::RANGE.contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(bincode::error::DecodeError::Other("a time outside the years 0 to 9999"))
        }
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for Timestamp {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}

/// The text is not an RFC 3339 time within years 0 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 time, for instance 2026-11-20T12:00:00Z")]
pub struct BadTimestamp {
    text: String,
}

impl Timestamp {
    /// The earliest and latest times that RFC 3339 can write: years 0 to 9999.
    const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_207_200_000;

    /// The time this many milliseconds after the epoch, clamped to what RFC 3339 can write.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < *Self::RANGE.start() {
            Self(*Self::RANGE.start())
        } else if millis > *Self::RANGE.end() {
            Self(*Self::RANGE.end())
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = BadTimestamp;
    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self::from_millis(time.as_millisecond()))
            .map_err(|_| BadTimestamp { text: text.escape_debug().to_string() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds_and_read_back() {
        let time = Timestamp::from_millis(1_790_000_000_123);
        assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        assert!(time.to_string().ends_with(".123Z"), "{time}");
    }
}
