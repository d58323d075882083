//! The published JSON Schemas, made from the types.

use schemars::{Schema, schema_for};

use crate::document::{BotRunCheckpoints, BotRunLog, PatchBundle, ResultDocument, ReviewReport};
use crate::view::{EventPage, ItemList, ItemView, RunPage, RunView, ServiceStatus, Verification};

/// Every published schema with its file name.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("bot_run_checkpoints", schema_for!(BotRunCheckpoints)),
        ("bot_run_log", schema_for!(BotRunLog)),
        ("event", schema_for!(windlass_domain::event::Event)),
        ("event_page", schema_for!(EventPage)),
        ("item", schema_for!(ItemView)),
        ("item_list", schema_for!(ItemList)),
        ("patch_bundle", schema_for!(PatchBundle)),
        ("result", schema_for!(ResultDocument)),
        ("review_report", schema_for!(ReviewReport)),
        ("run", schema_for!(RunView)),
        ("run_page", schema_for!(RunPage)),
        ("service_status", schema_for!(ServiceStatus)),
        ("verification", schema_for!(Verification)),
    ]
}
