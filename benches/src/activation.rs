//! A bus that starts two services by itself, Windlass and the smallest one, in a home of their own.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;
use tokio::process::Child;
use windlass_dbus::{BUS_NAME, MANAGER_INTERFACE, MANAGER_PATH};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::Bench;
use crate::service::{SERVICES, program, smallest, start_bus};

/// A service on the bus, by what one must know to call it.
#[derive(Clone, Copy)]
pub(crate) struct Callable {
    name: &'static str,
    path: &'static str,
    interface: &'static str,
    method: &'static str,
}

/// Windlass, asked how it stands.
pub(crate) const WINDLASS: Callable =
    Callable { name: BUS_NAME, path: MANAGER_PATH, interface: MANAGER_INTERFACE, method: "ServiceStatus" };

/// The smallest service.
pub(crate) const SMALLEST: Callable = Callable {
    name: "dev.windlass.Smallest1",
    path: "/dev/windlass/Smallest1",
    interface: "dev.windlass.Smallest1",
    method: "Answer",
};

/// The bus, and a client that is connected.
pub(crate) struct Activating {
    connection: Connection,
    bus: DBusProxy<'static>,
    daemon: Child,
    // Dropped last: what runs on the bus stands in it.
    _home: TempDir,
}

impl Activating {
    pub(crate) async fn start(bench: &Bench) -> anyhow::Result<Self> {
        let home = bench.disk.folder("home")?;
        let windlass = program()?;
        activates(home.path(), WINDLASS, &format!("{} service run", windlass.display()))?;
        activates(home.path(), SMALLEST, &smallest()?.display().to_string())?;
        let (daemon, address) = start_bus(home.path()).await?;
        let connection = zbus::connection::Builder::address(address.as_str()).build().await?;
        let bus = DBusProxy::new(&connection).await?;
        Ok(Self { connection, bus, daemon, _home: home })
    }

    /// Microseconds for one call, from its beginning to its answer. The bus starts the service where there is none.
    pub(crate) async fn call(&self, to: Callable) -> anyhow::Result<f64> {
        let start = Instant::now();
        self.connection.call_method(Some(to.name), to.path, Some(to.interface), to.method, &()).await?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    }

    /// The process of a service that is on the bus.
    pub(crate) async fn pid(&self, of: Callable) -> anyhow::Result<u32> {
        Ok(self.bus.get_connection_unix_process_id(of.name.try_into()?).await?)
    }

    /// Sends a signal to a service, and waits until its process is gone and its name free.
    pub(crate) async fn end(&self, service: Callable, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid(service).await?).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has no number")?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        kill_process(pid, signal)?;
        // Nothing else is to be done meanwhile.
        poll(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
        // The bus takes the name away when it sees the connection end, which may be a moment later.
        while self.bus.name_has_owner(service.name.try_into()?).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Ends the bus, and with it what runs on it.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        self.daemon.kill().await?;
        ensure!(self.daemon.try_wait()?.is_some(), "the bus does not end");
        Ok(())
    }
}

/// Lets the bus of a home start a service.
fn activates(home: &Path, service: Callable, exec: &str) -> anyhow::Result<()> {
    let folder = home.join(SERVICES);
    std::fs::create_dir_all(&folder)?;
    let name = service.name;
    let text = format!("[D-BUS Service]\nName={name}\nExec={exec}\n");
    std::fs::write(folder.join(format!("{name}.service")), text)
        .context("an activation file cannot be written")
}
