//! A service that has nothing to do: how often it wakes up, and how much memory it holds that is its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use crate::Bench;
use crate::activation::{Activating, SMALLEST, WINDLASS};
use crate::goal::Goal;
use crate::report::{Comparison, Line, Unit};
use crate::rounds::Samples;

pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let window = Duration::from_secs(bench.extent.choose(300, 10));
    let (wakes, memory) = runtime.block_on(watch(bench, window))?;
    let window = format!("{} seconds after the last call, without a client", window.as_secs());
    let line = |name, unit, ours: &str, goal, samples| {
        let beside = "the smallest zbus service over the same time";
        Line::new(&Comparison { name, unit, ours, beside, goal }, samples, Vec::new())
    };
    let switches = format!("context switches of all threads over {window}");
    let anonymous = format!("anonymous resident memory, {window}");
    Ok(vec![
        line("idle-wake-ups", Unit::WakeUpsPerMinute, &switches, Goal::OursAtMost(6.0), wakes),
        line("idle-memory", Unit::Kibibytes, &anonymous, Goal::OursAtMost(15.0 * 1024.0), memory),
    ])
}

/// Both services side by side, over one window.
async fn watch(bench: &Bench, window: Duration) -> anyhow::Result<(Samples, Samples)> {
    /// What a service does behind its first answer is over by then, and the threads that did it have ended: tokio keeps one that
    /// has nothing to do for ten seconds.
    const SETTLED: Duration = Duration::from_secs(12);
    let bus = Activating::start(bench).await?;
    for service in [WINDLASS, SMALLEST] {
        bus.call(service).await?;
    }
    let (ours, beside) = (bus.pid(WINDLASS).await?, bus.pid(SMALLEST).await?);
    tokio::time::sleep(SETTLED).await;
    let before = (switches(ours)?, switches(beside)?);
    tokio::time::sleep(window).await;
    let after = (switches(ours)?, switches(beside)?);
    let per_minute = |count: u64| count as f64 * 60.0 / window.as_secs_f64();
    let wakes = Samples {
        ours: vec![per_minute(since(&before.0, &after.0))],
        beside: vec![per_minute(since(&before.1, &after.1))],
    };
    let memory =
        Samples { ours: vec![anonymous_kib(ours)? as f64], beside: vec![anonymous_kib(beside)? as f64] };
    bus.close().await?;
    Ok((wakes, memory))
}

/// How often each thread of a process left a processor, by its own will or not.
type Switches = BTreeMap<OsString, u64>;

/// The counts of all threads; see proc_pid_status(5).
fn switches(pid: u32) -> anyhow::Result<Switches> {
    let mut threads = Switches::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the service has ended")? {
        let task = task?;
        let status = fs::read_to_string(task.path().join("status"))?;
        let voluntary = number_of(&status, "voluntary_ctxt_switches:")?;
        threads.insert(task.file_name(), voluntary + number_of(&status, "nonvoluntary_ctxt_switches:")?);
    }
    Ok(threads)
}

/// How often threads left a processor between two looks. One that ended meanwhile is not counted.
fn since(before: &Switches, after: &Switches) -> u64 {
    after.iter().map(|(thread, count)| count - before.get(thread).copied().unwrap_or(0)).sum()
}

/// The anonymous memory of a process that is in use, in KiB.
fn anonymous_kib(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the service has ended")?;
    number_of(&rollup, "Anonymous:")
}

/// The number of the line that begins with a name.
fn number_of(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()).context("a line is missing")?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn a_number_is_that_of_the_line_that_begins_with_its_name() {
        let text = "voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\nAnonymous:  640 kB\n";
        assert_eq!(number_of(text, "voluntary_ctxt_switches:").unwrap(), 12);
        assert_eq!(number_of(text, "nonvoluntary_ctxt_switches:").unwrap(), 3);
        assert_eq!(number_of(text, "Anonymous:").unwrap(), 640);
        assert!(number_of(text, "Rss:").is_err());
    }
}
