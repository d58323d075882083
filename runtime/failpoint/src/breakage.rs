//! Breakages.

/// A promise that is broken on purpose, to see that a fault then breaks an oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// Writes are answered before they are committed.
    AnswerBeforeCommit,
    /// The store is opened without syncs.
    NoSync,
    /// Folders are not synced after a file was renamed in them.
    NoFolderSync,
    /// Files that are replaced whole are renamed without having been synced.
    NoFileSync,
    /// An event may name a blob that is not there yet.
    BlobAfterEvent,
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AnswerBeforeCommit, Self::NoSync, Self::NoFolderSync, Self::NoFileSync, Self::BlobAfterEvent];

    /// Its name in the variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnswerBeforeCommit => "answer-before-commit",
            Self::NoSync => "no-sync",
            Self::NoFolderSync => "no-folder-sync",
            Self::NoFileSync => "no-file-sync",
            Self::BlobAfterEvent => "blob-after-event",
        }
    }
}
