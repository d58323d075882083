//! The service while another process writes the capsule: it owns the name, lets the record be looked at, refuses what would change
//! it, and waits on the lock.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::time::sleep;
use windlass_contract::Fault;
use windlass_dbus::Bus;

use super::leaving::Signals;
use super::{bus_lost, not_served, tell_manager};
use crate::folders::Folders;

/// How long the last reader of this process may take: it is in the middle of one short snapshot at most.
const LAST_READER: Duration = Duration::from_secs(5);

/// Why it stands by no longer.
pub(super) enum Stood {
    /// The lock was free a moment ago.
    Free,
    /// A signal asked to end.
    Asked,
}

/// Stands by until the lock is free.
///
/// # Errors
/// The fault of the lock where the record cannot be read either, or the lock not be waited for; that of a bus that cannot be
/// reached or was lost.
pub(super) async fn stand_by(
    folders: &Folders,
    locked: Fault,
    signals: &mut Signals,
) -> Result<Stood, Fault> {
    let reading = windlass_actors::read_only(folders.for_actors()?, locked.clone(), false).await;
    let control = match reading {
        Ok(control) => Arc::new(control),
        Err(error) => {
            tracing::warn!(%error, "the record cannot be looked at meanwhile");
            return Err(locked);
        }
    };
    let served = windlass_dbus::serve(control, &Bus::Session).await.map_err(|error| not_served(&error))?;
    tell_manager(NotifyState::Ready);
    tracing::warn!(reason = %locked, "another process writes the capsule; the service waits until it is free");
    let stood = tokio::select! {
        free = unlocked(folders.capsule()) => free.map(|()| Stood::Free).map_err(|()| locked),
        () = signals.asked() => Ok(Stood::Asked),
        () = served.closed() => return Err(bus_lost()),
        never = feed_watchdog() => match never {},
    };
    // The name is free for a moment; who calls meanwhile waits for it to be owned again.
    if let Err(error) = served.leave().await {
        tracing::warn!(%error, "the bus was lost while leaving");
    }
    let capsule = folders.capsule();
    let closed =
        tokio::task::spawn_blocking(move || windlass_capsule::wait_until_closed(&capsule, LAST_READER));
    if !closed.await.unwrap_or(false) {
        tracing::warn!("the capsule is still being read in this process");
    }
    stood
}

/// Waits until no writer holds the capsule. The thread is one that the runtime does not wait for when it ends.
async fn unlocked(capsule: PathBuf) -> Result<(), ()> {
    let (free, told) = oneshot::channel();
    let started = std::thread::Builder::new().name("capsule-lock".to_owned()).spawn(move || {
        let waited = windlass_capsule::wait_until_unlocked(&capsule);
        if let Err(error) = &waited {
            tracing::warn!(%error, "the lock cannot be waited for");
        }
        // The service may have been asked to leave meanwhile.
        let _ = free.send(waited.map_err(|_| ()));
    });
    match started {
        Ok(_) => told.await.unwrap_or(Err(())),
        Err(_) => Err(()),
    }
}

/// There is no writer whose loop could say that it is alive; that this runtime is says enough.
async fn feed_watchdog() -> Infallible {
    let Some(period) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        tell_manager(NotifyState::Watchdog);
        sleep(period / 2).await;
    }
}
