//! What the actors and `Control` share: the store, the folders, the surroundings, and where the actors are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use windlass_contract::view::StoreVerification;
use windlass_domain::id::RunId;
use windlass_engine::ports::SandboxSupport;
use windlass_process::Launcher;

use crate::folders::Folders;
use crate::runtime::Recover;
use crate::store::Store;
use crate::tree::Tree;

/// What goes on, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Runs that go on.
    pub running: u32,
    /// Runs that wait for their turn.
    pub queued: u32,
}

/// What does not change while this process lives.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) folders: Folders,
    pub(crate) launcher: Launcher,
    pub(crate) sandbox: SandboxSupport,
    pub(crate) boot_id: String,
    /// Where programs of checks are looked up: the PATH of this process when it started.
    pub(crate) path: String,
    pub(crate) started_at: windlass_domain::time::Timestamp,
    /// Which of the runs that have not ended go on here.
    pub(crate) recover: Recover,
    /// The runs that were submitted here, where no others go on.
    pub(crate) own: watch::Sender<BTreeSet<RunId>>,
    /// How long a run works at most without a checkpoint.
    pub(crate) checkpoint_every: Duration,
    pub(crate) activity: watch::Sender<Activity>,
    /// How the verification of the whole record stands.
    pub(crate) verification: watch::Sender<StoreVerification>,
    /// Whether lists give what can be read and name the rest: the record is known to be damaged.
    pub(crate) rescue: bool,
    /// The actors; none while the tree is being built anew.
    pub(crate) tree: watch::Sender<Option<Tree>>,
}

impl Shared {
    /// Whether no run is placed, because starting them may be what ended this service before.
    pub(crate) fn paused(&self) -> bool {
        self.recover == Recover::Paused
    }

    /// Notes that a run was submitted here, before it is placed.
    pub(crate) fn take_up(&self, run_id: RunId) {
        if self.recover == Recover::None {
            self.own.send_if_modified(|own| own.insert(run_id));
        }
    }

    /// Whether a run that has not ended goes on here, when the tree is built.
    pub(crate) fn takes_up(&self, run_id: RunId) -> bool {
        match self.recover {
            Recover::All | Recover::Paused => true,
            Recover::None => self.own.borrow().contains(&run_id),
        }
    }

    /// The actors, as soon as there are some. None when the process is leaving, or only reads.
    pub(crate) async fn tree(self: &Arc<Self>) -> Option<Tree> {
        if self.store.refusal().is_some() {
            return None;
        }
        let mut tree = self.tree.subscribe();
        let there = tree.wait_for(Option::is_some).await.ok()?;
        (*there).clone()
    }
}
