//! The spool: a child's raw output in capped segments, written by its holder and read by the service from a cursor.
//!
//! It is not a record: it is private (mode 0600), each segment is deleted once the reader's cursor has passed it, and a
//! power cut may cost its unsynced end. The reader says so as data, [`LostTail`].
//!
//! **Invariant:** the bytes up to a cursor never change once a reader has been told of them.
//!
//! A segment `out.NNNNNN` is the magic `WLSPOOL` and one byte of version, then records: stream (1 or 2), length and boot
//! clock in milliseconds (both little-endian, 4 and 8 bytes), CRC-32 of the record without this field (4 bytes),
//! payload.

mod reader;
mod record;
mod writer;

use serde::{Deserialize, Serialize};
use windlass_domain::child::OutputStream;

#[cfg(feature = "fuzzing")]
pub(crate) use reader::parse as segment;
pub use reader::{Reach, Spool, SpoolError};
pub(crate) use writer::SpoolWriter;

/// A segment takes no further record past this size, in bytes: small enough that a reader holds one in memory.
pub(crate) const SEGMENT_BYTES: u64 = 1024 * 1024;

/// A place between two records of a spool. The default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpoolCursor {
    /// The segment's number, from 1.
    pub segment: u32,
    /// The offset in the segment's file, in bytes.
    pub offset: u64,
}

impl Default for SpoolCursor {
    fn default() -> Self {
        Self { segment: 1, offset: 0 }
    }
}

/// One piece of output, as it came out of the pipe: neither whole lines nor whole characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRecord {
    /// Where it was printed.
    pub stream: OutputStream,
    /// When the holder read it, in milliseconds of the boot clock.
    pub at_boot_ms: u64,
    /// What was printed; never empty.
    pub bytes: Vec<u8>,
    /// The cursor behind it.
    pub after: SpoolCursor,
}

/// Output from a cursor on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBatch {
    /// The records, in the order in which they were read from the pipes.
    pub records: Vec<OutputRecord>,
    /// A loss behind the last record.
    pub lost_tail: Option<LostTail>,
    /// Where to go on: commit it together with what was derived from the records and with the loss.
    pub next: SpoolCursor,
}

/// Output that the spool once held, or should hold, and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTail {
    /// The segment's number.
    pub segment: u32,
    /// How far the segment should reach, in bytes.
    pub expected_bytes: u64,
    /// How far it is there and sound, in bytes.
    pub found_bytes: u64,
}

fn segment_name(segment: u32) -> String {
    format!("out.{segment:06}")
}

fn segment_number(name: &str) -> Option<u32> {
    name.strip_prefix("out.").and_then(|digits| digits.parse().ok())
}
