//! The envelope around every stored value, and the one codec inside it.
//!
//! `format` (u16), `kind` (u8) and `length` (u32), all big-endian, then `length` bytes of bincode. Nothing is stored
//! without it but keys, index values of fixed width and the bytes of blobs.
//!
//! **Invariant:** a value is accepted only when the envelope's kind is the expected one and the body is used up exactly.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// The newest format that this crate reads and the only one that it writes.
///
/// Changelog:
/// - 1: the first.
///
/// A change of any stored type's encoding raises it, keeps the fixtures of the old one, and adds an upgrade.
pub const FORMAT: u16 = 1;

/// Largest body of a record, in bytes. Decoding refuses longer lengths before it reserves memory for them, and
/// encoding refuses what decoding would refuse. Content of this size belongs into blobs.
pub(crate) const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

const HEADER_BYTES: usize = 7;

/// Varints and little-endian fixed widths; the limit guards against hostile lengths.
const CODEC: Configuration<LittleEndian, Varint, Limit<MAX_RECORD_BYTES>> =
    bincode::config::standard().with_limit::<MAX_RECORD_BYTES>();

/// What an envelope holds. The numbers are stored: they never change and are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Event = 1,
    StreamHead = 2,
    Link = 3,
    CapsuleHead = 4,
    Workspace = 5,
    Item = 6,
    Run = 7,
    Artifact = 8,
    Dedupe = 9,
}

/// A type that is stored in an envelope of its own kind.
pub(crate) trait Stored: Encode + Decode<()> {
    const KIND: Kind;
}

/// Why bytes are not the record that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Too short for its envelope or its length.
    #[error("it is cut short")]
    CutShort,
    /// Written by a newer version.
    #[error("it has format {found}; this version reads up to {FORMAT}")]
    Newer {
        /// Its format.
        found: u16,
    },
    /// A format that never existed.
    #[error("format {found} does not exist")]
    NoSuchFormat {
        /// What stands there.
        found: u16,
    },
    /// Another kind of record.
    #[error("it is a record of kind {found}, not {expected}")]
    OtherKind {
        /// What stands there.
        found: u8,
        /// What belongs there.
        expected: u8,
    },
    /// The body does not decode.
    #[error("its body cannot be read: {why}")]
    Body {
        /// What the codec said.
        why: String,
    },
    /// Bytes are left over.
    #[error("{left} bytes are left over after it")]
    LeftOver {
        /// How many.
        left: usize,
    },
}

/// A value is too large, or cannot be written at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record of {bytes} bytes is over the limit of {MAX_RECORD_BYTES}; large content belongs into a blob"
)]
pub(crate) struct TooLarge {
    /// Its size.
    pub(crate) bytes: usize,
}

/// The stored bytes of a value.
pub(crate) fn encode<T: Stored>(value: &T) -> Result<Vec<u8>, TooLarge> {
    let mut bytes = Vec::new();
    append(&mut bytes, value)?;
    Ok(bytes)
}

/// Writes the stored bytes of a value behind others.
pub(crate) fn append<T: Stored>(bytes: &mut Vec<u8>, value: &T) -> Result<(), TooLarge> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER_BYTES]);
    let body = bincode::encode_into_std_write(value, bytes, CODEC)
        .expect("a vector takes any number of bytes, and no stored type refuses to be encoded");
    let length =
        u32::try_from(body).ok().filter(|_| body <= MAX_RECORD_BYTES).ok_or(TooLarge { bytes: body })?;
    let header = &mut bytes[start..start + HEADER_BYTES];
    header[..2].copy_from_slice(&FORMAT.to_be_bytes());
    header[2] = T::KIND as u8;
    header[3..].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The value that these stored bytes hold.
pub(crate) fn decode<T: Stored>(bytes: &[u8]) -> Result<T, BadRecord> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES).ok_or(BadRecord::CutShort)?;
    let format = u16::from_be_bytes([header[0], header[1]]);
    match format {
        FORMAT => {}
        found if found > FORMAT => return Err(BadRecord::Newer { found }),
        found => return Err(BadRecord::NoSuchFormat { found }),
    }
    if header[2] != T::KIND as u8 {
        return Err(BadRecord::OtherKind { found: header[2], expected: T::KIND as u8 });
    }
    let length = u32::from_be_bytes([header[3], header[4], header[5], header[6]]) as usize;
    match body.len().checked_sub(length) {
        None => return Err(BadRecord::CutShort),
        Some(0) => {}
        Some(left) => return Err(BadRecord::LeftOver { left }),
    }
    let (value, used) = bincode::decode_from_slice(body, CODEC)
        .map_err(|error: bincode::error::DecodeError| BadRecord::Body { why: error.to_string() })?;
    if used == length { Ok(value) } else { Err(BadRecord::LeftOver { left: length - used }) }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod samples;
