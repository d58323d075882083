//! The machine in words that name no host and no path, so that a report can be published.

use std::fs;
use std::thread::available_parallelism;

use anyhow::Context as _;
use serde::Serialize;

use crate::disk::Disk;

/// What the figures of a report depend on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// How many threads can run at once.
    cores: usize,
    /// The processor, as it names itself.
    processor: String,
    /// Memory, in MiB.
    memory_mib: u64,
    /// The kernel's release.
    kernel: String,
    /// The file system below the stores.
    file_system: String,
    /// What the kernel says of the device below it.
    disk: String,
    /// One synced append of 4 KiB before the measures, in microseconds.
    sync_us: f64,
    /// How many threads wanted to run, over the last minute before the measures.
    load: f64,
}

/// Describes the machine and the disk.
pub(crate) fn describe(disk: &Disk) -> anyhow::Result<Machine> {
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel does not say its release")?;
    Ok(Machine {
        cores: available_parallelism().map_or(1, usize::from),
        processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
        memory_mib: field("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib / 1024),
        kernel: kernel.trim_end().to_owned(),
        file_system: disk.file_system.clone(),
        disk: kind_of(&disk.device),
        sync_us: disk.sync_micros()?,
        load: fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|text| text.split(' ').next()?.parse().ok())
            .unwrap_or(f64::NAN),
    })
}

impl Machine {
    /// The description as lines of text.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} cores ({}), {} MiB, Linux {}\n{} on a {}; one synced append of 4 KiB takes {:.0} µs; load {:.1}\n",
            self.cores,
            self.processor,
            self.memory_mib,
            self.kernel,
            self.file_system,
            self.disk,
            self.sync_us,
            self.load,
        )
    }
}

/// The value of the first line `name : value` in a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What kind of disk a device is: virtual, turning, or neither.
fn kind_of(device: &str) -> String {
    let sysfs = format!("/sys/dev/block/{device}");
    let Ok(place) = fs::canonicalize(&sysfs) else {
        return "device that the kernel does not describe".to_owned();
    };
    // A partition has no queue of its own; its disk, one folder up, has.
    let turning = ["queue/rotational", "../queue/rotational"]
        .iter()
        .find_map(|file| fs::read_to_string(place.join(file)).ok());
    let turning = turning.is_some_and(|text| text.trim() == "1");
    match (place.to_string_lossy().contains("/virtio"), turning) {
        (true, _) => "virtual disk (virtio)".to_owned(),
        (false, true) => "turning disk".to_owned(),
        (false, false) => "solid-state disk".to_owned(),
    }
}
