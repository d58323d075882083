//! The crash counter: a small file outside the capsule that knows which starts of the service did not come as far as ready.
//!
//! A start writes itself down before anything else and strikes itself out once the service is ready or has left in order.
//! What stays are starts that ended in between. Three of them within a minute are a crash loop: from then on the service starts
//! with its runs paused, until `windlass service start` clears the counter.
//!
//! The file is no record: one that cannot be read counts nothing. **Invariant:** only the holder of the bus name or of the
//! capsule's lock gets as far as ready, so that two services at once cannot strike out each other's starts.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::replace;

/// How many starts must not have come as far as ready.
const LOOP: usize = 3;

/// Within how many milliseconds: systemd waits a second before each start, so that a loop of quick ends shows within a few.
const WITHIN_MS: i64 = 60_000;

/// The format of the file. 1: the first.
const FORMAT: u16 = 1;

/// The file as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    format: u16,
    /// Starts that did not come as far as ready, or not yet; in milliseconds since 1970.
    unready_starts_ms: Vec<i64>,
    /// Since when runs are paused.
    paused_since_ms: Option<i64>,
}

impl Default for Counter {
    fn default() -> Self {
        Self { format: FORMAT, unready_starts_ms: Vec::new(), paused_since_ms: None }
    }
}

impl Counter {
    /// Notes a start, and whether it is one too many. A time that is still to come is from before the clock was set back.
    fn note(&mut self, now_ms: i64) {
        self.unready_starts_ms.retain(|start| (now_ms - WITHIN_MS..=now_ms).contains(start));
        if self.unready_starts_ms.len() >= LOOP {
            self.paused_since_ms.get_or_insert(now_ms);
        }
        self.unready_starts_ms.push(now_ms);
    }

    /// Strikes out one start.
    fn strike_out(&mut self, start_ms: i64) {
        if let Some(at) = self.unready_starts_ms.iter().rposition(|start| *start == start_ms) {
            self.unready_starts_ms.remove(at);
        }
    }
}

/// The counter's file.
#[derive(Debug, Clone)]
pub(crate) struct Crashes {
    path: PathBuf,
}

/// A start that was noted, until it is struck out.
#[derive(Debug)]
pub(super) struct Start {
    crashes: Crashes,
    at_ms: i64,
    /// Whether runs are to be paused.
    pub(super) paused: bool,
}

impl Crashes {
    /// The counter in this state folder.
    pub(crate) fn of(state: &Path) -> Self {
        Self { path: state.join("crashes.json") }
    }

    /// Notes a start of the service. A disk that refuses it must not keep the service from starting.
    pub(super) fn note_start(&self) -> Start {
        let at_ms = Timestamp::now().as_millisecond();
        let mut counter = self.read();
        counter.note(at_ms);
        self.write(&counter);
        Start { crashes: self.clone(), at_ms, paused: counter.paused_since_ms.is_some() }
    }

    /// Whether the next start is one with its runs paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.read().paused_since_ms.is_some()
    }

    /// How many starts within the last minute did not come as far as ready.
    pub(crate) fn recent(&self) -> usize {
        let mut counter = self.read();
        let now_ms = Timestamp::now().as_millisecond();
        counter.unready_starts_ms.retain(|start| (now_ms - WITHIN_MS..=now_ms).contains(start));
        counter.unready_starts_ms.len()
    }

    /// Forgets all of it, and says whether runs had been paused.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(crate) fn clear(&self) -> io::Result<bool> {
        let paused = self.is_paused();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(paused),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Counter {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Counter::default(),
            Err(error) => {
                tracing::warn!(%error, file = %self.path.display(), "the crash counter cannot be read and counts nothing");
                return Counter::default();
            }
        };
        match serde_json::from_str::<Counter>(&text) {
            Ok(counter) if counter.format == FORMAT => counter,
            Ok(_) | Err(_) => {
                tracing::warn!(file = %self.path.display(), "the crash counter is not one of this version and counts nothing");
                Counter::default()
            }
        }
    }

    fn write(&self, counter: &Counter) {
        let text = serde_json::to_string(counter).expect("a counter holds numbers only");
        if let Err(error) = replace(&self.path, format!("{text}\n").as_bytes()) {
            tracing::warn!(%error, file = %self.path.display(), "the crash counter cannot be written");
        }
    }
}

impl Start {
    /// The start came as far as ready, or left in order: it is no crash.
    pub(super) fn strike_out(self) {
        let mut counter = self.crashes.read();
        counter.strike_out(self.at_ms);
        self.crashes.write(&counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes starts at these seconds, none of which comes as far as ready, and says which are paused.
    fn paused(starts: &[i64]) -> Vec<bool> {
        let mut counter = Counter::default();
        let mut note = |start: &i64| {
            counter.note(start * 1_000);
            counter.paused_since_ms.is_some()
        };
        starts.iter().map(&mut note).collect()
    }

    #[test]
    fn the_start_after_three_unready_ones_within_a_minute_is_paused_and_so_are_all_after_it() {
        assert_eq!(paused(&[0, 1, 2, 3, 4, 500]), [false, false, false, true, true, true]);
        assert_eq!(paused(&[0, 20, 40, 60]), [false, false, false, true]);
        assert_eq!(paused(&[0, 30, 60, 90, 120]), [false; 5], "they are too far from each other");
    }

    #[test]
    fn a_clock_that_was_set_back_counts_nothing_from_the_future() {
        assert_eq!(paused(&[10_000, 10_001, 10_002, 5, 6]), [false; 5]);
    }

    #[test]
    fn a_start_that_is_struck_out_is_no_crash_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let crashes = Crashes::of(folder.path());
        for _ in 0..10 {
            let start = crashes.note_start();
            assert!(!start.paused);
            start.strike_out();
        }
        for expected in [false, false, false, true] {
            assert_eq!(crashes.note_start().paused, expected);
        }
        assert!(crashes.is_paused());
        crashes.note_start().strike_out();
        assert!(crashes.is_paused(), "being ready does not lift the pause");
        assert!(crashes.clear().unwrap());
        assert!(!crashes.note_start().paused);
    }

    #[test]
    fn a_counter_that_cannot_be_read_counts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let crashes = Crashes::of(folder.path());
        for text in ["", "{", "{\"format\":2,\"unready_starts_ms\":[],\"paused_since_ms\":1}"] {
            fs::write(crashes.path(), text).unwrap();
            assert!(!crashes.note_start().paused, "{text}");
        }
    }
}
