//! The bus, the user manager, lingering, the service that answers, and whether its runs are paused.

use std::fs;
use std::path::Path;

use windlass_contract::Control as _;
use windlass_contract::document::{DoctorCheck, DoctorFinding, TOOL_VERSION};
use windlass_dbus::{Bus, BusControl};
use windlass_process::{ManagerError, UserManager, lingering};

use super::{ok, problem, skipped, warning};
use crate::folders::Folders;
use crate::reach::this_program;
use crate::service::crashes::Crashes;

/// There while systemd is the system's init (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// The bus, the manager and lingering; and the manager, for those who look further.
pub(super) async fn surroundings() -> (Vec<DoctorFinding>, Option<UserManager>) {
    let asked = UserManager::on_session_bus().await;
    let bus = match &asked {
        Err(ManagerError::NoBus(error)) => no_bus(error),
        _ => ok(DoctorCheck::Bus, "there is a session bus"),
    };
    let manager = match &asked {
        Ok(_) => ok(DoctorCheck::UserManager, "there is a systemd user manager"),
        Err(ManagerError::NoBus(_)) => {
            skipped(DoctorCheck::UserManager, "it is reached over the session bus")
        }
        Err(_) => no_manager(),
    };
    (vec![bus, manager, lingers()], asked.ok())
}

fn no_bus(error: &dyn std::error::Error) -> DoctorFinding {
    let usual = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("bus"));
    let text = format!("there is no session bus, so only --ephemeral runs work here: {error}");
    match usual.filter(|socket| socket.exists()) {
        Some(socket) => {
            let export = format!("export DBUS_SESSION_BUS_ADDRESS=unix:path={}", socket.display());
            problem(DoctorCheck::Bus, text, &[&export])
        }
        None if Path::new(BOOTED).is_dir() => problem(
            DoctorCheck::Bus,
            text,
            &["systemctl --user start dbus.socket", "sudo apt install dbus-user-session"],
        ),
        None => problem(DoctorCheck::Bus, text, &["dbus-run-session -- windlass service run"]),
    }
}

fn no_manager() -> DoctorFinding {
    let text = "there is no systemd user manager, so nobody starts the service at boot or after a crash; children of runs are \
                fenced by process groups instead of cgroups";
    let mends: &[&str] = if Path::new(BOOTED).is_dir() {
        &["sudo systemctl start user@$(id -u).service", "loginctl enable-linger"]
    } else {
        &["windlass service run"]
    };
    warning(DoctorCheck::UserManager, text, mends)
}

fn lingers() -> DoctorFinding {
    match lingering() {
        Some(true) => ok(DoctorCheck::Lingering, "lingering is on: runs go on at boot and outlive a logout"),
        Some(false) => {
            let text = "lingering is off: runs stop when you log out, and go on when you log in";
            warning(DoctorCheck::Lingering, text, &["loginctl enable-linger"])
        }
        None => skipped(DoctorCheck::Lingering, "systemd does not run this machine"),
    }
}

/// The service that is on the bus now, and its process. None is started for it.
pub(super) async fn service() -> (DoctorFinding, Option<u32>) {
    let Ok(control) = BusControl::connect(&Bus::Session).await else {
        return (skipped(DoctorCheck::Service, "it is reached over the session bus"), None);
    };
    if !control.is_running().await {
        return if control.is_reachable().await {
            (ok(DoctorCheck::Service, "it is not running; the next call starts it"), None)
        } else {
            let text = "it is not running, and the bus does not know how to start it";
            (warning(DoctorCheck::Service, text, &["windlass service install"]), None)
        };
    }
    match control.service_status().await {
        Ok(status) => {
            let (pid, version) = (status.pid, status.tool_version);
            (judge(&version, pid), Some(pid))
        }
        Err(fault) => {
            let text = format!("it is on the bus and does not answer as it should: {fault}");
            (problem(DoctorCheck::Service, text, &["windlass service stop && windlass service start"]), None)
        }
    }
}

fn judge(version: &str, pid: u32) -> DoctorFinding {
    const ANEW: [&str; 1] = ["windlass service stop && windlass service start"];
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    if version != TOOL_VERSION {
        let text = format!("{version} is running and this is {TOOL_VERSION}");
        return warning(DoctorCheck::Service, text, &ANEW);
    }
    if program.to_string_lossy().ends_with(" (deleted)") {
        let text = format!("process {pid} runs a program that was replaced since");
        return warning(DoctorCheck::Service, text, &ANEW);
    }
    match this_program() {
        Ok(own) if !program.as_os_str().is_empty() && own != program => {
            let text = format!("process {pid} runs {} and this is {}", program.display(), own.display());
            warning(DoctorCheck::Service, text, &["windlass service install", ANEW[0]])
        }
        _ => ok(DoctorCheck::Service, format!("{version} is running as process {pid}")),
    }
}

/// Whether the crash counter pauses runs, or is on its way to.
pub(super) fn crash_loop(folders: &Folders) -> DoctorFinding {
    let crashes = Crashes::of(&folders.state);
    match (crashes.is_paused(), crashes.recent()) {
        (true, _) => {
            let text = "runs are paused: the service ended three times within a minute before it was ready";
            let mends = ["windlass service start", "journalctl --user -u windlass.service -e"];
            problem(DoctorCheck::CrashLoop, text, &mends)
        }
        (false, 0) => ok(DoctorCheck::CrashLoop, "runs are not paused"),
        (false, count) => {
            let text = format!("{count} start(s) within the last minute did not come as far as ready");
            warning(DoctorCheck::CrashLoop, text, &["journalctl --user -u windlass.service -e"])
        }
    }
}
