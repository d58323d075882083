//! Following one hold to its end.

use windlass_domain::child::EndedBecause;
use windlass_domain::id::{Epoch, HoldId};

use super::contact::{self, Contact, Said};
use super::{Hold, HoldError, HoldOutcome};
use crate::launch::Launcher;
use crate::spool::{OutputBatch, Reach, Spool, SpoolCursor};

/// What comes next of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Output, or the loss of some.
    Output(OutputBatch),
    /// The end. All output has been given before.
    Ended(HoldOutcome),
}

/// A hold that was claimed, from a cursor on.
pub struct Following {
    hold: Hold,
    launcher: Launcher,
    spool: Spool,
    cursor: SpoolCursor,
    holder: Holder,
}

/// What is known of the holder.
enum Holder {
    /// It lives, and has said where the spool ends.
    Speaks { contact: Contact, spool_end: SpoolCursor },
    /// It is gone; what that means must be looked at.
    Silent,
    /// The hold has ended.
    Settled(HoldOutcome),
}

impl Following {
    pub(super) async fn new(
        hold: Hold,
        launcher: Launcher,
        epoch: Epoch,
        cursor: SpoolCursor,
    ) -> Result<Self, HoldError> {
        let spool = hold.spool();
        let holder = match contact::finished(&hold.folder)? {
            Some(exit) => Holder::Settled(HoldOutcome::Finished(exit)),
            None => match Contact::make(&hold.folder, hold.id, epoch).await? {
                Some((contact, spool_end)) => Holder::Speaks { contact, spool_end },
                None => Holder::Silent,
            },
        };
        Ok(Self { hold, launcher, spool, cursor, holder })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> HoldId {
        self.hold.id
    }

    /// Waits for the next thing. May be dropped and called again: nothing is lost or given twice. After the end it
    /// gives the end again.
    ///
    /// # Errors
    /// [`HoldError::Fenced`] when a newer attempt has taken over; [`HoldError`].
    pub async fn next(&mut self) -> Result<Progress, HoldError> {
        loop {
            let reach = match &self.holder {
                Holder::Speaks { spool_end, .. } => Some(Reach::Growing(*spool_end)),
                Holder::Silent => None,
                Holder::Settled(HoldOutcome::Finished(exit)) => Some(Reach::Final(exit.spool_end)),
                Holder::Settled(HoldOutcome::Lost { .. }) => Some(Reach::Everything),
            };
            if let Some(reach) = reach
                && let Some(batch) = self.spool.read(self.cursor, reach)?
            {
                self.cursor = batch.next;
                return Ok(Progress::Output(batch));
            }
            match &mut self.holder {
                Holder::Speaks { contact, spool_end } => match contact.heard().await? {
                    Said::SpoolEnd(end) => *spool_end = end,
                    Said::Gone => self.holder = Holder::Silent,
                },
                Holder::Silent => {
                    let outcome = contact::settle(&self.hold.folder, self.hold.id, &self.launcher).await?;
                    self.holder = Holder::Settled(outcome);
                }
                Holder::Settled(outcome) => return Ok(Progress::Ended(outcome.clone())),
            }
        }
    }

    /// Asks the holder to end the child: SIGTERM, after the grace period SIGKILL. The end comes through
    /// [`Following::next`].
    ///
    /// # Errors
    /// [`HoldError::Io`] if the holder cannot be spoken to; one that is gone is no error.
    pub async fn end(&mut self, why: EndedBecause) -> Result<(), HoldError> {
        match &mut self.holder {
            Holder::Speaks { contact, .. } => contact.end(why).await,
            Holder::Silent | Holder::Settled(_) => Ok(()),
        }
    }

    /// Deletes the spool's segments before `cursor`, once it is committed.
    ///
    /// # Errors
    /// [`HoldError::Spool`].
    pub fn discard_through(&self, cursor: SpoolCursor) -> Result<(), HoldError> {
        Ok(self.spool.discard_through(cursor)?)
    }

    /// Deletes the hold's folder, once the step's result is committed.
    ///
    /// # Errors
    /// [`HoldError::StillActive`] before the end; [`HoldError::Folder`].
    pub fn remove(self) -> Result<(), HoldError> {
        self.hold.remove()
    }
}
