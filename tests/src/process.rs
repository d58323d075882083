//! Waiting for a process that is not a child of the test, and finding those that a home has.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// A process that is left in a home.
#[derive(Debug)]
pub struct Left {
    process: OwnedFd,
    command: String,
}

/// Longest wait for a process that is on its way out. A leak fails the test after it, instead of hanging it.
const LEAVING: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// Sends a signal to a process and waits, on its pidfd, until it is gone.
///
/// # Panics
/// The process cannot be signalled or waited for.
pub fn wait_until_gone(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is a positive number");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("the process is there");
    kill_process(pid, signal).expect("the process is ours");
    let mut waited = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut waited, None).expect("a pidfd can be waited for");
}

/// The processes that work below a folder, or whose arguments name something below it.
///
/// # Panics
/// There is no `/proc`.
#[must_use]
pub fn processes_of(folder: &Path) -> Vec<Left> {
    let entries = std::fs::read_dir("/proc").expect("processes are listed");
    let left = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        // Opened before it is looked at, so that what is looked at is what is waited for.
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let arguments = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let works = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(folder));
        let is_of = works || command.contains(folder.to_str()?);
        is_of.then_some(Left { process, command })
    });
    left.collect()
}

impl Left {
    /// Its command line.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Ends it with SIGKILL, and says whether it was still there.
    #[must_use]
    pub fn kill(&self) -> bool {
        pidfd_send_signal(&self.process, Signal::KILL).is_ok()
    }

    /// Whether it ends, soon and by itself.
    ///
    /// # Panics
    /// A pidfd cannot be waited for.
    #[must_use]
    pub fn ends(&self) -> bool {
        let mut waited = [PollFd::new(&self.process, PollFlags::IN)];
        poll(&mut waited, Some(&LEAVING)).expect("a pidfd can be waited for") == 1
    }
}

/// Waits for the end of a process that must be on its way out.
///
/// # Panics
/// It stays.
pub fn wait_for_end_of(left: &Left) {
    assert!(left.ends(), "`{}` is left behind", left.command);
}
