//! Starting and leaving: opens the capsule, grows the tree, waits for what ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windlass_capsule::{Claim, Doubt, LockText, OpenError, Options, Writer};
use windlass_contract::document::TOOL_VERSION;
use windlass_contract::error::Fault;
use windlass_contract::view::StoreVerification;
use windlass_domain::run::RunState;
use windlass_engine::ports::SandboxSupport;
use windlass_process::Launcher;

use crate::check::{Finding, Look, StoreCheck};
use crate::clock;
use crate::control::Local;
use crate::folders::Folders;
use crate::shared::{Activity, Shared};
use crate::store::{Heads, Store, blocking};
use crate::tree::root::{Root, RootArguments, RootMessage};
use crate::verification;

/// What a process needs to drive runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where things stand.
    pub folders: Folders,
    /// How holders are started.
    pub launcher: Launcher,
    /// How this program is started to look at a store that is in doubt.
    pub check: StoreCheck,
    /// Which of the runs that have not ended go on here.
    pub recover: Recover,
    /// How long a run works at most without a checkpoint.
    pub checkpoint_every: Duration,
}

/// How long a run works at most without a checkpoint, as callers can rely on.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(30 * 60);

/// Which of the runs that have not ended go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recover {
    /// All of them: the service.
    All,
    /// All of them are queued, and none goes on: the service after a crash loop. What is submitted is queued, too.
    Paused,
    /// None but what is submitted here: `--ephemeral` leaves the others alone.
    None,
}

/// Why the tree could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The capsule cannot be opened for writing.
    #[error(transparent)]
    Capsule(#[from] OpenError),
    /// The store is in doubt and could not be looked at.
    #[error("the capsule in {} must be looked at before it is opened: {why}", path.display())]
    Unchecked {
        /// Where it is.
        path: PathBuf,
        /// Why it was not.
        why: String,
    },
    /// A folder cannot be made.
    #[error("the folder {} cannot be made", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel does not tell which boot this is.
    #[error("/proc/sys/kernel/random/boot_id cannot be read; is /proc mounted?")]
    NoBootId(#[source] std::io::Error),
    /// An actor did not start.
    #[error("the tree of actors could not be started: {why}")]
    Tree {
        /// What it said.
        why: String,
    },
}

/// A running tree.
pub struct Runtime {
    control: Local,
    activity: watch::Receiver<Activity>,
    verification: watch::Receiver<StoreVerification>,
    verifying: Option<JoinHandle<()>>,
    fatal: watch::Receiver<Option<String>>,
    writer: Writer,
    root: ActorRef<RootMessage>,
    ended: JoinHandle<()>,
}

/// Opens the capsule and grows the tree. When it returns, every run that had not ended is placed.
///
/// # Errors
/// [`StartError`]; nothing goes on then.
pub async fn start(config: Config) -> Result<Runtime, StartError> {
    let Config { folders, launcher, check, recover, checkpoint_every } = config;
    let boot_id = clock::boot_id().map_err(StartError::NoBootId)?;
    for folder in [folders.state().to_owned(), folders.holds()] {
        let path = folder.clone();
        let made = blocking(move || std::fs::create_dir_all(folder)).await;
        made.map_err(|source| StartError::Folder { path, source })?;
    }
    let heads = Heads::default();
    let told = heads.clone();
    let capsule = folders.capsule();
    let claim = claim(&check, capsule.clone()).await?;
    let opened = blocking(move || {
        let observer =
            Box::new(move |_head, events: &[windlass_domain::event::Event]| told.committed(events));
        claim.open(Options::default(), observer)
    });
    let (writer, reader) = opened.await?;
    let shared = Arc::new(Shared {
        store: Store::new(writer.clone(), reader, heads),
        folders,
        launcher,
        sandbox: sandbox().await,
        boot_id,
        path: std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
        started_at: clock::now(),
        recover,
        own: watch::Sender::default(),
        checkpoint_every,
        activity: watch::Sender::default(),
        verification: watch::Sender::new(verification::standing(&capsule)),
        rescue: false,
        tree: watch::Sender::default(),
    });
    let fatal_said = watch::Sender::default();
    let fatal = fatal_said.subscribe();
    let activity = shared.activity.subscribe();
    let arguments = RootArguments { shared: Arc::clone(&shared), writer: writer.clone(), fatal: fatal_said };
    let grown = Actor::spawn(None, Root, arguments).await;
    let (root, ended) = grown.map_err(|error| StartError::Tree { why: error.to_string() })?;
    // Somebody who drives a run of his own waits for nothing else.
    let verifying = (recover != Recover::None).then(|| {
        let (told, due) = (shared.verification.clone(), capsule);
        tokio::spawn(async move { verification::verify(check, &due, told).await })
    });
    let verification = shared.verification.subscribe();
    Ok(Runtime { control: Local::new(shared), activity, verification, verifying, fatal, writer, root, ended })
}

/// Takes the lock, and has the store looked at by another process where it is in doubt, before this one maps it.
async fn claim(check: &StoreCheck, capsule: PathBuf) -> Result<Claim, StartError> {
    let folder = capsule.clone();
    let claimed = blocking(move || {
        let claim = Claim::take(&folder, &lock_text())?;
        let doubt = claim.doubt()?;
        Ok::<_, OpenError>((claim, doubt))
    });
    let (claim, doubt) = claimed.await?;
    let look = match doubt {
        None => return Ok(claim),
        Some(Doubt::Unproven) => Look::AtStart,
        Some(Doubt::Altered) => Look::Records,
        Some(Doubt::Damaged) => Look::Whole,
    };
    tracing::info!(?doubt, "another process looks at the capsule before it is opened");
    match check.look(&capsule, look).await {
        Finding::Sound => Ok(claim),
        Finding::Damaged { what } => Err(OpenError::Damaged { path: capsule, what }.into()),
        Finding::Unknown { why } => Err(StartError::Unchecked { path: capsule, why }),
    }
}

/// `Control` that reads the capsule as it stands, beside its writer or without one. Whatever would change it is refused with this
/// fault. Nobody tells this process of what another one commits: a run that is watched stays as it was.
///
/// Where it is known to be `damaged`, lists give what can be read and name the rest.
///
/// # Errors
/// What keeps the capsule from being opened for reading; nothing was changed.
pub async fn read_only(folders: Folders, refusal: Fault, damaged: bool) -> Result<Local, OpenError> {
    let capsule = folders.capsule();
    let (reader, activity, verification) = blocking(move || {
        let reader = windlass_capsule::open_read_only(&capsule)?;
        let activity = recorded_activity(&reader);
        Ok::<_, OpenError>((reader, activity, verification::standing(&capsule)))
    })
    .await?;
    let shared = Shared {
        store: Store::read_only(reader, refusal),
        folders,
        // Nothing is started by a process that only reads.
        launcher: Launcher::Direct { program: PathBuf::new(), args: Vec::new() },
        sandbox: SandboxSupport::Unusable {
            reason: "not looked at; see `windlass service doctor`".to_owned(),
        },
        boot_id: String::new(),
        path: String::new(),
        started_at: clock::now(),
        recover: Recover::None,
        own: watch::Sender::default(),
        checkpoint_every: CHECKPOINT_EVERY,
        activity: watch::Sender::new(activity),
        verification: watch::Sender::new(verification),
        rescue: damaged,
        tree: watch::Sender::default(),
    };
    Ok(Local::new(Arc::new(shared)))
}

/// What has not ended, as the record has it. What cannot be read counts nothing: the call that reads it says so.
fn recorded_activity(reader: &windlass_capsule::Reader) -> Activity {
    let active = reader.active_runs().unwrap_or_default();
    let queued = active.iter().filter(|run| matches!(run.state, RunState::Queued { .. })).count();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Activity { running: count(active.len() - queued), queued: count(queued) }
}

/// What another writer is told who holds the capsule.
fn lock_text() -> LockText {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    LockText {
        pid: std::process::id(),
        host,
        start: clock::now().to_string(),
        version: TOOL_VERSION.to_owned(),
    }
}

async fn sandbox() -> SandboxSupport {
    match windlass_process::sandbox::probe().await {
        windlass_process::sandbox::SandboxSupport::Bwrap { version, .. } => {
            SandboxSupport::Usable { version }
        }
        windlass_process::sandbox::SandboxSupport::Unusable { reason, mend } => {
            SandboxSupport::Unusable { reason: format!("{reason}; {mend}") }
        }
    }
}

impl Runtime {
    /// `Control` in this process.
    #[must_use]
    pub fn control(&self) -> Local {
        self.control.clone()
    }

    /// What goes on, in numbers.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// How the verification of the whole record stands, which an unclean stop asks for.
    #[must_use]
    pub fn verification(&self) -> watch::Receiver<StoreVerification> {
        self.verification.clone()
    }

    /// Waits until the record is found to be damaged, and says what is: the process must leave and not be started again.
    pub async fn damaged(&self) -> String {
        let mut verification = self.verification.clone();
        loop {
            if let StoreVerification::Damaged { what } = &*verification.borrow_and_update() {
                return what.clone();
            }
            if verification.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The capsule's writer, for the watchdog: its thread answers a ping or is stuck.
    #[must_use]
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Waits until the process must leave, and says why: a commit failed in a way that cannot be gone on from, or the top of
    /// the tree is gone.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.fatal.clone();
        match fatal.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "the top of the tree has ended".to_owned(),
        }
    }

    /// Ends the tree and closes the capsule, marked as cleanly stopped. Runs that have not ended go on at the next start.
    pub async fn stop(self) {
        let Self { writer, verifying, root, ended, .. } = self;
        // It goes on at the next start, where it was.
        if let Some(verifying) = verifying {
            verifying.abort();
        }
        root.stop(None);
        if let Err(error) = ended.await {
            tracing::warn!(%error, "the tree of actors did not end cleanly");
        }
        if let Err(error) = blocking(move || writer.close()).await {
            tracing::warn!(%error, "the capsule was not closed cleanly");
        }
    }
}
