//! The process table, as far as it is needed to find and signal what belongs to a hold.
//!
//! **Invariant:** a signal goes through a pidfd whose start time was checked after it was opened, so it never reaches a
//! process that merely got a dead one's number.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Which process this is: its number and when it started. The pair is unique within a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Its number.
    pub(crate) pid: i32,
    /// Clock ticks from the machine's start to its own, from `/proc/<pid>/stat`.
    pub(crate) start_ticks: u64,
}

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) identity: ProcessIdentity,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// It has ended, and only waits to be reaped.
    pub(crate) ended: bool,
}

/// Reads one process. `None` if there is none with this number.
pub(crate) fn process(pid: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&stat))
}

/// The calling process.
pub(crate) fn own() -> io::Result<ProcessIdentity> {
    Ok(own_line()?.identity)
}

/// The session of the calling process: the number of its leader, zero for one outside this pid namespace.
pub(crate) fn own_session() -> io::Result<i32> {
    Ok(own_line()?.session)
}

fn own_line() -> io::Result<Process> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    process(pid).ok_or_else(|| io::Error::other("/proc/self/stat cannot be read; mount /proc"))
}

/// Reads the whole table. Processes that end meanwhile are left out.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            found.extend(process(pid));
        }
    }
    Ok(found)
}

/// All living processes of `table` below `root`, without it.
pub(crate) fn descendants(table: &[Process], root: i32) -> Vec<Process> {
    let mut members = BTreeSet::from([root]);
    let mut found = Vec::new();
    loop {
        let before = members.len();
        for process in table {
            if members.contains(&process.parent) && members.insert(process.identity.pid) && !process.ended {
                found.push(*process);
            }
        }
        if members.len() == before {
            return found;
        }
    }
}

/// The user who owns process `pid`, if it exists.
pub(crate) fn owner(pid: i32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid())
}

/// A descriptor of exactly this process, or `None` if it is no more.
pub(crate) fn open(identity: ProcessIdentity) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(identity.pid) else { return Ok(None) };
    let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The number was pinned by the descriptor before this look, so what is seen now is what it refers to.
    Ok(process(identity.pid).is_some_and(|now| now.identity == identity && !now.ended).then_some(fd))
}

/// Sends `signal` to exactly this process. False if it is no more.
pub(crate) fn signal(identity: ProcessIdentity, signal: Signal) -> io::Result<bool> {
    let Some(fd) = open(identity)? else { return Ok(false) };
    match pidfd_send_signal(fd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Parses `/proc/<pid>/stat` (proc(5)). The program's name, in parentheses, may itself hold spaces and parentheses.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        identity: ProcessIdentity { pid, start_ticks: fields.get(19)?.parse().ok()? },
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        ended: matches!(*fields.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) Z 9 (b) S 3 7 5 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let expected = Process {
            identity: ProcessIdentity { pid: 7, start_ticks: 4242 },
            parent: 3,
            session: 5,
            ended: false,
        };
        assert_eq!(parse_stat(7, stat), Some(expected));
    }

    #[test]
    fn a_recycled_number_is_another_process() {
        let own = own().unwrap();
        assert!(open(own).unwrap().is_some());
        assert!(open(ProcessIdentity { start_ticks: own.start_ticks + 1, ..own }).unwrap().is_none());
    }
}
