//! How often something may be told: at once after a quiet time, at most ten times a second in a busy one, and the last state always.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two `PropertiesChanged` of one run. People see ten changes a second as movement; a run that prints
/// thousands of lines a second makes thousands of events.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// When to tell next.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    told: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    /// Something changed: arms the deadline, unless it is armed.
    pub(crate) fn changed(&mut self, now: Instant) {
        let earliest = self.told.map_or(now, |told| now.max(told + INTERVAL));
        self.due.get_or_insert(earliest);
    }

    /// It was told: disarms the deadline.
    pub(crate) fn told(&mut self, now: Instant) {
        *self = Self { told: Some(now), due: None };
    }

    /// Waits for the deadline; for ever while nothing has changed.
    pub(crate) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_is_due_at_once_and_the_next_ones_together_an_interval_later() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due, None);
        pace.changed(start);
        assert_eq!(pace.due, Some(start));
        pace.told(start);
        assert_eq!(pace.due, None);
        pace.changed(start + INTERVAL / 4);
        pace.changed(start + INTERVAL / 2);
        assert_eq!(pace.due, Some(start + INTERVAL));
    }

    #[test]
    fn after_a_quiet_time_a_change_is_due_at_once() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.told(start);
        pace.changed(start + 3 * INTERVAL);
        assert_eq!(pace.due, Some(start + 3 * INTERVAL));
    }
}
