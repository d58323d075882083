//! The service as text.

use windlass_contract::document::StatusReply;
use windlass_domain::time::Timestamp;

use super::run;
use super::table::{Look, facts};
use super::text::safe;
use super::time::age;

/// The service, and what goes on in it.
pub(crate) fn status(look: Look, status: &StatusReply, now: Timestamp) -> String {
    let service = &status.service;
    let mut text = facts(&[
        (
            "service",
            format!(
                "{}, process {}, up {}",
                safe(&service.tool_version),
                service.pid,
                age(service.started_at, now)
            ),
        ),
        ("runs", format!("{} running, {} queued", service.running, service.queued)),
        ("sandbox", safe(&service.sandbox).into_owned()),
        ("capsule", safe(&service.capsule).into_owned()),
        ("newest event", service.head_cursor.0.to_string()),
        ("head", service.capsule_head.to_string()),
    ]);
    if !status.active_runs.is_empty() {
        text.push('\n');
        text.push_str(&run::list(look, &status.active_runs, now));
    }
    text
}
