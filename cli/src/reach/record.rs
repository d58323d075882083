//! Looking at the record where no service answers: beside whoever writes it, or in a store that nobody may write.

use std::sync::Arc;

use windlass_actors::StartError;
use windlass_capsule::OpenError;
use windlass_contract::document::Unserved;
use windlass_contract::{ErrorCode, Fault};
use windlass_dbus::{Bus, BusControl};

use super::{Reach, Reached, in_process, not_started};
use crate::folders::Folders;
use crate::service::doctor::capsule::{Survival, survives_reading};

/// The record as it stands, with why no service answers and what helps. Where there is none yet, it is made.
///
/// # Errors
/// What keeps it from being read.
pub(super) async fn look(folders: &Folders, unreached: &Fault) -> Result<Reached, Fault> {
    if let Survival::Died { how } = survives_reading(folders).await {
        let text = format!("the capsule in {} cannot be read: {how}", folders.capsule().display());
        return Err(Fault::new(ErrorCode::CapsuleDamaged, text)
            .hint("windlass service doctor")
            .hint("keep the folder as it is; nothing in it is moved or deleted by itself"));
    }
    let control = match windlass_actors::read_only(folders.for_actors()?, unreached.clone()).await {
        Ok(control) => control,
        Err(OpenError::NotThere { .. }) => return in_process(folders).await,
        Err(error) => return Err(not_started(&StartError::Capsule(error))),
    };
    // Without a bus there is nothing that could start the service.
    let starts = if BusControl::connect(&Bus::Session).await.is_ok() { "start" } else { "run" };
    let hints = vec![format!("windlass service {starts}"), "windlass service doctor".to_owned()];
    let unserved = Some(Unserved { reason: unreached.first().message.clone(), hints });
    Ok(Reached { control: Arc::new(control), way: Reach::Record, unserved, leaving: None })
}
