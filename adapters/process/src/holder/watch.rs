//! Watching the child until nothing of it is left.
//!
//! One loop, one owner. What can happen: output, a death, a limit, a wish to end, a word to leave. Ending goes by stages,
//! and only forwards: running, then asked (SIGTERM to all descendants), then forced (SIGKILL to all, again at each
//! death, until the kernel says that there is no child any more).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, wait};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix as signal;
use tokio::signal::unix::SignalKind;
use windlass_domain::child::{ChildEnd, ChildLimits, EndedBecause, OutputStream};

use super::child::Child;
use super::clients::{Clients, Requests};
use crate::boot::{BootTimer, boot_clock_ms};
use crate::processes::{self, ProcessIdentity};
use crate::spool::SpoolWriter;

/// Read from a pipe at once, in bytes: what a pipe holds by default.
const READ_BYTES: usize = 64 * 1024;

/// Kept of what `bwrap` says on standard error, in bytes, for the case that it cannot start the program.
const FIRST_WORDS_BYTES: usize = 1024;

/// Looks at the process table in a row while processes are being killed. What still forks after so many is met again
/// when one of the killed is reaped.
const KILL_PASSES: usize = 64;

/// What the loop listens to, made before the child is started so that no death is missed.
pub(super) struct Instruments {
    deaths: signal::Signal,
    leave: signal::Signal,
    /// Held so that the signals do not end the process; what they say is nobody's wish here.
    _ignored: [signal::Signal; 2],
    time_limit: BootTimer,
    grace: BootTimer,
}

impl Instruments {
    pub(super) fn new() -> io::Result<Self> {
        let listen = signal::signal;
        Ok(Self {
            deaths: listen(SignalKind::child())?,
            leave: listen(SignalKind::terminate())?,
            _ignored: [listen(SignalKind::hangup())?, listen(SignalKind::interrupt())?],
            time_limit: BootTimer::new()?,
            grace: BootTimer::new()?,
        })
    }
}

/// How the watch ended. In every case no process of the hold is left.
pub(super) enum Watched {
    /// The child ended.
    Ended { end: ChildEnd, stdout_bytes: u64, stderr_bytes: u64 },
    /// The holder was told to leave, and ended the child without a result.
    Stopped,
    /// The watch could not go on, and the child was killed.
    Failed { reason: String },
}

/// Watches until no process of the hold is left.
pub(super) async fn watch(
    child: Child,
    limits: &ChildLimits,
    spool: &mut SpoolWriter,
    clients: &Clients,
    mut requests: Requests,
    mut instruments: Instruments,
) -> Watched {
    let mut pipes =
        [Pipe::new(OutputStream::Stdout, child.stdout), Pipe::new(OutputStream::Stderr, child.stderr)];
    let mut watch = Watch {
        child: child.pid,
        sandboxed: child.report.is_some(),
        limits: *limits,
        spool,
        clients,
        stage: Stage::Running,
        status: None,
        why: None,
        stopped: false,
        kept_bytes: 0,
        first_words: Vec::new(),
    };
    let watched = watch.until_nothing_is_left(&mut pipes, &mut requests, &mut instruments).await;
    if let Err(error) = watched.and_then(|()| watch.drain(&mut pipes)) {
        let reason = match watch.kill_until_nothing_is_left() {
            Ok(()) => format!("cannot keep the child's output: {error}"),
            Err(second) => format!("cannot keep the child's output ({error}) and cannot end it: {second}"),
        };
        return Watched::Failed { reason };
    }
    if watch.stopped {
        return Watched::Stopped;
    }
    let [stdout, stderr] = pipes;
    Watched::Ended {
        end: watch.verdict(child.report),
        stdout_bytes: stdout.kept_bytes,
        stderr_bytes: stderr.kept_bytes,
    }
}

/// One output stream.
struct Pipe {
    stream: OutputStream,
    /// `None` once its end was read.
    receiver: Option<Receiver>,
    buffer: Vec<u8>,
    kept_bytes: u64,
}

impl Pipe {
    fn new(stream: OutputStream, receiver: Receiver) -> Self {
        Self { stream, receiver: Some(receiver), buffer: vec![0; READ_BYTES], kept_bytes: 0 }
    }

    /// Waits for output, and gives its length in the buffer. Never ready again once the end was read.
    async fn read(&mut self) -> io::Result<usize> {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        let length = receiver.read(&mut self.buffer).await?;
        if length == 0 {
            self.receiver = None;
        }
        Ok(length)
    }

    /// What is there now. Not through the runtime, which may not have heard of it yet.
    fn read_now(&mut self) -> io::Result<usize> {
        let Some(receiver) = &self.receiver else { return Ok(0) };
        match rustix::io::read(receiver, &mut self.buffer) {
            Ok(length) => Ok(length),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// How far ending has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Asked,
    Forced,
}

/// What woke the loop up.
enum Wake {
    Leave,
    Death,
    EndWanted(EndedBecause),
    TimeLimit(io::Result<()>),
    GraceOver(io::Result<()>),
    Output(OutputStream, io::Result<usize>),
}

struct Watch<'a> {
    child: Pid,
    sandboxed: bool,
    limits: ChildLimits,
    spool: &'a mut SpoolWriter,
    clients: &'a Clients,
    stage: Stage,
    /// How the child itself ended; its descendants may go on.
    status: Option<WaitStatus>,
    /// Why the holder ends it, if it does.
    why: Option<EndedBecause>,
    /// The holder was told to leave before there was a result.
    stopped: bool,
    kept_bytes: u64,
    /// The beginning of standard error.
    first_words: Vec<u8>,
}

impl Watch<'_> {
    async fn until_nothing_is_left(
        &mut self,
        pipes: &mut [Pipe; 2],
        requests: &mut Requests,
        instruments: &mut Instruments,
    ) -> io::Result<()> {
        instruments.time_limit.arm(self.limits.time_ms)?;
        loop {
            let [stdout, stderr] = pipes;
            let output = async {
                tokio::select! {
                    read = stdout.read() => Wake::Output(OutputStream::Stdout, read),
                    read = stderr.read() => Wake::Output(OutputStream::Stderr, read),
                }
            };
            // In this order, so that no flood of output keeps a limit from being seen, and so that a shutdown which
            // tells everybody at once is not taken for the child's own end.
            let wake = tokio::select! {
                biased;
                _ = instruments.leave.recv() => Wake::Leave,
                _ = instruments.deaths.recv() => Wake::Death,
                why = requests.end_wanted() => Wake::EndWanted(why),
                fired = instruments.time_limit.fired() => Wake::TimeLimit(fired),
                fired = instruments.grace.fired() => Wake::GraceOver(fired),
                wake = output => wake,
            };
            match wake {
                Wake::Leave => {
                    self.stopped |= !self.is_decided();
                    self.ask(&instruments.grace)?;
                }
                Wake::Death => {
                    if self.reap()? {
                        return Ok(());
                    }
                    match self.stage {
                        Stage::Running if self.status.is_some() => self.ask(&instruments.grace)?,
                        Stage::Forced => self.kill_all()?,
                        Stage::Running | Stage::Asked => {}
                    }
                }
                Wake::EndWanted(why) => self.end(why, &instruments.grace)?,
                Wake::TimeLimit(fired) => {
                    fired?;
                    self.end(EndedBecause::TimeLimit, &instruments.grace)?;
                }
                Wake::GraceOver(fired) => {
                    fired?;
                    self.kill_all()?;
                }
                Wake::Output(stream, read) => {
                    let length = read?;
                    let pipe =
                        pipes.iter_mut().find(|pipe| pipe.stream == stream).expect("both streams are there");
                    if self.keep(pipe, length)? {
                        self.ask(&instruments.grace)?;
                    }
                }
            }
        }
    }

    /// The result is already certain: the child ended by itself, or a reason to end it was there.
    fn is_decided(&self) -> bool {
        self.status.is_some() || self.why.is_some() || self.stopped
    }

    fn end(&mut self, why: EndedBecause, grace: &BootTimer) -> io::Result<()> {
        if !self.is_decided() {
            self.why = Some(why);
        }
        self.ask(grace)
    }

    /// Keeps output within the limit. True if there was more.
    fn keep(&mut self, pipe: &mut Pipe, length: usize) -> io::Result<bool> {
        let room = self.limits.output_bytes - self.kept_bytes;
        let kept = usize::try_from(room).unwrap_or(usize::MAX).min(length);
        if kept > 0 {
            let bytes = &pipe.buffer[..kept];
            self.spool.append(pipe.stream, boot_clock_ms(), bytes)?;
            self.kept_bytes += kept as u64;
            pipe.kept_bytes += kept as u64;
            if self.sandboxed && pipe.stream == OutputStream::Stderr {
                let wanted = FIRST_WORDS_BYTES.saturating_sub(self.first_words.len()).min(kept);
                self.first_words.extend(&bytes[..wanted]);
            }
            self.clients.grew(self.spool.end());
        }
        if kept == length {
            return Ok(false);
        }
        // Even if the child has ended meanwhile: whether its last words were read before its death is chance.
        if self.why.is_none() && !self.stopped {
            self.why = Some(EndedBecause::OutputLimit);
        }
        Ok(true)
    }

    /// Keeps what dead processes left in the pipes.
    fn drain(&mut self, pipes: &mut [Pipe; 2]) -> io::Result<()> {
        for pipe in pipes {
            loop {
                let length = pipe.read_now()?;
                if length == 0 {
                    break;
                }
                self.keep(pipe, length)?;
            }
        }
        Ok(())
    }

    /// Takes note of every death. True if no child is left, and with it no descendant: orphans become children here.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.child => self.status = Some(status),
                Ok(Some(_orphan)) => {}
                Ok(None) => return Ok(false),
                Err(Errno::CHILD) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks all descendants to end, and lets the grace period run. Once.
    fn ask(&mut self, grace: &BootTimer) -> io::Result<()> {
        if self.stage != Stage::Running {
            return Ok(());
        }
        self.stage = Stage::Asked;
        for process in self.descendants()? {
            // `bwrap` does not pass the request on, and its own end would be the end of the program by force.
            if self.sandboxed && process.pid == self.child.as_raw_nonzero().get() {
                continue;
            }
            processes::signal(process, Signal::TERM)?;
            processes::signal(process, Signal::CONT)?;
        }
        grace.arm(self.limits.grace_ms)
    }

    /// Kills all descendants that can be seen. What they start meanwhile is met at the next death.
    fn kill_all(&mut self) -> io::Result<()> {
        self.stage = Stage::Forced;
        if self.status.is_none() {
            // The group's number is the child's, which stays taken until the child is reaped.
            match kill_process_group(self.child, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut killed = BTreeSet::new();
        for _pass in 0..KILL_PASSES {
            let fresh: Vec<_> =
                self.descendants()?.into_iter().filter(|process| killed.insert(*process)).collect();
            if fresh.is_empty() {
                break;
            }
            for process in fresh {
                processes::signal(process, Signal::KILL)?;
            }
        }
        Ok(())
    }

    /// For the case that the loop cannot go on: blocks until nothing is left.
    fn kill_until_nothing_is_left(&mut self) -> io::Result<()> {
        loop {
            if self.reap()? {
                return Ok(());
            }
            self.kill_all()?;
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if pid == self.child => self.status = Some(status),
                Ok(_) | Err(Errno::INTR | Errno::CHILD) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn descendants(&self) -> io::Result<Vec<ProcessIdentity>> {
        let table = processes::all()?;
        let below = processes::descendants(&table, getpid().as_raw_nonzero().get());
        Ok(below.iter().map(|process| process.identity).collect())
    }

    fn verdict(&self, report: Option<OwnedFd>) -> ChildEnd {
        if let Some(why) = self.why {
            return ChildEnd::Ended { why };
        }
        let status =
            self.status.expect("the loop ends only when the kernel knows no child, so it was reaped");
        if let Some(signal) = status.terminating_signal() {
            return ChildEnd::Signalled { signal };
        }
        if report.is_some_and(|report| !reports_an_end(report)) {
            let words = String::from_utf8_lossy(&self.first_words).trim().to_owned();
            let reason =
                if words.is_empty() { "bwrap ended before it started the program".to_owned() } else { words };
            return ChildEnd::NotStarted { reason };
        }
        let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
        ChildEnd::Exited {
            code: code.expect("what was not ended by a signal has an exit status of one byte"),
        }
    }
}

/// Whether `bwrap` saw the program run and end: it reports an exit status only then.
fn reports_an_end(report: OwnedFd) -> bool {
    let mut text = String::new();
    // All writers are gone, so this ends.
    match fs::File::from(report).read_to_string(&mut text) {
        Ok(_) => text.lines().any(|line| line.contains("\"exit-code\"")),
        Err(_unreadable) => false,
    }
}
