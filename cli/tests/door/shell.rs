//! Completion scripts and manual pages.

use std::process::{Command, Stdio};

use crate::support::Place;

#[test]
fn there_is_a_completion_script_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(&["completions", shell]).stdout;
        for word in ["windlass", "intake", "ephemeral", "exhaustive"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn bash_reads_its_completion_script() {
    let script = Place::new().ok(&["completions", "bash"]).stdout;
    let status = Command::new("bash").args(["-n", "-c", &script]).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
}

#[test]
fn there_is_a_page_for_each_command_and_none_for_hidden_ones() {
    let place = Place::new();
    let folder = place.path("man");
    let (code, document) = place.json(&["man", folder.to_str().unwrap()]);
    assert_eq!(code, 0);
    let mut pages: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(document["written"].as_array().unwrap().len(), pages.len());
    for page in ["windlass.1", "windlass-bot-run.1", "windlass-item-intake.1", "windlass-capsule-verify.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is missing in {pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("holder") || name.contains("help")), "{pages:?}");
    let page = std::fs::read_to_string(folder.join("windlass-bot-run.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("ephemeral"), "{page}");
}

#[test]
fn what_is_no_json_is_not_printed_as_json() {
    let place = Place::new();
    for arguments in [vec!["completions", "bash"], vec!["man"], vec!["item", "intake", "--template"]] {
        let (code, document) = place.json(&arguments);
        assert_eq!((code, &document["errors"][0]["code"]), (10, &"bad_request".into()), "{arguments:?}");
    }
    assert!(place.ok(&["man"]).stdout.contains(".TH windlass 1"));
}
