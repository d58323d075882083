//! A machine of one's own: a real systemd booted in a container over this system's files, with one user who lingers.
//!
//! It is booted by `systemd-nspawn` from an overlay, so that nothing of this system is changed, and its power can be cut: what
//! was written stays, every process is gone at once. What runs in it is what runs on a user's machine: systemd, logind, the
//! user's manager and bus, and the real binary, installed. One machine at a time runs on a system, because they would share a
//! control group.
//!
//! **Invariant:** nothing waits for a clock. Each wait is for systemd, a pipe or a log, and is given up after [`PATIENCE`] only so that
//! a leak fails the test instead of hanging it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::home::{Output, binary, has_program};
use crate::process::wait_until_gone;

/// The user's name.
pub const USER: &str = "kim";

/// The user's number, which no distribution gives out.
const UID: u32 = 54_321;

/// The user's home.
pub const USER_HOME: &str = "/home/kim";

/// Longest wait for anything inside the machine, as `timeout` takes it and in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// The programs without which there is no machine, and their packages on Debian.
const NEEDS: [(&str, &str); 3] =
    [("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux"), ("setpriv", "util-linux")];

/// A machine, running or not. Its files last as long as the value.
pub struct Machine {
    running: Option<Running>,
    root: PathBuf,
    folder: TempDir,
    _alone: File,
}

struct Running {
    container: Child,
    leader: u32,
}

/// A process inside the machine that holds a named pipe open for writing.
pub struct Held {
    child: Child,
    until: Option<ChildStdin>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// The files of a machine that has not been booted yet.
    ///
    /// # Panics
    /// This is not root, or something that is needed is not installed.
    #[must_use]
    pub fn new() -> Self {
        assert!(
            rustix::process::getuid().is_root(),
            "booting a machine needs root: run tests/run as root, which also installs what it needs"
        );
        for (program, package) in NEEDS {
            assert!(has_program(program), "there is no {program}; install {package}");
        }
        let bus = Path::new("/usr/lib/systemd/user/dbus.socket");
        assert!(bus.exists(), "there is no bus for users ({}); install dbus-user-session", bus.display());
        let lock = std::env::temp_dir().join("windlass-machine.lock");
        let alone = File::create(lock).expect("a file can be made in the temporary folder");
        alone.lock().expect("a file can be locked");
        let folder = TempDir::with_prefix("windlass-machine-").expect("a temporary folder can be made");
        let root = folder.path().join("files/root");
        let machine = Self { running: None, root, folder, _alone: alone };
        machine.mount();
        machine.furnish();
        machine
    }

    /// The upper layer is a file system of its own: an overlay cannot stand on another one.
    fn mount(&self) {
        let files = self.folder.path().join("files");
        fs::create_dir(&files).expect("a folder can be made in our own");
        done(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&files));
        for name in ["upper", "work", "root"] {
            fs::create_dir(files.join(name)).expect("a folder can be made in our own");
        }
        let files = files.display();
        let options = format!("lowerdir=/,upperdir={files}/upper,workdir={files}/work");
        done(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&self.root));
    }

    /// Makes the system's files those of a small machine: no disks, no network, nothing enabled, one user who lingers.
    fn furnish(&self) {
        let write =
            |name: &str, text: &str| fs::write(self.root.join(name), text).expect("the layer is ours");
        write("etc/fstab", "");
        write("etc/hostname", "machine\n");
        write("etc/machine-id", "00000000000000000000000000000a11\n");
        let units = self.root.join("etc/systemd/system");
        for entry in fs::read_dir(&units).expect("systemd is installed").flatten() {
            if entry.file_name().to_string_lossy().ends_with(".wants") {
                fs::remove_dir_all(entry.path()).expect("the layer is ours");
            }
        }
        let add = |name: &str, line: String| {
            let there = fs::read_to_string(self.root.join(name)).expect("every system has it");
            write(name, &format!("{}\n{line}\n", there.trim_end()));
        };
        add("etc/passwd", format!("{USER}:x:{UID}:{UID}::{USER_HOME}:/bin/bash"));
        add("etc/group", format!("{USER}:x:{UID}:"));
        add("etc/shadow", format!("{USER}:*:19000:0:99999:7:::"));
        let lingering = self.root.join("var/lib/systemd/linger");
        fs::create_dir_all(&lingering).expect("the layer is ours");
        fs::write(lingering.join(USER), "").expect("the layer is ours");
        let program = self.root.join("usr/local/bin/windlass");
        fs::copy(binary(), &program).expect("the binary fits");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("the layer is ours");
        let home = self.outside(USER_HOME);
        fs::create_dir_all(&home).expect("the layer is ours");
        chown(&home, Some(UID), Some(UID)).expect("root gives away what it made");
    }

    /// Where something inside the machine is seen from outside.
    #[must_use]
    pub fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Switches it on, and waits until systemd has done all that it does at boot.
    ///
    /// # Panics
    /// It does not come up.
    pub fn boot(&mut self) {
        let socket = self.folder.path().join("notify");
        // Left over from the boot before.
        let _ = fs::remove_file(&socket);
        let told = UnixDatagram::bind(&socket).expect("a socket can be made in our own folder");
        told.set_read_timeout(Some(PATIENCE)).expect("a socket can wait");
        let console = self.folder.path().join("console");
        let log = File::create(&console).expect("a file can be made in our own folder");
        let container = Command::new("systemd-nspawn")
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"])
            .args(["--console=pipe", "--notify-ready=yes", "--machine=windlass-test"])
            .arg(format!("--directory={}", self.root.display()))
            .env("NOTIFY_SOCKET", &socket)
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .env("SYSTEMD_NSPAWN_LOCK", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("systemd-nspawn was found before");
        let (mut leader, mut buffer) = (None, [0; 4096]);
        loop {
            let length = told.recv(&mut buffer).unwrap_or_else(|error| {
                let said = fs::read_to_string(&console).unwrap_or_default();
                panic!("the machine does not come up ({error}): {said}")
            });
            let text = String::from_utf8_lossy(&buffer[..length]);
            for line in text.lines() {
                leader =
                    line.strip_prefix("X_NSPAWN_LEADER_PID=").and_then(|pid| pid.parse().ok()).or(leader);
            }
            if text.lines().any(|line| line == "READY=1") {
                break;
            }
        }
        let leader = leader.expect("systemd-nspawn names its leader before it is ready");
        self.running = Some(Running { container, leader });
    }

    /// Cuts the power: every process is gone at once, and what was written stays.
    ///
    /// # Panics
    /// It is not running.
    pub fn cut_power(&mut self) {
        let mut running = self.running.take().expect("only a running machine can be cut off");
        wait_until_gone(running.leader, Signal::KILL);
        running.container.wait().expect("it is our child");
    }

    /// Waits until the user's manager is up, starting it where nobody did.
    pub fn wait_for_user(&self) {
        let unit = format!("user@{UID}.service");
        self.root(&["systemctl", "start", &unit]).ok();
    }

    /// Takes lingering from the user, who has no session: the user's manager leaves, as it does when a last session ends, and this
    /// waits until it has.
    ///
    /// # Panics
    /// It stays.
    pub fn log_out(&self) {
        let unit = format!("user@{UID}.service");
        let manager = self.root(&["systemctl", "show", "--value", "-p", "MainPID", &unit]).ok().stdout;
        self.root(&["loginctl", "disable-linger", USER]).ok();
        let gone = format!("--pid={}", manager.trim());
        self.root(&["timeout", "60", "tail", &gone, "-f", "/dev/null"]).ok();
    }

    /// Runs a command as root, inside, to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn root(&self, command: &[&str]) -> Output {
        Output::of(self.enter().args(command).stdin(Stdio::null()))
    }

    /// Runs a command as the user, in the user's home, with the user's bus, to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn user(&self, command: &[&str]) -> Output {
        self.user_in(USER_HOME, command)
    }

    /// The same, in another folder.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn user_in(&self, folder: &str, command: &[&str]) -> Output {
        Output::of(self.as_user(folder).args(command).stdin(Stdio::null()))
    }

    /// Opens a named pipe for writing, inside, as the user, which waits until somebody reads it. It is held until the value is
    /// dropped.
    ///
    /// # Panics
    /// Nobody reads it.
    #[must_use]
    pub fn meet(&self, pipe: &str) -> Held {
        let script = format!("exec 3>'{pipe}' && echo met && read -r line");
        let mut child = self
            .as_user(USER_HOME)
            .args(["bash", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter was found before");
        let until = child.stdin.take();
        let mut met = String::new();
        BufReader::new(child.stdout.take().expect("it was asked for"))
            .read_line(&mut met)
            .expect("a pipe can be read");
        let held = Held { child, until };
        assert_eq!(met, "met\n", "nobody reads {pipe}: {}", self.log());
        held
    }

    /// Waits until the service has logged a line with this text this often, counted over all boots.
    ///
    /// # Panics
    /// It has not.
    pub fn wait_for_log(&self, text: &str, times: usize) {
        let log = "exec journalctl --follow --lines=all --output=cat _SYSTEMD_USER_UNIT=windlass.service";
        let script = format!("test \"$(grep -c -m {times} -F '{text}' < <({log}))\" = {times}");
        let limited = self.limited(&["bash", "-c", &script]);
        assert_eq!(limited.code, 0, "`{text}` is not logged {times} times: {}", self.log());
    }

    /// How often the service has logged a line with this text, over all boots.
    #[must_use]
    pub fn count_log(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// What the service has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.root(&["journalctl", "--output=cat", "--no-pager", "_SYSTEMD_USER_UNIT=windlass.service"]).stdout
    }

    fn limited(&self, command: &[&str]) -> Output {
        let patience = PATIENCE.as_secs().to_string();
        Output::of(self.enter().args(["timeout", &patience]).args(command).stdin(Stdio::null()))
    }

    /// A command in the machine's namespaces.
    fn enter(&self) -> Command {
        let leader = self.running.as_ref().expect("only a running machine can be entered").leader;
        let mut command = Command::new("nsenter");
        command.args(["--target", &leader.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "--"]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn as_user(&self, folder: &str) -> Command {
        let mut command = self.enter();
        let (uid, patience) = (UID.to_string(), PATIENCE.as_secs().to_string());
        command.args(["timeout", &patience, "setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        command.args(["--reset-env", "env", "-C", folder]);
        command.arg(format!("XDG_RUNTIME_DIR=/run/user/{UID}"));
        command.arg(format!("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{UID}/bus"));
        command
    }
}

impl Held {
    /// Lets go, and waits until the pipe is closed.
    ///
    /// # Panics
    /// The process cannot be waited for.
    pub fn let_go(mut self) {
        self.until = None;
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.cut_power();
        }
        for mount in [self.root.clone(), self.folder.path().join("files")] {
            // A mount that is still busy goes when it is not any more; the folder is only the place where it stood.
            let _ = Command::new("umount").args(["--lazy"]).arg(mount).status();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.until = None;
        // Gone already where it was let go or the power was cut.
        let _ = self.child.wait();
    }
}

fn done(command: &mut Command) {
    let done = Output::of(command);
    assert_eq!(done.code, 0, "{command:?}: {}", done.stderr);
}
