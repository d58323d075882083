//! Calls that fail as planned.

/// The kinds of calls that are counted, each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Opening a file that is there.
    Open,
    /// Making a file, a link, a socket or a pipe.
    Create,
    /// Writing bytes.
    Write,
    /// Changing a file's size.
    Resize,
    /// `fsync` and `fdatasync` of a file, and the sync that `O_SYNC` and `O_DSYNC` add to a write.
    Sync,
    /// `fsync` of a folder.
    SyncFolder,
    /// Renaming.
    Rename,
    /// Removing a file or a folder.
    Remove,
    /// Making a folder.
    MakeFolder,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Create,
        Self::Write,
        Self::Resize,
        Self::Sync,
        Self::SyncFolder,
        Self::Rename,
        Self::Remove,
        Self::MakeFolder,
    ];

    /// Whether it changes what the disk holds or what of it is durable: such calls are where the power can be cut.
    #[must_use]
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Open)
    }
}

/// What a failing call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`, and the call did nothing.
    Io,
    /// `ENOSPC`, and the call did nothing.
    Full,
    /// `EIO` from a sync, which drops what it should have made durable, as Linux does: readers go on seeing it, and the
    /// next sync of the same file succeeds without it. Of any other call: as [`Failure::Io`].
    Dropped,
}

/// A planned failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which calls.
    pub call: Call,
    /// Which of them, counted from 1 since the plan was made.
    pub nth: u64,
    /// What it says.
    pub failure: Failure,
    /// Whether every later call of the kind fails too.
    pub lasting: bool,
}

impl Fault {
    pub(crate) const fn hits(&self, call: Call, count: u64) -> bool {
        self.call as u8 == call as u8 && (count == self.nth || (self.lasting && count > self.nth))
    }
}
