//! The container of an export: a tar archive (POSIX ustar) of which only one byte sequence is right for given contents.
//!
//! The reader is stricter than tar: a header is accepted only when it is, byte for byte, the one that the writer would make
//! for its name and size, and nothing may follow the end. So no byte of a file can differ without being noticed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use windlass_domain::digest::{Digest, Digester};

/// Everything in a tar file stands in blocks of this size.
pub(crate) const BLOCK_BYTES: usize = 512;

/// The largest size that a ustar header can state: 11 octal digits.
const MAX_ENTRY_BYTES: u64 = 0o777_7777_7777;

/// Places of the fields of a header.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const PREFIX: std::ops::Range<usize> = 345..500;

/// Why bytes are not the archive that they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadArchive {
    /// It ends too early.
    #[error("it is cut short at byte {at}")]
    CutShort {
        /// Where.
        at: u64,
    },
    /// A block is none that the writer makes.
    #[error("at byte {at}: {why}")]
    Wrong {
        /// Where.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The system refused.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// The header of an entry. Both parts of the name are ASCII and fit, which holds for every name of an export.
fn header(folder: &str, name: &str, bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(NAME.start, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(SIZE.start, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(CHECKSUM.start, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    put(PREFIX.start, folder.as_bytes());
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// How many zeros follow a body of this size.
const fn padding(bytes: u64) -> usize {
    (bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes) as usize
}

/// Writes an archive, and remembers the digest of each entry.
pub(crate) struct ArchiveWriter<'file> {
    out: BufWriter<&'file mut File>,
    root: String,
    /// Where the header of the open entry stands, its name, and what was written of it.
    open: Option<(u64, String)>,
    body: u64,
    digester: Digester,
    sums: Vec<(String, Digest)>,
}

impl<'file> ArchiveWriter<'file> {
    /// Begins at the file's current place. Every name stands below the folder `root`.
    pub(crate) fn new(file: &'file mut File, root: String) -> Self {
        let out = BufWriter::with_capacity(1 << 16, file);
        Self { out, root, open: None, body: 0, digester: Digester::default(), sums: Vec::new() }
    }

    /// An entry of these bytes.
    pub(crate) fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (folder, file) = self.place(name);
        self.out.write_all(&header(&folder, &file, bytes.len() as u64))?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; BLOCK_BYTES][..padding(bytes.len() as u64)])?;
        self.sums.push((name.to_owned(), Digest::of(bytes)));
        Ok(())
    }

    /// Begins an entry whose size shows at its end; what is written to the writer until [`Self::close`] is its body.
    pub(crate) fn open(&mut self, name: &str) -> io::Result<()> {
        self.open = Some((self.out.stream_position()?, name.to_owned()));
        (self.body, self.digester) = (0, Digester::default());
        self.out.write_all(&[0; BLOCK_BYTES])
    }

    /// Writes a part of the open entry's body.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.body += piece.len() as u64;
        self.digester.update(piece);
        self.out.write_all(piece)
    }

    /// Ends the open entry: its header is written now.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let Some((at, name)) = self.open.take() else { return Ok(()) };
        if self.body > MAX_ENTRY_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a tar entry holds at most 8 GiB"));
        }
        self.out.write_all(&[0; BLOCK_BYTES][..padding(self.body)])?;
        let end = self.out.stream_position()?;
        let (folder, file) = self.place(&name);
        self.out.seek(SeekFrom::Start(at))?;
        self.out.write_all(&header(&folder, &file, self.body))?;
        self.out.seek(SeekFrom::Start(end))?;
        let digest = std::mem::take(&mut self.digester).finish();
        self.sums.push((name, digest));
        Ok(())
    }

    /// The entries so far, as `sha256sum` writes and checks them.
    pub(crate) fn sums(&self) -> String {
        self.sums.iter().map(|(name, digest)| sum_line(name, *digest)).collect()
    }

    /// Ends the archive, and gives its size.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(&[0; 2 * BLOCK_BYTES])?;
        let end = self.out.stream_position()?;
        self.out.flush()?;
        Ok(end)
    }

    fn place(&self, name: &str) -> (String, String) {
        match name.rsplit_once('/') {
            Some((folder, file)) => (format!("{}/{folder}", self.root), file.to_owned()),
            None => (self.root.clone(), name.to_owned()),
        }
    }
}

/// One line as `sha256sum` writes it.
pub(crate) fn sum_line(name: &str, digest: Digest) -> String {
    format!("{digest}  {name}\n")
}

/// One entry's header, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    /// The folder that it stands in, with all folders above.
    pub(crate) folder: String,
    /// Its own name.
    pub(crate) name: String,
    /// The size of its body.
    pub(crate) bytes: u64,
    /// Where its body begins in the archive.
    pub(crate) at: u64,
}

/// Reads an archive from front to back. As a [`Read`] it gives the body of the current entry.
pub(crate) struct ArchiveReader<R> {
    input: R,
    at: u64,
    /// What is left of the current body, and the zeros behind it.
    left: u64,
    padding: usize,
    digester: Digester,
}

impl<R: Read> ArchiveReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, at: 0, left: 0, padding: 0, digester: Digester::default() }
    }

    /// The next entry; none at the end, behind which nothing stands. The body of the entry before must have been finished.
    pub(crate) fn next(&mut self) -> Result<Option<EntryHeader>, BadArchive> {
        let at = self.at;
        let block = self.block()?;
        if block == [0; BLOCK_BYTES] {
            return self.end().map(|()| None);
        }
        let entry =
            parse(&block, self.at).ok_or(BadArchive::Wrong { at, why: "this is no header of an export" })?;
        if header(&entry.folder, &entry.name, entry.bytes) != block {
            return Err(BadArchive::Wrong { at, why: "this header was changed" });
        }
        (self.left, self.padding, self.digester) = (entry.bytes, padding(entry.bytes), Digester::default());
        Ok(Some(entry))
    }

    /// Ends the current entry, whose body must have been read, and gives the body's digest.
    pub(crate) fn finish(&mut self) -> Result<Digest, BadArchive> {
        debug_assert_eq!(self.left, 0, "every reader of an entry reads it to its end");
        let mut zeros = [0; BLOCK_BYTES];
        let zeros = &mut zeros[..self.padding];
        fill(&mut self.input, zeros, &mut self.at)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(BadArchive::Wrong { at: self.at, why: "the space between two entries is not empty" });
        }
        Ok(std::mem::take(&mut self.digester).finish())
    }

    /// Reads the rest of the current body without keeping it.
    pub(crate) fn skim(&mut self) -> Result<(), BadArchive> {
        let mut piece = [0; 1 << 14];
        while self.left > 0 {
            // A body that ends too early is an error of the read.
            let _ = self.read(&mut piece)?;
        }
        Ok(())
    }

    /// The whole of the current body, which must not be larger than this.
    pub(crate) fn body(&mut self, most: u64) -> Result<Vec<u8>, BadArchive> {
        if self.left > most {
            return Err(BadArchive::Wrong {
                at: self.at,
                why: "an entry is larger than any export makes it",
            });
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn end(&mut self) -> Result<(), BadArchive> {
        let at = self.at;
        if self.block()? != [0; BLOCK_BYTES] {
            return Err(BadArchive::Wrong { at, why: "the end of the archive was changed" });
        }
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(BadArchive::Wrong { at: self.at, why: "something stands behind the end" }),
        }
    }

    fn block(&mut self) -> Result<[u8; BLOCK_BYTES], BadArchive> {
        let mut block = [0; BLOCK_BYTES];
        fill(&mut self.input, &mut block, &mut self.at)?;
        Ok(block)
    }
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Goes to the end of the current entry without looking at it.
    pub(crate) fn pass(&mut self) -> io::Result<()> {
        let further = self.left + self.padding as u64;
        self.input.seek_relative(i64::try_from(further).map_err(io::Error::other)?)?;
        self.at += further;
        self.left = 0;
        Ok(())
    }
}

impl<R: Read> Read for ArchiveReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.input.read(&mut into[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body of an entry is cut short"));
        }
        self.digester.update(&into[..read]);
        self.left -= read as u64;
        self.at += read as u64;
        Ok(read)
    }
}

fn fill(input: &mut impl Read, into: &mut [u8], at: &mut u64) -> Result<(), BadArchive> {
    match input.read_exact(into) {
        Ok(()) => {
            *at += into.len() as u64;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BadArchive::CutShort { at: *at }),
        Err(error) => Err(error.into()),
    }
}

/// The fields of a header; the caller compares it with the one that they make.
fn parse(block: &[u8; BLOCK_BYTES], at: u64) -> Option<EntryHeader> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        let text = std::str::from_utf8(&field[..end]).ok()?;
        (text.is_ascii() && end < field.len()).then(|| text.to_owned())
    };
    let bytes =
        u64::from_str_radix(&text(&block[SIZE])?, 8).ok().filter(|bytes| *bytes <= MAX_ENTRY_BYTES)?;
    Some(EntryHeader { folder: text(&block[PREFIX])?, name: text(&block[NAME])?, bytes, at })
}
