//! What must hold after every fault.
//!
//! Each oracle is asked of files and processes alone, as somebody would who comes after the crash; what it is compared with is the
//! [`crate::model`]: what was acknowledged before.

use std::path::Path;

use windlass_capsule::{FaultKind, LastStop, Reader, VerifyOptions, last_stop, open_read_only, verify};
use windlass_domain::event::Event;
use windlass_domain::id::Cursor;

use crate::checker;
use crate::model::{Acknowledged, Effects};
use crate::round::Asked;

/// One thing that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    /// Every acknowledged event is in the record, at its place, with its hash.
    Acknowledged,
    /// Every chain and head, and every read model, is as the log makes it.
    Chain,
    /// Every blob that an event names is there, whole.
    Blobs,
    /// The events fit the rules: one active run a key, epochs that rise by one, a step's result once, `run.ended` last.
    History,
    /// Every effect was intended before, and none is repeated that must not be.
    Effects,
    /// The store was never begun anew.
    Kept,
    /// No process, hold, scratch folder or worktree is there without a run.
    Nothing,
    /// What was interrupted goes on by itself and comes to its end.
    GoesOn,
    /// What clients were told fits the record.
    Answers,
    /// The round itself came to its end.
    Harness,
}

impl Oracle {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::Acknowledged,
        Self::Chain,
        Self::Blobs,
        Self::History,
        Self::Effects,
        Self::Kept,
        Self::GoesOn,
        Self::Harness,
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|oracle| oracle.name() == name)
    }

    /// Its name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Chain => "chain",
            Self::Blobs => "blobs",
            Self::History => "history",
            Self::Effects => "effects",
            Self::Kept => "kept",
            Self::Nothing => "nothing-left",
            Self::GoesOn => "goes-on",
            Self::Answers => "answers",
            Self::Harness => "harness",
        }
    }
}

/// An oracle that was broken.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) oracle: Oracle,
    /// What was found.
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn harness(what: impl Into<String>) -> Self {
        Self { oracle: Oracle::Harness, what: what.into() }
    }
}

/// Asks every oracle that a capsule can answer by itself. A folder in which nothing was acknowledged may hold none yet.
pub(crate) fn check_capsule(
    asked: &mut Asked,
    capsule: &Path,
    acknowledged: &Acknowledged,
    effects: &Effects,
) -> Result<(), Broken> {
    let mut there = true;
    asked.ask(Oracle::Kept, || match last_stop(capsule) {
        Ok(LastStop::Nothing) if acknowledged.is_empty() => {
            there = false;
            Ok(())
        }
        Ok(LastStop::Nothing) => Err("there is no capsule any more".to_owned()),
        Ok(LastStop::Clean(_) | LastStop::Unclean) => Ok(()),
        Err(error) => Err(error.to_string()),
    })?;
    if !there {
        return Ok(());
    }
    let reader = open_read_only(capsule)
        .map_err(|error| Broken { oracle: Oracle::Kept, what: format!("it does not open: {error}") })?;
    is_sound(asked, &reader)?;
    let events = all_events(&reader)?;
    asked.ask(Oracle::Acknowledged, || acknowledged.is_in(&events))?;
    asked.ask(Oracle::History, || checker::record(&events).map_err(|wrong| wrong.to_string()))?;
    asked.ask(Oracle::Effects, || effects.fit(&events))
}

/// The whole record is verified: chain and blobs.
fn is_sound(asked: &mut Asked, reader: &Reader) -> Result<(), Broken> {
    let report = verify(reader, VerifyOptions::default());
    let report = report.map_err(|error| Broken { oracle: Oracle::Chain, what: error.to_string() })?;
    let of_blobs =
        |kind: &FaultKind| matches!(kind, FaultKind::BlobMissing { .. } | FaultKind::BlobChanged { .. });
    let found = |blobs: bool| {
        let fault = report.faults.iter().find(|fault| of_blobs(&fault.kind) == blobs);
        fault.map_or(Ok(()), |fault| Err(fault.to_string()))
    };
    asked.ask(Oracle::Blobs, || found(true))?;
    asked.ask(Oracle::Chain, || found(false))
}

/// Every event, in the order of the capsule.
pub(crate) fn all_events(reader: &Reader) -> Result<Vec<Event>, Broken> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Cursor(0), |event| event.cursor);
        let more = reader.events_after(after, windlass_capsule::MAX_PAGE);
        let more = more.map_err(|error| Broken { oracle: Oracle::Chain, what: error.to_string() })?;
        if more.is_empty() {
            return Ok(events);
        }
        events.extend(more);
    }
}
