//! What every command has at hand.

use tokio::sync::OnceCell;
use windlass_contract::{Control, Fault};

use crate::folders::Folders;
use crate::output::Output;
use crate::progress::Progress;
use crate::reach::{Need, Reach, Reached, reach};

/// One command's output, folders and way to [`Control`].
pub(crate) struct Session {
    pub(crate) output: Output,
    pub(crate) folders: Folders,
    reached: OnceCell<Reached>,
}

impl Session {
    /// A session that has reached nothing yet.
    pub(crate) const fn new(output: Output, folders: Folders) -> Self {
        Self { output, folders, reached: OnceCell::const_new() }
    }

    /// Control; the first need of a session decides how it is reached.
    ///
    /// # Errors
    /// Those of [`reach`].
    pub(crate) async fn control(&self, need: Need) -> Result<&dyn Control, Fault> {
        let connecting = Progress::new(&self.output, "reaching the service");
        let reached = self.reached.get_or_try_init(|| connecting.during(reach(need, &self.folders))).await?;
        Ok(reached.control.as_ref())
    }

    /// How Control was reached, once it was.
    pub(crate) fn way(&self) -> Option<Reach> {
        self.reached.get().map(|reached| reached.way)
    }

    /// Ends what was started for this session.
    pub(crate) async fn leave(self) {
        if let Some(leaving) = self.reached.into_inner().and_then(|reached| reached.leaving) {
            leaving.await;
        }
    }

    /// The same session, with a new way to Control: for when the old one broke.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.output.clone(), self.folders.clone())
    }
}
