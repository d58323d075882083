//! Waiting for a process that is not a child of the test.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

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
