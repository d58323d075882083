//! The holder: the process that owns one child.
//!
//! It hangs on nobody: it leads a session of its own, has no terminal, and goes on when the service that started it is
//! gone. It is the subreaper of its child, so that even what forks twice or starts a session of its own stays within
//! reach. It is no judge: what it starts was permitted before, and it knows nothing of runs.
//!
//! | it ends with | when | the folder says |
//! |---|---|---|
//! | [`HolderExit::Held`] | every process of the hold is gone | `exit` |
//! | [`HolderExit::AlreadyClaimed`] | another holder was first | that one's `claim` |
//! | [`HolderExit::Stopped`] | SIGTERM: shutdown, or its unit was stopped | `claim` without `exit`: lost |
//! | [`HolderExit::Unusable`] | nothing can be started from this folder | no `claim` |
//! | [`HolderExit::Failed`] | it could not go on (disk full) and ended the child | `claim` without `exit`: lost |

mod child;
mod claim;
mod clients;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use windlass_domain::child::ChildEnd;
use windlass_failpoint::{Place, pass};

use crate::boot::boot_clock_ms;
use crate::folder::{EXIT_FORMAT, ExitRecord, Folder, SpecRecord};
use crate::spool::{SEGMENT_BYTES, SpoolWriter};

/// How a holder left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderExit {
    /// The child ended, or could not be started, and the exit record says how.
    Held,
    /// Another holder has claimed this hold.
    AlreadyClaimed,
    /// It was told to leave by SIGTERM, and ended the child without a result.
    Stopped,
    /// The folder cannot be used; nothing was started or claimed.
    Unusable {
        /// Why.
        reason: String,
    },
    /// It could not go on, ended the child and left no result.
    Failed {
        /// Why.
        reason: String,
    },
}

impl HolderExit {
    /// The exit status of the process: 0 held, 3 already claimed, 4 unusable, 5 stopped, 6 failed.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Held => 0,
            Self::AlreadyClaimed => 3,
            Self::Unusable { .. } => 4,
            Self::Stopped => 5,
            Self::Failed { .. } => 6,
        }
    }
}

impl From<HolderExit> for ExitCode {
    fn from(exit: HolderExit) -> Self {
        Self::from(exit.code())
    }
}

/// Holds the child of one hold's folder until it and all its descendants have ended.
///
/// It is the whole of its process: it changes the session, the standard streams and the working folder, reaps every
/// child, and makes its own runtime. Call it from `main`, outside of any tokio runtime, and leave with its result.
#[must_use]
pub fn run(dir: &Path) -> HolderExit {
    let unusable = |reason: String| HolderExit::Unusable { reason };
    let folder = match std::path::absolute(dir).map_err(|error| error.to_string()) {
        Ok(path) => match Folder::open(&path) {
            Ok(folder) => folder,
            Err(error) => return unusable(describe(&error)),
        },
        Err(reason) => return unusable(reason),
    };
    let record = match folder.read_spec() {
        Ok(Some(record)) => record,
        Ok(None) => return unusable(format!("{} holds no spec.json", dir.display())),
        Err(error) => return unusable(describe(&error)),
    };
    if let Err(error) = claim::detach() {
        return unusable(format!("cannot leave the session it was started in: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unusable(format!("cannot make a runtime: {error}")),
    };
    pass(Place::HolderStarted);
    runtime.block_on(async {
        let listener = match claim::claim(&folder) {
            Ok(Some(listener)) => listener,
            Ok(None) => return HolderExit::AlreadyClaimed,
            Err(error) => return unusable(error),
        };
        pass(Place::HolderClaimed);
        let held = hold(&folder, &record, listener).await;
        if let HolderExit::Failed { reason } = &held {
            folder.note_failure(reason);
        }
        held
    })
}

/// The part behind the claim.
async fn hold(folder: &Folder, record: &SpecRecord, listener: tokio::net::UnixListener) -> HolderExit {
    let failed = |reason: String| HolderExit::Failed { reason };
    let mut spool = match SpoolWriter::create(folder.path(), SEGMENT_BYTES) {
        Ok(spool) => spool,
        Err(error) => return failed(format!("cannot create the spool: {error}")),
    };
    let instruments = match watch::Instruments::new() {
        Ok(instruments) => instruments,
        Err(error) => return failed(format!("cannot listen to signals and timers: {error}")),
    };
    let (clients, requests) = clients::serve(listener, spool.end());
    let started_boot_ms = boot_clock_ms();
    let (end, stdout_bytes, stderr_bytes) = match child::start(folder, record) {
        Ok(child) => {
            pass(Place::HolderSpawned);
            match watch::watch(child, &record.spec.limits, &mut spool, &clients, requests, instruments).await
            {
                watch::Watched::Ended { end, stdout_bytes, stderr_bytes } => {
                    (end, stdout_bytes, stderr_bytes)
                }
                watch::Watched::Stopped => return HolderExit::Stopped,
                watch::Watched::Failed { reason } => return failed(reason),
            }
        }
        Err(reason) => (ChildEnd::NotStarted { reason }, 0, 0),
    };
    pass(Place::HolderEnded);
    let spool_end = match spool.finish() {
        Ok(end) => end,
        Err(error) => return failed(format!("cannot sync the spool: {error}")),
    };
    let exit = ExitRecord {
        version: EXIT_FORMAT,
        end,
        started_boot_ms,
        ended_boot_ms: boot_clock_ms(),
        stdout_bytes,
        stderr_bytes,
        spool_end,
    };
    match folder.write_exit(&exit) {
        Ok(()) => {
            pass(Place::HolderExited);
            clients.exited().await;
            HolderExit::Held
        }
        Err(error) => failed(describe(&error)),
    }
}

/// An error with its causes, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
