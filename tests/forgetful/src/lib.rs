//! A disk that forgets: a file system in memory, mounted through FUSE, that holds apart what was written and what is
//! durable. A test cuts its power at a chosen operation and goes on with what a real disk may have left, or has the
//! n-th call of a kind fail.
//!
//! What is durable follows the words of fsync(2) and nothing kinder:
//! - the bytes of a file, by a sync of that file (`O_SYNC` and `O_DSYNC` sync with each write);
//! - a name, be it made, changed or removed, by a sync of its folder; a sync of the file alone makes no name durable;
//! - a rename is all or nothing, and may be lost whole.
//!
//! Modes, owners and times are durable at once: nothing here is decided by them. A file system that promises more (ext4
//! does) only makes fewer of these losses happen; see [`Survival`] for what else may be left of the unsynced.
//!
//! It is not a fast file system, and not a complete one: what a store, a service and git ask of it, it does.
//!
//! **Invariant:** once the power is out, no call is answered with success.

mod bytes;
mod disk;
mod fault;
mod mount;
mod names;
mod server;

pub use disk::{Disk, Survival};
pub use fault::{Call, Failure, Fault};
pub use mount::{Mount, MountError};
