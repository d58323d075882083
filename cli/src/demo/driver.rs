//! The child process that drives the demonstration's run, and its end by force in the middle of a step.

use std::path::Path;
use std::process::{Output, Stdio};

use futures::StreamExt as _;
use inotify::{Inotify, WatchMask};
use tokio::process::{Child, Command};
use windlass_capsule::{OpenError, Page, ReadError, Reader, RunFilter, open_read_only};
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::RunEvent;

use super::ITEM;
use super::place::Place;
use super::project::SLOW_CHECK;
use crate::reach::this_program;

/// The process that was killed, and where.
pub(super) struct Killed {
    pub(super) run_id: RunId,
    pub(super) pid: u32,
    /// The step that had begun and had no result.
    pub(super) step: String,
}

/// Starts the driver and kills it as soon as the record says that the slow check has begun.
pub(super) async fn run_and_kill(place: &Place) -> Result<Killed, Fault> {
    let mut child = spawn(place)?;
    let pid = child.id().unwrap_or_default();
    let capsule = place.folders().state.join("capsule");
    let begun = tokio::select! {
        begun = slow_check_begins(&capsule) => Some(begun?),
        ended = child.wait() => {
            ended.map_err(|error| io("wait for the child process", &error))?;
            None
        }
    };
    let Some((run_id, step)) = begun else {
        let output = last_words(child).await?;
        return Err(ended_otherwise("the child process ended before it could be killed", &output));
    };
    child.start_kill().map_err(|error| io("kill the child process", &error))?;
    child.wait().await.map_err(|error| io("wait for the child process", &error))?;
    Ok(Killed { run_id, pid, step })
}

/// Starts the driver again with the same request, and lets it drive its run to the end.
pub(super) async fn run_to_the_end(place: &Place) -> Result<(), Fault> {
    let output = last_words(spawn(place)?).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(ended_otherwise("the run did not succeed", &output))
}

async fn last_words(child: Child) -> Result<Output, Fault> {
    child.wait_with_output().await.map_err(|error| io("wait for the child process", &error))
}

/// What became of a child that ended otherwise than it should have, in its own words.
fn ended_otherwise(what: &str, output: &Output) -> Fault {
    let said = String::from_utf8_lossy(&output.stderr);
    Fault::new(ErrorCode::Io, format!("{what}: {}; it said: {}", output.status, said.trim()))
}

/// `windlass bot run … --ephemeral`, as a user would type it. The dedupe key makes both times the same request.
fn spawn(place: &Place) -> Result<Child, Fault> {
    let mut command = Command::new(this_program()?);
    command
        .args(["bot", "run", "--id", ITEM, "--kind", "review", "--base", "main", "--write-mode", "worktree"])
        .args([
            "--goal",
            "find what is wrong with the new parser",
            "--accept",
            "every planted problem is found",
        ])
        .args(["--dedupe-key", "demo", "--ephemeral", "--json"])
        .current_dir(place.repository())
        .envs(place.environment())
        .env_remove("WINDLASS_STATE_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| io("start the child process", &error))
}

fn io(what: &str, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::Io, format!("cannot {what}: {error}"))
}

/// Waits, woken by each write to the capsule, until the slow check of the run has begun.
async fn slow_check_begins(capsule: &Path) -> Result<(RunId, String), Fault> {
    let watched = || -> std::io::Result<_> {
        let inotify = Inotify::init()?;
        inotify.watches().add(capsule, WatchMask::MODIFY | WatchMask::CREATE)?;
        inotify.into_event_stream(vec![0_u8; 4096])
    };
    let mut writes = watched().map_err(|error| io("watch the capsule", &error))?;
    let mut reader = None;
    loop {
        if reader.is_none() {
            reader = open(capsule)?;
        }
        if let Some(begun) = reader.as_ref().map(begun_step).transpose().map_err(unreadable)?.flatten() {
            return Ok(begun);
        }
        if writes.next().await.is_none() {
            return Err(Fault::new(ErrorCode::Io, "the capsule cannot be watched any more"));
        }
    }
}

fn open(capsule: &Path) -> Result<Option<Reader>, Fault> {
    match open_read_only(capsule) {
        Ok(reader) => Ok(Some(reader)),
        Err(OpenError::NotThere { .. }) => Ok(None),
        Err(error) => Err(Fault::new(ErrorCode::Io, error.to_string())),
    }
}

fn unreadable(error: ReadError) -> Fault {
    Fault::new(ErrorCode::Io, error.to_string())
}

/// The run and the key of its slow check's step, once the intent is recorded.
fn begun_step(reader: &Reader) -> Result<Option<(RunId, String)>, ReadError> {
    let page = reader.runs(&RunFilter::default(), Page { after: None, limit: 1 })?;
    let Some(run) = page.runs.first() else { return Ok(None) };
    let events = reader.events(&Stream::Run { run_id: run.run_id }, Seq(1), windlass_capsule::MAX_PAGE)?;
    Ok(events.into_iter().find_map(|event| match event.data {
        EventData::Run(RunEvent::StepStarted(intent)) if intent.key.name.as_str().contains(SLOW_CHECK) => {
            Some((run.run_id, intent.key.to_string()))
        }
        _ => None,
    }))
}
