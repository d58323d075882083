//! A private session bus that starts the service when it is called, as a user's bus does.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use windlass_dbus::{BUS_NAME, Bus, BusControl};

use crate::home::{Home, Output, binary};

/// A private session bus. It ends with the value, and the service with it.
pub struct PrivateBus {
    daemon: Child,
    address: String,
}

impl PrivateBus {
    /// Starts a bus that can start the service of this home.
    ///
    /// # Panics
    /// There is no `dbus-daemon`.
    #[must_use]
    pub fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    /// The same, with more arguments for `windlass service run`.
    ///
    /// # Panics
    /// There is no `dbus-daemon`.
    #[must_use]
    pub fn start_with(home: &Home, arguments: &[&str]) -> Self {
        Self::start_as(home, &service(arguments))
    }

    /// The same, with a command line that becomes the service.
    ///
    /// # Panics
    /// There is no `dbus-daemon`.
    #[must_use]
    pub fn start_as(home: &Home, exec: &str) -> Self {
        Self::launch(home, exec, "", Command::new("dbus-daemon"))
    }

    /// The same, where the bus's policy has this limit.
    ///
    /// # Panics
    /// There is no `dbus-daemon`.
    #[must_use]
    pub fn start_limited(home: &Home, limit: &str, most: u32) -> Self {
        let limit = format!("<limit name=\"{limit}\">{most}</limit>");
        Self::launch(home, &service(&[]), &limit, Command::new("dbus-daemon"))
    }

    /// The same, where this home's state stands on a disk of its own, so small that it can be filled. Only this bus and what it
    /// starts see the disk, and [`PrivateBus::pid`] leads to it.
    ///
    /// # Panics
    /// There is no `dbus-daemon` or no `unshare`, or this user may make no namespaces.
    #[must_use]
    pub fn start_on_small_disk(home: &Home, bytes: u32) -> Self {
        let mut command = Command::new("unshare");
        let script =
            format!("mount -t tmpfs -o size={bytes} tmpfs \"$XDG_STATE_HOME\" && exec dbus-daemon \"$@\"");
        command.args(["--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", &script, "sh"]);
        Self::launch(home, &service(&[]), "", command)
    }

    fn launch(home: &Home, exec: &str, limit: &str, mut command: Command) -> Self {
        let services = home.path().join("services");
        std::fs::create_dir_all(&services).expect("a folder can be made in our own");
        let activation = format!("[D-BUS Service]\nName={BUS_NAME}\nExec={exec}\n");
        std::fs::write(services.join("dev.windlass.Windlass1.service"), activation)
            .expect("a file can be written");
        let config = home.path().join("bus.conf");
        std::fs::write(&config, configuration(home.path(), &services, limit)).expect("a file can be written");
        command
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .envs(home.environment())
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let started = command.spawn();
        let mut daemon =
            started.unwrap_or_else(|error| panic!("cannot start dbus-daemon ({error}); install dbus"));
        let stdout = daemon.stdout.take().expect("its output was asked for");
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address).expect("it prints its address");
        Self { daemon, address: address.trim().to_owned() }
    }

    /// The process of the bus.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// The bus's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `Control` over this bus.
    ///
    /// # Panics
    /// The bus does not answer.
    pub async fn control(&self) -> BusControl {
        let bus = Bus::Address(self.address.clone());
        BusControl::connect(&bus).await.unwrap_or_else(|fault| panic!("the bus does not answer: {fault:?}"))
    }

    /// The real binary on this bus.
    #[must_use]
    pub fn windlass(&self, home: &Home, folder: &Path) -> Command {
        let mut command = home.windlass(folder);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    /// Runs the binary on this bus to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn run(&self, home: &Home, folder: &Path, arguments: &[&str]) -> Output {
        Output::of(self.windlass(home, folder).args(arguments))
    }

    /// Runs `busctl --user` on this bus to its end.
    ///
    /// # Panics
    /// There is no `busctl`.
    #[must_use]
    pub fn busctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("busctl");
        command
            .arg("--user")
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::null());
        Output::of(&mut command)
    }

    /// Ends the bus while its clients are connected.
    ///
    /// # Panics
    /// It cannot be ended.
    pub fn end(mut self) {
        self.daemon.kill().expect("it is our child");
        self.daemon.wait().expect("it is our child");
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // Ended already where the test ended it; the service leaves when its bus is gone.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The command line of the service, with more arguments.
fn service(arguments: &[&str]) -> String {
    let program = binary();
    let program = program.to_str().expect("build folders have plain names");
    [&[program, "service", "run"], arguments].concat().join(" ")
}

fn configuration(folder: &Path, services: &Path, limit: &str) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  {limit}
</busconfig>
"#,
        folder = folder.display(),
        services = services.display()
    )
}
