//! The service's end of a hold: prepare it, start or find its holder, follow it, end it, remove it.
//!
//! What a crash left behind is decided here, from the folder alone:
//!
//! | found | result |
//! |---|---|
//! | `exit` | [`HoldOutcome::Finished`] |
//! | `claim`, and somebody answers on the socket | followed from the cursor |
//! | no `claim` | started, under the same id |
//! | `claim`, nobody, no `exit` | [`HoldOutcome::Lost`]; what the holder left running is ended first |
//! | `claim` of another boot, no `exit` | [`HoldOutcome::Lost`] |
//!
//! It does not judge whether a lost child may be started again: that is a new hold, with a new id.

mod contact;
mod following;

use std::fs;
use std::io;
use std::path::Path;

use futures::StreamExt;
use inotify::{Inotify, WatchMask};
use serde::{Deserialize, Serialize};
use windlass_domain::child::ChildSpec;
use windlass_domain::id::{Epoch, HoldId};
use windlass_failpoint::{Place, pass};
use windlass_policy::{Permit, RunTool};

use crate::folder::{ExitRecord, Folder, FolderError, SPEC_FORMAT, SpecRecord, create_root, sync_folder};
use crate::launch::{LaunchError, Launcher};
use crate::leftovers::LeftoversError;
use crate::spool::{Spool, SpoolCursor, SpoolError};

pub use following::{Following, Progress};

/// Prefix of a folder that is being deleted.
pub(crate) const REMOVING: &str = ".removing-";

/// Why a hold could not be prepared, taken up, followed or removed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its holder's start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// What its dead holder left running.
    #[error(transparent)]
    Leftovers(#[from] LeftoversError),
    /// The hold was prepared before, for something else.
    #[error("hold {hold_id} was prepared for another command; one id is for one start, draw a new one")]
    SpecDiffers {
        /// Which hold.
        hold_id: HoldId,
    },
    /// There is no such hold, or its folder was removed.
    #[error("hold {hold_id} has no spec.json; prepare it first")]
    NotPrepared {
        /// Which hold.
        hold_id: HoldId,
    },
    /// The permit is for another command line.
    #[error("the permit is for `{permitted}`, not for `{wanted}`; ask policy about what is to be started")]
    PermitForAnother {
        /// What was permitted.
        permitted: String,
        /// What was to be started.
        wanted: String,
    },
    /// The holder left before it claimed the hold; nothing was started.
    #[error("the holder of hold {hold_id} left before it started anything ({how}); it may be started again")]
    NeverClaimed {
        /// Which hold.
        hold_id: HoldId,
        /// How the holder ended.
        how: String,
    },
    /// A newer attempt is in charge.
    #[error(
        "the holder of hold {hold_id} obeys attempt {highest}, not attempt {ours}; this attempt must end"
    )]
    Fenced {
        /// Which hold.
        hold_id: HoldId,
        /// The attempt that spoke.
        ours: Epoch,
        /// The attempt that is obeyed.
        highest: Epoch,
    },
    /// The holder is of another version of windlass, or not a holder.
    #[error(
        "the holder of hold {hold_id} said {said:?}; it is of another version, let it end or end its unit"
    )]
    UnknownLanguage {
        /// Which hold.
        hold_id: HoldId,
        /// What it said.
        said: String,
    },
    /// The socket or a watch failed.
    #[error("cannot {action} hold {hold_id}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which hold.
        hold_id: HoldId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The holder lives, so the folder stays.
    #[error("hold {hold_id} is still active; end it before its folder is removed")]
    StillActive {
        /// Which hold.
        hold_id: HoldId,
    },
}

/// How a hold ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// Its holder wrote down how the child ended.
    Finished(ExitRecord),
    /// There is no result, and there will be none. Nothing of the child runs any more.
    Lost {
        /// What happened to the holder.
        why: LostBecause,
    },
}

/// Why there is no exit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LostBecause {
    /// The machine was started anew.
    OtherBoot,
    /// The holder was killed, stopped, or gave up.
    HolderGone {
        /// What it noted, if it could.
        noted: Option<String>,
    },
}

/// One intended start of a child, as a folder.
#[derive(Debug)]
pub struct Hold {
    id: HoldId,
    folder: Folder,
    spec: ChildSpec,
}

impl Hold {
    /// Writes down what is to be started, durably, in a private folder below `holds`. Preparing the same again is fine.
    ///
    /// # Errors
    /// [`HoldError::SpecDiffers`] if the id was prepared for something else; [`HoldError::Folder`].
    pub fn prepare(holds: &Path, hold_id: HoldId, spec: &ChildSpec) -> Result<Self, HoldError> {
        create_root(holds)?;
        let folder = Folder::create(&holds.join(hold_id.to_string()))?;
        match folder.read_spec()? {
            Some(found) if found.hold_id != hold_id || found.spec != *spec => {
                return Err(HoldError::SpecDiffers { hold_id });
            }
            Some(_same) => {}
            None => folder.write_spec(&SpecRecord { version: SPEC_FORMAT, hold_id, spec: spec.clone() })?,
        }
        pass(Place::HoldPrepared);
        Ok(Self { id: hold_id, folder, spec: spec.clone() })
    }

    /// Opens a hold that was prepared before.
    ///
    /// # Errors
    /// [`HoldError::NotPrepared`] if there is none; [`HoldError::Folder`].
    pub fn open(holds: &Path, hold_id: HoldId) -> Result<Self, HoldError> {
        let path = holds.join(hold_id.to_string());
        if !path.try_exists().map_err(FolderError::io("look for", &path))? {
            return Err(HoldError::NotPrepared { hold_id });
        }
        let folder = Folder::open(&path)?;
        let record = folder.read_spec()?.ok_or(HoldError::NotPrepared { hold_id })?;
        Ok(Self { id: hold_id, folder, spec: record.spec })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> HoldId {
        self.id
    }

    /// What it is to start, or has started.
    #[must_use]
    pub fn spec(&self) -> &ChildSpec {
        &self.spec
    }

    /// Its spool.
    #[must_use]
    pub fn spool(&self) -> Spool {
        Spool::new(self.folder.path())
    }

    /// Takes up what is there, and starts a holder if the hold was never claimed: the whole table of this module.
    ///
    /// Output is given from `from` on. The permit must be for exactly the command line, its words joined by spaces.
    ///
    /// # Errors
    /// [`HoldError`]; after [`HoldError::NeverClaimed`] and [`HoldError::Launch`] nothing was started.
    pub async fn attach_or_start(
        self,
        permit: &Permit<RunTool>,
        launcher: &Launcher,
        epoch: Epoch,
        from: SpoolCursor,
    ) -> Result<Following, HoldError> {
        let wanted = self.spec.argv.join(" ");
        if permit.subject() != wanted {
            return Err(HoldError::PermitForAnother { permitted: permit.subject().to_owned(), wanted });
        }
        if !self.folder.is_claimed()? {
            self.start(launcher).await?;
        }
        Following::new(self, launcher.clone(), epoch, from).await
    }

    /// Takes up what is there, and starts nothing. `None` if the hold was never claimed.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn attach(
        self,
        launcher: &Launcher,
        epoch: Epoch,
        from: SpoolCursor,
    ) -> Result<Option<Following>, HoldError> {
        if !self.folder.is_claimed()? {
            return Ok(None);
        }
        Following::new(self, launcher.clone(), epoch, from).await.map(Some)
    }

    /// Deletes the folder with its spool, once the step's result is committed.
    ///
    /// # Errors
    /// [`HoldError::StillActive`] while a holder lives; [`HoldError::Folder`].
    pub fn remove(self) -> Result<(), HoldError> {
        let hold_id = self.id;
        if self.folder.read_exit()?.is_none() && contact::somebody_listens(&self.folder) {
            return Err(HoldError::StillActive { hold_id });
        }
        let path = self.folder.path().to_path_buf();
        let holds = path.parent().unwrap_or(Path::new("/"));
        let begun = holds.join(format!("{REMOVING}{hold_id}"));
        // Renamed first, so that a crash leaves either the whole hold or none; a holder that is only about to start
        // finds no folder.
        fs::rename(&path, &begun).map_err(FolderError::io("rename", &path))?;
        sync_folder(holds)?;
        fs::remove_dir_all(&begun).map_err(FolderError::io("delete", &begun))?;
        Ok(())
    }

    /// Starts a holder and waits until somebody has claimed the hold: that holder, or one that was faster.
    async fn start(&self, launcher: &Launcher) -> Result<(), HoldError> {
        let watch_failed = |source| HoldError::Io { action: "watch the folder of", hold_id: self.id, source };
        let changes = Inotify::init().map_err(watch_failed)?;
        changes.watches().add(self.folder.path(), WatchMask::CREATE).map_err(watch_failed)?;
        let mut changes = changes.into_event_stream([0_u8; 4096]).map_err(watch_failed)?;
        let mut started = launcher.start(self.id, self.folder.path(), &self.spec.limits).await?;
        pass(Place::HoldStarted);
        while !self.folder.is_claimed()? {
            tokio::select! {
                change = changes.next() => {
                    change.transpose().map_err(watch_failed)?;
                }
                how = started.ended() => {
                    // Whoever leaves has claimed, or has seen a claim, or has failed.
                    if self.folder.is_claimed()? {
                        return Ok(());
                    }
                    return Err(HoldError::NeverClaimed { hold_id: self.id, how });
                }
            }
        }
        Ok(())
    }
}
