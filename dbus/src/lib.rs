//! The front door on the session bus: the interfaces that the service serves ([`serve`]) and [`BusControl`], which is
//! `Control` over those interfaces, for the command line and other programs.
//!
//! It translates and does nothing else: every rule is behind `Control`. Contract types become native D-Bus values by one
//! systematic mapping, so that they need no wire types of their own and cannot drift from the contract.
//!
//! **Invariant:** objects are there before the bus name is. **Invariant:** nothing here polls; every wait is for a message, an
//! event of a run, or an armed deadline.

mod bus;
mod client;
mod convert;
mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod names;
#[cfg(test)]
mod samples;
mod server;

pub use bus::Bus;
pub use client::BusControl;
pub use names::{
    BUS_NAME, ERROR_PREFIX, MANAGER_INTERFACE, MANAGER_PATH, RUN_INTERFACE, error_name, run_path,
};
pub use server::{Activity, ServeError, Served, serve};
