//! Named places at which a process can be made to die, and deliberate breakages that whoever looks for faults must notice.
//!
//! Both are chosen by variables of the environment, and both are there only with the feature `failpoints`, which the torture
//! program of the tests turns on and nothing else may: without it [`pass`] and [`breaks`] are nothing at all. It knows no crate
//! of the house, so that every floor can have places.

#[cfg(feature = "failpoints")]
mod armed;
mod breakage;
mod place;

#[cfg(feature = "failpoints")]
pub use armed::{breaks, pass};
pub use breakage::Breakage;
pub use place::Place;

/// The variable that says where a process dies: `place=n` for the n-th pass of that place, more of them divided by commas.
pub const PLACES_VARIABLE: &str = "WINDLASS_FAILPOINTS";

/// The variable that names a file. Where it is set, a process dies only if it can delete that file, so one of all that pass a
/// chosen place dies, and the file's absence tells that one did.
pub const TOKEN_VARIABLE: &str = "WINDLASS_FAILPOINT_TOKEN";

/// The variable that names breakages, divided by commas.
pub const BREAKAGES_VARIABLE: &str = "WINDLASS_BREAKAGES";

/// Whether a child that gets a clean environment is to get this variable all the same.
#[must_use]
pub fn is_inherited(variable: &std::ffi::OsStr) -> bool {
    let ours = [PLACES_VARIABLE, TOKEN_VARIABLE, BREAKAGES_VARIABLE];
    cfg!(feature = "failpoints") && ours.iter().any(|name| variable == *name)
}

/// Passes a place. The process ends here, as by `kill -9`, when this pass was chosen.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_place: Place) {}

/// Whether this process is to be broken in this way.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
#[must_use]
pub const fn breaks(_breakage: Breakage) -> bool {
    false
}
