//! The service's end of the spool.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::record::{self, HEADER_BYTES, MAGIC, SPOOL_FORMAT};
use super::{LostTail, OutputBatch, OutputRecord, SpoolCursor, segment_name, segment_number};

/// Why a spool cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused an operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A segment of a newer version than this program knows.
    #[error(
        "{path} has format {found}, this program knows up to {known}; use the newer windlass that wrote it"
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The newest that is known here.
        known: u8,
    },
}

/// How far a spool may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Up to what a living holder has said; it goes on writing behind that.
    Growing(SpoolCursor),
    /// Up to the end that the exit record names.
    Final(SpoolCursor),
    /// Whatever is there: the holder died and left no word about the end.
    Everything,
}

/// Reads the spool of one hold.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// The spool in the folder of a hold.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// Output from `from` on: the rest of its segment, or of the next one that has some. `None` when all within reach
    /// has been read. Blocks for one small read.
    ///
    /// # Errors
    /// [`SpoolError`]; a damaged or shortened spool is no error but a [`LostTail`].
    pub fn read(&self, from: SpoolCursor, reach: Reach) -> Result<Option<OutputBatch>, SpoolError> {
        let (end, grows) = match reach {
            Reach::Growing(end) => (end, true),
            Reach::Final(end) => (end, false),
            Reach::Everything => (self.end_on_disk()?, false),
        };
        let mut at = from;
        loop {
            let nothing_to_expect = at.offset == 0 && at.segment > end.segment;
            if at == end || nothing_to_expect {
                return Ok(None);
            }
            let batch = if at > end { beyond(at, end) } else { self.read_segment(at, end, grows)? };
            if !batch.records.is_empty() || batch.lost_tail.is_some() {
                return Ok(Some(batch));
            }
            at = batch.next;
        }
    }

    /// Deletes the segments that lie wholly before `cursor`. Call it once the cursor is committed.
    ///
    /// # Errors
    /// [`SpoolError::Io`] names the segment.
    pub fn discard_through(&self, cursor: SpoolCursor) -> Result<(), SpoolError> {
        let entries = fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))?;
        for entry in entries {
            let entry = entry.map_err(io_error("list", &self.dir))?;
            let number = entry.file_name().to_str().and_then(segment_number);
            if number.is_some_and(|number| number < cursor.segment) {
                fs::remove_file(entry.path()).map_err(io_error("delete", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Reads one segment from `at` on; `at` lies before `end`.
    fn read_segment(
        &self,
        at: SpoolCursor,
        end: SpoolCursor,
        grows: bool,
    ) -> Result<OutputBatch, SpoolError> {
        let is_last = at.segment == end.segment;
        let next_segment = SpoolCursor { segment: at.segment + 1, offset: 0 };
        let lost = |records, expected_bytes: u64, found_bytes| OutputBatch {
            records,
            lost_tail: Some(LostTail { segment: at.segment, expected_bytes, found_bytes }),
            // A living holder goes on behind the gap, in the same segment.
            next: if is_last && grows { end } else { next_segment },
        };
        let Some((length, bytes)) = self.load(at, is_last.then_some(end.offset))? else {
            return Ok(lost(Vec::new(), if is_last { end.offset } else { at.offset }, 0));
        };
        let wanted = if is_last { end.offset } else { length.max(at.offset) };
        if length < at.offset {
            return Ok(lost(Vec::new(), wanted, length));
        }
        let (records, sound_to) = parse(at, &bytes);
        if sound_to < wanted {
            return Ok(lost(records, wanted, sound_to));
        }
        Ok(OutputBatch { records, lost_tail: None, next: if is_last { end } else { next_segment } })
    }

    /// The length of a segment and its bytes from the cursor to `limit`, or to its end. `None` if there is no such
    /// segment; no bytes if it has no header.
    fn load(&self, at: SpoolCursor, limit: Option<u64>) -> Result<Option<(u64, Vec<u8>)>, SpoolError> {
        let path = self.dir.join(segment_name(at.segment));
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let mut header = [0; HEADER_BYTES as usize];
        let has_header = match file.read_exact(&mut header) {
            Ok(()) => header[..7] == MAGIC,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        if has_header && header[7] > SPOOL_FORMAT {
            return Err(SpoolError::Newer { path, found: header[7], known: SPOOL_FORMAT });
        }
        let length = file.metadata().map_err(io_error("look at", &path))?.len();
        let mut bytes = Vec::new();
        if has_header {
            let wanted = limit.unwrap_or(length).saturating_sub(at.offset);
            file.seek(SeekFrom::Start(at.offset))
                .and_then(|_| file.take(wanted).read_to_end(&mut bytes))
                .map_err(io_error("read", &path))?;
        }
        Ok(Some((length, bytes)))
    }

    /// The end of the last segment that is there; the beginning of the first if there is none.
    fn end_on_disk(&self) -> Result<SpoolCursor, SpoolError> {
        let mut end = SpoolCursor::default();
        for entry in fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))? {
            let entry = entry.map_err(io_error("list", &self.dir))?;
            if let Some(segment) = entry.file_name().to_str().and_then(segment_number) {
                let offset = entry.metadata().map_err(io_error("look at", &entry.path()))?.len();
                end = end.max(SpoolCursor { segment, offset });
            }
        }
        Ok(end)
    }
}

/// What is left to say about a cursor behind the end: what it has seen is not there any more.
fn beyond(at: SpoolCursor, end: SpoolCursor) -> OutputBatch {
    let found_bytes = if at.segment == end.segment { end.offset } else { 0 };
    OutputBatch {
        records: Vec::new(),
        lost_tail: Some(LostTail { segment: at.segment, expected_bytes: at.offset, found_bytes }),
        next: SpoolCursor { segment: at.segment + 1, offset: 0 },
    }
}

/// The whole records in `bytes`, which begin at `at`, and the offset up to which they are sound.
pub(crate) fn parse(at: SpoolCursor, bytes: &[u8]) -> (Vec<OutputRecord>, u64) {
    let mut offset = at.offset;
    let mut rest = bytes;
    if offset == 0 && rest.len() >= HEADER_BYTES as usize {
        offset = HEADER_BYTES;
        rest = &rest[HEADER_BYTES as usize..];
    }
    let mut records = Vec::new();
    while let Some(found) = record::decode(rest) {
        rest = &rest[found.stored_bytes()..];
        offset += found.stored_bytes() as u64;
        records.push(OutputRecord {
            stream: found.stream,
            at_boot_ms: found.at_boot_ms,
            bytes: found.payload.to_vec(),
            after: SpoolCursor { segment: at.segment, offset },
        });
    }
    (records, offset)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_path_buf();
    move |source| SpoolError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use windlass_domain::child::OutputStream;

    use super::super::SpoolWriter;
    use super::*;

    /// Twelve records in small segments, and where the spool ends.
    fn written(dir: &Path) -> SpoolCursor {
        let mut writer = SpoolWriter::create(dir, 100).unwrap();
        for number in 0..12_u64 {
            let stream = if number % 3 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
            writer.append(stream, number, format!("record {number};").as_bytes()).unwrap();
        }
        let end = writer.finish().unwrap();
        assert!(end.segment > 3, "the records fill several segments: {end:?}");
        end
    }

    fn read_all(spool: &Spool, from: SpoolCursor, reach: Reach) -> (Vec<u64>, Vec<LostTail>, SpoolCursor) {
        let (mut times, mut lost, mut at) = (Vec::new(), Vec::new(), from);
        while let Some(batch) = spool.read(at, reach).unwrap() {
            times.extend(batch.records.iter().map(|record| record.at_boot_ms));
            lost.extend(batch.lost_tail);
            assert_ne!(batch.next, at, "a read goes on");
            at = batch.next;
        }
        (times, lost, at)
    }

    #[test]
    fn a_reader_restarted_behind_any_record_sees_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let end = written(dir.path());
        let spool = Spool::new(dir.path());
        for reach in [Reach::Growing(end), Reach::Final(end), Reach::Everything] {
            let mut at = SpoolCursor::default();
            let mut seen = Vec::new();
            while let Some(batch) = spool.read(at, reach).unwrap() {
                seen.push(batch.records[0].at_boot_ms);
                at = batch.records[0].after;
                assert_eq!(batch.lost_tail, None);
            }
            assert_eq!(seen, (0..12).collect::<Vec<_>>(), "{reach:?}");
        }
    }

    #[test]
    fn every_end_that_a_holder_can_have_announced_is_read_exactly_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::create(dir.path(), 100).unwrap();
        let mut ends = vec![writer.end()];
        for number in 0..12_u64 {
            writer.append(OutputStream::Stdout, number, b"0123456789").unwrap();
            ends.push(writer.end());
        }
        let spool = Spool::new(dir.path());
        for (count, end) in ends.into_iter().enumerate() {
            let (times, lost, at) = read_all(&spool, SpoolCursor::default(), Reach::Growing(end));
            assert_eq!(times, (0..count as u64).collect::<Vec<_>>());
            assert!(lost.is_empty());
            assert!(at <= end);
        }
    }

    #[test]
    fn segments_before_the_cursor_are_deleted_and_not_missed() {
        let dir = tempfile::tempdir().unwrap();
        let end = written(dir.path());
        let spool = Spool::new(dir.path());
        let first = spool.read(SpoolCursor::default(), Reach::Final(end)).unwrap().unwrap();
        let second = spool.read(first.next, Reach::Final(end)).unwrap().unwrap();
        let at = second.records[0].after;
        spool.discard_through(at).unwrap();
        assert!(!dir.path().join("out.000001").exists());
        assert!(dir.path().join(segment_name(at.segment)).exists());
        let (times, lost, _) = read_all(&spool, at, Reach::Final(end));
        assert_eq!(times.first(), Some(&(second.records[0].at_boot_ms + 1)));
        assert_eq!(times.last(), Some(&11));
        assert!(lost.is_empty());
    }

    #[test]
    fn a_spool_cut_at_any_byte_gives_its_whole_records_and_says_what_is_lost() {
        for cut_from_end in 1..60 {
            let dir = tempfile::tempdir().unwrap();
            let end = written(dir.path());
            let last = dir.path().join(segment_name(end.segment));
            let length = end.offset.saturating_sub(cut_from_end);
            fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(length).unwrap();
            let spool = Spool::new(dir.path());
            let (times, lost, at) = read_all(&spool, SpoolCursor::default(), Reach::Final(end));
            assert_eq!(times, (0..times.len() as u64).collect::<Vec<_>>(), "a prefix, cut by {cut_from_end}");
            assert_eq!(lost.len(), 1, "cut by {cut_from_end}");
            assert_eq!((lost[0].segment, lost[0].expected_bytes), (end.segment, end.offset));
            assert!(lost[0].found_bytes <= length);
            assert_eq!(spool.read(at, Reach::Final(end)).unwrap(), None, "the loss is told once");
        }
    }

    #[test]
    fn a_cursor_behind_the_end_is_a_loss_that_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let end = written(dir.path());
        let spool = Spool::new(dir.path());
        let cursor = SpoolCursor { offset: end.offset + 30, ..end };
        for reach in [Reach::Everything, Reach::Final(end)] {
            let (times, lost, _) = read_all(&spool, cursor, reach);
            assert!(times.is_empty());
            let expected =
                LostTail { segment: end.segment, expected_bytes: end.offset + 30, found_bytes: end.offset };
            assert_eq!(lost, [expected]);
        }
    }

    #[test]
    fn a_missing_segment_is_a_loss_and_the_later_ones_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let end = written(dir.path());
        fs::remove_file(dir.path().join("out.000002")).unwrap();
        for reach in [Reach::Everything, Reach::Final(end)] {
            let (times, lost, _) = read_all(&Spool::new(dir.path()), SpoolCursor::default(), reach);
            assert_eq!((times.first(), times.last()), (Some(&0), Some(&11)));
            assert_eq!(lost.iter().map(|lost| lost.segment).collect::<Vec<_>>(), [2]);
        }
    }

    #[test]
    fn a_gap_under_a_living_holder_is_told_and_what_follows_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::create(dir.path(), 10_000).unwrap();
        writer.append(OutputStream::Stdout, 1, b"one").unwrap();
        writer.append(OutputStream::Stdout, 2, b"two").unwrap();
        let gap_end = writer.end();
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("out.000001")).unwrap();
        file.set_len(HEADER_BYTES + 5).unwrap();
        let spool = Spool::new(dir.path());
        let (times, lost, at) = read_all(&spool, SpoolCursor::default(), Reach::Growing(gap_end));
        assert_eq!((times.len(), lost.len(), at), (0, 1, gap_end));
        writer.append(OutputStream::Stdout, 3, b"three").unwrap();
        let (times, lost, _) = read_all(&spool, at, Reach::Growing(writer.end()));
        assert_eq!((times, lost.len()), (vec![3], 0));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let end = written(dir.path());
        let path = dir.path().join("out.000001");
        let mut bytes = fs::read(&path).unwrap();
        bytes[7] = SPOOL_FORMAT + 1;
        fs::write(&path, bytes).unwrap();
        let refused = Spool::new(dir.path()).read(SpoolCursor::default(), Reach::Final(end));
        assert!(matches!(refused, Err(SpoolError::Newer { found: 2, known: 1, .. })), "{refused:?}");
    }
}
