//! The bytes of a segment: header and records. Pure.

use windlass_domain::child::OutputStream;

/// Version of the spool's format. 1: the first.
pub(super) const SPOOL_FORMAT: u8 = 1;

/// The first bytes of a segment, followed by its version.
pub(super) const MAGIC: [u8; 7] = *b"WLSPOOL";

/// Length of magic and version, in bytes.
pub(super) const HEADER_BYTES: u64 = 8;

/// Length of a record without its payload, in bytes.
pub(super) const FRAME_BYTES: usize = 1 + 4 + 8 + 4;

pub(super) fn header() -> [u8; 8] {
    let mut header = [0; 8];
    header[..7].copy_from_slice(&MAGIC);
    header[7] = SPOOL_FORMAT;
    header
}

/// The largest payload of one record, in bytes.
pub(super) const PAYLOAD_LIMIT: usize = 256 * 1024;

/// A record in its stored form. The payload has 1 to [`PAYLOAD_LIMIT`] bytes.
pub(super) fn encode(stream: OutputStream, at_boot_ms: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES + payload.len());
    bytes.push(match stream {
        OutputStream::Stdout => 1,
        OutputStream::Stderr => 2,
    });
    bytes.extend(
        u32::try_from(payload.len()).expect("a payload is at most PAYLOAD_LIMIT bytes long").to_le_bytes(),
    );
    bytes.extend(at_boot_ms.to_le_bytes());
    let checksum = crc32(crc32(0, &bytes), payload);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A record that was found at the beginning of some bytes.
pub(super) struct Decoded<'a> {
    pub(super) stream: OutputStream,
    pub(super) at_boot_ms: u64,
    pub(super) payload: &'a [u8],
}

impl Decoded<'_> {
    /// Length of the stored form, in bytes.
    pub(super) fn stored_bytes(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// The record at the beginning of `bytes`, or `None` if there is no whole, sound one.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    let (frame, rest) = bytes.split_at_checked(FRAME_BYTES)?;
    let stream = match frame[0] {
        1 => OutputStream::Stdout,
        2 => OutputStream::Stderr,
        _ => return None,
    };
    let length = u32::from_le_bytes(frame[1..5].try_into().ok()?) as usize;
    if length == 0 || length > PAYLOAD_LIMIT {
        return None;
    }
    let payload = rest.get(..length)?;
    let checksum = u32::from_le_bytes(frame[13..17].try_into().ok()?);
    let at_boot_ms = u64::from_le_bytes(frame[5..13].try_into().ok()?);
    (crc32(crc32(0, &frame[..13]), payload) == checksum).then_some(Decoded { stream, at_boot_ms, payload })
}

/// CRC-32 (ISO 3309, reflected), continued from the checksum of what came before; 0 at the beginning.
fn crc32(before: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    !bytes.iter().fold(!before, |register, byte| {
        TABLE[((register ^ u32::from(*byte)) & 0xff) as usize] ^ (register >> 8)
    })
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one_and_may_be_continued() {
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn a_record_comes_back_and_no_shorter_or_changed_one_does() {
        let stored = encode(OutputStream::Stderr, 77, b"hello");
        let found = decode(&stored).unwrap();
        assert_eq!(
            (found.stream, found.at_boot_ms, found.payload),
            (OutputStream::Stderr, 77, b"hello".as_slice())
        );
        assert_eq!(found.stored_bytes(), stored.len());
        for shorter in 0..stored.len() {
            assert!(decode(&stored[..shorter]).is_none(), "{shorter} bytes");
        }
        for changed in 0..stored.len() {
            let mut bytes = stored.clone();
            bytes[changed] ^= 0x10;
            assert!(decode(&bytes).is_none(), "byte {changed}");
        }
        assert!(decode(&[0; 64]).is_none(), "a hole of zeros is no record");
    }
}
