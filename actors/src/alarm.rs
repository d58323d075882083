//! A deadline of wall time: it rings when the time of day is there, through sleep of the machine and changes of its clock.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use windlass_domain::time::Timestamp;

use crate::clock;

/// An armed deadline.
pub(crate) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    at: Timestamp,
}

impl Alarm {
    /// Arms a deadline; one of the past rings at once.
    ///
    /// # Errors
    /// The system gives no timer.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for descriptors that may be closed behind its back; an OwnedFd cannot be"
    )]
    pub(crate) fn at(at: Timestamp) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = AsyncFd::new(timerfd_create(TimerfdClockId::Realtime, flags)?)?;
        let alarm = Self { timer, at };
        alarm.arm()?;
        Ok(alarm)
    }

    fn arm(&self) -> io::Result<()> {
        let millis = self.at.as_millis().max(0);
        let it_value = Timespec {
            tv_sec: millis / 1000,
            // A timer of all zeros would be none.
            tv_nsec: ((millis % 1000) * 1_000_000).max(1),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(self.timer.get_ref(), flags, &Itimerspec { it_interval, it_value })?;
        Ok(())
    }

    /// Waits until the time is there. May be dropped and called again.
    ///
    /// # Errors
    /// The timer cannot be read or armed again.
    pub(crate) async fn rings(&self) -> io::Result<()> {
        loop {
            if clock::now() >= self.at {
                return Ok(());
            }
            let mut ready = self.timer.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0_u8; 8])?));
            match read {
                // The clock was set: the timer is armed anew, against the new time.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {
                    self.arm()?
                }
                Ok(Err(error)) => return Err(error),
                // It rang, or was only said to be readable; the clock decides.
                Ok(Ok(_)) => self.arm()?,
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_of_the_past_rings_at_once() {
        for at in [Timestamp::from_millis(0), Timestamp::from_millis(-5), clock::now()] {
            Alarm::at(at).expect("there are timers").rings().await.expect("it can be read");
        }
    }

    #[tokio::test]
    async fn a_deadline_does_not_ring_before_its_time() {
        let at = Timestamp::from_millis(clock::now().as_millis() + 20);
        Alarm::at(at).expect("there are timers").rings().await.expect("it can be read");
        assert!(clock::now() >= at);
    }

    #[tokio::test]
    async fn one_that_is_far_away_is_not_ready() {
        let alarm = Alarm::at(Timestamp::from_millis(i64::MAX)).expect("there are timers");
        assert!(futures::FutureExt::now_or_never(alarm.rings()).is_none());
    }
}
