//! Typed identifiers. A string becomes an id by being parsed once, at the door; after that it cannot be malformed.

use std::fmt;
use std::str::FromStr;

use bincode::{BorrowDecode, Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest accepted work item id, in bytes. It is part of a store key, and those end at 511 bytes.
pub const MAX_ITEM_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// The text is not a UUID.
    #[error("`{text}` is not a UUID")]
    NotAUuid {
        /// What was given.
        text: String,
    },
    /// The text is empty or too long.
    #[error("an id has 1 to {MAX_ITEM_ID_BYTES} bytes, this one has {len}")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// A character that would be unsafe in a path, a branch name or a terminal.
    #[error(
        "`{id}` has {found:?} at byte {at}; an id is letters, digits, `-`, `_` and inner single `.`, \
         and starts with a letter or digit"
    )]
    Character {
        /// The id with unprintable characters escaped.
        id: String,
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(with = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was made elsewhere; this crate draws none.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The 16 bytes, in network order: sorts by time for version 7.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id with these 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::try_parse(text).map(Self).map_err(|_| BadId::NotAUuid { text: text.escape_debug().to_string() })
            }
        }

        impl Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.as_bytes().encode(encoder)
            }
        }

        impl<Context> Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Ok(Self::from_bytes(Decode::decode(decoder)?))
            }
        }

        impl<'de, Context> BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Decode::decode(decoder)
            }
        }
    };
}

uuid_id!(
    /// One execution of a kind for a work item. A UUID of version 7, so ids sort by submission.
    RunId
);
uuid_id!(
    /// A git repository that Windlass knows.
    WorkspaceId
);
uuid_id!(
    /// One intended start of a child process. It is committed with the step's intent, before any start, and
    /// at most one child ever claims it.
    HoldId
);
uuid_id!(
    /// A question that policy raised and a person answers.
    ApprovalId
);

/// The id of a work item inside its workspace, for instance `SPEC-PM-003` or `T-0001`.
///
/// Safe as a path component and as a part of a branch name by construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Encode, Decode)]
#[serde(transparent)]
pub struct ItemId(String);

impl ItemId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`BadId`] names the first character that does not belong.
    pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_ITEM_ID_BYTES {
            return Err(BadId::Length { len: text.len() });
        }
        let last = text.len() - 1;
        let mut before = '.';
        for (at, found) in text.char_indices() {
            let fits = found.is_ascii_alphanumeric()
                || (at > 0 && matches!(found, '-' | '_'))
                || (found == '.' && at > 0 && at < last && before != '.');
            if !fits {
                return Err(BadId::Character { id: text.escape_debug().to_string(), found, at });
            }
            before = found;
        }
        if text.ends_with(".lock") {
            // git refuses a branch component with this ending.
            return Err(BadId::Character { at: text.len() - 5, found: '.', id: text });
        }
        Ok(Self(text))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ItemId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The number of an attempt. It only rises, and every write of a run carries it: a lower one is refused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    Encode,
    Decode,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of the attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event in its stream, from 1.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    Encode,
    Decode,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The place of an event in the whole capsule, from 1. Order among streams is by cursor, never by time.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    Encode,
    Decode,
)]
#[serde(transparent)]
pub struct Cursor(pub u64);

impl Cursor {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_safe_in_paths_and_branches_are_accepted() {
        for good in ["T-0001", "SPEC-PM-003", "a", "v1.2", "x_y"] {
            assert!(ItemId::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn ids_that_could_escape_a_path_are_refused() {
        for bad in ["", ".", "..", "a/b", "a..b", "a.", "-x", "a b", "ä", "a\u{1b}[0m", "x.lock", "a\0"] {
            assert!(ItemId::new(bad).is_err(), "{bad:?}");
        }
        assert!(ItemId::new("x".repeat(MAX_ITEM_ID_BYTES + 1)).is_err());
    }
}
