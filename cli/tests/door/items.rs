//! Work items at the command line: all four types and their fields, the list as a tree and as JSON, and what is refused.

use serde_json::{Value, json};

use crate::support::Place;

/// A project with a feature, which has a spec, which has a task; and a task of its own.
fn place() -> Place {
    let place = Place::new();
    place.ok(&["init"]);
    for (item_type, id, parent) in [
        ("project", "P-1", None),
        ("feature", "F-1", Some("P-1")),
        ("spec", "S-1", Some("F-1")),
        ("task", "T-2", Some("S-1")),
        ("feature", "F-2", Some("P-1")),
        ("task", "T-1", None),
    ] {
        let add = ["item", "add", "--type", item_type, "--id", id, "--title", "Sails"];
        place.ok(&[&add[..], &parent.map_or(vec![], |parent| vec!["--parent", parent])].concat());
    }
    place
}

/// The ids that a list holds.
fn listed(place: &Place, filter: &[&str]) -> Vec<String> {
    let (code, list) = place.json(&[&["item", "list"], filter].concat());
    assert_eq!(code, 0, "{list}");
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn items_are_listed_as_a_tree_and_a_filter_keeps_what_is_left_of_it() {
    let place = place();
    insta::assert_snapshot!(place.ok(&["item", "list"]).stdout, @r"
    ID         TYPE     STATE    RUN  TITLE
    P-1        project  -             Sails
      F-1      feature  backlog       Sails
        S-1    spec     backlog       Sails
          T-2  task     open          Sails
      F-2      feature  backlog       Sails
    T-1        task     open          Sails
    ");
    insta::assert_snapshot!(place.ok(&["item", "list", "--type", "task"]).stdout, @r"
    ID   TYPE  STATE  RUN  TITLE
    T-1  task  open        Sails
    T-2  task  open        Sails
    ");
    assert_eq!(listed(&place, &[]), ["F-1", "F-2", "P-1", "S-1", "T-1", "T-2"]);
    let (_, list) = place.json(&["item", "list", "--type", "spec"]);
    assert_eq!(list["items"][0]["parent_id"], "F-1", "{list}");
}

#[test]
fn a_list_is_filtered_by_type_by_state_and_by_what_goes_on() {
    let place = place();
    place.ok(&["item", "hold", "F-1", "--kind", "research"]);
    assert_eq!(listed(&place, &["--state", "needs_research"]), ["F-1"]);
    assert_eq!(listed(&place, &["--type", "feature", "--state", "backlog"]), ["F-2"]);
    assert_eq!(listed(&place, &["--type", "task", "--state", "backlog"]), [""; 0]);
    assert_eq!(listed(&place, &["--active"]), [""; 0]);
}

#[test]
fn each_type_has_its_fields_and_no_other() {
    let place = place();
    let edit = |id: &str, fields: &[&str]| place.json(&[&["item", "edit", id], fields].concat());
    let (_, feature) =
        edit("F-1", &["--priority", "p0", "--accept", "a", "--accept", "b", "--title", "Masts"]);
    assert_eq!((&feature["priority"], &feature["title"]), (&json!("p0"), &json!("Masts")));
    assert_eq!((&feature["acceptance_criteria"], &feature["quality_score"]), (&json!(["a", "b"]), &json!(0)));
    let (_, spec) = edit("S-1", &["--prd-uri", "https://example.org/prd", "--description", "Long."]);
    assert_eq!(
        (&spec["prd_uri"], &spec["description"]),
        (&json!("https://example.org/prd"), &json!("Long."))
    );
    let (_, task) = edit("T-1", &["--assignee", "kim", "--result", "done"]);
    assert_eq!((&task["assignee"], &task["result"]), (&json!("kim"), &json!("done")));
    assert_eq!((&task["state"], &task["parent_id"]), (&json!("open"), &Value::Null));
    let (_, project) = place.json(&["item", "show", "P-1"]);
    assert!(project["state"].is_null() && project["quality_score"].is_null(), "{project}");

    for (id, fields) in [
        ("P-1", ["--priority", "p1"]),
        ("S-1", ["--priority", "p1"]),
        ("T-1", ["--accept", "a"]),
        ("F-1", ["--prd-uri", "x"]),
        ("F-1", ["--assignee", "kim"]),
        ("S-1", ["--result", "x"]),
    ] {
        let (code, refused) = edit(id, &fields);
        assert_eq!((code, &refused["errors"][0]["code"]), (10, &json!("bad_request")), "{id} {fields:?}");
    }
}

#[test]
fn what_never_changes_cannot_be_edited() {
    let place = place();
    let before = place.json(&["item", "show", "F-1"]).1;
    for field in ["--type", "--parent", "--created-at", "--state"] {
        let (code, refused) = place.json(&["item", "edit", "F-1", field, "task"]);
        assert_eq!((code, &refused["errors"][0]["code"]), (10, &json!("bad_request")), "{field}");
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains(field), "{refused}");
    }
    assert_eq!(place.json(&["item", "show", "F-1"]).1, before);
}

#[test]
fn a_parent_is_of_a_wider_type_and_is_there() {
    let place = place();
    for (item_type, parent) in [("project", "P-1"), ("feature", "S-1"), ("task", "T-1"), ("task", "NONE")] {
        let add = ["item", "add", "--type", item_type, "--id", "X-1", "--title", "x", "--parent", parent];
        let (code, refused) = place.json(&add);
        assert_eq!(code, 10, "{item_type} below {parent}: {refused}");
    }
    assert_eq!(place.json(&["item", "show", "X-1"]).1["errors"][0]["code"], "unknown_item");
}

#[test]
fn a_refused_move_names_the_allowed_ones_and_one_to_paste() {
    let place = place();
    for (id, to, message, hint) in [
        (
            "F-1",
            "completed",
            "`F-1` is backlog and cannot be moved to completed; from there it can go to: planned, needs_research, deprecated",
            "windlass item move --id F-1 --to planned",
        ),
        (
            "T-1",
            "in_progress",
            "`T-1` is open and cannot be moved to in_progress; from there it can go to: completed, failed",
            "windlass item move --id T-1 --to completed",
        ),
        (
            "P-1",
            "completed",
            "`P-1` is a project without a state and cannot be moved to completed; from there it can go to: nowhere",
            "windlass item show --id P-1",
        ),
        (
            "F-1",
            "planned",
            "`F-1` has an intake score of 0; `planned` needs 90",
            "windlass item intake --id F-1 --form",
        ),
    ] {
        let (code, refused) = place.json(&["item", "move", id, "--to", to]);
        let error = &refused["errors"][0];
        assert_eq!((code, &error["code"]), (10, &json!("illegal_move")), "{refused}");
        assert_eq!((&error["message"], &error["hints"][0]), (&json!(message), &json!(hint)));
    }
}
