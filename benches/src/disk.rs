//! Where the stores of both sides stand: one real disk, so that a sync costs both the same.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::rounds::median;

/// How many synced appends tell how slow the disk is.
const PROBES: usize = 40;

/// A folder on a real disk, below which measures make their own.
pub(crate) struct Disk {
    folder: TempDir,
    /// The type of its file system, as the kernel names it.
    pub(crate) file_system: String,
    /// The device's number, `major:minor`.
    pub(crate) device: String,
}

impl Disk {
    /// A temporary folder below this one; below cargo's target folder when none is given.
    pub(crate) fn below(folder: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => target_folder()?,
        };
        let parent = folder.canonicalize().with_context(|| format!("{} cannot be used", folder.display()))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("the mounts cannot be read")?;
        let mount = disk_of(&parent, &mounts)?;
        let folder = tempfile::Builder::new()
            .prefix("windlass-benches-")
            .tempdir_in(&parent)
            .with_context(|| format!("no folder can be made in {}", parent.display()))?;
        Ok(Self { folder, file_system: mount.file_system.to_owned(), device: mount.device.to_owned() })
    }

    /// A folder of its own for one store, removed when it is dropped.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<TempDir> {
        tempfile::Builder::new()
            .prefix(name)
            .tempdir_in(self.folder.path())
            .with_context(|| format!("no folder for {name} can be made"))
    }

    /// How long one synced append of 4 KiB takes, in microseconds.
    pub(crate) fn sync_micros(&self) -> anyhow::Result<f64> {
        let mut file = File::create(self.folder.path().join("probe")).context("no file can be made")?;
        let mut samples = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            let start = Instant::now();
            file.write_all(&[7; 4096])?;
            file.sync_data()?;
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(&samples))
    }
}

/// The target folder that this program was built into.
fn target_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's file cannot be found")?;
    let profile = program.parent().context("this program stands in no folder")?;
    Ok(profile.parent().unwrap_or(profile).to_owned())
}

struct Mount<'a> {
    device: &'a str,
    file_system: &'a str,
}

/// The mount that a path is on, which must not be in memory.
fn disk_of<'a>(path: &Path, mounts: &'a str) -> anyhow::Result<Mount<'a>> {
    let mount = mount_of(path, mounts).with_context(|| format!("{} is on no mount", path.display()))?;
    if ["tmpfs", "ramfs"].contains(&mount.file_system) {
        bail!(
            "{} is in memory ({}), where a sync costs nothing; name a folder on a disk with --dir",
            path.display(),
            mount.file_system
        );
    }
    Ok(mount)
}

/// The mount that a path is on; `mounts` is in the form of proc_pid_mountinfo(5).
fn mount_of<'a>(path: &Path, mounts: &'a str) -> Option<Mount<'a>> {
    let mut found = None;
    let mut longest = 0;
    for line in mounts.lines() {
        let (mounted, described) = line.split_once(" - ")?;
        let mut fields = mounted.split(' ');
        let (device, point) = (fields.nth(2)?, fields.nth(1)?);
        let point = point.replace("\\040", " ");
        // A later mount on the same point hides the earlier one.
        if path.starts_with(&point) && point.len() >= longest {
            longest = point.len();
            found = Some(Mount { device, file_system: described.split(' ').next()? });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        23 22 0:30 / /tmp rw - tmpfs tmpfs rw,size=1g\n\
        24 22 254:16 / /tmp/a\\040b rw,relatime shared:1 - xfs /dev/vdb rw\n\
        25 22 0:31 / /home rw - ext4 /dev/vdc rw\n\
        26 22 0:32 / /home rw - tmpfs tmpfs rw\n";

    #[test]
    fn a_path_is_on_the_deepest_and_latest_mount_above_it() {
        let on = |path: &str| mount_of(Path::new(path), MOUNTS).map(|mount| mount.file_system);
        assert_eq!(on("/var/lib"), Some("ext4"));
        assert_eq!(on("/tmp/x"), Some("tmpfs"));
        assert_eq!(on("/tmpx"), Some("ext4"));
        assert_eq!(on("/tmp/a b/c"), Some("xfs"));
        assert_eq!(on("/home/crew"), Some("tmpfs"));
    }

    #[test]
    fn memory_is_refused() {
        assert!(disk_of(Path::new("/var"), MOUNTS).is_ok());
        let error = disk_of(Path::new("/tmp/x"), MOUNTS).err().unwrap();
        assert!(error.to_string().contains("in memory (tmpfs)"), "{error}");
    }
}
