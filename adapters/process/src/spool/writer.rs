//! The holder's end of the spool.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use windlass_domain::child::OutputStream;

use super::record::{self, HEADER_BYTES};
use super::{SpoolCursor, segment_name};

/// Appends records. Output is on disk when [`SpoolWriter::finish`] has returned, and before that when the kernel likes.
pub(crate) struct SpoolWriter {
    dir: PathBuf,
    segment_bytes: u64,
    file: File,
    end: SpoolCursor,
}

impl SpoolWriter {
    /// Creates the first segment in `dir`. A segment takes no further record past `segment_bytes`.
    pub(crate) fn create(dir: &Path, segment_bytes: u64) -> io::Result<Self> {
        let file = new_segment(dir, 1)?;
        let end = SpoolCursor { segment: 1, offset: HEADER_BYTES };
        Ok(Self { dir: dir.to_path_buf(), segment_bytes, file, end })
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> SpoolCursor {
        self.end
    }

    /// Appends what was read from one stream.
    pub(crate) fn append(&mut self, stream: OutputStream, at_boot_ms: u64, bytes: &[u8]) -> io::Result<()> {
        for payload in bytes.chunks(record::PAYLOAD_LIMIT) {
            let stored = record::encode(stream, at_boot_ms, payload);
            if self.end.offset > HEADER_BYTES && self.end.offset + stored.len() as u64 > self.segment_bytes {
                self.rotate()?;
            }
            // At the counted offset and not at the file's end: should the file have been cut, the gap stays visible.
            self.file.write_all_at(&stored, self.end.offset)?;
            self.end.offset += stored.len() as u64;
        }
        Ok(())
    }

    /// Puts everything on disk, except for the folder's entries.
    pub(crate) fn finish(self) -> io::Result<SpoolCursor> {
        self.file.sync_all()?;
        Ok(self.end)
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let segment = self.end.segment + 1;
        self.file = new_segment(&self.dir, segment)?;
        self.end = SpoolCursor { segment, offset: HEADER_BYTES };
        Ok(())
    }
}

fn new_segment(dir: &Path, segment: u32) -> io::Result<File> {
    let path = dir.join(segment_name(segment));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all_at(&record::header(), 0)?;
    Ok(file)
}
