//! How a command reaches [`Control`]: over the bus, or in this process.
//!
//! A run outlives its terminal only where a service drives it, so starting one needs the bus, or `--ephemeral`. Everything
//! else also works where no service can be reached: in this process, under the writer's lock, or read-only beside a writer.

pub(crate) mod child;
mod record;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use windlass_actors::{Local, Runtime, StartError, StoreCheck};
use windlass_capsule::OpenError;
use windlass_contract::document::Unserved;
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_dbus::{Bus, BusControl};
use windlass_process::{Launcher, ManagerError, UserManager};

use crate::args::ChildArgs;
use crate::folders::Folders;
use crate::service::files::UNIT;
use crate::service::with_source;
use child::ChildWork;

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A service that goes on when this process ends.
    Service,
    /// A run that this process drives itself.
    Ephemeral,
    /// To change the record.
    Change,
    /// To read the record, or what only a writer knows.
    Read,
    /// To look at what is recorded, whoever writes it.
    Look,
}

/// The way that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A service over the session bus.
    Bus,
    /// The same tree inside this process.
    InProcess,
    /// The record as it stands, read in this process.
    Record,
}

/// Control, and the way to it.
pub(crate) struct Reached {
    pub(crate) control: Arc<dyn Control>,
    pub(crate) way: Reach,
    /// Why no service answers, where the record is read as it stands.
    pub(crate) unserved: Option<Unserved>,
    /// What must be awaited before the process may end: in process, the orderly end of the tree.
    pub(crate) leaving: Option<BoxFuture<'static, ()>>,
}

/// What a command does next.
pub(crate) enum Way {
    /// It asks Control.
    Here(Box<Reached>),
    /// It has a child process do all of it.
    Child(ChildWork),
}

/// Reaches Control as the need allows.
///
/// # Errors
/// `bus_unavailable` where a service is needed and none can be reached; `capsule_locked` where another process writes and
/// this one would have to.
pub(crate) async fn reach(need: Need, folders: &Folders, child: &ChildArgs) -> Result<Way, Fault> {
    let reached = match need {
        Need::Service => over_the_bus().await,
        Need::Ephemeral => match in_process(folders).await {
            // Whoever holds the lock may be a service, which can drive the run as well.
            Err(locked) if locked.code() == ErrorCode::CapsuleLocked => {
                over_the_bus().await.map_err(|_| locked)
            }
            reached => reached,
        },
        Need::Change | Need::Read | Need::Look => match over_the_bus().await {
            Err(fault) if fault.code() == ErrorCode::BusUnavailable => {
                tracing::info!(reason = fault.first().message, "no service on the bus; going on without one");
                match (child.in_child, need) {
                    (false, Need::Look) => return Ok(Way::Child(ChildWork::look(folders).await?)),
                    (false, _) => return Ok(Way::Child(ChildWork::change())),
                    (true, Need::Look) => record::look(folders, &fault, child.damage.as_deref()).await,
                    (true, _) => in_process(folders).await,
                }
            }
            reached => reached,
        },
    };
    reached.map(|reached| Way::Here(Box::new(reached)))
}

/// A service over the session bus; it is started when there is none and somebody knows how.
async fn over_the_bus() -> Result<Reached, Fault> {
    let control = BusControl::connect(&Bus::Session).await?;
    if !control.is_running().await {
        if !control.is_reachable().await {
            let text =
                "there is a session bus, but no Windlass service on it and none that the bus could start";
            return Err(Fault::new(ErrorCode::BusUnavailable, text).hint("windlass service run"));
        }
        start(&control).await?;
    }
    Ok(Reached { control: Arc::new(control), way: Reach::Bus, unserved: None, leaving: None })
}

/// Starts the service through the user manager, which says at once that it does not come up; the bus would wait two minutes for it.
/// Where no manager would start it, the bus does: a service that does not come up must be known before a way is taken.
async fn start(control: &BusControl) -> Result<(), Fault> {
    let Ok(manager) = UserManager::on_session_bus().await else { return control.start().await };
    match manager.start(UNIT).await {
        Ok(()) => Ok(()),
        Err(ManagerError::NoSuchUnit { .. }) => control.start().await,
        Err(error) => Err(Fault::new(ErrorCode::BusUnavailable, with_source(&error))
            .hint("windlass service doctor")
            .hint(format!("journalctl --user -u {UNIT} -e"))),
    }
}

/// The tree inside this process.
async fn in_process(folders: &Folders) -> Result<Reached, Fault> {
    let opened = open_here(folders).await?;
    let control = Arc::new(opened.control.clone());
    let leaving = Some(opened.leave().boxed());
    Ok(Reached { control, way: Reach::InProcess, unserved: None, leaving })
}

/// A tree inside this process, and its end.
pub(crate) struct Opened {
    pub(crate) control: Local,
    runtime: Runtime,
    capsule: PathBuf,
}

/// How long an ended tree's last reader may take: it is in the middle of one short snapshot at most.
const LAST_READER: Duration = Duration::from_secs(5);

impl Opened {
    /// Ends the tree and closes the capsule, so that this process may open it again.
    pub(crate) async fn leave(self) {
        let Self { control, runtime, capsule } = self;
        drop(control);
        runtime.stop().await;
        let closing =
            tokio::task::spawn_blocking(move || windlass_capsule::wait_until_closed(&capsule, LAST_READER));
        if !closing.await.unwrap_or(false) {
            tracing::warn!("the capsule is still being read in this process");
        }
    }
}

/// Grows a tree inside this process. Runs of other processes that have not ended are left alone.
///
/// # Errors
/// What keeps the capsule from being opened for writing.
pub(crate) async fn open_here(folders: &Folders) -> Result<Opened, Fault> {
    let for_actors = folders.for_actors()?;
    let capsule = for_actors.capsule();
    let config = windlass_actors::Config {
        folders: for_actors,
        launcher: direct_launcher()?,
        check: store_check()?,
        recover: windlass_actors::Recover::None,
        checkpoint_every: windlass_actors::CHECKPOINT_EVERY,
    };
    let runtime = windlass_actors::start(config).await.map_err(|error| not_started(&error))?;
    Ok(Opened { control: runtime.control(), runtime, capsule })
}

/// Holders as processes that leave this one's session: there may be no user manager to start units.
fn direct_launcher() -> Result<Launcher, Fault> {
    Ok(Launcher::Direct { program: this_program()?, args: vec!["holder".into()] })
}

/// How this program is started again to look at a store.
///
/// # Errors
/// `io` when the system does not tell where it is.
pub(crate) fn store_check() -> Result<StoreCheck, Fault> {
    Ok(StoreCheck::new(this_program()?, vec!["check-store".into()]))
}

/// The file of this program, for starting it again.
///
/// # Errors
/// `io` when the system does not tell.
pub(crate) fn this_program() -> Result<PathBuf, Fault> {
    let told = std::env::current_exe();
    told.map_err(|error| {
        Fault::new(ErrorCode::Io, format!("this program's own file cannot be found: {error}"))
    })
}

/// Why the capsule is not open for writing, with the next step.
pub(crate) fn not_started(error: &StartError) -> Fault {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let StartError::Capsule(open) = error else {
        return Fault::new(ErrorCode::Io, text).hint("windlass service doctor");
    };
    match open {
        OpenError::Locked { .. } => Fault::new(ErrorCode::CapsuleLocked, text)
            .hint("windlass service status")
            .hint("end that process, or use another --state-dir"),
        OpenError::Newer { .. } => {
            Fault::new(ErrorCode::CapsuleNewer, text).hint("use the newer windlass that wrote it")
        }
        OpenError::Damaged { .. } => Fault::new(ErrorCode::CapsuleDamaged, text)
            .hint("windlass capsule verify")
            .hint("keep the folder as it is; nothing in it is moved or deleted by itself"),
        OpenError::DiskFull { .. } => Fault::new(ErrorCode::DiskFull, text).hint("df -h"),
        _ => Fault::new(ErrorCode::Io, text).hint("windlass service doctor"),
    }
}
