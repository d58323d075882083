//! Output that nothing else was found in: the exit status, and whether the tool could do its work at all.

use std::sync::LazyLock;

use regex::Regex;

use super::{Output, Places, RawFinding, cut};

/// How much of an output's start and end is looked at, in bytes: tools say what they lack first or last.
const LOOKED_AT_BYTES: usize = 16 * 1024;

/// How launchers say that the tool itself, or a package that nobody installed, is not there. None of these lies in the
/// code under review: an import that fails inside Python or of a relative path is not among them.
static MISSING: LazyLock<Regex> = LazyLock::new(|| {
    let sayings = [
        r"^\S*python[\d.]*: No module named [\w.]+$",
        r"^error: no such command: `[\w-]+`",
        r"^error: '[\w-]+' is not installed for the toolchain '.+'",
        r"^error: toolchain '.+' is not installed",
        r"^error: no matching package named `.+` found",
        r"^error: failed to (?:get|download|load source for) .+",
        r"you're using offline mode \(--offline\)",
        r"^(?:sh|bash|/bin/sh)(?:: (?:line )?\d+)?: .+: (?:command )?not found$",
        r"Cannot find (?:module|package) '[^./'][^']*'",
        r"^pyenv: .+: command not found$",
        r"module lookup disabled by GOPROXY=off",
        r"^go: .+ requires go >= .+",
    ];
    Regex::new(&format!("(?m){}", sayings.map(|saying| format!("(?:{saying})")).join("|")))
        .expect("the expression is fixed")
});

/// Why the tool could not do its work, where its output says so.
pub(super) fn unavailable(code: u8, output: Output<'_>) -> Option<String> {
    for bytes in [output.stderr, output.stdout] {
        let text = ends(bytes);
        if let Some(said) = MISSING.find(&text) {
            let line_start = text[..said.start()].rfind('\n').map_or(0, |at| at + 1);
            let line = text[line_start..].lines().next().unwrap_or_default();
            return Some(super::one_line(line));
        }
    }
    match code {
        126 => Some("its program cannot be executed (exit status 126)".to_owned()),
        127 => Some("its program was not found (exit status 127)".to_owned()),
        _ => None,
    }
}

/// The one finding of a check that failed as a whole.
pub(super) fn failed(code: u8, output: Output<'_>, places: &Places<'_>) -> RawFinding {
    let stderr = ends(output.stderr);
    let stdout = ends(output.stdout);
    let said = telling_line(&stderr).or_else(|| telling_line(&stdout));
    let place = [&stderr, &stdout].into_iter().find_map(|text| place_in(text, places));
    let (file, line) = place.unzip();
    RawFinding {
        file,
        line: line.unwrap_or(1),
        end_line: None,
        rule: Some("failed".to_owned()),
        message: Some(match said {
            Some(said) => format!("exit status {code}: {said}"),
            None => format!("exit status {code}, without a word"),
        }),
        severity: None,
    }
}

fn ends(bytes: &[u8]) -> String {
    if bytes.len() <= 2 * LOOKED_AT_BYTES {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let start = String::from_utf8_lossy(&bytes[..LOOKED_AT_BYTES]);
    let end = String::from_utf8_lossy(&bytes[bytes.len() - LOOKED_AT_BYTES..]);
    format!("{start}\n{end}")
}

/// The line that most likely says what is wrong: the first that speaks of an error, else the last.
fn telling_line(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let speaks = |line: &&str| {
        let line = cut(line, 200).to_ascii_lowercase();
        ["error", "fail", "fatal", "panic"].iter().any(|word| line.contains(word))
    };
    lines.clone().find(speaks).or_else(|| lines.next_back())
}

/// The first `file:line` of a tracked file.
fn place_in(text: &str, places: &Places<'_>) -> Option<(String, u32)> {
    super::junit::PLACE.captures_iter(text).find_map(|place| {
        let line = place["line"].parse().ok().filter(|line| *line > 0)?;
        Some((places.tracked(&place["file"])?, line))
    })
}
