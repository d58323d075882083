//! Looking at the record where no service answers: beside whoever writes it, or in a store that nobody may write.

use std::sync::Arc;

use windlass_actors::StartError;
use windlass_capsule::OpenError;
use windlass_contract::Fault;
use windlass_contract::document::Unserved;
use windlass_dbus::{Bus, BusControl};

use super::{Reach, Reached, in_process, not_started};
use crate::folders::Folders;

/// The record as it stands, with why no service answers and what helps. Where there is none yet, it is made.
///
/// # Errors
/// What keeps it from being read.
pub(super) async fn look(
    folders: &Folders,
    unreached: &Fault,
    damage: Option<&str>,
) -> Result<Reached, Fault> {
    let reading =
        windlass_actors::read_only(folders.for_actors()?, unreached.clone(), damage.is_some()).await;
    let control = match reading {
        Ok(control) => control,
        Err(OpenError::NotThere { .. }) => return in_process(folders).await,
        Err(error) => return Err(not_started(&StartError::Capsule(error))),
    };
    // Without a bus there is nothing that could start the service.
    let starts = if BusControl::connect(&Bus::Session).await.is_ok() { "start" } else { "run" };
    let first = match damage {
        None => format!("windlass service {starts}"),
        Some(_) => "windlass capsule verify".to_owned(),
    };
    let unserved = Some(Unserved {
        reason: unreached.first().message.clone(),
        hints: vec![first, "windlass service doctor".to_owned()],
        damage: damage.map(str::to_owned),
    });
    Ok(Reached { control: Arc::new(control), way: Reach::Record, unserved, leaving: None })
}
