//! The few colours. None of them says anything that the words beside it do not.

use anstyle::{AnsiColor, Style};
use windlass_domain::run::RunStatus;

/// Names of things and columns.
pub(crate) const HEADING: Style = Style::new().bold();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What a person should look at.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// What goes on.
pub(crate) const LIVE: Style = AnsiColor::Cyan.on_default();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();

/// The colour of a run's status.
pub(crate) const fn of_status(status: RunStatus) -> Style {
    match status {
        RunStatus::Queued | RunStatus::Running => LIVE,
        RunStatus::Succeeded => GOOD,
        RunStatus::Failed => BAD,
        RunStatus::Blocked | RunStatus::NeedsAttention => WARN,
        RunStatus::Cancelled => DIM,
    }
}
