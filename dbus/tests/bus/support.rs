//! A session bus of a test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use windlass_dbus::{BUS_NAME, Bus};

/// A bus daemon that ends with this value.
pub(crate) struct PrivateBus {
    daemon: Child,
    address: String,
    _folder: TempDir,
}

impl PrivateBus {
    /// Starts a bus that can start no service.
    pub(crate) fn start() -> Self {
        Self::with_service(None)
    }

    /// Starts a bus that can start the Windlass service with this command.
    pub(crate) fn with_activation(command: &str) -> Self {
        Self::with_service(Some(command))
    }

    fn with_service(command: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(command) = command {
            let file = folder.path().join(format!("{BUS_NAME}.service"));
            std::fs::write(file, format!("[D-BUS Service]\nName={BUS_NAME}\nExec={command}\n")).unwrap();
        }
        let config = folder.path().join("bus.conf");
        let place = folder.path().display();
        let text = format!(
            r#"<busconfig>
  <type>session</type>
  <listen>unix:path={place}/bus</listen>
  <servicedir>{place}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The address is printed once the bus listens.
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    /// How to reach it.
    pub(crate) fn bus(&self) -> Bus {
        Bus::Address(self.address.clone())
    }

    /// A connection that speaks the wire, as a program in another language does.
    pub(crate) async fn wire(&self) -> zbus::Connection {
        zbus::connection::Builder::address(self.address.as_str()).build().await.unwrap()
    }

    /// Kills it, as when a session ends.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // It may have been killed already, and then both fail.
        let _gone = (self.daemon.kill(), self.daemon.wait());
    }
}
