//! The service's side of the bus.

mod activity;
mod caller;
mod desk;
mod follow;
mod manager;
mod pace;
mod registry;
mod run_object;
mod sealed;
mod subscriptions;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use windlass_contract::{Control, Fault};
use zbus::Connection;
use zbus::fdo::{DBusProxy, ObjectManager, PeerProxy, RequestNameFlags};
use zbus::names::BusName;

pub use activity::Activity;
pub(crate) use follow::ends;

use crate::bus::Bus;
use crate::names::{BUS_NAME, MANAGER_PATH};
use desk::Desk;
use manager::Manager;
use registry::Registry;

/// Why the service is not on the bus.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is no bus.
    #[error(
        "the session bus cannot be reached; is DBUS_SESSION_BUS_ADDRESS set, or is there a bus at $XDG_RUNTIME_DIR/bus?"
    )]
    NoBus(#[source] zbus::Error),
    /// Another process is the service.
    #[error("the bus name {BUS_NAME} belongs to {owner}; end that process first")]
    NameTaken {
        /// `process <pid>`, or what is known.
        owner: String,
    },
    /// The bus refused something else.
    #[error("the bus refused to {what}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// Why.
        #[source]
        source: zbus::Error,
    },
}

/// The service on the bus. Dropping it takes the service off the bus at once; [`Served::leave`] does so in order.
#[derive(Debug)]
pub struct Served {
    connection: Connection,
    registry: Registry,
    activity: watch::Receiver<Activity>,
    owner: Owner,
}

/// The task that owns what the bus shows; it ends with this.
#[derive(Debug)]
struct Owner(AbortHandle);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts `control` on the bus: first the objects, then the name. When this returns, calls are being answered.
///
/// A fault of `control` itself does not keep it from being served: its callers get that fault with each call, and
/// [`Served::place_runs`] shows the runs once it can be read.
///
/// # Errors
/// [`ServeError`] says which step failed.
pub async fn serve(control: Arc<dyn Control>, bus: &Bus) -> Result<Served, ServeError> {
    let refused = |what| move |source| ServeError::Refused { what, source };
    let (registry, start) = Registry::new();
    let desk = Desk {
        control,
        callers: Arc::default(),
        meter: activity::Meter::default(),
        registry: registry.clone(),
    };
    let activity = desk.meter.watch();
    let manager = Manager { desk: desk.clone() };
    let connection =
        bus.builder().serve_at(MANAGER_PATH, manager).build().await.map_err(ServeError::NoBus)?;
    let owner = tokio::spawn(own(start, desk, connection.clone()));
    let served = Served { connection, registry, activity, owner: Owner(owner.abort_handle()) };
    if let Err(fault) = served.place_runs().await {
        tracing::warn!(%fault, "the runs cannot be shown on the bus yet");
    }
    let objects = served.connection.object_server();
    objects.at(MANAGER_PATH, ObjectManager).await.map_err(refused("announce the objects"))?;
    match served.connection.request_name_with_flags(BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await {
        Ok(_) => Ok(served),
        Err(zbus::Error::NameTaken) => {
            Err(ServeError::NameTaken { owner: owner_of_name(&served.connection).await })
        }
        Err(source) => Err(refused("give the name")(source)),
    }
}

impl Served {
    /// How busy the door is, now and whenever it changes.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// Shows every active run and the 64 newest ended ones that are not shown yet: for runs that another door made, or that could
    /// not be read when [`serve`] was called.
    ///
    /// # Errors
    /// The fault of `Control` that kept a run from being shown.
    pub async fn place_runs(&self) -> Result<(), Fault> {
        self.registry.place_all().await
    }

    /// Waits until the bus is lost. Nothing can be answered after that: the process is to end, non-zero, and be started anew.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Leaves the bus in order: gives up the name, so that the next call starts a new service; answers every call that was
    /// received before; closes the connection. It waits for the longest of those calls.
    ///
    /// # Errors
    /// The bus was lost, so that nobody waits for an answer any more.
    pub async fn leave(self) -> Result<(), ServeError> {
        let refused = |what| move |source| ServeError::Refused { what, source };
        let Self { connection, registry, activity, owner } = self;
        connection.release_name(BUS_NAME).await.map_err(refused("take the name back"))?;
        // Everything that the bus sent us before it took the name back is handed out before this call to ourselves is.
        if let Some(name) = connection.unique_name() {
            let own = PeerProxy::builder(&connection).destination(name.clone()).path("/");
            let own = own.build().await.map_err(refused("reach us"))?;
            own.ping().await.map_err(refused("reach us"))?;
        }
        // A call that is being worked on holds the connection; so do the tasks that end here.
        drop((owner, registry, activity));
        connection.graceful_shutdown().await;
        Ok(())
    }
}

/// Runs the owner of what the bus shows. It ends by itself only where it cannot do its work any more, and a service that shows
/// what is no longer so is better started anew: closing the connection says so.
async fn own(start: registry::Start, desk: Desk, connection: Connection) {
    start.run(desk, connection.clone()).await;
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the connection to the bus could not be closed");
    }
}

async fn owner_of_name(connection: &Connection) -> String {
    let asked = async {
        let name = BusName::try_from(BUS_NAME)?;
        zbus::Result::Ok(DBusProxy::new(connection).await?.get_connection_unix_process_id(name).await?)
    };
    asked.await.map_or_else(|_| "a process that has just left".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests;
