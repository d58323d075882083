//! The service as text.

use comfy_table::{Attribute, Cell, Color};
use windlass_contract::document::{DoctorReply, ServiceFilesReply, ServiceUnitReply, StatusReply, Verdict};
use windlass_contract::view::StoreVerification;
use windlass_domain::time::Timestamp;

use super::run;
use super::style::HEADING;
use super::table::{Look, cell, facts, table};
use super::text::safe;
use super::time::age;

/// The service, and what goes on in it; or, where none answered, what the record says has not ended.
pub(crate) fn status(look: Look, status: &StatusReply, answered: bool, now: Timestamp) -> String {
    let service = &status.service;
    let process = format!(
        "{}, process {}, up {}",
        safe(&service.tool_version),
        service.pid,
        age(service.started_at, now)
    );
    let mut text = facts(&[
        ("service", if answered { process } else { "none answers".to_owned() }),
        ("runs", format!("{} running, {} queued", service.running, service.queued)),
        ("paused", safe(service.paused.as_deref().unwrap_or_default()).into_owned()),
        ("sandbox", safe(&service.sandbox).into_owned()),
        ("capsule", safe(&service.capsule).into_owned()),
        ("verification", verification(&service.verification)),
        ("newest event", service.head_cursor.0.to_string()),
        ("head", service.capsule_head.to_string()),
    ]);
    if !status.active_runs.is_empty() {
        text.push('\n');
        text.push_str(&run::list(look, &status.active_runs, now));
    }
    text
}

/// How the verification stands that an unclean stop asks for; nothing where it asks for none.
fn verification(verification: &StoreVerification) -> String {
    let part = |done: u64, of: u64| match of {
        0 => String::new(),
        of => format!(": {done} of {of} events and links"),
    };
    match verification {
        StoreVerification::NotNeeded => String::new(),
        StoreVerification::Due { done, of } => format!("due after an unclean stop{}", part(*done, *of)),
        StoreVerification::Verifying { done, of } => {
            format!("verifying after an unclean stop{}", part(*done, *of))
        }
        StoreVerification::Verified => "sound: verified after an unclean stop".to_owned(),
        StoreVerification::Damaged { what } => format!("damaged: {}", safe(what)),
    }
}

/// What was done to the service's files.
pub(crate) fn files(reply: &ServiceFilesReply) -> String {
    let answer = |known: Option<bool>, yes: &str, no: &str| match known {
        Some(true) => yes.to_owned(),
        Some(false) => no.to_owned(),
        None => String::new(),
    };
    let mut lines: Vec<(&str, String)> =
        reply.files.iter().map(|file| (file.change.word(), safe(&file.path).into_owned())).collect();
    let program = reply.program.as_deref().map(|program| safe(program).into_owned());
    lines.push(("program", program.unwrap_or_default()));
    lines.push(("starts", answer(reply.enabled, "at boot or login, and with the first call", "")));
    lines.push(("lingering", answer(reply.lingering, "on: runs outlive a logout", "off")));
    facts(&lines)
}

/// The unit after it was started or stopped.
pub(crate) fn unit(reply: &ServiceUnitReply) -> String {
    let unpaused = if reply.unpaused { "go on; they were paused after a crash loop" } else { "" };
    facts(&[
        ("unit", safe(&reply.unit).into_owned()),
        ("state", safe(&reply.state).into_owned()),
        ("runs", unpaused.to_owned()),
    ])
}

/// What doctor found: a table, then each command that mends something.
pub(crate) fn doctor(look: Look, reply: &DoctorReply) -> String {
    let rows = reply
        .findings
        .iter()
        .map(|finding| vec![cell(finding.check.word()), verdict(finding.verdict), cell(&finding.message)]);
    let mut text = table(look, &["check", "verdict", "what was found"], rows.collect());
    for finding in reply.findings.iter().filter(|finding| !finding.mends.is_empty()) {
        text.push_str(&format!("\n{HEADING}{}{HEADING:#}\n", finding.check.word()));
        for mend in &finding.mends {
            text.push_str(&format!("  try: {}\n", safe(mend)));
        }
    }
    text
}

fn verdict(verdict: Verdict) -> Cell {
    let cell = Cell::new(verdict.word());
    match verdict {
        Verdict::Ok => cell.fg(Color::Green),
        Verdict::Skipped => cell.add_attribute(Attribute::Dim),
        Verdict::Warning => cell.fg(Color::Yellow),
        Verdict::Problem => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}
