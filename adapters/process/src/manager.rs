//! The user's systemd, as far as the service's own unit needs it: reading it in, enabling, starting and stopping it.
//!
//! It is not a place for transient units, which are holders: see [`crate::Launcher`]. Nothing here waits for a clock: a job is
//! over when the manager says so (`org.freedesktop.systemd1(5)`).

use futures::StreamExt;
use zbus::fdo::DBusProxy;
use zbus::names::{BusName, WellKnownName};
use zbus::{Connection, OwnedObjectPath, proxy};

use crate::launch::is_manager_error;

/// The bus name of the user manager.
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1";

/// Why the user manager did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// There is no session bus.
    #[error("there is no session bus, so no user manager can be reached")]
    NoBus(#[source] Box<zbus::Error>),
    /// There is a session bus without a user manager.
    #[error("there is a session bus, but no systemd user manager on it")]
    NoManager,
    /// The manager knows no such unit.
    #[error("the user manager knows no unit {unit}")]
    NoSuchUnit {
        /// Which.
        unit: String,
    },
    /// What was asked for was begun and did not come about.
    #[error("the user manager could not {action} {unit}: {result}")]
    Failed {
        /// What was asked.
        action: &'static str,
        /// On which unit.
        unit: String,
        /// The job's result: `failed`, `timeout`, `canceled` and so on.
        result: String,
    },
    /// The manager refused it, or the bus was lost.
    #[error("the user manager did not {action} {unit}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// On which unit.
        unit: String,
        /// What the bus said.
        #[source]
        source: Box<zbus::Error>,
    },
}

/// A unit as the manager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitView {
    /// `loaded`, `not-found`, `bad-setting` and so on.
    pub load_state: String,
    /// `active`, `inactive`, `failed`, `activating` and so on.
    pub active_state: String,
    /// `enabled`, `disabled` and so on; empty where there is no file.
    pub file_state: String,
    /// Whether the file changed since the manager read it.
    pub needs_reload: bool,
    /// The file that it was read from; empty where there is none.
    pub file: String,
}

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;

    fn reload(&self) -> zbus::Result<()>;

    fn enable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> zbus::Result<(bool, Vec<(String, String, String)>)>;

    fn disable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
    ) -> zbus::Result<Vec<(String, String, String)>>;

    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: zbus::ObjectPath<'_>, unit: &str, result: &str) -> zbus::Result<()>;
}

#[proxy(interface = "org.freedesktop.systemd1.Unit", default_service = "org.freedesktop.systemd1")]
trait Unit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn load_state(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn unit_file_state(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn need_daemon_reload(&self) -> zbus::Result<bool>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn fragment_path(&self) -> zbus::Result<String>;
}

/// Whether a user manager is on this bus.
///
/// A manager that starts the bus connects to it a moment later than the first client, and this may be that client. A bus that was
/// started by systemd keeps a call for the manager's name until it is there; any other one says at once that it has none.
pub(crate) async fn is_on(connection: &Connection) -> zbus::Result<bool> {
    let bus = DBusProxy::new(connection).await?;
    if bus.name_has_owner(BusName::try_from(MANAGER)?).await? {
        return Ok(true);
    }
    match bus.start_service_by_name(WellKnownName::try_from(MANAGER)?, 0).await {
        Ok(_) => Ok(true),
        Err(error) => {
            tracing::debug!(%error, "there is no user manager on this bus");
            Ok(false)
        }
    }
}

/// What can be asked to happen to a unit.
#[derive(Debug, Clone, Copy)]
enum Job {
    Start,
    Stop,
    Restart,
}

impl Job {
    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

/// The user's systemd.
#[derive(Debug, Clone)]
pub struct UserManager {
    connection: Connection,
}

impl UserManager {
    /// The manager on the session bus.
    ///
    /// # Errors
    /// [`ManagerError::NoBus`], [`ManagerError::NoManager`].
    pub async fn on_session_bus() -> Result<Self, ManagerError> {
        let no_bus = |error| ManagerError::NoBus(Box::new(error));
        let connection = Connection::session().await.map_err(no_bus)?;
        if !is_on(&connection).await.map_err(no_bus)? {
            return Err(ManagerError::NoManager);
        }
        Ok(Self { connection })
    }

    /// Lets the manager read its unit files anew.
    ///
    /// # Errors
    /// [`ManagerError::Refused`].
    pub async fn reload(&self) -> Result<(), ManagerError> {
        let refused = refused("read", "its unit files");
        self.proxy().await.map_err(&refused)?.reload().await.map_err(&refused)
    }

    /// Lets the manager start the unit by itself, as its `[Install]` section says.
    ///
    /// # Errors
    /// [`ManagerError::Refused`], also where the manager looks for units in other folders.
    pub async fn enable(&self, unit: &str) -> Result<(), ManagerError> {
        let refused = refused("enable", unit);
        let manager = self.proxy().await.map_err(&refused)?;
        manager.enable_unit_files(&[unit], false, true).await.map_err(&refused)?;
        Ok(())
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`ManagerError::Refused`].
    pub async fn disable(&self, unit: &str) -> Result<(), ManagerError> {
        let refused = refused("disable", unit);
        let manager = self.proxy().await.map_err(&refused)?;
        manager.disable_unit_files(&[unit], false).await.map_err(&refused)?;
        Ok(())
    }

    /// Starts the unit and waits until it is ready. One that had failed starts anew.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn start(&self, unit: &str) -> Result<(), ManagerError> {
        self.job(Job::Start, unit).await
    }

    /// Stops the unit and waits until it has ended.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn stop(&self, unit: &str) -> Result<(), ManagerError> {
        self.job(Job::Stop, unit).await
    }

    /// Stops the unit where it runs, starts it, and waits until it is ready.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn restart(&self, unit: &str) -> Result<(), ManagerError> {
        self.job(Job::Restart, unit).await
    }

    /// The unit as the manager sees it.
    ///
    /// # Errors
    /// [`ManagerError::Refused`].
    pub async fn unit(&self, unit: &str) -> Result<UnitView, ManagerError> {
        let refused = refused("show", unit);
        let asked = async {
            let path = self.proxy().await?.load_unit(unit).await?;
            let unit = UnitProxy::builder(&self.connection).path(path).build().await?;
            zbus::Result::Ok(UnitView {
                load_state: unit.load_state().await?,
                active_state: unit.active_state().await?,
                file_state: unit.unit_file_state().await?,
                needs_reload: unit.need_daemon_reload().await?,
                file: unit.fragment_path().await?,
            })
        };
        asked.await.map_err(refused)
    }

    async fn proxy(&self) -> zbus::Result<ManagerProxy<'_>> {
        ManagerProxy::new(&self.connection).await
    }

    async fn job(&self, job: Job, unit: &str) -> Result<(), ManagerError> {
        let refused = |source: zbus::Error| {
            let unit = unit.to_owned();
            if is_manager_error(&source, "NoSuchUnit") {
                return ManagerError::NoSuchUnit { unit };
            }
            ManagerError::Refused { action: job.word(), unit, source: Box::new(source) }
        };
        let manager = self.proxy().await.map_err(refused)?;
        match manager.subscribe().await {
            Err(error) if !is_manager_error(&error, "AlreadySubscribed") => return Err(refused(error)),
            Ok(()) | Err(_) => {}
        }
        // The signal is asked for before the job, so that the end of a short one is not missed.
        let mut removed = manager.receive_job_removed().await.map_err(refused)?;
        let begun = match job {
            Job::Start => manager.start_unit(unit, "replace").await,
            Job::Stop => manager.stop_unit(unit, "replace").await,
            Job::Restart => manager.restart_unit(unit, "replace").await,
        };
        let begun = begun.map_err(refused)?;
        while let Some(signal) = removed.next().await {
            let Ok(ended) = signal.args() else { continue };
            if ended.job.as_str() != begun.as_str() {
                continue;
            }
            if ended.result == "done" {
                return Ok(());
            }
            let (unit, result) = (unit.to_owned(), ended.result.to_owned());
            return Err(ManagerError::Failed { action: job.word(), unit, result });
        }
        let result = "the bus connection ended before its job did".to_owned();
        Err(ManagerError::Failed { action: job.word(), unit: unit.to_owned(), result })
    }
}

/// Lets the session bus read anew which services it can start.
///
/// # Errors
/// [`ManagerError::NoBus`], [`ManagerError::Refused`].
pub async fn reload_session_bus() -> Result<(), ManagerError> {
    let connection = Connection::session().await.map_err(|error| ManagerError::NoBus(Box::new(error)))?;
    let asked = async {
        let answer = connection
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "ReloadConfig",
                &(),
            )
            .await?;
        drop(answer);
        zbus::Result::Ok(())
    };
    asked.await.map_err(refused("read", "the bus's configuration"))
}

fn refused(action: &'static str, unit: &str) -> impl Fn(zbus::Error) -> ManagerError {
    let unit = unit.to_owned();
    move |source| ManagerError::Refused { action, unit: unit.clone(), source: Box::new(source) }
}
