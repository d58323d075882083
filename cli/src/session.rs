//! What every command has at hand.

use serde::Serialize;
use tokio::sync::OnceCell;
use windlass_contract::document::{Document, Reply, Unserved};
use windlass_contract::{Control, Fault};

use crate::folders::Folders;
use crate::output::{Output, OutputLost};
use crate::progress::Progress;
use crate::reach::{Need, Reach, Reached, reach};
use crate::render::text::safe;

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
        let reaching = || async {
            let reached = connecting.during(reach(need, &self.folders)).await?;
            if let Some(unserved) = &reached.unserved {
                self.label(unserved);
            }
            Ok::<_, Fault>(reached)
        };
        let reached = self.reached.get_or_try_init(reaching).await?;
        Ok(reached.control.as_ref())
    }

    /// Prints a reply as the one document, labelled where no service gave it.
    ///
    /// # Errors
    /// [`OutputLost`].
    pub(crate) fn document<T: Reply + Serialize>(&self, reply: T) -> Result<(), OutputLost> {
        let mut document = Document::of(reply);
        document.header.unserved = self.unserved();
        self.output.document(&document)
    }

    /// Why no service gave what is printed, where none did.
    pub(crate) fn unserved(&self) -> Option<Unserved> {
        self.reached.get().and_then(|reached| reached.unserved.clone())
    }

    /// Says that what follows is the record as it stands.
    fn label(&self, unserved: &Unserved) {
        let hints: String = unserved.hints.iter().map(|hint| format!("\n  try: {hint}")).collect();
        self.output.note(&format!(
            "note: no service answers, so this is the record as it stands: {}{hints}",
            safe(&unserved.reason)
        ));
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
