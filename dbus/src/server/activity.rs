//! How busy the door is, so that the service knows when it may leave.

use tokio::sync::watch;
use windlass_contract::{ErrorCode, Fault};

/// Most calls that are worked on at a time. Each holds a task and its arguments, and the object server would start as many as
/// come; 1,024 is far above what 64 clients at once need and still small in memory.
const MAX_CALLS: usize = 1024;

/// How busy the door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Callers with at least one subscription.
    pub subscribers: usize,
    /// Calls that are not answered yet.
    pub calls: usize,
}

impl Activity {
    /// Whether nobody waits for anything.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.subscribers == 0 && self.calls == 0
    }
}

/// Keeps count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    activity: watch::Sender<Activity>,
}

impl Meter {
    /// The count, now and whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Activity> {
        self.activity.subscribe()
    }

    /// Counts a call until the guard is dropped.
    ///
    /// # Errors
    /// `overloaded` when too many are being worked on.
    pub(crate) fn call(&self) -> Result<Call, Fault> {
        let began = self.activity.send_if_modified(|activity| {
            let fits = activity.calls < MAX_CALLS;
            activity.calls += usize::from(fits);
            fits
        });
        if began {
            Ok(Call { meter: self.clone() })
        } else {
            Err(Fault::new(ErrorCode::Overloaded, format!("{MAX_CALLS} calls are being worked on already"))
                .hint("ask again in a moment; nothing of this call was done"))
        }
    }

    /// Notes how many callers are subscribed.
    pub(crate) fn subscribers(&self, subscribers: usize) {
        self.activity.send_if_modified(|activity| {
            let changed = activity.subscribers != subscribers;
            activity.subscribers = subscribers;
            changed
        });
    }
}

/// A call that is being worked on.
#[derive(Debug)]
pub(crate) struct Call {
    meter: Meter,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.meter.activity.send_modify(|activity| activity.calls -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_until_they_are_answered_and_no_further_than_the_limit() {
        let meter = Meter::default();
        let seen = meter.watch();
        let calls: Vec<_> = (0..MAX_CALLS).map(|_| meter.call().unwrap()).collect();
        assert_eq!(seen.borrow().calls, MAX_CALLS);
        assert_eq!(meter.call().unwrap_err().code(), ErrorCode::Overloaded);
        drop(calls);
        assert!(seen.borrow().is_idle());
        meter.subscribers(1);
        assert!(!seen.borrow().is_idle());
    }
}
