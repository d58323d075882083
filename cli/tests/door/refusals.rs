//! Refusals: exit codes of the contract, hints to paste, and the same as a document.

use std::process::Stdio;

use crate::support::{Place, finish};

#[test]
fn bad_usage_is_exit_10_and_not_claps_2() {
    let place = Place::new();
    for arguments in [
        vec!["bot", "run", "--bogus"],
        vec!["bot", "run", "--id", "T-1"],
        vec!["bot", "run", "--id", "../x", "--kind", "review"],
        vec!["bot", "run", "--id", "T-1", "--kind", "implement"],
        vec!["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--answers", "f"],
        vec!["bot", "runs", "--limit", "501"],
        vec!["bot", "show", "xyz"],
        vec!["bogus"],
        vec!["item"],
        vec![],
    ] {
        let done = place.run(&arguments);
        assert_eq!(done.code, 10, "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{arguments:?}");
        assert!(done.stderr.contains("error: "), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn bad_usage_is_a_document_too() {
    let place = Place::new();
    for arguments in [vec!["bot", "run", "--bogus"], vec!["bogus"], vec!["item"], vec![]] {
        let (code, document) = place.json(&arguments);
        assert_eq!(code, 10, "{arguments:?}");
        assert_eq!(document["errors"][0]["code"], "bad_request");
        let hint = document["errors"][0]["hints"][0].as_str().unwrap();
        assert!(hint.starts_with("windlass") && hint.ends_with("--help"), "{hint}");
    }
}

#[test]
fn a_refusal_says_what_was_meant_and_what_to_type() {
    let place = Place::new();
    insta::assert_snapshot!(place.run(&["bot", "run", "--id", "T-1", "--kind", "revue"]).stderr, @r"
    error: invalid value 'revue' for '--kind <KIND>' [possible values: research, review]; did you mean `review`? (bad_request)
      try: windlass bot run --help
    ");
    insta::assert_snapshot!(place.run(&["bot", "run"]).stderr, @r"
    error: the following required arguments were not provided: --id <ID> --kind <KIND> (bad_request)
      try: windlass bot run --help
    ");
    insta::assert_snapshot!(place.run(&["bot", "run", "--hedless"]).stderr, @r"
    error: unexpected argument '--hedless' found; did you mean `--headless`? (bad_request)
      try: windlass bot run --help
    ");
    insta::assert_snapshot!(place.run(&["item", "ad"]).stderr, @r"
    error: unrecognized subcommand 'ad'; did you mean `add`? (bad_request)
      try: windlass item --help
    ");
}

#[test]
fn a_refused_run_names_its_item_and_kind() {
    let place = Place::new();
    let (code, document) = place.json(&["bot", "run", "--id", "T-1", "--kind", "review"]);
    assert_eq!((code, &document["errors"][0]["code"]), (3, &"bus_unavailable".into()), "{document}");
    assert_eq!((&document["work_item_id"], &document["kind"]), (&"T-1".into(), &"review".into()));
    assert!(document["status"].is_null() && document["run_id"].is_null());
    let hints = document["errors"][0]["hints"].as_array().unwrap();
    let pasteable = "windlass bot run --id T-1 --kind review --json --ephemeral";
    assert!(hints.iter().any(|hint| hint == pasteable), "{hints:?}");
}

#[test]
fn every_scope_taken_away_is_refused() {
    let place = Place::new();
    let run = ["bot", "run", "--id", "T-1", "--kind", "review", "--ephemeral"];
    let (code, document) = place.json(&[&run[..], &["--scope", "style", "--no-scope", "style"]].concat());
    assert_eq!((code, &document["errors"][0]["code"]), (10, &"bad_request".into()));
}

#[test]
fn data_cannot_steer_the_terminal() {
    let place = Place::new();
    let mut command = place.windlass();
    let done = finish(command.args(["item", "show", "T-\u{1b}[2J"]).env("CLICOLOR_FORCE", "1"));
    assert_eq!(done.code, 10);
    assert!(done.stderr.contains('\u{1b}'), "the check can see colour");
    assert!(!done.stderr.contains("\u{1b}[2J"), "{}", done.stderr.escape_debug());
}

#[test]
fn colour_comes_only_where_it_is_wanted() {
    let place = Place::new();
    let bad = ["bot", "show", "xyz"];
    let colored = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = place.windlass();
        finish(command.args(arguments).envs(variables.iter().copied())).stderr.contains('\u{1b}')
    };
    assert!(!colored(&[], &bad), "no terminal, no colour");
    assert!(colored(&[("CLICOLOR_FORCE", "1")], &bad), "the check can see colour");
    assert!(!colored(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &bad), "NO_COLOR wins");
    assert!(!colored(&[("CLICOLOR_FORCE", "1")], &[&bad[..], &["--no-color"]].concat()), "so does the flag");
}

#[test]
fn a_reader_that_left_ends_it_quietly() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child =
        place.windlass().args(["completions", "bash"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
