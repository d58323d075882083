//! How a holder is brought to life: as a transient unit of the user's systemd, or as a process of its own.
//!
//! The unit is the better fence: its cgroup holds whatever the child forks, and systemd ends it even if the holder is
//! gone. Without a user manager the holder does alone what it can.

mod unit;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::oneshot;
use windlass_domain::child::ChildLimits;
use windlass_domain::id::HoldId;
use zbus::Connection;

pub(crate) use unit::is as is_manager_error;

/// Why a holder could not be started, or its unit not be ended.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program cannot be started.
    #[error("the holder {program} of hold {hold_id} cannot be started; is windlass installed completely?")]
    Spawn {
        /// For which hold.
        hold_id: HoldId,
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A path or an argument cannot be said over the bus.
    #[error(
        "{text:?} cannot be passed to systemd because it is not UTF-8; move it to a folder with a plain name"
    )]
    NotText {
        /// The path or argument.
        text: OsString,
    },
    /// The user manager did not do what it was asked.
    #[error("the user manager did not {action} unit {unit}; see `systemctl --user status {unit}`")]
    Manager {
        /// What was asked.
        action: &'static str,
        /// On which unit.
        unit: String,
        /// What the bus said.
        #[source]
        source: Box<zbus::Error>,
    },
    /// The user manager's connection ended.
    #[error("the bus connection ended while unit {unit} was watched; it is followed again after a restart")]
    BusLost {
        /// Which unit.
        unit: String,
    },
}

/// Starts holders.
#[derive(Debug, Clone)]
pub enum Launcher {
    /// As a process that leaves its starter's session.
    Direct {
        /// The `windlass` program.
        program: PathBuf,
        /// What comes before the folder, for instance `["holder"]`.
        args: Vec<OsString>,
    },
    /// As the transient unit `windlass-hold-<hold_id>.service` in `windlass-runs.slice`.
    TransientUnit {
        /// A connection to the bus of the user manager.
        connection: Connection,
        /// The `windlass` program.
        program: PathBuf,
        /// What comes before the folder, for instance `["holder"]`.
        args: Vec<OsString>,
    },
}

/// A holder that was started, until it ends.
pub(crate) struct Started {
    ended: oneshot::Receiver<String>,
}

impl Started {
    /// Waits until it has ended, and says how. May be dropped and called again until it has answered.
    pub(crate) async fn ended(&mut self) -> String {
        (&mut self.ended).await.unwrap_or_else(|_| "its end was not seen".to_owned())
    }
}

impl Launcher {
    /// Transient units if there is a session bus with a user manager on it, else processes.
    pub async fn on_session_bus(program: PathBuf, args: Vec<OsString>) -> Self {
        let connection = Connection::session().await.ok();
        Self::detect(connection.as_ref(), program, args).await
    }

    /// Transient units if a user manager is on this bus, else processes.
    pub async fn detect(connection: Option<&Connection>, program: PathBuf, args: Vec<OsString>) -> Self {
        match connection {
            Some(connection) if unit::has_manager(connection).await => {
                Self::TransientUnit { connection: connection.clone(), program, args }
            }
            Some(_) | None => Self::Direct { program, args },
        }
    }

    /// Starts a holder for the folder. If its unit is already there, that one is meant.
    pub(crate) async fn start(
        &self,
        hold_id: HoldId,
        dir: &Path,
        limits: &ChildLimits,
    ) -> Result<Started, LaunchError> {
        match self {
            Self::Direct { program, args } => spawn(hold_id, program, args, dir),
            Self::TransientUnit { connection, program, args } => {
                unit::start(connection, hold_id, program, args, dir, limits).await
            }
        }
    }

    /// Ends whatever the hold's unit still holds. There is nothing to do for a process.
    pub(crate) async fn end_remains(&self, hold_id: HoldId) -> Result<(), LaunchError> {
        match self {
            Self::Direct { .. } => Ok(()),
            Self::TransientUnit { connection, .. } => unit::stop(connection, hold_id).await,
        }
    }
}

fn spawn(hold_id: HoldId, program: &Path, args: &[OsString], dir: &Path) -> Result<Started, LaunchError> {
    let mut command = Command::new(program);
    command.args(args).arg(dir).current_dir("/").env_clear();
    // The holder needs no more than PATH to find `bwrap`, and what it does not have it cannot leak.
    let inherited = |name: &OsString| name == "PATH" || windlass_failpoint::is_inherited(name);
    command.envs(std::env::vars_os().filter(|(name, _)| inherited(name)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(false);
    let mut child = command.spawn().map_err(|source| LaunchError::Spawn {
        hold_id,
        program: program.to_path_buf(),
        source,
    })?;
    let (sender, ended) = oneshot::channel();
    // It is reaped whether or not anybody waits.
    tokio::spawn(async move {
        let how = match child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown status: {error}"),
        };
        let _nobody_waits = sender.send(how);
    });
    Ok(Started { ended })
}
