//! Named places where a test can make an attempt fail: the actor panics, and the process goes on. Compiled in only with the
//! feature `failpoints`. The same places can end the whole process, see [`windlass_failpoint`].

use windlass_domain::id::RunId;
use windlass_failpoint::Place;

#[cfg(feature = "failpoints")]
mod armed {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use windlass_domain::id::RunId;

    type Armed = BTreeMap<(RunId, &'static str), u32>;

    static ARMED: Mutex<Armed> = Mutex::new(BTreeMap::new());

    fn armed() -> MutexGuard<'static, Armed> {
        // A panic is what these places are for; the map itself is whole after each.
        ARMED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next `times` passes of this run through this place panic.
    pub fn arm(run_id: RunId, place: &'static str, times: u32) {
        armed().insert((run_id, place), times);
    }

    /// How many panics are still to come.
    #[must_use]
    pub fn left(run_id: RunId, place: &'static str) -> u32 {
        armed().get(&(run_id, place)).copied().unwrap_or(0)
    }

    pub(super) fn fail(run_id: RunId, place: &'static str) {
        let fails = match armed().get_mut(&(run_id, place)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        };
        assert!(!fails, "fail point `{place}` of run {run_id}");
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, left};

#[cfg_attr(
    not(feature = "failpoints"),
    expect(unused_variables, reason = "only what is armed asks which run it is")
)]
pub(crate) fn pass(run_id: RunId, place: Place) {
    windlass_failpoint::pass(place);
    #[cfg(feature = "failpoints")]
    armed::fail(run_id, place.name());
}

/// The places that every step passes.
pub const PLACES: [&str; 3] = [INTENDED, EFFECTED, RECORDED];
/// Behind the commit of a step's intent, before its effect.
pub const INTENDED: &str = Place::StepIntended.name();
/// Behind a step's effect, before the commit of its result.
pub const EFFECTED: &str = Place::StepEffected.name();
/// Behind the commit of a question to a person.
pub const ASKED: &str = Place::ApprovalAsked.name();
/// Behind the writing of the files for people, before the commit of the run's end.
pub const PROJECTED: &str = Place::ProjectionWritten.name();
/// Behind the commit of a step's result.
pub const RECORDED: &str = Place::StepRecorded.name();
