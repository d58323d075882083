//! The file system below the capsule.

use std::fs;
use std::path::{Path, PathBuf};

use windlass_contract::document::{DoctorCheck, DoctorFinding};

use super::{ok, problem, skipped, warning};
use crate::folders::Folders;

/// File systems whose files another machine may change: memory maps and locks of the store are not kept between machines.
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.davfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// File systems that a reboot empties.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

/// Looks at what the capsule stands on, or would.
pub(super) fn look(folders: &Folders) -> DoctorFinding {
    let capsule = folders.capsule();
    let there = capsule.ancestors().find_map(|folder| folder.canonicalize().ok());
    let mounts = fs::read_to_string("/proc/self/mountinfo");
    match (there, mounts) {
        (Some(folder), Ok(mounts)) => match kind_of(&folder, &mounts) {
            Some(kind) => judge(&capsule, &kind),
            None => skipped(DoctorCheck::FileSystem, "the kernel does not tell what it is"),
        },
        _ => skipped(DoctorCheck::FileSystem, "the kernel does not tell what it is"),
    }
}

fn judge(capsule: &Path, kind: &str) -> DoctorFinding {
    const ELSEWHERE: [&str; 1] = ["export XDG_STATE_HOME=/a/folder/on/a/local/disk"];
    let shown = capsule.display();
    if NETWORK.contains(&kind) {
        let text =
            format!("{shown} is on {kind}, a network file system, which damages the store sooner or later");
        problem(DoctorCheck::FileSystem, text, &ELSEWHERE)
    } else if VOLATILE.contains(&kind) {
        warning(DoctorCheck::FileSystem, format!("{shown} is on {kind}, which a reboot empties"), &ELSEWHERE)
    } else {
        ok(DoctorCheck::FileSystem, format!("{shown} is on {kind}"))
    }
}

/// The type of the file system that a folder is on, by a text like `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`). Of mounts on the
/// same place the last one is seen.
fn kind_of(folder: &Path, mounts: &str) -> Option<String> {
    let mut found: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(place), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let place = PathBuf::from(plain(place));
        let depth = place.components().count();
        if folder.starts_with(&place) && found.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            found = Some((depth, kind.to_owned()));
        }
    }
    found.map(|(_, kind)| kind)
}

/// A path as it is; the kernel writes blanks and backslashes as octal numbers.
fn plain(escaped: &str) -> String {
    escaped.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use windlass_contract::document::Verdict;

    use super::*;

    const MOUNTS: &str = "\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:35 / /home/kim rw - nfs4 server:/home rw
41 40 0:36 / /home/kim/a\\040b rw - fuse.sshfs kim@elsewhere: rw
42 22 0:37 / /home/kimberley rw - btrfs /dev/sdb rw
43 22 0:38 / /tmp rw - xfs /dev/sdc rw
44 22 0:39 / /tmp rw - tmpfs tmpfs rw
";

    #[test]
    fn the_deepest_and_latest_mount_decides() {
        for (folder, kind) in [
            ("/var", "ext4"),
            ("/home/kim/.local", "nfs4"),
            ("/home/kim/a b/c", "fuse.sshfs"),
            ("/home/kimberley/x", "btrfs"),
            ("/tmp/x", "tmpfs"),
        ] {
            assert_eq!(kind_of(Path::new(folder), MOUNTS).as_deref(), Some(kind), "{folder}");
        }
    }

    #[test]
    fn a_network_is_a_problem_and_a_ram_disk_a_warning() {
        let verdict = |kind| judge(Path::new("/x"), kind).verdict;
        assert_eq!(verdict("nfs4"), Verdict::Problem);
        assert_eq!(verdict("fuse.sshfs"), Verdict::Problem);
        assert_eq!(verdict("tmpfs"), Verdict::Warning);
        assert_eq!(verdict("ext4"), Verdict::Ok);
    }
}
