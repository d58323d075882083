//! The capsule: whether it is sound, whether this program may write it, and who does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use windlass_actors::{Finding, Look};
use windlass_capsule::{Due, LastStop, OpenError, check_format, due, last_stop};
use windlass_contract::document::{DoctorCheck, DoctorFinding};

use super::{ok, problem, skipped, warning};
use crate::folders::Folders;
use crate::reach::store_check;

/// Looks at the capsule; at its store in a child process, which a damaged one may end.
pub(super) async fn look(folders: &Folders) -> DoctorFinding {
    let folder = folders.capsule();
    if let Err(error) = check_format(&folder) {
        return unopened(&folder, &error);
    }
    match (last_stop(&folder), due(&folder)) {
        (Ok(LastStop::Nothing), _) => {
            return ok(DoctorCheck::Capsule, "there is none yet; the first command makes it");
        }
        (_, Ok(Some(Due::Damaged { what }))) => return damaged(&folder, &what),
        (Ok(LastStop::Clean(_) | LastStop::Unclean), Ok(_)) => {}
        (Err(error), _) | (_, Err(error)) => return unopened(&folder, &error),
    }
    let check = match store_check() {
        Ok(check) => check,
        Err(fault) => return skipped(DoctorCheck::Capsule, fault.to_string()),
    };
    match check.look(&folder, Look::AtStart).await {
        Finding::Sound => {
            ok(DoctorCheck::Capsule, format!("{} is sound as far as a start looks", folder.display()))
        }
        Finding::Damaged { what } => damaged(&folder, &what),
        Finding::Unknown { why } => skipped(DoctorCheck::Capsule, why),
    }
}

fn unopened(folder: &Path, error: &OpenError) -> DoctorFinding {
    let text = crate::service::with_source(error);
    match error {
        OpenError::Damaged { what, .. } => damaged(folder, what),
        OpenError::Newer { .. } => problem(DoctorCheck::Capsule, text, &["windlass --version"]),
        _ => {
            let list = format!("ls -la {}", folder.display());
            problem(DoctorCheck::Capsule, text, &[&list])
        }
    }
}

fn damaged(folder: &Path, what: &str) -> DoctorFinding {
    let text = format!("{} is damaged: {what}; keep the folder as it is", folder.display());
    let restore = format!("mv {0} {0}.damaged && windlass capsule restore DIR", folder.display());
    problem(DoctorCheck::Capsule, text, &["windlass capsule verify", &restore])
}

/// Who writes the capsule, beside the service of this process.
pub(super) fn writer(folders: &Folders, service: Option<u32>) -> DoctorFinding {
    let Ok(lock) = fs::metadata(folders.capsule().join("lock")) else {
        return ok(DoctorCheck::Writer, "nobody writes the capsule");
    };
    let Ok(locks) = fs::read_to_string("/proc/locks") else {
        return skipped(DoctorCheck::Writer, "the kernel does not tell who holds locks");
    };
    match (holder(&locks, lock.ino()), service) {
        (None, None) => ok(DoctorCheck::Writer, "nobody writes the capsule"),
        (None, Some(pid)) => {
            let text = format!("the service, process {pid}, writes another capsule than this one");
            warning(DoctorCheck::Writer, text, &["windlass service status"])
        }
        (Some(pid), Some(service)) if pid == service => {
            ok(DoctorCheck::Writer, "the service writes the capsule")
        }
        (Some(pid), _) => {
            let text = format!("process {pid} writes the capsule; the service waits until it ends");
            warning(DoctorCheck::Writer, text, &[&format!("ps -fp {pid}"), &format!("kill {pid}")])
        }
    }
}

/// Who holds a lock on the file of this number, by a text like `/proc/locks` (`proc_locks(5)`). Reading it, unlike trying the lock,
/// is in nobody's way.
fn holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields[..] else { return None };
        (file.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::holder;

    #[test]
    fn only_a_writer_s_lock_on_that_file_counts() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:77 0 EOF\n2: FLOCK  ADVISORY  READ 12 fd:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 15 fd:01:77 0 EOF\n3: FLOCK  ADVISORY  WRITE 13 fd:01:77 0 EOF\n";
        assert_eq!(holder(locks, 77), Some(13));
        assert_eq!(holder(locks, 7), None);
    }
}
