//! The sandbox: whether this machine has one, and walls as arguments of `bwrap`.
//!
//! A sandboxed child sees the system's programs and libraries read-only, the folders of its
//! [`Walls`](windlass_domain::child::Walls), a private `/tmp` and an empty `/run`; it has no network, no capability, no
//! terminal, and dies with its holder. **Invariant:** no door is reachable from inside: neither `/run/user`, nor the
//! network, nor the sockets of any hold, whatever the walls say.

mod probe;
mod walls;

pub(crate) use probe::find_bwrap;
pub use probe::{SandboxSupport, probe};
pub use walls::WallsError;
pub(crate) use walls::arguments;
