//! What every command has at hand.

use serde::Serialize;
use tokio::sync::OnceCell;
use windlass_contract::document::{Document, Reply, Unserved};
use windlass_contract::{Control, Fault};

use crate::args::ChildArgs;
use crate::failure::Failure;
use crate::folders::Folders;
use crate::output::{Output, OutputLost};
use crate::progress::Progress;
use crate::reach::child::ChildWork;
use crate::reach::{Need, Reach, Reached, Way, reach};
use crate::render::text::safe;

/// One command's output, folders and way to [`Control`].
pub(crate) struct Session {
    pub(crate) output: Output,
    pub(crate) folders: Folders,
    child: ChildArgs,
    reached: OnceCell<Reached>,
}

impl Session {
    /// A session that has reached nothing yet.
    pub(crate) const fn new(output: Output, folders: Folders, child: ChildArgs) -> Self {
        Self { output, folders, child, reached: OnceCell::const_new() }
    }

    /// Control; the first need of a session decides how it is reached. Where no service answers, the whole command is done by a
    /// child process: nothing must have been said or asked before.
    ///
    /// # Errors
    /// Those of [`reach`], and [`Failure::Told`] when a child did the work.
    pub(crate) async fn control(&self, need: Need) -> Result<&dyn Control, Failure> {
        let child = match self.reached.initialized() {
            true => None,
            false => self.try_reach(need, &self.child).await?,
        };
        match child {
            None => Ok(self.control_here(need).await?),
            Some(work) => Err(self.hand_over(work).await),
        }
    }

    /// Control, without handing the command over to a child process.
    ///
    /// # Errors
    /// Those of [`reach`].
    pub(crate) async fn control_here(&self, need: Need) -> Result<&dyn Control, Fault> {
        if !self.reached.initialized() {
            let here = ChildArgs { in_child: true, ..self.child.clone() };
            self.try_reach(need, &here).await?;
        }
        let reached = self.reached.get().expect("who is in the child is not handed over to another one");
        Ok(reached.control.as_ref())
    }

    /// Reaches Control, or says that the command is to be handed over.
    async fn try_reach(&self, need: Need, child: &ChildArgs) -> Result<Option<ChildWork>, Fault> {
        let connecting = Progress::new(&self.output, "reaching the service");
        match connecting.during(reach(need, &self.folders, child)).await? {
            Way::Child(work) => Ok(Some(work)),
            Way::Here(reached) => {
                if let Some(unserved) = &reached.unserved {
                    self.label(unserved);
                }
                self.reached.get_or_init(|| async { *reached }).await;
                Ok(None)
            }
        }
    }

    /// Has a child process do the work, which says what there is to say.
    async fn hand_over(&self, work: ChildWork) -> Failure {
        match work.run(&self.folders).await {
            Ok(code) => Failure::Told(code),
            Err(fault) => fault.into(),
        }
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
        if let Some(damage) = &unserved.damage {
            // Whoever wants no notes must know this all the same.
            self.output.complain(&format!(
                "warning: the capsule is damaged, and this is what can still be read: {}\n",
                safe(damage)
            ));
        }
    }

    /// Names what belongs to what is printed and cannot be read.
    pub(crate) fn name_unreadable(&self, rows: &[String]) {
        for row in rows {
            self.output.complain(&format!("warning: left out: {}\n", safe(row)));
        }
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

    /// The same session, with a new way to Control: for when the old one broke. Something was said already, so no other
    /// process may begin anew.
    pub(crate) fn anew(&self) -> Self {
        let child = ChildArgs { in_child: true, ..self.child.clone() };
        Self::new(self.output.clone(), self.folders.clone(), child)
    }
}
