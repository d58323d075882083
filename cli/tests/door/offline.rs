//! Without a bus every command but `bot run` works in this process.

use std::process::Stdio;

use crate::support::Place;

/// Commands that only read or change the record, in the order that they need each other.
#[test]
fn items_are_kept_without_a_service() {
    let place = Place::new();
    let (code, refused) = place.json(&["item", "list"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"unknown_workspace".into()), "{refused}");

    let (_, workspace) = place.json(&["init"]);
    assert_eq!(workspace["schema_version"], "workspace@1.0");
    assert_eq!(
        place.json(&["init"]).1["workspace_id"],
        workspace["workspace_id"],
        "asking again changes nothing"
    );

    let (code, item) =
        place.json(&["item", "add", "--type", "feature", "--id", "F-1", "--title", "Faster\u{202e} start"]);
    assert_eq!((code, &item["state"]), (0, &"backlog".into()), "{item}");
    assert!(item["allowed_moves"].as_array().unwrap().contains(&"needs_research".into()));

    let (_, item) =
        place.json(&["item", "edit", "--id", "F-1", "--priority", "p0", "--accept", "half a second"]);
    assert_eq!((&item["priority"], &item["acceptance_criteria"][0]), (&"p0".into(), &"half a second".into()));
    assert_eq!(place.json(&["item", "edit", "F-1"]).0, 10, "nothing to change");

    let (_, item) = place.json(&["item", "hold", "F-1", "--kind", "research"]);
    assert_eq!((&item["state"], &item["return_state"]), (&"needs_research".into(), &"backlog".into()));
    let (code, refused) = place.json(&["item", "move", "F-1", "--to", "completed"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"illegal_move".into()));
    assert_eq!(refused["work_item_id"], "F-1");
    assert_eq!(place.json(&["item", "move", "F-1", "--to", "backlog"]).1["state"], "backlog");

    let (_, list) = place.json(&["item", "list", "--type", "feature", "--state", "backlog"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(place.json(&["item", "list", "--type", "spec"]).1["items"].as_array().unwrap().len(), 0);

    let text = place.ok(&["item", "list"]).stdout;
    assert!(text.contains("F-1") && text.contains("Faster\\u{202e} start"), "{text}");
    assert!(place.ok(&["item", "show", "F-1"]).stdout.contains("criteria     half a second"));
    assert_eq!(place.json(&["item", "show", "F-2"]).1["errors"][0]["code"], "unknown_item");
}

#[test]
fn the_record_is_verified_and_the_service_looked_at_without_a_service() {
    let place = Place::new();
    place.ok(&["init"]);
    let (code, verified) = place.json(&["capsule", "verify"]);
    assert_eq!((code, &verified["sound"]), (0, &true.into()));
    let head = verified["capsule_head"].as_str().unwrap();
    assert_eq!(place.json(&["capsule", "verify", "--head", head]).0, 0);

    let elsewhere = "0".repeat(63) + "1";
    let (code, damaged) = place.json(&["capsule", "verify", "--head", &elsewhere]);
    assert_eq!((code, &damaged["errors"][0]["code"]), (3, &"capsule_damaged".into()), "{damaged}");
    let done = place.run(&["capsule", "verify", "--head", &elsewhere]);
    assert!(done.code == 3 && done.stderr.contains("capsule_damaged"), "{}", done.stderr);

    let (code, status) = place.json(&["bot", "status"]);
    assert_eq!((code, &status["service"]["running"]), (0, &0.into()), "{status}");
    assert_eq!(place.json(&["service", "status"]).1["schema_version"], "status@1.0");
    assert_eq!(place.json(&["bot", "runs"]).1["runs"].as_array().unwrap().len(), 0);
    let (code, refused) = place.json(&["bot", "show", "latest"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (10, &"unknown_run".into()));
}

#[test]
fn a_folder_of_its_own_keeps_a_record_of_its_own() {
    let place = Place::new();
    place.ok(&["init"]);
    let other = place.path("elsewhere");
    let (code, _) = place.json(&["item", "list", "--state-dir", other.to_str().unwrap()]);
    assert_eq!(code, 10, "the repository is not known there");
    assert!(other.join("capsule").is_dir());
}

#[test]
fn a_reader_that_left_ends_a_listing_quietly() {
    let place = Place::new();
    place.ok(&["init"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = place
        .windlass()
        .args(["bot", "status", "--quiet"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
