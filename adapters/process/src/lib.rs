//! Child processes: start, hold, watch and end them, inside their walls and limits.
//!
//! A child does not hang on the service. A *holder*, a small process of its own, owns the child's pipes, appends its
//! output to a spool, enforces its limits, ends every descendant, and writes down how it ended. [`holder::run`] is that
//! process; [`Hold`] is the service's end of it.
//!
//! It is not a place for meaning: it neither parses output nor decides what may run. **Invariants:**
//!
//! - one [`HoldId`](windlass_domain::id::HoldId) starts at most one child, whatever crashes when: a child exists only
//!   after its holder has created the folder's `claim`, exclusively and synced;
//! - nothing starts without a [`Permit`](windlass_policy::Permit) for exactly its command line;
//! - a process is never identified by its pid alone;
//! - nothing here polls: every wait is for a descriptor.

mod boot;
mod environment;
mod folder;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hold;
pub mod holder;
mod launch;
mod leftovers;
mod linger;
mod manager;
mod processes;
mod readiness;
pub mod sandbox;
mod spool;
mod sweep;
mod wire;

pub use environment::base_environment;
pub use folder::{EXIT_FORMAT, ExitRecord, FolderError, SPEC_FORMAT};
pub use hold::{Following, Hold, HoldError, HoldOutcome, LostBecause, Progress};
pub use launch::{LaunchError, Launcher};
pub use leftovers::{HOLD_ID_VARIABLE, LeftoversError};
pub use linger::{lingering, user_name};
pub use manager::{ManagerError, UnitView, UserManager, reload_session_bus};
pub use spool::{LostTail, OutputBatch, OutputRecord, Reach, Spool, SpoolCursor, SpoolError};
pub use sweep::{Leftover, LeftoverState, sweep};
