//! What can be looked at where no service answers: the record as it stands, labelled so, while somebody else holds it or nobody
//! may write it.

use std::fs;

use serde_json::Value;

use crate::support::{Done, Place};

/// The commands that look at the record, each with something in its reply that only the record can say.
const LOOKS: [(&[&str], &str); 9] = [
    (&["bot", "status"], "capsule_head"),
    (&["service", "status"], "capsule_head"),
    (&["bot", "runs"], "T-1"),
    (&["bot", "show", "latest"], "review_report.json"),
    (&["item", "list"], "T-1"),
    (&["item", "show", "T-1"], "Something"),
    (&["capsule", "events", "latest"], "run.ended"),
    (&["capsule", "stats"], "capsule_head"),
    (&["capsule", "verify"], "\"sound\":true"),
];

/// A place with an ended run of `T-1`.
fn recorded() -> Place {
    let place = Place::new();
    place.ok(&["init"]);
    place.ok(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Something"]);
    let run =
        ["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a", "--ephemeral"];
    place.ok(&run);
    place
}

impl Place {
    fn record(&self, name: &str) -> std::path::PathBuf {
        self.path("state/windlass/capsule").join(name)
    }

    fn look(&self, arguments: &[&str]) -> Done {
        self.run(&[arguments, &["--json"]].concat())
    }
}

/// The command gave what is recorded, and said that no service did and which command helps.
fn assert_labelled(done: &Done, arguments: &[&str], recorded: &str) {
    let document = done.document();
    assert_eq!(done.code, 0, "{arguments:?}: {document} {}", done.stderr);
    assert!(document.to_string().contains(recorded), "{arguments:?}: {document}");
    let hints = &document["unserved"]["hints"];
    assert_eq!((&hints[0], &hints[1]), (&"windlass service run".into(), &"windlass service doctor".into()));
    assert!(document["unserved"]["reason"].as_str().unwrap().contains("bus"), "{document}");
    assert!(done.stderr.contains("note: no service answers"), "{arguments:?}: {}", done.stderr);
    assert!(done.stderr.contains("try: windlass service run"), "{arguments:?}: {}", done.stderr);
}

#[test]
fn the_record_is_looked_at_beside_another_writer_and_changed_by_nobody_else() {
    let place = recorded();
    let lock = fs::File::open(place.record("lock")).unwrap();
    lock.lock().unwrap();
    for (arguments, recorded) in LOOKS {
        assert_labelled(&place.look(arguments), arguments, recorded);
    }
    let uri =
        place.look(&["bot", "show", "latest"]).document()["artifact_uris"][0].as_str().unwrap().to_owned();
    assert_labelled(&place.look(&["capsule", "get", &uri]), &["capsule", "get"], &uri);
    let file = place.path("run.windlass");
    let export = ["capsule", "export", "--run", "latest", "--out", file.to_str().unwrap()];
    assert_labelled(&place.look(&export), &export, "run.windlass");
    place.ok(&["capsule", "verify", file.to_str().unwrap()]);
    let text = place.ok(&["bot", "status"]);
    assert!(
        text.stdout.contains("none answers") && text.stderr.contains("note: no service"),
        "{}",
        text.stdout
    );
    assert_eq!(place.ok(&["bot", "runs", "--quiet"]).stderr, "", "who wants no notes gets none");
    let (code, refused) = place.json(&["item", "add", "--type", "task", "--id", "T-2", "--title", "x"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (3, &"capsule_locked".into()), "{refused}");
    assert_eq!(refused.get("unserved"), None);
}

#[test]
fn a_record_that_nobody_may_write_is_looked_at_all_the_same() {
    let place = recorded();
    fs::write(place.record("format.json"), r#"{"format":999,"readable_by":1}"#).unwrap();
    let before = fs::read(place.record("data.mdb")).unwrap();
    for (arguments, recorded) in LOOKS {
        assert_labelled(&place.look(arguments), arguments, recorded);
    }
    let (code, refused) = place.json(&["item", "add", "--type", "task", "--id", "T-2", "--title", "x"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (3, &"capsule_newer".into()), "{refused}");
    assert_eq!(fs::read(place.record("data.mdb")).unwrap(), before, "looking changes nothing");
}

#[test]
fn a_record_whose_clean_stop_does_not_fit_is_read_for_what_is_sound() {
    let place = recorded();
    let clean = fs::read_to_string(place.record("clean.json")).unwrap();
    let mut head: Value = serde_json::from_str(&clean).unwrap();
    head["cursor"] = 1.into();
    fs::write(place.record("clean.json"), head.to_string()).unwrap();
    for (arguments, recorded) in LOOKS {
        assert_labelled(&place.look(arguments), arguments, recorded);
    }
    let (code, refused) = place.json(&["item", "add", "--type", "task", "--id", "T-2", "--title", "x"]);
    assert_eq!((code, &refused["errors"][0]["code"]), (3, &"capsule_damaged".into()), "{refused}");
}

#[test]
fn a_record_that_ends_its_reader_is_refused_by_a_reader_that_lives() {
    let place = recorded();
    let data = fs::OpenOptions::new().write(true).open(place.record("data.mdb")).unwrap();
    data.set_len(2 * 4096).unwrap();
    for (arguments, _) in LOOKS {
        let done = place.look(arguments);
        assert_eq!((done.code, done.error_codes()), (3, vec!["capsule_damaged".to_owned()]), "{arguments:?}");
        assert!(done.stderr.contains("windlass service doctor"), "{}", done.stderr);
    }
}
