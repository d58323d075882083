//! Holders as transient units, over the interface `org.freedesktop.systemd1.Manager` (org.freedesktop.systemd1(5)).

use std::ffi::{OsStr, OsString};
use std::path::Path;

use futures::StreamExt;
use tokio::sync::oneshot;
use windlass_domain::child::ChildLimits;
use windlass_domain::id::HoldId;
use zbus::{Connection, OwnedObjectPath, Variant, proxy};

use super::{LaunchError, Started};
use crate::manager::{self, MANAGER};

/// The slice of all holders, so that their resources can be seen and limited together.
const SLICE: &str = "windlass-runs.slice";

/// Between the holder's own limits and the unit's, in milliseconds: the unit's are for a holder that hangs.
const SLACK_MS: u64 = 60_000;

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;

    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Variant<'_>)],
        auxiliary: &[(&str, Vec<(&str, Variant<'_>)>)],
    ) -> zbus::Result<OwnedObjectPath>;

    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: zbus::ObjectPath<'_>, unit: &str, result: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    fn unit_removed(&self, id: &str, unit: zbus::ObjectPath<'_>) -> zbus::Result<()>;
}

fn unit_name(hold_id: HoldId) -> String {
    format!("windlass-hold-{hold_id}.service")
}

/// Whether a user manager is on this bus.
pub(super) async fn has_manager(connection: &Connection) -> bool {
    match manager::is_on(connection).await {
        Ok(has) => has,
        Err(error) => {
            tracing::warn!(%error, "the bus does not say whether it has a user manager; holders become processes");
            false
        }
    }
}

/// The manager, after it was asked to send this connection its signals.
async fn announcing_manager(connection: &Connection) -> zbus::Result<ManagerProxy<'_>> {
    let manager = ManagerProxy::new(connection).await?;
    match manager.subscribe().await {
        Err(error) if !is(&error, "AlreadySubscribed") => Err(error),
        Ok(()) | Err(_) => Ok(manager),
    }
}

/// Whether the manager answered with this error of its own.
pub(crate) fn is(error: &zbus::Error, wanted: &str) -> bool {
    let zbus::Error::MethodError(name, ..) = error else { return false };
    name.as_str().strip_prefix(MANAGER).and_then(|rest| rest.strip_prefix('.')) == Some(wanted)
}

/// Starts the holder's unit. One that is there already is as good.
pub(super) async fn start(
    connection: &Connection,
    hold_id: HoldId,
    program: &Path,
    args: &[OsString],
    dir: &Path,
    limits: &ChildLimits,
) -> Result<Started, LaunchError> {
    let unit = unit_name(hold_id);
    let mut argv = vec![text(program.as_os_str())?];
    for arg in args {
        argv.push(text(arg)?);
    }
    argv.push(text(dir.as_os_str())?);
    let failed =
        |action, source| LaunchError::Manager { action, unit: unit.clone(), source: Box::new(source) };
    // Signals are asked for before the start, so that the end of a short-lived unit is not missed.
    let manager = announcing_manager(connection).await.map_err(|error| failed("announce", error))?;
    let mut removed = manager.receive_unit_removed().await.map_err(|error| failed("announce", error))?;
    let answer = manager.start_transient_unit(&unit, "fail", &properties(hold_id, &argv, limits), &[]).await;
    match answer {
        Ok(_job) => {}
        Err(zbus::Error::MethodError(name, ..)) if name.as_str() == "org.freedesktop.systemd1.UnitExists" => {
        }
        Err(error) => return Err(failed("start", error)),
    }
    let (sender, ended) = oneshot::channel();
    tokio::spawn(async move {
        let mut sender = sender;
        let gone = async {
            while let Some(signal) = removed.next().await {
                if signal.args().is_ok_and(|args| args.id == unit.as_str()) {
                    return format!("unit {unit} ended; see `journalctl --user -u {unit}`");
                }
            }
            format!("the bus connection ended while unit {unit} was being started")
        };
        tokio::select! {
            how = gone => { let _nobody_waits = sender.send(how); }
            () = sender.closed() => {}
        }
    });
    Ok(Started { ended })
}

/// Stops the unit with all that is in it, and waits until that is done. A unit that is not there is stopped.
pub(super) async fn stop(connection: &Connection, hold_id: HoldId) -> Result<(), LaunchError> {
    let unit = unit_name(hold_id);
    let failed =
        |action, source| LaunchError::Manager { action, unit: unit.clone(), source: Box::new(source) };
    let manager = announcing_manager(connection).await.map_err(|error| failed("announce", error))?;
    let mut jobs = manager.receive_job_removed().await.map_err(|error| failed("announce", error))?;
    let job = match manager.stop_unit(&unit, "replace").await {
        Ok(job) => job,
        Err(error) if is(&error, "NoSuchUnit") => return Ok(()),
        Err(error) => return Err(failed("stop", error)),
    };
    while let Some(signal) = jobs.next().await {
        if signal.args().is_ok_and(|args| args.job.as_str() == job.as_str()) {
            return Ok(());
        }
    }
    Err(LaunchError::BusLost { unit })
}

fn properties<'a>(hold_id: HoldId, argv: &'a [&'a str], limits: &ChildLimits) -> Vec<(&'a str, Variant<'a>)> {
    let microseconds = |milliseconds: u64| Variant::from(milliseconds.saturating_mul(1_000));
    let longest_ms = limits.time_ms.saturating_add(limits.grace_ms).saturating_add(SLACK_MS);
    let command: Vec<(&str, Vec<&str>, bool)> = vec![(argv[0], argv.to_vec(), false)];
    vec![
        ("Description", Variant::from(format!("Windlass hold {hold_id}"))),
        ("Type", Variant::from("exec")),
        ("ExecStart", Variant::from(command)),
        ("Slice", Variant::from(SLICE)),
        ("StandardInput", Variant::from("null")),
        ("CollectMode", Variant::from("inactive-or-failed")),
        // The holder alone is asked first: it knows how to end its child. Then the whole cgroup is killed.
        ("KillMode", Variant::from("mixed")),
        ("TimeoutStopUSec", microseconds(limits.grace_ms.saturating_add(SLACK_MS))),
        ("RuntimeMaxUSec", microseconds(longest_ms)),
        // Should the kernel kill the child for its hunger, its holder stays and writes that down.
        ("OOMPolicy", Variant::from("continue")),
    ]
}

fn text(given: &OsStr) -> Result<&str, LaunchError> {
    given.to_str().ok_or_else(|| LaunchError::NotText { text: given.to_owned() })
}
