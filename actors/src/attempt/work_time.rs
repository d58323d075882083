//! The time that a run may still work. While it waits for a person this clock stands: a budget is for work.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock;

/// The work time of one attempt, on the boot clock.
pub(crate) struct WorkTime {
    /// When it is used up, if the run never waits; none without a limit.
    deadline_boot_ms: Option<u64>,
    stood: watch::Sender<Stood>,
}

/// How long the clock stood.
#[derive(Debug, Clone, Copy, Default)]
struct Stood {
    before_ms: u64,
    /// Since when it stands, if it does.
    since_boot_ms: Option<u64>,
}

/// The clock stands while this lives.
pub(crate) struct Standing<'a>(&'a WorkTime);

impl WorkTime {
    pub(crate) fn until(deadline_boot_ms: Option<u64>) -> Self {
        Self { deadline_boot_ms, stood: watch::Sender::default() }
    }

    /// Lets the clock stand.
    pub(crate) fn stand(&self) -> Standing<'_> {
        self.stood.send_modify(|stood| stood.since_boot_ms = Some(clock::boot_clock_ms()));
        Standing(self)
    }

    /// Whether it is used up.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left_ms() == Some(0)
    }

    /// What is left; none without a limit.
    fn left_ms(&self) -> Option<u64> {
        let stood = *self.stood.borrow();
        let now = stood.since_boot_ms.unwrap_or_else(clock::boot_clock_ms);
        Some(self.deadline_boot_ms?.saturating_add(stood.before_ms).saturating_sub(now))
    }

    /// Waits until it is used up; for ever without a limit.
    pub(crate) async fn used_up(&self) {
        let mut stood = self.stood.subscribe();
        loop {
            let stands = stood.borrow_and_update().since_boot_ms.is_some();
            match self.left_ms() {
                Some(0) => return,
                Some(left) if !stands => tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(left)) => {}
                    _ = stood.changed() => {}
                },
                // `self` holds the sender, so that a change is what ends this wait.
                _ => drop(stood.changed().await),
            }
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.stood.send_modify(|stood| {
            let since = stood.since_boot_ms.take();
            let stood_ms = since.map_or(0, |since| clock::boot_clock_ms().saturating_sub(since));
            stood.before_ms = stood.before_ms.saturating_add(stood_ms);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_used_up_time_is_said_and_no_limit_never_is() {
        let over = WorkTime::until(Some(0));
        assert!(over.is_used_up());
        over.used_up().await;
        let endless = WorkTime::until(None);
        assert!(!endless.is_used_up() && endless.used_up().now_or_never().is_none());
    }

    #[test]
    fn while_the_clock_stands_nothing_is_used_up() {
        let now = clock::boot_clock_ms();
        let time = WorkTime::until(Some(now + 1_000_000));
        // As if a person had been asked when the machine started.
        time.stood.send_replace(Stood { before_ms: 0, since_boot_ms: Some(0) });
        assert_eq!(time.left_ms(), Some(now + 1_000_000));
        drop(Standing(&time));
        let left = time.left_ms().expect("there is a limit");
        assert!(left >= 1_000_000, "the wait is given back: {left}");
    }
}
