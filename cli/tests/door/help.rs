//! Help texts, kept as the reference in `docs/cli.md`: they are what most people read first.

use windlass_contract::schema::PRINTED;

use crate::support::Place;

/// Every command that people type, as the snapshot's name has it.
const COMMANDS: [&str; 47] = [
    "",
    "init",
    "item",
    "item add",
    "item list",
    "item show",
    "item edit",
    "item move",
    "item hold",
    "item intake",
    "bot",
    "bot run",
    "bot status",
    "bot runs",
    "bot show",
    "bot watch",
    "bot cancel",
    "approvals",
    "approvals list",
    "approvals answer",
    "diff",
    "capsule",
    "capsule verify",
    "capsule events",
    "capsule get",
    "capsule export",
    "capsule import",
    "capsule imports",
    "capsule stats",
    "capsule backup",
    "capsule restore",
    "policy",
    "policy show",
    "policy init",
    "policy check",
    "policy explain",
    "service",
    "service run",
    "service install",
    "service uninstall",
    "service start",
    "service stop",
    "service status",
    "service doctor",
    "completions",
    "man",
    "demo",
];

/// What stands before the commands in the reference.
const INTRODUCTION: &str = "\
# The command line

Written by `windlass --help` and a test; do not edit. The same is in the manual pages (`windlass man`).

With `--json` each command prints exactly one document on standard output, and `bot watch` one event a line. A command that
fails prints a `result` with `errors`. The schemas are made from the types.
";

/// The options that every command has, which the reference says once.
const EVERYWHERE: &str = "\nEverywhere:\n";

#[test]
fn every_command_explains_itself_as_in_the_reference() {
    let place = Place::new();
    let mut reference = format!("{INTRODUCTION}\n| command | prints |\n|---|---|\n");
    for (command, schema) in PRINTED {
        reference.push_str(&format!("| `{command}` | `{schema}` |\n"));
    }
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let done = place.ok(&arguments);
        assert_eq!(done.stderr, "", "{command}");
        assert!(!done.stdout.contains('\u{1b}'), "{command}: no colour without a terminal");
        let name = format!("windlass {command}");
        let help = if command.is_empty() { done.stdout } else { without_everywhere(&done.stdout) };
        reference.push_str(&format!("\n## {}\n\n```text\n{}\n```\n", name.trim_end(), help.trim_end()));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    if std::env::var_os("WINDLASS_WRITE_REFERENCE").is_some() {
        std::fs::write(file, &reference).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == reference, "docs/cli.md is out of date; write it anew with WINDLASS_WRITE_REFERENCE=1");
}

/// The help without the block of options that every command has.
fn without_everywhere(help: &str) -> String {
    let Some((before, rest)) = help.split_once(EVERYWHERE) else {
        panic!("the common options are missing in {help}")
    };
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    format!("{before}\n{after}")
}

#[test]
fn every_command_that_prints_a_document_is_one_that_people_can_type() {
    for (command, _) in PRINTED {
        assert!(COMMANDS.contains(&command), "{command}");
    }
}

#[test]
fn the_version_is_one_line() {
    let done = Place::new().ok(&["--version"]);
    assert_eq!(done.stdout, format!("windlass {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_only_the_service_starts_is_not_shown_to_people() {
    let place = Place::new();
    let help = place.ok(&["--help"]).stdout;
    assert!(!help.contains("holder") && !help.contains("state-dir"), "{help}");
    assert_eq!(place.run(&["holder", "/nonexistent"]).code, 4, "and yet it is there");
}
