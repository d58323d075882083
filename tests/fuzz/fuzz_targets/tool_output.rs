//! What a tool prints, read by each parser: the first byte chooses the parser, the second the exit status.
#![no_main]

use std::sync::LazyLock;

use windlass_domain::child::ChildEnd;
use windlass_engine::review::checks::{Check, parse_checks};
use windlass_engine::review::parse::{MAX_FINDINGS, MAX_MESSAGE_BYTES, Output, Places, read};
use windlass_policy::CheckOrigin;

const PARSERS: [&str; 6] = ["cargo-json", "sarif", "junit", "eslint-json", "regex", "exit"];

const PATTERN: &str = r"^(?<file>[^:\n]+):(?<line>\d+):(?:\d+:)? *(?<severity>\w+)?:? (?<message>.+)$";

static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| {
    let table = |parser: &&str| {
        let pattern = if *parser == "regex" { format!("pattern = '{PATTERN}'\n") } else { String::new() };
        format!("[[check]]\nname = \"{parser}\"\nargv = [\"tool\"]\nparser = \"{parser}\"\n{pattern}")
    };
    let text: String = PARSERS.iter().map(table).collect();
    parse_checks(CheckOrigin::BaseCommit, "checks.toml", &text).expect("it is a checks file").checks
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [parser, code, output @ ..] = bytes else { return };
    let check = &CHECKS[usize::from(*parser) % CHECKS.len()];
    let (stdout, stderr) = output.split_at(output.len() - output.len() / 4);
    let places = Places::new("/repository", ["src/lib.rs", "src/main.rs", "tests/a.rs", "ein ä.py"]);
    let end = ChildEnd::Exited { code: *code };
    let reading = read(check, Output { end: &end, stdout, stderr }, &places);
    // A failed command adds one finding of its own.
    assert!(reading.findings().len() <= MAX_FINDINGS + 1, "{} findings", reading.findings().len());
    for finding in reading.findings() {
        assert!(finding.message.len() <= MAX_MESSAGE_BYTES + 16, "a message of {} bytes", finding.message.len());
    }
});
