//! The full verification after an unclean stop: a process of its own looks at the whole record while runs go on. What it finds
//! ends this process: a damaged record is not added to.

use std::path::Path;

use tokio::sync::watch;
use windlass_capsule::{Due, due, note_due};
use windlass_contract::view::StoreVerification;

use crate::check::{Finding, Look, StoreCheck};
use crate::store::blocking;

/// How often it is begun again in one life of a service, when something ends it that is no damage.
const TRIES: u32 = 3;

/// How the verification stands, from what is noted beside the store.
pub(crate) fn standing(folder: &Path) -> StoreVerification {
    match due(folder) {
        Ok(None) => StoreVerification::NotNeeded,
        Ok(Some(Due::Pending { progress })) => {
            let (done, of) = progress.map_or((0, 0), |progress| (progress.done, progress.of));
            StoreVerification::Due { done, of }
        }
        Ok(Some(Due::Damaged { what })) => StoreVerification::Damaged { what },
        Err(error) => StoreVerification::Damaged { what: error.to_string() },
    }
}

/// Verifies what is due, to the end.
pub(crate) async fn verify(check: StoreCheck, folder: &Path, told: watch::Sender<StoreVerification>) {
    let StoreVerification::Due { done, of } = *told.borrow() else { return };
    told.send_replace(StoreVerification::Verifying { done, of });
    for _ in 0..TRIES {
        let at = |done, of| drop(told.send_replace(StoreVerification::Verifying { done, of }));
        match check.watch(folder, Look::InBackground, at).await {
            Finding::Sound => {
                tracing::info!("the whole record was verified after the last unclean stop, and is sound");
                told.send_replace(StoreVerification::Verified);
                return;
            }
            Finding::Damaged { what } => {
                note_damage(folder, what.clone()).await;
                told.send_replace(StoreVerification::Damaged { what });
                return;
            }
            Finding::Unknown { why } => tracing::warn!(%why, "the verification of the record was broken off"),
        }
    }
    told.send_replace(standing(folder));
}

/// So that no later start takes the store for sound.
async fn note_damage(folder: &Path, what: String) {
    let folder = folder.to_owned();
    let noted = blocking(move || note_due(&folder, &Due::Damaged { what })).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "the damage could not be noted; the next start verifies again");
    }
}
