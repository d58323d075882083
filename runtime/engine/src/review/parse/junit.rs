//! JUnit XML as pytest, node and others write it: the cases that failed, with the place that their text tells.
//!
//! The format has no standard; elements and attributes that are not known are passed over, and what follows broken
//! markup is lost.

use std::sync::LazyLock;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use regex::Regex;
use windlass_contract::document::Severity;

use super::{Parsed, Places, RawFinding};

/// Longest text of one failure that is looked at, in bytes: a stack is near its start or its end.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// `path/file.ext:12`, as stack traces of most languages write it.
pub(super) static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:file://)?(?<file>[^\s:()\[\]"',<>]+\.[A-Za-z][A-Za-z0-9]{0,4}):(?<line>\d+)"#)
        .expect("the expression is fixed")
});

/// One case, while it is read.
#[derive(Default)]
struct Case {
    name: String,
    file: Option<String>,
    line: Option<u32>,
    failure: Option<Failure>,
}

#[derive(Default)]
struct Failure {
    message: Option<String>,
    text: String,
}

pub(super) fn parse(stdout: &[u8], places: &Places<'_>) -> Parsed {
    let text = String::from_utf8_lossy(stdout);
    let mut parsed = Parsed::default();
    let Some(start) = text.find("<testsuite") else { return parsed };
    let mut reader = Reader::from_str(&text[start..]);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    let mut case: Option<Case> = None;
    let mut in_failure = false;
    // Text after the closing tag and markup that is none end the document.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Eof => break,
            Event::Start(start) => in_failure = open(&start, &mut case) || in_failure,
            Event::Empty(start) => {
                open(&start, &mut case);
                if start.local_name().as_ref() == "testcase" {
                    close(case.take(), places, &mut parsed);
                }
            }
            Event::Text(text) if in_failure => add(&mut case, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) if in_failure => add(&mut case, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(name) if in_failure => {
                let name = name.xml_content(XmlVersion::Implicit1_0);
                add(&mut case, quick_xml::escape::resolve_xml_entity(&name).unwrap_or("?"));
            }
            Event::End(end) => match end.local_name().as_ref() {
                "failure" | "error" => in_failure = false,
                "testcase" => close(case.take(), places, &mut parsed),
                "testsuites" => break,
                _ => {}
            },
            _ => {}
        }
    }
    close(case, places, &mut parsed);
    parsed
}

/// Takes an opening tag; tells whether the text that follows is a failure's.
fn open(start: &BytesStart<'_>, case: &mut Option<Case>) -> bool {
    let attribute = |name: &str| {
        let found = start.attributes().filter_map(Result::ok).find(|found| found.key.as_ref() == name)?;
        found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
    };
    match (start.local_name().as_ref(), case) {
        ("testcase", case) => {
            let name = attribute("name").unwrap_or_default();
            let line = attribute("line").and_then(|line| line.parse::<u32>().ok());
            *case = Some(Case { name, file: attribute("file"), line, failure: None });
            false
        }
        ("failure" | "error", Some(case)) => {
            let message = attribute("message").filter(|message| !message.trim().is_empty());
            case.failure.get_or_insert_with(|| Failure { message, text: String::new() });
            true
        }
        _ => false,
    }
}

fn add(case: &mut Option<Case>, text: &str) {
    let failure = case.as_mut().and_then(|case| case.failure.as_mut());
    if let Some(failure) = failure.filter(|failure| failure.text.len() < MAX_TEXT_BYTES) {
        failure.text.push_str(text);
    }
}

fn close(case: Option<Case>, places: &Places<'_>, parsed: &mut Parsed) {
    let Some(Case { name, file, line, failure: Some(failure) }) = case else { return };
    let by_attribute = || {
        let file = places.tracked(&file?)?;
        // pytest counts from 0, others from 1; one line off still shows the test.
        Some((file, line.map_or(1, |line| line.saturating_add(1))))
    };
    // `node --test` names a file that cannot even be loaded by its absolute path, and says no more of it.
    let named = name.starts_with('/').then(|| places.tracked(&name)).flatten();
    let name = named.clone().unwrap_or(name);
    let by_name = || named.map(|file| (file, 1));
    let place = place_in(&failure.text, places).or_else(by_attribute).or_else(by_name);
    let said = failure.message.as_deref().unwrap_or(&failure.text);
    let said = said.lines().find(|line| !line.trim().is_empty()).map(str::trim);
    let (file, line) = place.unzip();
    parsed.push(RawFinding {
        file,
        line: line.unwrap_or(1),
        end_line: None,
        rule: Some("test-failed".to_owned()),
        message: Some(match said {
            Some(said) => format!("test `{name}` fails: {said}"),
            None => format!("test `{name}` fails"),
        }),
        severity: Some(Severity::Error),
    });
}

/// Where a failure happened, from its text: the innermost frame that lies in a tracked file.
fn place_in(text: &str, places: &Places<'_>) -> Option<(String, u32)> {
    // JavaScript's and Java's frames come innermost first, and a cause follows what it caused.
    let innermost_first = text.contains("\n    at ") || text.contains("\n\tat ");
    let text = match text.rfind("cause:").or_else(|| text.rfind("Caused by:")) {
        Some(cause) if innermost_first => &text[cause..],
        _ => text,
    };
    let mut tracked = PLACE.captures_iter(text).filter_map(|place| {
        let line = place["line"].parse().ok().filter(|line| *line > 0)?;
        Some((places.tracked(&place["file"])?, line))
    });
    if innermost_first { tracked.next() } else { tracked.last() }
}
