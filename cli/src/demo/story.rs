//! What the demonstration tells. Everything about the run is read from the capsule.

use windlass_contract::control::Control;
use windlass_contract::document::{Finding, ReviewReport};
use windlass_contract::request::{GetArtifact, ReadEvents, RunRef};
use windlass_contract::view::Verification;
use windlass_contract::{ErrorCode, Fault};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::RunEvent;

use super::driver::Killed;
use super::project::Planted;
use crate::render::style::{BAD, DIM, GOOD, HEADING};
use crate::render::text::safe;

/// Lines of the report and of the patch that are shown.
const SHOWN_LINES: usize = 45;

pub(super) fn heading(text: &str) -> String {
    format!("\n{HEADING}{text}{HEADING:#}\n")
}

pub(super) fn planted(planted: &[Planted]) -> String {
    planted.iter().map(|planted| format!("  {:<28} {DIM}{}{DIM:#}\n", planted.what, planted.file)).collect()
}

pub(super) fn without_sandbox(reason: &str, mend: &str) -> String {
    format!(
        "  There is no sandbox here ({}). For this repository of its own, the demonstration\n  grants itself to do \
         without; each command's record says so. To have one: {}\n",
        safe(reason),
        safe(mend)
    )
}

pub(super) fn killed(killed: &Killed) -> String {
    format!(
        "  process {} drove run {}\n  step `{}` had begun and had no result when it got SIGKILL\n",
        killed.pid,
        killed.run_id,
        safe(&killed.step)
    )
}

/// A run, as the capsule tells it.
pub(super) struct Told {
    events: Vec<Event>,
    findings: Vec<Finding>,
    pub(super) report: String,
    pub(super) diff: String,
}

/// Reads a run from the capsule.
pub(super) async fn read(control: &impl Control, run_id: RunId) -> Result<Told, Fault> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let from = events.last().map_or(Seq(1), |event| event.seq.next());
        let page = control.read_events(ReadEvents { run_id, from, limit: 0 }).await?;
        events.extend(page.events);
        if !page.more {
            break;
        }
    }
    let view = control.show_run(RunRef { run_id }).await?;
    let read = async |name: &str| {
        let artifact = view.artifacts.iter().find(|artifact| artifact.artifact.path.as_str() == name);
        let missing = || Fault::new(ErrorCode::UnknownArtifact, format!("run {run_id} left no {name}"));
        let uri = artifact.ok_or_else(missing)?.uri.to_string();
        control.get_artifact(GetArtifact { uri }).await.map(|artifact| artifact.bytes)
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let report: ReviewReport = serde_json::from_slice(&read("review/review_report.json").await?)
        .map_err(|error| Fault::new(ErrorCode::Io, format!("the report cannot be read: {error}")))?;
    Ok(Told {
        events,
        findings: report.must_fix.into_iter().chain(report.suggestions).collect(),
        report: first_lines(&text(read("review/review_report.md").await?)),
        diff: text(read("review/patch.diff").await?),
    })
}

fn first_lines(text: &str) -> String {
    let mut shown: String =
        text.lines().take(SHOWN_LINES).map(|line| format!("  {}\n", safe(line))).collect();
    let more = text.lines().count().saturating_sub(SHOWN_LINES);
    if more > 0 {
        shown += &format!("  {DIM}… {more} more lines{DIM:#}\n");
    }
    shown
}

impl Told {
    /// The events that show the crash and what came of it.
    pub(super) fn timeline(&self) -> String {
        let mut lines = String::new();
        for event in &self.events {
            let EventData::Run(data) = &event.data else { continue };
            let what = match data {
                RunEvent::Submitted { .. } => "submitted, on disk before the answer".to_owned(),
                RunEvent::AttemptStarted { epoch, .. } => format!("attempt {epoch} starts"),
                RunEvent::AttemptLost { epoch, why } => format!("attempt {epoch} is lost: {why:?}"),
                RunEvent::StepStarted(intent) => format!("  {} begins", intent.key),
                RunEvent::StepFinished { key, duration_ms, .. } => {
                    format!("  {key} done in {duration_ms} ms")
                }
                RunEvent::Ended { outcome, .. } => format!("ended: {}", outcome.status().word()),
                _ => continue,
            };
            lines += &format!("  {DIM}{:>4}{DIM:#} {}\n", event.seq.0, safe(&what));
        }
        lines
    }

    /// Which of the planted problems a finding names.
    pub(super) fn found(&self, planted: &[Planted]) -> Vec<(&'static str, bool)> {
        let names = |planted: &Planted| {
            self.findings.iter().any(|finding| {
                let rule = finding.rule.as_deref().unwrap_or_default();
                finding.file == planted.file && rule.starts_with(planted.rule)
            })
        };
        planted.iter().map(|planted| (planted.what, names(planted))).collect()
    }

    pub(super) fn attempts(&self) -> usize {
        let starts = |event: &&Event| matches!(event.data, EventData::Run(RunEvent::AttemptStarted { .. }));
        self.events.iter().filter(starts).count()
    }

    /// Whether no step has two results.
    pub(super) fn every_step_finished_once(&self) -> bool {
        let finished: Vec<String> = self
            .events
            .iter()
            .filter_map(|event| match &event.data {
                EventData::Run(RunEvent::StepFinished { key, .. }) => Some(key.to_string()),
                _ => None,
            })
            .collect();
        let distinct: std::collections::BTreeSet<&String> = finished.iter().collect();
        !finished.is_empty() && distinct.len() == finished.len()
    }
}

/// What the demonstration promises, and whether it held.
pub(super) struct Checks {
    pub(super) planted: Vec<(&'static str, bool)>,
    pub(super) attempts: usize,
    pub(super) finished_once: bool,
    pub(super) sound: bool,
    pub(super) applies: bool,
    pub(super) untouched: bool,
}

impl Checks {
    pub(super) fn hold(&self) -> bool {
        let found = self.planted.iter().all(|(_, found)| *found);
        found && self.attempts >= 2 && self.finished_once && self.sound && self.applies && self.untouched
    }

    pub(super) fn text(&self, verification: &Verification) -> String {
        let found = self.planted.iter().filter(|(_, found)| *found).count();
        let missed: Vec<&str> =
            self.planted.iter().filter(|(_, found)| !found).map(|(what, _)| *what).collect();
        let mut text = line(
            missed.is_empty(),
            &format!("{found} of {} planted problems were found", self.planted.len()),
        );
        for what in missed {
            text += &line(false, &format!("missed: {what}"));
        }
        text += &line(self.attempts >= 2, &format!("the run went on by itself: {} attempts", self.attempts));
        text += &line(self.finished_once, "no step was done twice");
        text += &line(self.applies, "git apply --check takes the patch");
        text += &line(self.untouched, "the checkout, its index and its branches are untouched");
        let counts = format!(
            "{} events, {} links, {} blobs",
            verification.events, verification.links, verification.blobs
        );
        let verified = match &verification.first_problem {
            None => format!("the record is sound: {counts}"),
            Some(problem) => format!("the record is not sound: {}", safe(problem)),
        };
        text += &line(self.sound, &verified);
        text + &format!("  {DIM}head {}{DIM:#}\n", verification.capsule_head)
    }
}

fn line(holds: bool, text: &str) -> String {
    if holds { format!("  {GOOD}✓{GOOD:#} {text}\n") } else { format!("  {BAD}✗{BAD:#} {text}\n") }
}
