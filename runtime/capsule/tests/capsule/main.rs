//! The capsule from outside: real folders, real threads, real processes.

mod support;
mod writing;
