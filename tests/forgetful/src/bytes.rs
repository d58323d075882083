//! The bytes of one file: as its readers see them, and as the disk has them.

/// What a disk writes whole or not at all, in bytes.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Largest file, in bytes: it lives in memory, and no test comes near.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file's content, and what of it is not durable yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Edit>,
}

/// A change of the content that was not synced.
#[derive(Debug, Clone)]
struct Edit {
    /// Its place in the order of all changes of the disk.
    at: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { size: usize },
}

impl Bytes {
    pub(crate) fn size(&self) -> u64 {
        self.current.len() as u64
    }

    /// Up to `size` bytes from `offset`; fewer at the end.
    pub(crate) fn read(&self, offset: u64, size: u32) -> &[u8] {
        let start =
            usize::try_from(offset).map_or(self.current.len(), |offset| offset.min(self.current.len()));
        let end = start.saturating_add(size as usize).min(self.current.len());
        &self.current[start..end]
    }

    /// The caller has checked the end against [`MAX_FILE_BYTES`].
    pub(crate) fn write(&mut self, at: u64, offset: usize, bytes: &[u8]) {
        let what = What::Write { offset, bytes: bytes.to_vec() };
        what.apply(&mut self.current);
        self.unsynced.push(Edit { at, what });
    }

    /// The caller has checked the size against [`MAX_FILE_BYTES`].
    pub(crate) fn resize(&mut self, at: u64, size: usize) {
        let what = What::Resize { size };
        what.apply(&mut self.current);
        self.unsynced.push(Edit { at, what });
    }

    /// Makes all of it durable.
    pub(crate) fn sync(&mut self) {
        for edit in self.unsynced.drain(..) {
            edit.what.apply(&mut self.durable);
        }
    }

    /// What Linux does after a failed sync: the changes count as written, readers go on seeing them, and no later sync
    /// writes them.
    pub(crate) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// The unsynced changes as pieces that a disk writes whole, each with the place of its change.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = u64> {
        self.unsynced.iter().flat_map(|edit| std::iter::repeat_n(edit.at, edit.what.pieces().len()))
    }

    /// Becomes what the disk has when those pieces had reached it that `survives` names, asked in their order.
    pub(crate) fn lose(&mut self, mut survives: impl FnMut(u64) -> bool) {
        for edit in std::mem::take(&mut self.unsynced) {
            for piece in edit.what.pieces() {
                if survives(edit.at) {
                    piece.apply(&mut self.durable);
                }
            }
        }
        self.current.clone_from(&self.durable);
    }
}

impl What {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Resize { size } => content.resize(*size, 0),
        }
    }

    /// Cut at the borders of sectors.
    fn pieces(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else { return vec![self.clone()] };
        let (mut start, mut pieces) = (0, Vec::new());
        while start < bytes.len() {
            let end = (start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES).min(bytes.len());
            pieces.push(Self::Write { offset: offset + start, bytes: bytes[start..end].to_vec() });
            start = end;
        }
        pieces
    }
}
