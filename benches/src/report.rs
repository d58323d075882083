//! What was measured, as a table for people and as JSON for programs.

use comfy_table::{CellAlignment, Table};
use serde::{Serialize, Serializer};

use crate::Extent;
use crate::goal::Goal;
use crate::machine::Machine;
use crate::rounds::{Samples, median};

/// The form of the JSON. Changelog: 1.0, the first.
const SCHEMA_VERSION: &str = "benches@1.0";

/// Everything that one run of the program measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema_version: &'static str,
    tool_version: &'static str,
    short: bool,
    machine: Machine,
    pub(crate) lines: Vec<Line>,
}

/// One comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    name: String,
    unit: Unit,
    ours: Side,
    beside: Side,
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
    goal: Goal,
    met: bool,
    /// What one must know to read the figures.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Side {
    what: String,
    median: f64,
    samples: Vec<f64>,
}

/// What a sample counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Events in a second.
    EventsPerSecond,
    /// Microseconds for one.
    Microseconds,
    /// How often a process was put on a processor, in a minute.
    WakeUpsPerMinute,
    /// Memory, in KiB.
    Kibibytes,
}

impl Unit {
    const fn word(self) -> &'static str {
        match self {
            Self::EventsPerSecond => "events/s",
            Self::Microseconds => "µs",
            Self::WakeUpsPerMinute => "wake-ups/min",
            Self::Kibibytes => "KiB",
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What is measured: the two sides in words, and what their ratio should be.
pub(crate) struct Comparison<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: Unit,
    pub(crate) ours: &'a str,
    pub(crate) beside: &'a str,
    pub(crate) goal: Goal,
}

impl Line {
    pub(crate) fn new(comparison: &Comparison<'_>, samples: Samples, notes: Vec<String>) -> Self {
        let ratio = samples.ratio();
        let (ratio_low, ratio_high) = samples.ratio_range();
        let ours = median(&samples.ours);
        let side =
            |what: &str, samples: Vec<f64>| Side { what: what.to_owned(), median: median(&samples), samples };
        Self {
            name: comparison.name.to_owned(),
            unit: comparison.unit,
            ours: side(comparison.ours, samples.ours),
            beside: side(comparison.beside, samples.beside),
            ratio,
            ratio_low,
            ratio_high,
            goal: comparison.goal,
            met: comparison.goal.is_met(ratio, ours),
            notes,
        }
    }
}

impl Report {
    pub(crate) fn new(extent: Extent, machine: Machine) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION"),
            short: extent == Extent::Short,
            machine,
            lines: Vec::new(),
        }
    }

    /// The machine, the table, and what one must know to read it.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["measure", "ours", "beside", "ratio", "rounds", "goal", ""]);
        for line in &self.lines {
            table.add_row([
                line.name.clone(),
                amount(line.ours.median, line.unit),
                amount(line.beside.median, line.unit),
                finite(line.ratio, format!("{:.2} ×", line.ratio)),
                finite(line.ratio, format!("{:.2}–{:.2}", line.ratio_low, line.ratio_high)),
                line.goal.to_string(),
                if line.met { "met" } else { "not met" }.to_owned(),
            ]);
        }
        for column in table.column_iter_mut().skip(1).take(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut text = format!("{}\n{table}\n\n", self.machine.text());
        if self.short {
            text.push_str("A short run: fewer rounds and smaller stores than the documented table.\n");
        }
        for line in &self.lines {
            text.push_str(&format!("{}: {} beside {}.\n", line.name, line.ours.what, line.beside.what));
            for note in &line.notes {
                text.push_str(&format!("  {note}.\n"));
            }
        }
        text
    }
}

/// A text about a ratio; nothing where the other side is nothing and there is no ratio.
fn finite(ratio: f64, text: String) -> String {
    if ratio.is_finite() { text } else { String::new() }
}

/// A figure with as many digits as it can carry, and its unit.
fn amount(value: f64, unit: Unit) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {}", unit.word())
}
