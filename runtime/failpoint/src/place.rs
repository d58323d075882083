//! The places.

/// A place that a process passes. Each stands between two acts of which a crash may leave the first alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Opening a capsule: its folders are made, nothing else is.
    CapsuleMade,
    /// The lock is taken and the store mapped; its head is not looked at.
    CapsuleMapped,
    /// A new store has its head and no `format.json`.
    CapsuleHeaded,
    /// All is checked; the mark of a clean stop is still there.
    CapsuleSettled,
    /// The mark of a clean stop is gone; no writer has started.
    CapsuleUnmarked,
    /// The writer has what it will commit together, and has drafted nothing.
    WriterGathered,
    /// Everything of a transaction is put; it is not committed.
    WriterDrafted,
    /// The transaction is committed; nobody has been told.
    WriterCommitted,
    /// All answers of a transaction are given.
    WriterAnswered,
    /// Everything is committed and the writer is closed; a clean stop is not marked.
    WriterClosing,
    /// A clean stop is marked.
    WriterClosed,
    /// A file that is replaced whole is written and synced under its other name.
    FileWritten,
    /// It has its name; its folder is not synced.
    FileRenamed,
    /// A blob's file is there for good; no event names it.
    BlobStored,
    /// A submission is committed and not placed in the queue.
    RunSubmitted,
    /// The start of an attempt is committed.
    AttemptStarted,
    /// A step's intent is committed; its effect has not begun.
    StepIntended,
    /// A step had its effect; its result is not committed.
    StepEffected,
    /// A step's result is committed.
    StepRecorded,
    /// A question to a person is committed.
    ApprovalAsked,
    /// The files for people are written; the run's end is not yet committed.
    ProjectionWritten,
    /// A run's end is committed; what it leaves outside the record is not yet taken away.
    RunEnded,
    /// A cancel is committed; the run has not been told.
    CancelRequested,
    /// A bot worktree is made; nothing says so in the record.
    WorktreeMade,
    /// A hold's folder with its `spec.json` is there; no holder was started.
    HoldPrepared,
    /// A holder was started; the service does not know whether it claimed.
    HoldStarted,
    /// The holder runs; it has claimed nothing.
    HolderStarted,
    /// The holder has claimed the hold; no child was started.
    HolderClaimed,
    /// The holder has started the child.
    HolderSpawned,
    /// No process of the hold is left; `exit` is not written.
    HolderEnded,
    /// `exit` is written; nobody was told.
    HolderExited,
    /// The service has its tree of actors; it is not on the bus.
    ServiceRecovered,
    /// The service owns its name; it has not said that it is ready.
    ServiceNamed,
    /// The service has said that it is ready.
    ServiceReady,
    /// The service leaves in order; its name is still its own.
    ServiceLeaving,
}

impl Place {
    /// All of them, in the order of their rooms.
    pub const ALL: [Self; 35] = [
        Self::CapsuleMade,
        Self::CapsuleMapped,
        Self::CapsuleHeaded,
        Self::CapsuleSettled,
        Self::CapsuleUnmarked,
        Self::WriterGathered,
        Self::WriterDrafted,
        Self::WriterCommitted,
        Self::WriterAnswered,
        Self::WriterClosing,
        Self::WriterClosed,
        Self::FileWritten,
        Self::FileRenamed,
        Self::BlobStored,
        Self::RunSubmitted,
        Self::AttemptStarted,
        Self::StepIntended,
        Self::StepEffected,
        Self::StepRecorded,
        Self::ApprovalAsked,
        Self::ProjectionWritten,
        Self::RunEnded,
        Self::CancelRequested,
        Self::WorktreeMade,
        Self::HoldPrepared,
        Self::HoldStarted,
        Self::HolderStarted,
        Self::HolderClaimed,
        Self::HolderSpawned,
        Self::HolderEnded,
        Self::HolderExited,
        Self::ServiceRecovered,
        Self::ServiceNamed,
        Self::ServiceReady,
        Self::ServiceLeaving,
    ];

    /// Its name in the variable: its room and what was done last.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CapsuleMade => "capsule.made",
            Self::CapsuleMapped => "capsule.mapped",
            Self::CapsuleHeaded => "capsule.headed",
            Self::CapsuleSettled => "capsule.settled",
            Self::CapsuleUnmarked => "capsule.unmarked",
            Self::WriterGathered => "writer.gathered",
            Self::WriterDrafted => "writer.drafted",
            Self::WriterCommitted => "writer.committed",
            Self::WriterAnswered => "writer.answered",
            Self::WriterClosing => "writer.closing",
            Self::WriterClosed => "writer.closed",
            Self::FileWritten => "file.written",
            Self::FileRenamed => "file.renamed",
            Self::BlobStored => "blob.stored",
            Self::RunSubmitted => "run.submitted",
            Self::AttemptStarted => "attempt.started",
            Self::StepIntended => "step.intended",
            Self::StepEffected => "step.effected",
            Self::StepRecorded => "step.recorded",
            Self::ApprovalAsked => "approval.asked",
            Self::ProjectionWritten => "projection.written",
            Self::RunEnded => "run.ended",
            Self::CancelRequested => "cancel.requested",
            Self::WorktreeMade => "worktree.made",
            Self::HoldPrepared => "hold.prepared",
            Self::HoldStarted => "hold.started",
            Self::HolderStarted => "holder.started",
            Self::HolderClaimed => "holder.claimed",
            Self::HolderSpawned => "holder.spawned",
            Self::HolderEnded => "holder.ended",
            Self::HolderExited => "holder.exited",
            Self::ServiceRecovered => "service.recovered",
            Self::ServiceNamed => "service.named",
            Self::ServiceReady => "service.ready",
            Self::ServiceLeaving => "service.leaving",
        }
    }
}
