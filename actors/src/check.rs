//! Looking at the store in a process of its own. A store that was cut short, or whose pages are not what they were, ends the process
//! that reads it with a signal: that must be neither the service nor a command.
//!
//! Both halves stand here: [`StoreCheck`] starts this program again and judges what becomes of it, [`answer`] is what that process
//! does. They talk in lines of JSON on its standard output.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use windlass_capsule::{
    Depth, Due, OpenError, ReadError, VerifyOptions, VerifyProgress, due, note_due, open_read_only,
    settle_due, verify,
};

use crate::control::with_sources;

/// How often the progress of a verification in the background is written down and told: what is lost of it is done again.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// The lowest priority: it goes on when nobody else wants to.
const NICENESS: i32 = 19;

/// How much of a store is looked at, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As far as a start does after an unclean stop, within a second.
    AtStart,
    /// At every record, without reading the bytes of blobs.
    Records,
    /// At everything, while somebody waits for it.
    Whole,
    /// At everything that an unclean stop left to be verified, at the lowest priority; it goes on where it was stopped, and ends
    /// when its starter does.
    InBackground,
}

impl Look {
    const ALL: [Self; 4] = [Self::AtStart, Self::Records, Self::Whole, Self::InBackground];

    /// How it is said on a command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtStart => "at-start",
            Self::Records => "records",
            Self::Whole => "whole",
            Self::InBackground => "in-background",
        }
    }

    /// The look of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|look| look.word() == word)
    }
}

/// What came of looking at a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing is wrong with what was looked at.
    Sound,
    /// Something is.
    Damaged {
        /// What.
        what: String,
    },
    /// It could not be looked at, or not to the end.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Finding {
    /// What the end of a process that read a store says of it. An end of its own accord says nothing.
    #[must_use]
    pub fn of_end(status: ExitStatus) -> Self {
        let by_reading = [Signal::BUS, Signal::SEGV, Signal::ABORT, Signal::ILL, Signal::FPE];
        match by_reading.into_iter().find(|signal| status.signal() == Some(signal.as_raw())) {
            Some(Signal::BUS) => Self::Damaged {
                what: format!(
                    "data.mdb ends before a page that it names, or a page cannot be read ({status})"
                ),
            },
            Some(_) => Self::Damaged {
                what: format!("a page of data.mdb is not what it was: reading it ended with {status}"),
            },
            None => Self::Unknown { why: format!("the process that read the store ended with {status}") },
        }
    }
}

/// One line of the process that looks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
enum Said {
    At { done: u64, of: u64 },
    Sound,
    Damaged { what: String },
    Unknown { why: String },
}

/// How this program is started again to look at a store.
#[derive(Debug, Clone)]
pub struct StoreCheck {
    program: PathBuf,
    args: Vec<OsString>,
}

impl StoreCheck {
    /// `args` come before the folder and the word of a [`Look`]; the program then calls [`answer`] with both.
    #[must_use]
    pub const fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self { program, args }
    }

    /// Looks at the store in this folder.
    pub async fn look(&self, folder: &Path, look: Look) -> Finding {
        self.watch(folder, look, |_, _| {}).await
    }

    /// The same, and tells how much of how much was looked at.
    pub(crate) async fn watch(&self, folder: &Path, look: Look, mut at: impl FnMut(u64, u64)) -> Finding {
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg(folder).arg(look.word());
        // An end of its standard input tells the process that nobody waits for it any more.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let unknown = |error: io::Error| Finding::Unknown {
            why: format!("{} cannot be started to look at the store: {error}", self.program.display()),
        };
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return unknown(error),
        };
        let mut told = None;
        if let Some(output) = child.stdout.take() {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    Ok(Said::At { done, of }) => at(done, of),
                    Ok(Said::Sound) => told = Some(Finding::Sound),
                    Ok(Said::Damaged { what }) => told = Some(Finding::Damaged { what }),
                    Ok(Said::Unknown { why }) => told = Some(Finding::Unknown { why }),
                    Err(error) => tracing::debug!(%error, line, "not a line of a look at the store"),
                }
            }
        }
        match (child.wait().await, told) {
            (Ok(status), Some(told)) if status.success() => told,
            (Ok(status), _) => Finding::of_end(status),
            (Err(error), _) => unknown(error),
        }
    }
}

/// What the process that looks does: the whole of it.
///
/// # Errors
/// Nobody reads what it says.
pub fn answer(folder: &Path, look: Look) -> io::Result<()> {
    if look == Look::InBackground {
        end_with_the_starter();
        // Without it the look only takes more from others.
        let _ = rustix::process::nice(NICENESS);
    }
    let said = match examine(folder, look) {
        Ok(said) => said,
        Err(Failed::Open(OpenError::Damaged { what, .. })) => Said::Damaged { what },
        Err(Failed::Open(error)) => Said::Unknown { why: with_sources(&error) },
        Err(Failed::Read(error)) => Said::Damaged { what: with_sources(&error) },
    };
    say(&said)
}

/// Why a look came to no end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn examine(folder: &Path, look: Look) -> Result<Said, Failed> {
    let reader = open_read_only(folder)?;
    let at = |depth| VerifyOptions { depth: Some(depth), ..VerifyOptions::default() };
    let (report, whole) = match look {
        Look::AtStart => (verify(&reader, at(Depth::AT_START))?, false),
        Look::Records => (verify(&reader, at(Depth::Records))?, false),
        Look::Whole => (verify(&reader, at(Depth::Full))?, true),
        Look::InBackground => {
            let resume = match due(folder)? {
                Some(Due::Pending { progress }) => progress,
                Some(Due::Damaged { what }) => return Ok(Said::Damaged { what }),
                None => return Ok(Said::Sound),
            };
            let mut noted = Instant::now();
            let mut note = |progress: &VerifyProgress| {
                if noted.elapsed() >= NOTE_EVERY {
                    noted = Instant::now();
                    note_progress(folder, progress);
                }
            };
            let options = VerifyOptions { resume, progress: Some(&mut note), ..VerifyOptions::default() };
            (verify(&reader, options)?, true)
        }
    };
    Ok(match report.first() {
        Some(fault) => Said::Damaged { what: fault.to_string() },
        None => {
            if whole {
                settle_due(folder)?;
            }
            Said::Sound
        }
    })
}

/// What is not noted is done again, and who does not hear of it will hear of the end.
fn note_progress(folder: &Path, progress: &VerifyProgress) {
    let _ = note_due(folder, &Due::Pending { progress: Some(progress.clone()) });
    let _ = say(&Said::At { done: progress.done, of: progress.of });
}

fn say(said: &Said) -> io::Result<()> {
    let line = serde_json::to_string(said).expect("a line holds texts and numbers only");
    writeln!(io::stdout(), "{line}")
}

/// Ends this process when the one that started it is gone: then another one may be at the same work.
fn end_with_the_starter() {
    let watch = std::thread::Builder::new().name("starter".to_owned()).spawn(|| {
        let mut nothing = [0; 64];
        while matches!(io::stdin().read(&mut nothing), Ok(1..)) {}
        std::process::exit(0);
    });
    // Without the thread it ends a little later, when it cannot say any more how far it is.
    drop(watch);
}
