//! The subject of faults at the writer: a child process that works on a capsule, says what was acknowledged, and dies.

pub(crate) mod work;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use windlass_failpoint::{BREAKAGES_VARIABLE, PLACES_VARIABLE, Place};
use windlass_forgetful::Mount;

use crate::examine::examine;
use crate::model::{Acknowledged, Effects};
use crate::oracles::{Broken, Oracle, check_capsule};
use crate::round::Round;

/// How a subject is to die.
#[derive(Debug, Clone)]
pub(crate) enum Death {
    /// By itself, at this pass of a place.
    At {
        /// The place.
        place: Place,
        /// From 1.
        pass: u32,
    },
    /// From outside, after so many answers and a little more.
    Sudden {
        /// How many writes were acknowledged before.
        answers: u32,
        /// How much later, in microseconds.
        then_us: u64,
    },
    /// Not at all: it does its work and closes the capsule.
    Never,
}

/// A capsule with what is known of it, through a chain of subjects that work on it and die.
#[derive(Debug)]
pub(crate) struct Chain {
    capsule: PathBuf,
    ledger: PathBuf,
    acknowledged: Acknowledged,
    clock_jumps: bool,
}

/// A subject at work.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
}

/// How many writes a subject asks for before it closes the capsule.
const WRITES: u32 = 60;

impl Chain {
    /// A capsule that is not there yet, in the round's folder.
    pub(crate) fn new(round: &Round) -> Result<Self, Broken> {
        Self::in_folder(round.folder())
    }

    /// The same, with the capsule in another folder; the ledger stands in the round's.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, Broken> {
        let (capsule, ledger) = (folder.join("capsule"), folder.join("effects"));
        Ok(Self { capsule, ledger, acknowledged: Acknowledged::default(), clock_jumps: false })
    }

    /// A capsule that is not there yet, in this folder of a disk that can be broken; the ledger stands outside of it.
    pub(crate) fn on_disk(round: &Round, disk: &Path) -> Self {
        // Two folders that the capsule's writer has to make.
        let (capsule, ledger) = (disk.join("windlass/capsule"), round.folder().join("effects"));
        Self { capsule, ledger, acknowledged: Acknowledged::default(), clock_jumps: false }
    }

    /// The same capsule, for subjects whose wall clock jumps.
    pub(crate) const fn with_jumping_clock(mut self) -> Self {
        self.clock_jumps = true;
        self
    }

    pub(crate) fn capsule(&self) -> &Path {
        &self.capsule
    }

    /// Lets a subject work until it dies, which is no fault of the round's kind.
    pub(crate) fn run_uncounted(&mut self, round: &mut Round, death: &Death) -> Result<(), Broken> {
        self.work(round, death, false).map(|_| ())
    }

    /// Lets a subject work until the power of its disk goes at the `nth` change, or until it has done its work.
    pub(crate) fn work_until_dark(
        &mut self,
        round: &mut Round,
        mount: &Mount,
        nth: u64,
    ) -> Result<(), Broken> {
        let pid = Arc::new(OnceLock::new());
        let victim = Arc::clone(&pid);
        mount.cut_power_at(nth, move || {
            // It waits for an answer of the disk, so it is there.
            let _ = kill_process(*victim.wait(), Signal::KILL);
        });
        let mut subject = Subject::start(round, self, &Death::Never, false)?;
        pid.set(subject.pid()).expect("there is one subject");
        subject.listen(&mut self.acknowledged, &Death::Never)?;
        let status = subject.wait()?;
        match (mount.is_dark(), status.signal()) {
            (true, Some(9)) => Ok(()),
            (false, None) if status.success() => Ok(()),
            _ => Err(Broken { oracle: Oracle::GoesOn, what: format!("the writer ended with {status}") }),
        }
    }

    /// Lets a subject work on a disk whose calls fail, and says whether it came to its end. It may give up; it may not crash.
    pub(crate) fn work_with_faults(&mut self, round: &mut Round) -> Result<bool, Broken> {
        let status = self.work(round, &Death::Never, false)?;
        match status.code() {
            Some(code) => Ok(code == 0),
            None => Err(Broken { oracle: Oracle::GoesOn, what: format!("the writer ended with {status}") }),
        }
    }

    /// Asks the oracles, in a child.
    pub(crate) fn examine(&self, round: &mut Round) -> Result<(), Broken> {
        examine(round, &self.capsule, &self.acknowledged, &self.ledger)
    }

    /// Lets a subject work until it dies, and asks the oracles.
    pub(crate) fn run(&mut self, round: &mut Round, death: &Death) -> Result<(), Broken> {
        let status = self.work(round, death, false)?;
        let killed = status.signal() == Some(9);
        if !killed && !status.success() {
            return Err(Broken { oracle: Oracle::GoesOn, what: format!("the writer ended with {status}") });
        }
        round.count(killed);
        self.check(round)
    }

    /// Lets a last subject end every run and close the capsule, and asks the oracles.
    pub(crate) fn finish(&mut self, round: &mut Round) -> Result<(), Broken> {
        let status = self.work(round, &Death::Never, true)?;
        round.ask(Oracle::GoesOn, || {
            if status.success() { Ok(()) } else { Err(format!("the last writer ended with {status}")) }
        })?;
        self.check(round)
    }

    fn check(&self, round: &mut Round) -> Result<(), Broken> {
        let effects = Effects::read(&self.ledger).map_err(Broken::harness)?;
        check_capsule(round.asked(), &self.capsule, &self.acknowledged, &effects)
    }

    fn work(&mut self, round: &mut Round, death: &Death, ends: bool) -> Result<ExitStatus, Broken> {
        let mut subject = Subject::start(round, self, death, ends)?;
        subject.listen(&mut self.acknowledged, death)?;
        subject.wait()
    }
}

impl Subject {
    pub(crate) fn start(round: &mut Round, chain: &Chain, death: &Death, ends: bool) -> Result<Self, Broken> {
        let own = std::env::current_exe().map_err(|error| Broken::harness(error.to_string()))?;
        let mut command = Command::new(own);
        command.arg("subject").arg("--capsule").arg(&chain.capsule).arg("--ledger").arg(&chain.ledger);
        command.args(["--seed", &round.dice.u64(..).to_string(), "--writes", &WRITES.to_string()]);
        command.args(["--threads", &round.dice.u8(1..=3).to_string()]);
        if chain.clock_jumps {
            command.arg("--clock-jumps");
        }
        if ends {
            command.arg("--ends");
        }
        command.env_remove(PLACES_VARIABLE).env_remove(BREAKAGES_VARIABLE);
        if let Death::At { place, pass } = death {
            command.env(PLACES_VARIABLE, format!("{}={pass}", place.name()));
        }
        if let Some(control) = round.control {
            command.args(control.misbehaves.map(|how| format!("--misbehaves={}", how.name())));
            command.envs(control.breakage.map(|breakage| (BREAKAGES_VARIABLE, breakage.name())));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        child.map(|child| Self { child }).map_err(|error| Broken::harness(format!("no subject: {error}")))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn wait(&mut self) -> Result<ExitStatus, Broken> {
        self.child.wait().map_err(|error| Broken::harness(format!("the subject is not ours: {error}")))
    }

    /// Hears what is acknowledged until the subject says no more, and kills it in time where that is asked.
    fn listen(&mut self, acknowledged: &mut Acknowledged, death: &Death) -> Result<(), Broken> {
        let stdout = self.child.stdout.take().expect("its output was asked for, and is taken once");
        for (answers, line) in (0..).zip(BufReader::new(stdout).lines()) {
            let line =
                line.map_err(|error| Broken::harness(format!("the subject cannot be heard: {error}")))?;
            acknowledged.hear(&line).map_err(Broken::harness)?;
            match death {
                Death::Sudden { answers: last, then_us } if answers == *last => {
                    // The moment of a sudden death is what is drawn here; nothing is waited for.
                    std::thread::sleep(Duration::from_micros(*then_us));
                    // It may have ended before.
                    let _ = self.child.kill();
                }
                _ => {}
            }
        }
        Ok(())
    }
}
