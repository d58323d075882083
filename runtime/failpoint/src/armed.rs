//! What the places and breakages do when they are compiled in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use crate::{BREAKAGES_VARIABLE, Breakage, PLACES_VARIABLE, Place, TOKEN_VARIABLE};

/// A place with the passes that are left until the one that kills.
struct Armed {
    place: Place,
    left: AtomicU32,
}

/// Passes a place. The process ends here, as by `kill -9`, when this pass was chosen.
///
/// # Panics
/// The variable names a place that there is not: a test that kills nowhere would prove nothing.
pub fn pass(place: Place) {
    static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| words(PLACES_VARIABLE).map(|word| arm(&word)).collect());
    for armed in armed.iter().filter(|armed| armed.place == place) {
        if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 && takes_token() {
            die();
        }
    }
}

/// Whether this process is to be broken in this way.
#[must_use]
pub fn breaks(breakage: Breakage) -> bool {
    static CHOSEN: OnceLock<Vec<String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| words(BREAKAGES_VARIABLE).collect());
    chosen.iter().any(|name| name == breakage.name())
}

fn words(variable: &str) -> impl Iterator<Item = String> + use<> {
    let text = std::env::var(variable).unwrap_or_default();
    let words: Vec<String> = text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.into_iter()
}

fn arm(word: &str) -> Armed {
    let (name, passes) = word.split_once('=').unwrap_or((word, "1"));
    let place = Place::ALL.into_iter().find(|place| place.name() == name);
    let place = place.expect("WINDLASS_FAILPOINTS names only places that there are");
    let passes: u32 = passes.parse().expect("WINDLASS_FAILPOINTS gives passes as a number");
    Armed { place, left: AtomicU32::new(passes) }
}

/// Whether it is this process that dies: always, or if it is the first to come where only one may.
fn takes_token() -> bool {
    std::env::var_os(TOKEN_VARIABLE).is_none_or(|token| std::fs::remove_file(token).is_ok())
}

/// Ends this process at once: nothing is unwound, flushed or told.
fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process may end itself");
    loop {
        // Another thread may have been chosen to take the signal; it ends this one too.
        std::thread::park();
    }
}
