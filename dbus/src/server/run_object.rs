//! A run as an object: its state as properties, and the operations that need nothing but the run.

use tokio::sync::watch;
use windlass_contract::view::RunView;
use windlass_domain::id::{RunId, Seq};
use zbus::message::Header;
use zbus::{Connection, Variant, interface};

use super::desk::Desk;
use crate::convert::{Received, Sent};
use crate::fault::{Refused, carried_text};

/// What a run's properties say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunFacts {
    /// Which run.
    pub(crate) run_id: RunId,
    /// The place of its newest event.
    pub(crate) last_seq: Seq,
    /// Whether it is over.
    pub(crate) ended: bool,
    workspace_id: String,
    work_item_id: String,
    kind: &'static str,
    status: &'static str,
    phase: String,
    attempt: u64,
    submitted_at: String,
    ended_at: String,
    summary: String,
    cancelling: bool,
}

impl RunFacts {
    /// The facts in a view.
    pub(crate) fn of(view: &RunView) -> Self {
        let row = &view.row;
        let phase = row.phase.and_then(|phase| serde_json::to_value(phase).ok());
        Self {
            run_id: row.run_id,
            last_seq: view.last_seq,
            ended: !row.status.is_active(),
            workspace_id: row.workspace_id.to_string(),
            work_item_id: row.work_item_id.to_string(),
            kind: row.kind.word(),
            status: row.status.word(),
            phase: phase.as_ref().and_then(|phase| phase.as_str()).unwrap_or_default().to_owned(),
            attempt: row.attempt.0,
            submitted_at: row.submitted_at.to_string(),
            ended_at: row.ended_at.map(|at| at.to_string()).unwrap_or_default(),
            summary: carried_text(&row.summary),
            cancelling: view.cancelling,
        }
    }

    /// Every property that can change, with its value.
    pub(crate) fn changing(&self) -> [(&'static str, Variant<'static>); 7] {
        [
            ("Status", Variant::from(self.status)),
            ("Phase", Variant::from(self.phase.clone())),
            ("Attempt", Variant::from(self.attempt)),
            ("EndedAt", Variant::from(self.ended_at.clone())),
            ("Summary", Variant::from(self.summary.clone())),
            ("Cancelling", Variant::from(self.cancelling)),
            ("LastSeq", Variant::from(self.last_seq.0)),
        ]
    }

    /// The properties that differ from what they were.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<(&'static str, Variant<'static>)> {
        let pairs = self.changing().into_iter().zip(before.changing());
        pairs.filter(|(now, before)| now != before).map(|(now, _)| now).collect()
    }
}

/// A run on the bus.
pub(crate) struct RunObject {
    /// Does the work.
    pub(crate) desk: Desk,
    /// What the properties say; whoever follows the run writes it.
    pub(crate) facts: watch::Receiver<RunFacts>,
}

impl RunObject {
    fn fact<T>(&self, read: impl FnOnce(&RunFacts) -> T) -> T {
        read(&self.facts.borrow())
    }
}

#[interface(name = "dev.windlass.Run1")]
impl RunObject {
    /// Everything about the run but its events and the bytes of its artifacts.
    #[zbus(out_args("run"))]
    async fn show(&self) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        self.desk.show_run(self.fact(|run| run.run_id)).await
    }

    /// Asks the run to stop. Option: `reason` (s). The answer is the run as it stands then.
    #[zbus(out_args("run"))]
    async fn cancel(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
        options: Received,
    ) -> Result<Sent, Refused> {
        let _call = self.desk.begin()?;
        self.desk.cancel_run(connection, &call, self.fact(|run| run.run_id), options).await
    }

    /// Reads recorded events from the one with the sequence number `from` on, at most `limit` (0: 1,000), fewer when they are
    /// large. `more`: whether further ones are recorded.
    #[zbus(out_args("events", "more"))]
    async fn read_events(&self, from: u64, limit: u32) -> Result<(Vec<Sent>, bool), Refused> {
        let _call = self.desk.begin()?;
        self.desk.read_events(self.fact(|run| run.run_id), from, limit).await
    }

    /// The run's id, a UUID of version 7.
    #[zbus(property(emits_changed_signal = "const"))]
    fn run_id(&self) -> String {
        self.fact(|run| run.run_id.to_string())
    }

    /// The workspace that it works in.
    #[zbus(property(emits_changed_signal = "const"))]
    fn workspace_id(&self) -> String {
        self.fact(|run| run.workspace_id.clone())
    }

    /// The work item that it is for.
    #[zbus(property(emits_changed_signal = "const"))]
    fn work_item_id(&self) -> String {
        self.fact(|run| run.work_item_id.clone())
    }

    /// What it does: `research` or `review`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn kind(&self) -> &'static str {
        self.fact(|run| run.kind)
    }

    /// When it was submitted, RFC 3339 in UTC.
    #[zbus(property(emits_changed_signal = "const"))]
    fn submitted_at(&self) -> String {
        self.fact(|run| run.submitted_at.clone())
    }

    /// Where it stands: `queued`, `running`, `succeeded`, `failed`, `blocked`, `needs_attention` or `cancelled`.
    #[zbus(property)]
    fn status(&self) -> &'static str {
        self.fact(|run| run.status)
    }

    /// The phase that it is in while it runs: `prepare`, `execute`, `finalize` or `publish`; else empty.
    #[zbus(property)]
    fn phase(&self) -> String {
        self.fact(|run| run.phase.clone())
    }

    /// The number of its newest attempt; 0 before the first.
    #[zbus(property)]
    fn attempt(&self) -> u64 {
        self.fact(|run| run.attempt)
    }

    /// When it ended, RFC 3339 in UTC; empty before.
    #[zbus(property)]
    fn ended_at(&self) -> String {
        self.fact(|run| run.ended_at.clone())
    }

    /// One sentence for people once it ended; empty before.
    #[zbus(property)]
    fn summary(&self) -> String {
        self.fact(|run| run.summary.clone())
    }

    /// Whether a cancel was asked for.
    #[zbus(property)]
    fn cancelling(&self) -> bool {
        self.fact(|run| run.cancelling)
    }

    /// The sequence number of its newest event, at most a tenth of a second old.
    #[zbus(property)]
    fn last_seq(&self) -> u64 {
        self.fact(|run| run.last_seq.0)
    }
}
