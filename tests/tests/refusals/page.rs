//! `docs/refusals.md`: what each refusal says and what to do next, as it was seen.

use std::collections::BTreeMap;

use regex::Regex;
use windlass_contract::error::{ErrorBody, ErrorCode};
use windlass_dbus::error_name;

const INTRODUCTION: &str = "\
# Refusals

Written by a test from what it provoked (`tests/tests/refusals`); do not edit. Each refusal is the same in process, on the command line and
over the bus. The exit is that of the command line; with `--json` the code, the message and the hints stand in `errors` of the
result document. A refusal changes nothing. A hint that begins with `windlass` can be pasted as it stands.
";

/// What differs between two machines, and what stands for it on the page.
const STANDS_FOR: [(&str, &str); 8] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "019a9f3c-2b1e-7000-8000-000000000001"),
    (r"\b[0-9a-f]{64}\b", "5b0c…"),
    (r"\b\d+ (bytes|are)\b", "4096 $1"),
    (r"/\S*/windlass-repository-\w+", "/home/kim/parser"),
    (r"/\S*/windlass-test-\w+/state", "/home/kim/.local/state"),
    (r"/\S*/windlass-test-\w+", "/home/kim"),
    (r"/\S*/\.tmp\w+", "/mnt/disk"),
    (r"\{.*\}", "{…}"),
];

/// Compares the page with what was seen, or writes it anew.
pub(crate) fn check(seen: &BTreeMap<ErrorCode, Vec<ErrorBody>>) {
    let mut page = INTRODUCTION.to_owned();
    for (code, errors) in seen {
        let name = error_name(*code);
        page.push_str(&format!(
            "\n## `{}`\n\nExit {}, `{name}`.\n\n```text\n",
            code.word(),
            code.exit() as u8
        ));
        for error in errors {
            page.push_str(&format!("error: {}\n", error.message));
            for hint in &error.hints {
                page.push_str(&format!("  try: {hint}\n"));
            }
        }
        page.push_str("```\n");
    }
    for (varying, stands) in STANDS_FOR {
        page = Regex::new(varying).unwrap().replace_all(&page, stands).into_owned();
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refusals.md");
    if std::env::var_os("WINDLASS_UPDATE").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == page, "docs/refusals.md is not what is seen; WINDLASS_UPDATE=1 writes it anew: {page}");
}
