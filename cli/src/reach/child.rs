//! A command without a service opens the store itself, and a store that is damaged may end the process that reads it with a
//! signal. So the whole command is done by a child process with the same arguments, and the one that was typed says what became
//! of it.

use windlass_actors::{Finding, Look};
use windlass_capsule::{Due, LastStop, data_bytes, due, is_as_it_was_left, last_stop};
use windlass_contract::{ErrorCode, ExitCode, Fault};

use super::{store_check, this_program};
use crate::folders::Folders;

/// Largest store whose records are all looked at before a command reads them, where it is not known to be the one that was left:
/// so many are looked at within a second. Of a larger one as much is looked at as a start does.
const LOOKED_AT_BYTES: u64 = 16 * 1024 * 1024;

/// What a child process is to do.
pub(crate) struct ChildWork {
    /// What was found to be damaged.
    damage: Option<String>,
}

impl ChildWork {
    /// To change the record: whoever opens it for writing has it looked at.
    pub(super) const fn change() -> Self {
        Self { damage: None }
    }

    /// To look at the record. What is damaged is looked for first, so that what is shown can be labelled.
    ///
    /// # Errors
    /// This program cannot be started again.
    pub(super) async fn look(folders: &Folders) -> Result<Self, Fault> {
        let folder = folders.capsule();
        let look = match (last_stop(&folder), due(&folder)) {
            (Ok(LastStop::Nothing), _) => return Ok(Self { damage: None }),
            (_, Ok(Some(Due::Damaged { what }))) => return Ok(Self { damage: Some(what) }),
            _ if is_as_it_was_left(&folder).unwrap_or(false) => Look::AtStart,
            _ if data_bytes(&folder) <= LOOKED_AT_BYTES => Look::Records,
            _ => Look::AtStart,
        };
        let damage = match store_check()?.look(&folder, look).await {
            Finding::Sound => None,
            Finding::Damaged { what } => Some(what),
            // Whoever reads the store says what is in the way.
            Finding::Unknown { why } => {
                tracing::info!(why, "the capsule could not be looked at");
                None
            }
        };
        Ok(Self { damage })
    }

    /// Does it, and gives the exit code of the command.
    ///
    /// # Errors
    /// `capsule_damaged` when reading the store ended the child, `io` when something else did or it cannot be started.
    pub(crate) async fn run(&self, folders: &Folders) -> Result<ExitCode, Fault> {
        let mut command = tokio::process::Command::new(this_program()?);
        command.arg("--in-child");
        if let Some(damage) = &self.damage {
            command.arg(format!("--damage={damage}"));
        }
        command.args(std::env::args_os().skip(1));
        let ended = command.status().await;
        let ended = ended.map_err(|error| {
            Fault::new(ErrorCode::Io, format!("this program cannot be started again: {error}"))
        })?;
        match (ended.code(), Finding::of_end(ended)) {
            (Some(code), _) => Ok(exit_code(code)),
            (None, Finding::Damaged { what }) => {
                let what = self.damage.clone().unwrap_or(what);
                let text = format!("the capsule in {} cannot be read: {what}", folders.capsule().display());
                Err(Fault::new(ErrorCode::CapsuleDamaged, text)
                    .hint("windlass service doctor")
                    .hint("keep the folder as it is; nothing in it is moved or deleted by itself"))
            }
            (None, _) => Err(Fault::new(ErrorCode::Io, format!("the command was ended: {ended}"))),
        }
    }
}

/// The contract's exit code of this number.
fn exit_code(code: i32) -> ExitCode {
    let all = [
        ExitCode::Success,
        ExitCode::Stopped,
        ExitCode::Failed,
        ExitCode::NeedsInput,
        ExitCode::NeedsApproval,
        ExitCode::Invariant,
    ];
    all.into_iter().find(|known| *known as i32 == code).unwrap_or(ExitCode::Failed)
}
