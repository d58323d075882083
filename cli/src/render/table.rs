//! Tables: a heading, rows, two spaces between columns, and no lines that cost space.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use windlass_domain::run::RunStatus;

use super::text::safe;
use crate::output::Output;

/// How a table is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns of the terminal; none: as wide as it gets.
    pub(crate) width: Option<u16>,
    /// Whether to colour.
    pub(crate) color: bool,
}

impl Look {
    /// What standard output allows.
    pub(crate) fn of(output: &Output) -> Self {
        Self { width: output.width(), color: output.stdout_has_color() }
    }
}

/// A table with this heading and these rows, as text that ends with a line break.
pub(crate) fn table(look: Look, heading: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(heading.iter().map(|name| Cell::new(name.to_uppercase()).add_attribute(Attribute::Dim)));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if look.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = look.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A cell of text from data.
pub(crate) fn cell(text: &str) -> Cell {
    Cell::new(safe(text))
}

/// A cell with a run's status.
pub(crate) fn status(status: RunStatus) -> Cell {
    let cell = Cell::new(status.word());
    match status {
        RunStatus::Queued | RunStatus::Running => cell.fg(Color::Cyan),
        RunStatus::Succeeded => cell.fg(Color::Green),
        RunStatus::Failed => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        RunStatus::Blocked | RunStatus::NeedsAttention => cell.fg(Color::Yellow),
        RunStatus::Cancelled => cell.add_attribute(Attribute::Dim),
    }
}

/// Facts, one a line: the names in a column of their own. Empty values are left out.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    use super::style::DIM;
    let shown = || pairs.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown().map(|(name, value)| format!("{DIM}{name:width$}{DIM:#}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: None, color: false };

    #[test]
    fn a_table_has_no_lines_and_no_trailing_space() {
        let rows = vec![vec![cell("T-0001"), cell("a\u{1b}[2Jb")], vec![cell("LONGER-ID"), cell("c")]];
        insta::assert_snapshot!(table(PLAIN, &["id", "title"], rows), @r"
        ID         TITLE
        T-0001     a\u{1b}[2Jb
        LONGER-ID  c
        ");
    }

    #[test]
    fn a_narrow_terminal_wraps_and_is_not_overrun() {
        let rows = vec![vec![cell("T-0001"), cell(&"word ".repeat(30))]];
        let text = table(Look { width: Some(40), color: false }, &["id", "title"], rows);
        assert!(text.lines().count() > 3, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        let rows = || vec![vec![status(RunStatus::Failed)]];
        assert!(table(Look { width: None, color: true }, &["status"], rows()).contains('\u{1b}'));
        assert!(!table(PLAIN, &["status"], rows()).contains('\u{1b}'));
    }
}
