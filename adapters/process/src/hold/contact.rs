//! Speaking to a holder, and deciding what is true when it does not answer.

use std::io;
use std::os::unix::net::UnixStream as BlockingStream;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use windlass_domain::child::EndedBecause;
use windlass_domain::id::{Epoch, HoldId};

use super::{HoldError, HoldOutcome, LostBecause};
use crate::boot::boot_id;
use crate::folder::{ExitRecord, Folder};
use crate::launch::Launcher;
use crate::leftovers::{self, Known};
use crate::spool::SpoolCursor;
use crate::wire::{FromHolder, Hello, ToHolder, WIRE_VERSION, line};

/// A living holder.
pub(super) struct Contact {
    hold_id: HoldId,
    epoch: Epoch,
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

/// What a holder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The spool ends there.
    SpoolEnd(SpoolCursor),
    /// It is gone, or about to be.
    Gone,
}

impl Contact {
    /// Greets the holder. `None` if there is none.
    pub(super) async fn make(
        folder: &Folder,
        hold_id: HoldId,
        epoch: Epoch,
    ) -> Result<Option<(Self, SpoolCursor)>, HoldError> {
        let stream = match UnixStream::connect(folder.socket_address()).await {
            Ok(stream) => stream,
            Err(error) if is_nobody(&error) => return Ok(None),
            Err(source) => return Err(HoldError::Io { action: "reach the holder of", hold_id, source }),
        };
        let (reader, writer) = stream.into_split();
        let mut contact = Self { hold_id, epoch, lines: BufReader::new(reader).lines(), writer };
        contact.say(&line(&Hello { version: WIRE_VERSION, epoch })).await?;
        match contact.heard().await? {
            Said::SpoolEnd(end) => Ok(Some((contact, end))),
            Said::Gone => Ok(None),
        }
    }

    /// Waits for the holder's next word. May be dropped and called again.
    pub(super) async fn heard(&mut self) -> Result<Said, HoldError> {
        let text = match self.lines.next_line().await {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Said::Gone),
            Err(error) if is_nobody(&error) => return Ok(Said::Gone),
            Err(source) => {
                return Err(HoldError::Io { action: "hear the holder of", hold_id: self.hold_id, source });
            }
        };
        match serde_json::from_str(&text) {
            Ok(FromHolder::State { version: WIRE_VERSION, spool_end } | FromHolder::Grew { spool_end }) => {
                Ok(Said::SpoolEnd(spool_end))
            }
            Ok(FromHolder::Exited) => Ok(Said::Gone),
            Ok(FromHolder::Refused { highest_epoch }) => {
                Err(HoldError::Fenced { hold_id: self.hold_id, ours: self.epoch, highest: highest_epoch })
            }
            Ok(FromHolder::State { .. } | FromHolder::UnknownVersion { .. }) | Err(_) => {
                Err(HoldError::UnknownLanguage { hold_id: self.hold_id, said: text })
            }
        }
    }

    /// Asks the holder to end its child. A holder that is gone needs not be asked.
    pub(super) async fn end(&mut self, why: EndedBecause) -> Result<(), HoldError> {
        self.say(&line(&ToHolder::End { why })).await
    }

    async fn say(&mut self, line: &[u8]) -> Result<(), HoldError> {
        match self.writer.write_all(line).await {
            Ok(()) => Ok(()),
            Err(error) if is_nobody(&error) => Ok(()),
            Err(source) => {
                Err(HoldError::Io { action: "speak to the holder of", hold_id: self.hold_id, source })
            }
        }
    }
}

/// What a claimed hold is without anybody who answers: finished or lost. Ends what is left of a lost one.
pub(super) async fn settle(
    folder: &Folder,
    hold_id: HoldId,
    launcher: &Launcher,
) -> Result<HoldOutcome, HoldError> {
    if let Some(exit) = folder.read_exit()? {
        return Ok(HoldOutcome::Finished(exit));
    }
    let claim = folder.read_claim()?;
    let failed = |action| move |source| HoldError::Io { action, hold_id, source };
    let boot_id = boot_id().map_err(failed("read the boot id for"))?;
    let Some(claim) = claim.filter(|claim| claim.boot_id == boot_id) else {
        return Ok(HoldOutcome::Lost { why: LostBecause::OtherBoot });
    };
    // It does not answer, but as long as it lives it may write its last record.
    leftovers::gone(claim.holder).await.map_err(failed("wait for the holder of"))?;
    if let Some(exit) = folder.read_exit()? {
        return Ok(HoldOutcome::Finished(exit));
    }
    launcher.end_remains(hold_id).await?;
    let inside = folder.read_inside()?.map(|inside| inside.first);
    let ended = leftovers::end_leftovers(hold_id, Known { holder: claim.holder, inside }).await?;
    tracing::warn!(%hold_id, ended, "a holder died without a word; what it left running was ended");
    Ok(HoldOutcome::Lost { why: LostBecause::HolderGone { noted: folder.read_failure() } })
}

/// The exit record, if it is there already: then nobody needs to be asked.
pub(super) fn finished(folder: &Folder) -> Result<Option<ExitRecord>, HoldError> {
    Ok(folder.read_exit()?)
}

/// Whether a process listens on the hold's socket.
pub(super) fn somebody_listens(folder: &Folder) -> bool {
    match BlockingStream::connect(folder.socket_address()) {
        Ok(_) => true,
        Err(error) => !is_nobody(&error),
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
    )
}
