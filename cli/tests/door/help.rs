//! Help texts, kept as the reference in `docs/cli.md`: they are what most people read first.

use std::collections::BTreeSet;

use windlass_contract::schema::PRINTED;

use crate::support::Place;

/// The commands that print no document: what they print is for shells, for people, or goes to a log.
const WITHOUT_A_DOCUMENT: [&str; 3] = ["demo", "service run", "completions"];

/// Every command that people can type, each behind the group that it belongs to, as the help texts list them.
fn commands(place: &Place, group: &str, found: &mut Vec<String>) {
    found.push(group.to_owned());
    let arguments: Vec<&str> = group.split_whitespace().chain(["--help"]).collect();
    let help = place.ok(&arguments).stdout;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return };
    for line in listed.lines().take_while(|line| !line.is_empty()) {
        // Longer descriptions go on in lines that are set in further.
        let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else { continue };
        let name = name.split_whitespace().next().unwrap();
        if name != "help" {
            commands(place, format!("{group} {name}").trim_start(), found);
        }
    }
}

fn all_commands(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    commands(place, "", &mut found);
    found
}

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
    for command in all_commands(&place) {
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
fn every_command_prints_a_published_document_or_is_known_to_print_none() {
    let all = all_commands(&Place::new());
    let is_group = |command: &str| all.iter().any(|other| other.starts_with(&format!("{command} ")));
    let leaves: BTreeSet<&str> =
        all.iter().map(String::as_str).filter(|command| !command.is_empty() && !is_group(command)).collect();
    let known = PRINTED.into_iter().map(|(command, _)| command).chain(WITHOUT_A_DOCUMENT);
    assert_eq!(known.collect::<BTreeSet<_>>(), leaves);
}

#[test]
fn a_command_that_prints_no_document_takes_no_json() {
    let place = Place::new();
    for command in WITHOUT_A_DOCUMENT {
        let typed: Vec<&str> =
            command.split(' ').chain((command == "completions").then_some("bash")).collect();
        let (code, document) = place.json(&typed);
        assert_eq!((code, &document["errors"][0]["code"]), (10, &"bad_request".into()), "{command}");
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
