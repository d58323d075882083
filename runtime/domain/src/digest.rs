//! SHA-256 digests and the one JSON form that is hashed.

use std::fmt;
use std::str::FromStr;

use bincode::{BorrowDecode, Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; 64 lower-case hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, JsonSchema)]
#[schemars(with = "String")]
pub struct Digest([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest of 64 hexadecimal digits")]
pub struct BadDigest {
    text: String,
}

impl Digest {
    /// What precedes the first event of a stream.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several pieces, as if they were one.
    #[must_use]
    pub fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for piece in pieces {
            hasher.update(piece);
        }
        Self(hasher.finalize().into())
    }

    /// The digest of a value's canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// The value does not serialize to JSON; see [`canonical_json`].
    pub fn of_json(value: &impl Serialize) -> Result<Self, NotJson> {
        canonical_json(value).map(|text| Self::of(text.as_bytes()))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A digest of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces, as if they were one.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A digest's text, on the stack.
struct HexText([u8; 64]);

impl HexText {
    fn of(digest: &Digest) -> Self {
        let mut text = [0_u8; 64];
        hex::encode_to_slice(digest.0, &mut text).expect("32 bytes have 64 hexadecimal digits");
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HexText::of(self).as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| BadDigest { text: text.escape_debug().to_string() })?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HexText::of(self).as_str())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value that has no canonical JSON: a map with keys that are no strings, or a number that JSON cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("the value has no canonical JSON form")]
pub struct NotJson(#[source] serde_json::Error);

/// The canonical JSON text of a value, as RFC 8785 defines it.
///
/// # Errors
/// [`NotJson`] for what JSON cannot express.
pub fn canonical_json(value: &impl Serialize) -> Result<String, NotJson> {
    serde_json_canonicalizer::to_string(value).map_err(NotJson)
}

/// A JSON value, held as its canonical text so that it can be stored and hashed without another pass.
///
/// It serializes as the value, not as a string.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Json(String);

impl<Context> Decode<Context> for Json {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let text = String::decode(decoder)?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(bincode::error::DecodeError::Other("a text that is no JSON")),
        }
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for Json {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}

impl Json {
    /// The value of anything that serializes.
    ///
    /// # Errors
    /// [`NotJson`] for what JSON cannot express.
    pub fn of(value: &impl Serialize) -> Result<Self, NotJson> {
        canonical_json(value).map(Self)
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".to_owned())
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// The value has another shape than `T`.
    pub fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of the canonical text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(CANONICAL_TEXT, &Canonical(&self.0))
    }
}

/// The name under which a [`Json`] serializes its inside. A serializer that writes canonical JSON may take the text as it is
/// when it meets this name: it passes a serializer that is not human-readable and gets the text as one string.
pub const CANONICAL_TEXT: &str = "$windlass::canonical_text";

/// The inside of a [`Json`]: the value, or its canonical text for a serializer that asks for it.
struct Canonical<'a>(&'a str);

impl Serialize for Canonical<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_str(self.0);
        }
        serde_json::from_str::<serde_json::Value>(self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&serde_json::Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnyJson".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::from(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_sorts_keys_and_drops_spaces() {
        let value: serde_json::Value = serde_json::from_str(r#"{"b": 1.0, "a": "ä"}"#).unwrap();
        assert_eq!(canonical_json(&value).unwrap(), r#"{"a":"ä","b":1}"#);
    }

    #[test]
    fn a_digest_is_read_back_from_its_text() {
        let digest = Digest::of(b"windlass");
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!("12".parse::<Digest>().is_err());
    }
}
