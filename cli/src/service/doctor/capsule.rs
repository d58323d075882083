//! The capsule: whether it is sound, whether this program may write it, and who does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use windlass_capsule::{
    Depth, LastStop, OpenError, VerifyOptions, check_format, last_stop, open_read_only, verify,
};
use windlass_contract::document::{DoctorCheck, DoctorFinding};

use super::{ok, problem, skipped, warning};
use crate::folders::Folders;
use crate::reach::this_program;

/// How many of the newest links are looked at: what a start looks at after an unclean stop.
const NEWEST_LINKS: u64 = 1_000;

/// What became of a child process that read the capsule.
pub(crate) enum Survival {
    /// It lived to say what it found.
    Lived(DoctorFinding),
    /// It was ended by reading.
    Died {
        /// How.
        how: String,
    },
}

/// Looks at the capsule.
pub(super) async fn look(folders: &Folders) -> DoctorFinding {
    match survives_reading(folders).await {
        Survival::Lived(finding) => finding,
        Survival::Died { how } => damaged(&folders.capsule(), &how),
    }
}

/// Looks at the capsule in a child process: a store that was cut short ends the process that reads it with a signal.
pub(crate) async fn survives_reading(folders: &Folders) -> Survival {
    let unknown = |why: String| Survival::Lived(skipped(DoctorCheck::Capsule, why));
    let program = match this_program() {
        Ok(program) => program,
        Err(fault) => return unknown(fault.to_string()),
    };
    let mut child = Command::new(program);
    child.arg("--state-dir").arg(&folders.state).args(["service", "doctor", "--capsule-alone"]);
    child.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match child.output().await {
        Ok(output) if output.status.success() => match serde_json::from_slice(&output.stdout) {
            Ok(finding) => Survival::Lived(finding),
            Err(error) => unknown(format!("it could not be looked at: {error}")),
        },
        Ok(output) => Survival::Died { how: format!("reading it ended with {}", output.status) },
        Err(error) => unknown(format!("it could not be looked at: {error}")),
    }
}

/// Looks at the capsule in this process.
pub(crate) fn look_here(folders: &Folders) -> DoctorFinding {
    let folder = folders.capsule();
    if let Err(error) = check_format(&folder) {
        return unopened(&folder, &error);
    }
    match last_stop(&folder) {
        Ok(LastStop::Nothing) => {
            return ok(DoctorCheck::Capsule, "there is none yet; the first command makes it");
        }
        Ok(LastStop::Clean(_) | LastStop::Unclean) => {}
        Err(error) => return unopened(&folder, &error),
    }
    let reader = match open_read_only(&folder) {
        Ok(reader) => reader,
        Err(error) => return unopened(&folder, &error),
    };
    let options = VerifyOptions {
        depth: Some(Depth::Bounded { newest_links: NEWEST_LINKS }),
        ..VerifyOptions::default()
    };
    match verify(&reader, options) {
        Ok(report) => match report.first() {
            None => {
                let newest = report.head.cursor.0;
                ok(
                    DoctorCheck::Capsule,
                    format!("{} is sound as far as a start looks, up to event {newest}", folder.display()),
                )
            }
            Some(fault) => damaged(&folder, &fault.to_string()),
        },
        Err(error) => damaged(&folder, &crate::service::with_source(&error)),
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
