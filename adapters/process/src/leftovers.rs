//! What a dead holder left running: find it, end it, and wait until it is gone.
//!
//! A living holder finds its descendants by parentage, because it is their subreaper. When it was itself killed, they
//! hang on somebody else, and are known by the variable [`HOLD_ID_VARIABLE`] in their environment. From a marked process
//! on, its descendants are ours, and so are the members of a session that only ours can be in.
//!
//! A sandbox dies with its holder, but not at once, and what dies has no environment any more. Its first process is known
//! by name, because the holder wrote it down, and ends only when everything in the sandbox has.
//!
//! What remains: a process outside any sandbox and transient unit that wiped its environment and whose marked relatives
//! have all ended is not found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Signal, geteuid, pidfd_send_signal};
use windlass_domain::id::HoldId;

use crate::processes::{self, Process, ProcessIdentity};
use crate::readiness::readable;

/// The environment variable that marks a child, and what it starts, as belonging to one hold.
///
/// It is added to the environment of an unsandboxed child. A sandboxed one does not see it: there only `bwrap` has it.
pub const HOLD_ID_VARIABLE: &str = "WINDLASS_HOLD_ID";

/// Longest wait for killed processes to be gone. Only one that hangs in the kernel takes longer.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Why leftovers of a lost hold could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum LeftoversError {
    /// The process table could not be read.
    #[error("the processes that hold {hold_id} left behind cannot be looked for; is /proc mounted?")]
    Unreadable {
        /// Whose processes were looked for.
        hold_id: HoldId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Processes outlived SIGKILL.
    #[error(
        "processes {pids:?} of lost hold {hold_id} do not end; they hang in the kernel, look at their wchan"
    )]
    Remain {
        /// Whose processes they are.
        hold_id: HoldId,
        /// Their numbers.
        pids: Vec<i32>,
    },
}

/// Whom a dead holder wrote down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Itself; it led the session of what it started.
    pub(crate) holder: ProcessIdentity,
    /// The first process of the sandbox, if there was one.
    pub(crate) inside: Option<ProcessIdentity>,
}

/// Kills every process that belongs to the hold of a dead holder, and waits until all are gone.
///
/// Returns how many there were.
pub(crate) async fn end_leftovers(hold_id: HoldId, known: Known) -> Result<usize, LeftoversError> {
    let unreadable = |source| LeftoversError::Unreadable { hold_id, source };
    let mut ended = BTreeSet::new();
    let rounds = async {
        loop {
            let found = find(hold_id, known).map_err(unreadable)?;
            if found.is_empty() {
                return Ok(());
            }
            for identity in found {
                ended.insert(identity);
                kill_and_wait(identity).await.map_err(unreadable)?;
            }
        }
    };
    match tokio::time::timeout(END_WITHIN, rounds).await {
        Ok(done) => done.map(|()| ended.len()),
        Err(_elapsed) => {
            let pids =
                find(hold_id, known).map_err(unreadable)?.iter().map(|identity| identity.pid).collect();
            Err(LeftoversError::Remain { hold_id, pids })
        }
    }
}

async fn kill_and_wait(identity: ProcessIdentity) -> io::Result<()> {
    let Some(fd) = processes::open(identity)? else { return Ok(()) };
    let fd = readable(fd)?;
    match pidfd_send_signal(fd.get_ref(), Signal::KILL) {
        Ok(()) => fd.readable().await.map(|_| ()),
        Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until exactly this process has ended.
pub(crate) async fn gone(identity: ProcessIdentity) -> io::Result<()> {
    match processes::open(identity)? {
        Some(fd) => readable(fd)?.readable().await.map(|_| ()),
        None => Ok(()),
    }
}

fn find(hold_id: HoldId, known: Known) -> io::Result<Vec<ProcessIdentity>> {
    let marker = format!("{HOLD_ID_VARIABLE}={hold_id}");
    let own_user = geteuid().as_raw();
    let own_pid = rustix::process::getpid().as_raw_nonzero().get();
    let mut table = processes::all()?;
    table.retain(|process| {
        process.identity.pid != own_pid
            && !process.ended
            && processes::owner(process.identity.pid) == Some(own_user)
    });
    let marked = table.iter().filter(|process| is_marked(process.identity.pid, &marker)).copied().collect();
    let mut found = closure(&table, marked, known.holder.pid);
    let lives = |inside: &ProcessIdentity| {
        processes::process(inside.pid).is_some_and(|now| now.identity == *inside && !now.ended)
    };
    let inside = known.inside.filter(lives);
    found.extend(inside.filter(|inside| !found.contains(inside)));
    Ok(found)
}

fn is_marked(pid: i32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    })
}

/// The marked processes, their descendants, and whoever shares a session with them that began inside the hold: the
/// session that the holder led (a living member keeps its number from being given to another), or one that a marked
/// process leads.
fn closure(table: &[Process], marked: Vec<Process>, holder: i32) -> Vec<ProcessIdentity> {
    let sessions: BTreeSet<i32> = marked
        .iter()
        .filter(|process| process.session == holder || process.session == process.identity.pid)
        .map(|process| process.session)
        .collect();
    let mut found: BTreeSet<ProcessIdentity> = BTreeSet::new();
    let members = table.iter().filter(|process| sessions.contains(&process.session));
    for process in marked.iter().chain(members) {
        found.insert(process.identity);
        found.extend(processes::descendants(table, process.identity.pid).iter().map(|below| below.identity));
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: i32, parent: i32, session: i32) -> Process {
        Process { identity: ProcessIdentity { pid, start_ticks: 1 }, parent, session, ended: false }
    }

    fn pids(table: &[Process], marked: Vec<Process>, holder: i32) -> Vec<i32> {
        closure(table, marked, holder).iter().map(|identity| identity.pid).collect()
    }

    #[test]
    fn a_marked_process_brings_its_descendants_and_the_holders_session() {
        let table = [row(10, 1, 5), row(11, 10, 11), row(12, 1, 5), row(13, 1, 13)];
        assert_eq!(pids(&table, vec![table[0]], 5), [10, 11, 12]);
    }

    #[test]
    fn a_foreign_session_is_left_alone() {
        let table = [row(10, 1, 7), row(11, 1, 7)];
        assert_eq!(pids(&table, vec![table[0]], 5), [10], "session 7 began outside the hold");
        assert!(pids(&table, Vec::new(), 7).is_empty(), "a number alone proves nothing");
    }
}
