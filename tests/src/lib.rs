//! The harness of the end-to-end stories: a home of its own, a private session bus, real repositories, the real binary.
//!
//! It is not a place for tests, and it imitates nothing of Windlass: what runs is what users run. **Invariant:** nothing of the
//! user who runs the tests is read or touched: no session bus, no configuration, no capsule.
#![expect(clippy::expect_used, clippy::panic, reason = "a harness that cannot do its part ends the test")]

mod bus;
mod busctl;
mod gate;
mod home;
mod machine;
mod process;
mod repository;
mod story;
mod terminal;

pub use bus::PrivateBus;
pub use busctl::{Busctl, Monitor};
pub use gate::Gate;
pub use home::{Home, Output, binary, has_program};
pub use machine::{Held, Machine, USER, USER_HOME};
pub use process::{Left, processes_of, wait_for_end_of, wait_until_gone};
pub use repository::{Fingerprint, Repository};
pub use story::{
    artifact, assert_replays, caller, check_schema, check_schema_of, document, follow, prepare, review, show,
};
pub use terminal::Terminal;
