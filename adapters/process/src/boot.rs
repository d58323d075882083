//! The boot: its id, its clock, and timers on that clock.
//!
//! Durations are measured on the boot clock, which runs on through suspend and knows no wall time.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::readiness::readable;

/// The id that the kernel drew when it started.
pub(crate) fn boot_id() -> io::Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(ID.get_or_init(|| text.trim().to_owned()))
}

/// Milliseconds since the machine started, suspend included.
pub(crate) fn boot_clock_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).expect("the boot clock starts at zero");
    let nanoseconds = u64::try_from(now.tv_nsec).expect("a clock's nanoseconds are not negative");
    seconds * 1_000 + nanoseconds / 1_000_000
}

/// A timer on the boot clock, unarmed at first.
pub(crate) struct BootTimer {
    fd: AsyncFd<OwnedFd>,
}

impl BootTimer {
    /// A timer that fires never, until it is armed. Needs a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd: readable(fd)? })
    }

    /// Lets it fire once, `after_ms` milliseconds from now; zero means at once.
    pub(crate) fn arm(&self, after_ms: u64) -> io::Result<()> {
        // A zero value would disarm the timer, and values past a century are as good as never.
        const CENTURY_MS: u64 = 100 * 365 * 86_400_000;
        let after_ms = after_ms.min(CENTURY_MS);
        let nanoseconds = if after_ms == 0 { 1 } else { (after_ms % 1_000) * 1_000_000 };
        let value = Timespec {
            tv_sec: i64::try_from(after_ms / 1_000).expect("a century of seconds fits"),
            tv_nsec: i64::try_from(nanoseconds).expect("less than a second of nanoseconds fits"),
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            self.fd.get_ref(),
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        Ok(())
    }

    /// Waits until it fires.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut count = [0_u8; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?)) {
                Ok(read) => return read.map(|_| ()),
                Err(_would_block) => continue,
            }
        }
    }
}
