//! The actors and who restarts whom.
//!
//! ```text
//! Root ── CapsuleWriter     ends for any reason  → the process leaves, systemd starts it again
//!      ├─ PolicyActor  ┐
//!      ├─ LockActor    ├─   any of the three fails → all three end and are started anew from the capsule
//!      └─ RunManager   ┘
//!            ├─ RunActor       fails → started anew as the next attempt; ends → the run has ended
//!            └─ WorktreeActor  fails → forgotten; the next run of its workspace starts another
//! ```

pub(crate) mod capsule_writer;
pub(crate) mod lock;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod root;
pub(crate) mod run;
pub(crate) mod run_manager;
pub(crate) mod worktree;

use ractor::ActorRef;

/// The actors that others speak to.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(crate) policy: ActorRef<policy::PolicyMessage>,
    pub(crate) lock: ActorRef<lock::LockMessage>,
    pub(crate) runs: ActorRef<run_manager::RunManagerMessage>,
}
