//! When the service leaves, and the watchdog that it feeds until then.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout_at};
use windlass_actors::Runtime;
use windlass_contract::view::StoreVerification;
use windlass_dbus::Served;

use super::tell_manager;
use crate::args::service::ServiceArgs;

/// Why the service leaves.
pub(super) enum Leave {
    /// A signal asked for it.
    Asked,
    /// Nothing is going on and nobody is there.
    Idle,
    /// The bus is gone: calls cannot reach this process any more.
    BusLost,
    /// The capsule cannot be written any more.
    Fatal(String),
    /// The capsule is damaged.
    Damaged(String),
}

/// Waits until there is a reason to leave.
pub(super) async fn wait(
    args: &ServiceArgs,
    runtime: &Runtime,
    served: &Served,
    signals: &mut Signals,
) -> Leave {
    let watchdog = feed_watchdog(runtime);
    tokio::pin!(watchdog);
    tokio::select! {
        () = signals.asked() => Leave::Asked,
        () = served.closed() => Leave::BusLost,
        why = runtime.fatal() => Leave::Fatal(why),
        what = runtime.damaged() => Leave::Damaged(what),
        () = idle(args.leave_after, runtime, served) => Leave::Idle,
        () = &mut watchdog => Leave::Fatal("the writer's loop no longer answers".to_owned()),
    }
}

/// The signals that ask to end, kept from when they were registered. Where none can be waited for, the default action of the
/// signal ends the process.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Takes the signals from their default action.
    pub(super) fn register() -> Self {
        Self(signal(SignalKind::terminate()).and_then(|ask| Ok((ask, signal(SignalKind::interrupt())?))).ok())
    }

    /// Waits until one of them was sent.
    pub(super) async fn asked(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Nothing has gone on, no record been verified, and nobody been there for the quiet period. Woken by changes and one armed deadline, never by
/// looking.
async fn idle(leave_after: Option<u64>, runtime: &Runtime, served: &Served) {
    let Some(seconds) = leave_after else { return std::future::pending().await };
    let quiet = Duration::from_secs(seconds);
    let (mut runs, mut door) = (runtime.activity(), served.activity());
    let mut verification = runtime.verification();
    loop {
        let is_quiet = {
            let runs = runs.borrow_and_update();
            let verifies = matches!(*verification.borrow_and_update(), StoreVerification::Verifying { .. });
            runs.running == 0 && runs.queued == 0 && !verifies && door.borrow_and_update().is_idle()
        };
        let change = async {
            tokio::select! {
                changed = runs.changed() => changed,
                changed = door.changed() => changed,
                changed = verification.changed() => changed,
            }
        };
        if is_quiet {
            if timeout_at(Instant::now() + quiet, change).await.is_err() {
                return;
            }
        } else if change.await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Pings the writer's loop and passes its answer on to systemd, twice in each of its periods. Ends when the loop is stuck.
async fn feed_watchdog(runtime: &Runtime) {
    let Some(period) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        let next = Instant::now() + period / 2;
        let (answer, answered) = tokio::sync::oneshot::channel();
        let pinged = runtime.writer().ping(Box::new(move || {
            // The service may be leaving.
            let _ = answer.send(());
        }));
        // An overloaded writer is alive: its queue is full of work that it does.
        if pinged.is_ok() && timeout_at(next, answered).await.is_err() {
            return;
        }
        tell_manager(NotifyState::Watchdog);
        sleep_until(next).await;
    }
}
