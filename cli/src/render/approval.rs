//! Questions that runs wait on, as text.

use windlass_contract::view::ApprovalView;
use windlass_domain::time::Timestamp;

use super::table::{Look, cell, table};
use super::time::{age, in_words};

/// A table of questions. Programs get times; people get ages.
pub(crate) fn list(look: Look, approvals: &[ApprovalView], now: Timestamp) -> String {
    let time = |at: Timestamp, in_words: String| if look.width.is_some() { in_words } else { at.to_string() };
    let rows = approvals.iter().map(|approval| {
        vec![
            cell(&approval.approval_id.to_string()),
            cell(approval.work_item_id.as_str()),
            cell(&approval.capability),
            cell(&approval.subject),
            cell(&time(approval.asked_at, format!("{} ago", age(approval.asked_at, now)))),
            cell(&time(approval.expires_at, format!("in {}", until(approval.expires_at, now)))),
            cell(&approval.rule),
        ]
    });
    table(look, &["approval", "item", "capability", "for", "asked", "lapses", "rule"], rows.collect())
}

/// The commands that answer it.
pub(crate) fn commands(approval: &ApprovalView) -> [String; 2] {
    ["--allow", "--deny"].map(|answer| format!("windlass approvals answer {} {answer}", approval.approval_id))
}

fn until(time: Timestamp, now: Timestamp) -> String {
    in_words(u64::try_from(time.as_millis().saturating_sub(now.as_millis())).unwrap_or(0))
}
