//! A service of its own on a session bus of its own: the real binary, a home below the measured disk, and a repository
//! with one task. Nothing of the user who runs the benches is read or touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, anyhow, bail, ensure};
use futures::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use windlass_contract::request::{AddItem, AnswerContext, Caller, Init};
use windlass_contract::{Control as _, Fault};
use windlass_dbus::{BUS_NAME, Bus, BusControl};
use windlass_domain::id::ItemId;
use windlass_domain::item::ItemType;
use windlass_domain::run::request::Door;
use zbus::fdo::DBusProxy;

use crate::Bench;
use crate::fixture::context;

/// The folder in a home whose files say which services the bus starts.
pub(crate) const SERVICES: &str = "services";

/// A running service. End it with [`Service::end`].
pub(crate) struct Service {
    /// The bus's address.
    pub(crate) address: String,
    /// `Control` over the bus.
    pub(crate) control: BusControl,
    /// The repository.
    pub(crate) repository: PathBuf,
    /// The task that has a complete context.
    pub(crate) task: ItemId,
    program: PathBuf,
    service: Child,
    daemon: Child,
    home: TempDir,
}

impl Service {
    /// Builds the binary where cargo runs this program, and starts it on a new bus.
    pub(crate) async fn start(bench: &Bench) -> anyhow::Result<Self> {
        let program = program()?;
        let home = bench.disk.folder("home")?;
        let repository = home.path().join("repository");
        make_repository(&repository)?;
        let (daemon, address) = start_bus(home.path()).await?;
        let mut command = in_home(Command::new(&program), home.path(), &address);
        command.args(["service", "run"]).stdout(Stdio::null()).stderr(Stdio::null());
        let service = start_service(command, &address).await?;
        let control = BusControl::connect(&Bus::Address(address.clone())).await.map_err(told)?;
        let task = ItemId::new("T-0001").context("the task's id")?;
        let started = Self { address, control, repository, task, program, service, daemon, home };
        started.outfit().await?;
        Ok(started)
    }

    /// The binary as a command in this home and on this bus.
    pub(crate) fn windlass(&self) -> Command {
        in_home(Command::new(&self.program), self.home.path(), &self.address)
    }

    /// Another program as a command in this home and on this bus.
    pub(crate) fn other(&self, program: &str) -> Command {
        in_home(Command::new(program), self.home.path(), &self.address)
    }

    /// The folder of the repository, as requests name it.
    pub(crate) fn folder(&self) -> String {
        self.repository.to_string_lossy().into_owned()
    }

    /// Lets the service leave in order, then ends the bus.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let pid = self.service.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.context("the service has ended by itself")?, Signal::TERM)?;
        let status = self.service.wait().await?;
        self.daemon.kill().await?;
        ensure!(status.success(), "the service left with {status}");
        Ok(())
    }

    /// Makes the repository and the task known.
    async fn outfit(&self) -> anyhow::Result<()> {
        let (folder, id) = (self.folder(), self.task.clone());
        self.control.init(caller(), Init { folder: folder.clone() }).await.map_err(told)?;
        let item = AddItem {
            folder: folder.clone(),
            item_type: ItemType::Task,
            id: id.clone(),
            title: "Review the change".to_owned(),
            description: String::new(),
            parent_id: None,
        };
        self.control.add_item(caller(), item).await.map_err(told)?;
        let answers = AnswerContext { folder, id, context: context() };
        self.control.answer_context(caller(), answers).await.map_err(told)?;
        Ok(())
    }
}

/// Who calls; the service records whom the bus vouches for.
pub(crate) fn caller() -> Caller {
    Caller { name: "bench".to_owned(), door: Door::Dbus }
}

/// What the service refused, as an error of this program.
pub(crate) fn told(fault: Fault) -> anyhow::Error {
    anyhow!("{}: {}", fault.code().word(), fault.first().message)
}

/// The `windlass` binary beside this program.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    built("windlass", &["--package", "windlass"])
}

/// The smallest service on a bus, beside this program.
pub(crate) fn smallest() -> anyhow::Result<PathBuf> {
    built("smallest", &["--package", "windlass-benches", "--bin", "smallest"])
}

/// A program beside this one. Where cargo runs this program it is built first, so that it is of the same source.
fn built(name: &str, package: &[&str]) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("this program's file cannot be found")?;
    let folder = this.parent().context("this program stands in no folder")?;
    if let (Some(cargo), Some(manifest)) = (std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR"))
    {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet"]).args(package).current_dir(manifest);
        build.arg("--target-dir").arg(folder.parent().context("the program's folder has no parent")?);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().context("cargo cannot be run")?;
        ensure!(status.success(), "{name} cannot be built");
    }
    let program = folder.join(name);
    ensure!(
        program.exists(),
        "{} is not built: cargo build --release {}",
        program.display(),
        package.join(" ")
    );
    Ok(program)
}

/// A command that sees nothing of the user but the PATH.
pub(crate) fn in_home(mut command: Command, home: &Path, address: &str) -> Command {
    command.env_clear().current_dir(home).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DBUS_SESSION_BUS_ADDRESS", address).env("HOME", home);
    for (name, folder) in [
        ("XDG_STATE_HOME", "state"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "runtime"),
    ] {
        command.env(name, home.join(folder));
    }
    command
}

/// A bus that starts the services that a folder in this home names, in this home. Its address is the first line that it prints.
pub(crate) async fn start_bus(home: &Path) -> anyhow::Result<(Child, String)> {
    static BUSES: AtomicU32 = AtomicU32::new(0);
    let config = home.join("bus.conf");
    let services = home.join(SERVICES);
    std::fs::create_dir_all(&services)?;
    let services = services.display();
    // In the abstract namespace: the path of a socket below a deep folder would be too long.
    let number = BUSES.fetch_add(1, Ordering::Relaxed);
    let socket = format!("unix:abstract=windlass-benches-{}-{number}", std::process::id());
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#
    );
    std::fs::write(&config, text)?;
    // What it starts finds the bus by the address that the bus itself gives it.
    let mut command = tokio::process::Command::from(in_home(Command::new("dbus-daemon"), home, ""));
    command.env_remove("DBUS_SESSION_BUS_ADDRESS");
    command.arg("--config-file").arg(&config).args(["--nofork", "--print-address"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut daemon = command.spawn().context("dbus-daemon cannot be started; install dbus")?;
    let stdout = daemon.stdout.take().context("dbus-daemon has no output")?;
    let address = BufReader::new(stdout).lines().next_line().await?;
    Ok((daemon, address.context("dbus-daemon ended without an address")?))
}

/// Starts the service and waits until it has its name: it is ready then.
pub(crate) async fn start_service(command: Command, address: &str) -> anyhow::Result<Child> {
    let connection = zbus::connection::Builder::address(address).build().await?;
    let bus = DBusProxy::new(&connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, BUS_NAME)]).await?;
    let mut command = tokio::process::Command::from(command);
    let mut service = command.kill_on_drop(true).spawn().context("the service cannot be started")?;
    tokio::select! {
        status = service.wait() => bail!("the service ended at once: {}", status?),
        owner = owners.next() => ensure!(owner.is_some(), "the bus ended"),
    }
    Ok(service)
}

pub(crate) fn make_repository(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join("README.md"), "# A boat\n\nIt floats.\n")?;
    let author = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"];
    let commit = [&author[..], &["commit", "--quiet", "--message", "first"]].concat();
    for arguments in [&["init", "--quiet", "--initial-branch=main"][..], &["add", "README.md"], &commit] {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .status()
            .context("git cannot be started")?;
        ensure!(status.success(), "git {arguments:?} failed");
    }
    Ok(())
}
