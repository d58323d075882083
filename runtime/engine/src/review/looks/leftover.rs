//! What was put in for a while and forgotten, and what deserves a second look in deep reviews.

use std::sync::LazyLock;

use regex::Regex;
use windlass_contract::document::{Confidence, Severity};

use super::kind::{Language, Purpose};
use super::lines::{self, Line, Moved};
use super::{DEBUG_LEFTOVER, Gatherer, Look, Seen, TODO_ADDED, UNFINISHED, UNSAFE_ADDED};

struct Words {
    debug: Regex,
    print: Regex,
    unfinished: Regex,
    reminder: Regex,
    unchecked: Regex,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).expect("the expression is fixed");
    Words {
        debug: regex(concat!(
            r"(?<rust>\bdbg!\s*[(\[{])",
            r"|(?<python>\b(?:i?pdb|pudb|web_pdb)\.set_trace\(|(?:^|[\s;=:])breakpoint\(|^\s*(?:import|from)\s+(?:i?pdb|pudb)\b)",
            r"|(?<javascript>(?:^|[\s;{])debugger\s*(?:;|\}|$))",
            r"|(?<ruby>\bbinding\.(?:pry|irb|break)\b|\bbyebug\b)",
            r"|(?<php>\b(?:var_dump|dd|dump)\s*\()",
            r"|(?<go>\bspew\.(?:Dump|Printf)\(|\bruntime\.Breakpoint\(\))",
        )),
        print: regex(r"\bconsole\.(?:log|debug|trace|table)\s*\("),
        unfinished: regex(r"\b(?:todo|unimplemented)!\s*[(\[{]"),
        reminder: regex(r"\b(?:TODO|FIXME|XXX|HACK)\b"),
        unchecked: regex(r"\bunsafe\s*(?:\{|fn\b|impl\b|extern\b|trait\b|$)"),
    }
});

pub(super) fn look(gatherer: &mut Gatherer<'_>) {
    let diff = gatherer.subject.diff;
    let mut moved = Moved::of(diff);
    for file in &diff.files {
        let language = Language::of(&file.path);
        let purpose = Purpose::of(&file.path);
        if language == Language::Other || purpose == Purpose::Foreign {
            continue;
        }
        for line in lines::added(file) {
            let code = lines::code(line.text, language);
            let comment = lines::comment(line.text, language);
            if let Some((look, message, severity)) = found(&file.path, language, purpose, &code, comment)
                && gatherer.asks(look)
                && !moved.take(line.text)
            {
                report(gatherer, look, &file.path, line, (message, severity));
            }
        }
    }
}

/// What a line has that should not stay, if anything.
fn found(
    path: &str,
    language: Language,
    purpose: Purpose,
    code: &str,
    comment: Option<&str>,
) -> Option<(&'static Look, String, Severity)> {
    let words = &*WORDS;
    if let Some(hit) = words.debug.captures(code)
        && hit.name(group(language)).is_some()
    {
        let message =
            format!("`{}` was left behind", hit[0].trim_matches([' ', '\t', ';', '{', '(', '=', ':']));
        return Some((&DEBUG_LEFTOVER, message, DEBUG_LEFTOVER.severity));
    }
    if language == Language::JavaScript
        && words.print.is_match(code)
        && purpose == Purpose::Program
        && !talks_to_terminal(path)
    {
        return Some((&DEBUG_LEFTOVER, "output for debugging was left behind".to_owned(), Severity::Note));
    }
    if language == Language::Rust && words.unfinished.is_match(code) {
        let message = "this is not written yet and ends the program".to_owned();
        // `unimplemented!` also says that something is left out on purpose.
        let severity = if code.contains("todo!") { UNFINISHED.severity } else { Severity::Note };
        return Some((&UNFINISHED, message, purpose.soften(severity)));
    }
    if language == Language::Rust && words.unchecked.is_match(code) {
        return Some((&UNSAFE_ADDED, "`unsafe` is added".to_owned(), UNSAFE_ADDED.severity));
    }
    if comment.is_some_and(|comment| words.reminder.is_match(comment)) {
        return Some((&TODO_ADDED, "a note to come back is added".to_owned(), TODO_ADDED.severity));
    }
    None
}

/// The group of the debugging words of a language.
const fn group(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::Other => "rust",
        Language::Python => "python",
        Language::JavaScript => "javascript",
        Language::Ruby => "ruby",
        Language::Php => "php",
        Language::Go => "go",
    }
}

/// Whether printing is what a JavaScript file is there for: scripts, command lines, build configuration.
fn talks_to_terminal(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let is_folder = |folder: &str| {
        matches!(folder, "scripts" | "script" | "bin" | "cli" | "tools" | "bench" | "benchmarks")
    };
    folders.split('/').any(is_folder)
        || name.contains(".config.")
        || name.contains("cli")
        || name.contains("log")
        || name.starts_with("gulpfile")
        || name.starts_with("gruntfile")
}

fn report(
    gatherer: &mut Gatherer<'_>,
    look: &Look,
    file: &str,
    line: Line<'_>,
    (message, severity): (String, Severity),
) {
    let confidence = if severity == Severity::Note { Confidence::Medium } else { Confidence::High };
    gatherer.see(look, Seen { file, line: line.new, message, severity, confidence });
}
