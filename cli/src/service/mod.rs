//! `windlass service run`: the service as a process of its own. Wiring only: it starts the tree, puts it on the bus, and
//! leaves when it is told to, when it must, or when nobody needs it.

pub(crate) mod crashes;
pub(crate) mod doctor;
pub(crate) mod files;
mod leaving;
mod log;
mod standby;

use std::process::ExitCode;
use std::sync::Arc;

use sd_notify::NotifyState;
use windlass_actors::{CHECKPOINT_EVERY, Config, Recover, Runtime};
use windlass_contract::{ErrorCode, Fault};
use windlass_dbus::{Bus, ServeError, Served};
use windlass_failpoint::{Place, pass};
use windlass_process::Launcher;

use crate::args::service::ServiceArgs;
use crate::exit::status;
use crate::failure::{About, report};
use crate::folders::Folders;
use crate::output::Output;
use crate::reach::{not_started, store_check, this_program};
use crashes::Crashes;
use leaving::{Leave, Signals};
use standby::Stood;

/// The exit status for a store that must not be touched: systemd does not start the service again after it
/// (`RestartPreventExitStatus=78`, EX_CONFIG of sysexits.h).
const STORE_UNUSABLE: u8 = 78;

/// Runs the service until it leaves.
pub(crate) fn run(args: ServiceArgs, folders: &Folders) -> ExitCode {
    log::start(args.verbose);
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match made {
        Ok(runtime) => runtime.block_on(serve(&args, folders)),
        Err(error) => Err(Fault::new(ErrorCode::Io, format!("cannot make a runtime: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let code = fault.code();
            let shown = status(report(&Output::of(false, false, false), &About::default(), fault.into()));
            match code {
                ErrorCode::CapsuleDamaged | ErrorCode::CapsuleNewer => ExitCode::from(STORE_UNUSABLE),
                _ => shown,
            }
        }
    }
}

async fn serve(args: &ServiceArgs, folders: &Folders) -> Result<(), Fault> {
    // From here on a signal is kept until it is waited for: who is asked to leave while starting leaves in order once started.
    let mut signals = Signals::register();
    let mut stood_by = false;
    loop {
        let start = Crashes::of(&folders.state).note_start();
        let recover = if start.paused { Recover::Paused } else { Recover::All };
        let (runtime, served) = match come_up(folders, recover).await {
            Ok(up) => up,
            Err(fault) => {
                // What says by its code why it cannot be is no crash; anything else may be what a run does to the service.
                if fault.code() != ErrorCode::Io {
                    start.strike_out();
                }
                // Without systemd the bus may have started another service while the name was free: that one goes on.
                if stood_by && fault.code() == ErrorCode::BusUnavailable {
                    tracing::info!(%fault, "another service took over");
                    return Ok(());
                }
                if fault.code() != ErrorCode::CapsuleLocked {
                    return Err(fault);
                }
                match standby::stand_by(folders, fault, &mut signals).await? {
                    Stood::Free => stood_by = true,
                    Stood::Asked => return Ok(()),
                }
                continue;
            }
        };
        pass(Place::ServiceNamed);
        tell_manager(NotifyState::Ready);
        pass(Place::ServiceReady);
        start.strike_out();
        tracing::info!(state = %folders.state.display(), "the service is ready");
        if recover == Recover::Paused {
            tracing::warn!(
                "runs are paused after three ends before ready within a minute; `windlass service start` lets them go on"
            );
        }
        let leave = leaving::wait(args, &runtime, &served, &mut signals).await;
        tell_manager(NotifyState::Stopping);
        pass(Place::ServiceLeaving);
        return part(leave, runtime, served).await;
    }
}

/// Opens the capsule, places what has not ended, and goes on the bus. When it returns, calls are being answered.
async fn come_up(folders: &Folders, recover: Recover) -> Result<(Runtime, Served), Fault> {
    let launcher = Launcher::on_session_bus(this_program()?, vec!["holder".into()]).await;
    let folders = folders.for_actors()?;
    let checkpoint_every = CHECKPOINT_EVERY;
    let config = Config { folders, launcher, check: store_check()?, recover, checkpoint_every };
    let runtime = windlass_actors::start(config).await.map_err(|error| not_started(&error))?;
    pass(Place::ServiceRecovered);
    match windlass_dbus::serve(Arc::new(runtime.control()), &Bus::Session).await {
        Ok(served) => Ok((runtime, served)),
        Err(error) => {
            runtime.stop().await;
            Err(not_served(&error))
        }
    }
}

/// Leaves in order where that is possible: the name first, then the answers, then the tree and the capsule.
async fn part(leave: Leave, runtime: Runtime, served: Served) -> Result<(), Fault> {
    match leave {
        Leave::Asked | Leave::Idle => {
            if let Err(error) = served.leave().await {
                tracing::warn!(%error, "the bus was lost while leaving");
            }
            runtime.stop().await;
            Ok(())
        }
        Leave::BusLost => {
            runtime.stop().await;
            Err(bus_lost())
        }
        // As after a crash: nothing more is written, and what is not on disk yet is done again once the record is sound.
        Leave::Damaged(what) => Err(Fault::new(
            ErrorCode::CapsuleDamaged,
            format!("the full verification found the capsule damaged: {what}"),
        )
        .hint("windlass capsule verify")
        .hint("keep the folder as it is; nothing in it is moved or deleted by itself")),
        Leave::Fatal(why) => Err(Fault::new(ErrorCode::Io, why).hint("windlass capsule verify")),
    }
}

/// The process is to end with a failure, so that it is started anew.
fn bus_lost() -> Fault {
    let text = "the session bus was lost; the service is started anew and its runs go on";
    Fault::new(ErrorCode::BusUnavailable, text)
}

fn not_served(error: &ServeError) -> Fault {
    let fault = Fault::new(ErrorCode::BusUnavailable, with_source(error));
    match error {
        ServeError::NameTaken { .. } => fault.hint("windlass service status"),
        ServeError::NoBus(_) => fault.hint("dbus-run-session -- windlass service run"),
        ServeError::Refused { .. } => fault,
    }
}

/// An error with its cause, in one line.
pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Tells systemd, where it started this process.
fn tell_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "nobody waits for a notification");
    }
}
