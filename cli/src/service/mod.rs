//! `windlass service run`: the service as a process of its own. Wiring only: it starts the tree, puts it on the bus, and
//! leaves when it is told to, when it must, or when nobody needs it.

mod leaving;
mod log;

use std::process::ExitCode;
use std::sync::Arc;

use sd_notify::NotifyState;
use windlass_actors::{Config, Recover, Runtime};
use windlass_contract::{ErrorCode, Fault};
use windlass_dbus::{Bus, ServeError, Served};
use windlass_process::Launcher;

use crate::args::service::ServiceArgs;
use crate::exit::status;
use crate::failure::{About, report};
use crate::folders::Folders;
use crate::output::Output;
use crate::reach::{not_started, this_program};
use leaving::Leave;

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
    let launcher = Launcher::on_session_bus(this_program()?, vec!["holder".into()]).await;
    let config = Config { folders: folders.for_actors()?, launcher, recover: Recover::All };
    let runtime = windlass_actors::start(config).await.map_err(|error| not_started(&error))?;
    let served = match windlass_dbus::serve(Arc::new(runtime.control()), &Bus::Session).await {
        Ok(served) => served,
        Err(error) => {
            runtime.stop().await;
            return Err(not_served(&error));
        }
    };
    tell_manager(NotifyState::Ready);
    tracing::info!(state = %folders.state.display(), "the service is ready");
    let leave = leaving::wait(args, &runtime, &served).await;
    tell_manager(NotifyState::Stopping);
    part(leave, runtime, served).await
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
            let text = "the session bus was lost; the service is started anew and its runs go on";
            Err(Fault::new(ErrorCode::BusUnavailable, text))
        }
        Leave::Fatal(why) => Err(Fault::new(ErrorCode::Io, why).hint("windlass capsule verify")),
    }
}

fn not_served(error: &ServeError) -> Fault {
    let fault = Fault::new(ErrorCode::BusUnavailable, with_source(error));
    match error {
        ServeError::NameTaken { .. } => fault.hint("windlass service status"),
        ServeError::NoBus(_) => fault.hint("dbus-run-session -- windlass service run"),
        ServeError::Refused { .. } => fault,
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
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
