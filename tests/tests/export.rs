//! The record on its way: exported here, checked where nothing is, imported and read there; backed up and put in place again.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use windlass_actors::Recover;
use windlass_contract::control::Control as _;
use windlass_contract::request::BackupCapsule;
use windlass_domain::run::RunStatus;
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, caller, check_schema, follow, prepare, review, show,
};

const RUN: [&str; 14] = [
    "bot", "run", "--id", "T-1", "--kind", "review", "--goal", "look", "--accept", "it is so", "--preset",
    "quick", "--wait", "--json",
];

/// A home with an ended run, and the repository that the run looked at.
fn with_run(more: &[&str]) -> (Home, PrivateBus, Repository, Value) {
    let home = Home::new();
    home.without_sandbox();
    let checks = "[[check]]\nname = \"says\"\nargv = [\"sh\", \"-c\", \"echo so; false\"]\n";
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", checks)]);
    let bus = PrivateBus::start(&home);
    bus.run(&home, repository.path(), &["init"]).ok();
    let add = ["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"];
    bus.run(&home, repository.path(), &add).ok();
    let result = bus.run(&home, repository.path(), &[&RUN[..], more].concat()).ok().json();
    (home, bus, repository, result)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry.display().to_string()) }
    }
    found.sort();
    found
}

#[test]
fn a_run_is_exported_here_checked_anywhere_and_read_there() {
    let (home, bus, repository, result) = with_run(&[]);
    let (run_id, head) = (result["run_id"].as_str().unwrap(), result["capsule_head"].as_str().unwrap());
    let carried = tempfile::tempdir().unwrap();
    let file = carried.path().join("run.tar");
    let export = ["capsule", "export", "--run", run_id, "--out", text(&file), "--json"];
    let exported = bus.run(&home, repository.path(), &export).ok().json();
    check_schema(&exported);
    assert_eq!((&exported["encrypted"], &exported["export"]["status"]), (&json!(false), &json!("succeeded")));
    assert_eq!(exported["bytes"], std::fs::metadata(&file).unwrap().len());
    let refused = bus.run(&home, repository.path(), &export);
    assert_eq!(
        (refused.code, refused.error_codes()),
        (10, vec!["bad_request".to_owned()]),
        "nothing is replaced"
    );

    let there = Home::new();
    let before = files(there.path());
    let run = |arguments: &[&str]| there.run(there.path(), arguments);
    for arguments in [
        &["capsule", "verify", text(&file), "--json"][..],
        &["capsule", "verify", text(&file), "--head", head, "--json"],
    ] {
        let verified = run(arguments).ok().json();
        check_schema(&verified);
        assert_eq!((&verified["sound"], &verified["export"]), (&json!(true), &exported["export"]));
    }
    let foreign = "11".repeat(32);
    let refused = run(&["capsule", "verify", text(&file), "--head", &foreign, "--json"]);
    assert_eq!(refused.code, 3);
    check_schema(&refused.json());
    assert_eq!(refused.json()["sound"], false);
    assert_eq!(files(there.path()), before, "checking a file needs nothing and leaves nothing");

    let imported = run(&["capsule", "import", text(&file), "--json"]).ok().json();
    check_schema(&imported);
    assert_eq!((&imported["new"], &imported["import"]), (&json!(true), &exported["export"]));
    assert_eq!(run(&["capsule", "import", text(&file), "--json"]).ok().json()["new"], false);
    let list = run(&["capsule", "imports", "--json"]).ok().json();
    check_schema(&list);
    assert_eq!(list["imports"], json!([exported["export"]]));
    assert!(run(&["capsule", "imports"]).ok().stdout.contains(run_id));
    assert_eq!(run(&["bot", "runs", "--all", "--json"]).ok().json()["runs"], json!([]), "never mixed");

    let shown = run(&["bot", "show", "--run", run_id, "--json"]).ok().json();
    check_schema(&shown);
    let own = bus.run(&home, repository.path(), &["bot", "show", "--run", run_id, "--json"]).ok().json();
    let without = |mut run: Value| {
        // Projections stand on the machine where the run was, and not in its export.
        for varying in ["origin", "capsule_head", "projection_paths"] {
            run.as_object_mut().unwrap().remove(varying);
        }
        run
    };
    assert_eq!(without(shown["run"].clone()), without(own["run"].clone()));
    assert_eq!(shown["run"]["origin"]["exported_as"], "prompts_only");
    let read = ["capsule", "events", "--run", run_id, "--json"];
    assert_eq!(
        run(&read).ok().json()["events"],
        bus.run(&home, repository.path(), &read).ok().json()["events"]
    );
    let report = ["bot", "show", "--run", run_id, "--format", "md"];
    assert_eq!(run(&report).ok().stdout, bus.run(&home, repository.path(), &report).ok().stdout);
    let cancelled = run(&["bot", "cancel", "--run", run_id, "--json"]);
    assert_eq!((cancelled.code, cancelled.error_codes()), (10, vec!["run_ended".to_owned()]));
}

#[test]
fn what_is_cut_short_altered_or_newer_is_refused_and_changes_nothing() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/capsule/fixtures/export-1/run.tar");
    let good = std::fs::read(kept).unwrap();
    let home = Home::new();
    let run = |arguments: &[&str]| home.run(home.path(), arguments);
    run(&["capsule", "stats"]).ok();
    let file = home.path().join("bad.tar");
    let place = good.windows(17).position(|window| window == b"windlass export 1").unwrap();
    let mut newer = good.clone();
    newer[place + 16] = b'7';
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 4;
    for (bad, code, exit) in [
        (&good[..good.len() - 700], "capsule_damaged", 3),
        (&altered[..], "capsule_damaged", 3),
        (&newer[..], "capsule_newer", 3),
        (&b"PK"[..], "bad_request", 10),
    ] {
        std::fs::write(&file, bad).unwrap();
        let before = files(&home.state());
        for verb in ["verify", "import"] {
            let refused = run(&["capsule", verb, text(&file), "--json"]);
            assert_eq!((refused.code, refused.error_codes()), (exit, vec![code.to_owned()]), "{verb}");
        }
        assert_eq!(files(&home.state()), before);
    }
    let missing = run(&["capsule", "import", text(&home.path().join("nowhere.tar")), "--json"]);
    assert_eq!((missing.code, missing.error_codes()), (10, vec!["bad_request".to_owned()]));
}

#[test]
fn what_a_crash_left_of_an_import_is_swept_away_and_nothing_else_is() {
    let home = Home::new();
    let imports = home.state().join("imports");
    std::fs::create_dir_all(&imports).unwrap();
    for name in [".incoming-0123456789abcdef", ".incoming-notes", "mine.txt"] {
        std::fs::write(imports.join(name), "x").unwrap();
    }
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/capsule/fixtures/export-1/run.tar");
    let imported = home.run(home.path(), &["capsule", "import", kept, "--json"]).ok().json();
    let run = format!("{}.tar", imported["import"]["run_id"].as_str().unwrap());
    let mut left: Vec<String> = std::fs::read_dir(&imports)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".incoming-notes", &run, "mine.txt"]);
}

#[test]
fn a_passphrase_opens_what_it_closed_and_nothing_else_does() {
    let (home, bus, repository, result) = with_run(&[]);
    let run_id = result["run_id"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("right"), "correct horse\n").unwrap();
    std::fs::write(at("wrong"), "battery staple\n").unwrap();
    std::fs::write(at("empty"), "\n").unwrap();
    let (file, right) = (at("run.tar.age"), at("right"));
    let export =
        ["capsule", "export", run_id, "--out", text(&file), "--passphrase-file", text(&right), "--json"];
    assert_eq!(bus.run(&home, repository.path(), &export).ok().json()["encrypted"], true);
    assert!(std::fs::read(&file).unwrap().starts_with(b"age-encryption.org/v1\n-> scrypt "));

    let there = Home::new();
    let run = |verb: &str, passphrase: Option<&str>, file: &Path| {
        let passphrase = passphrase.map(&at);
        let more = passphrase.as_deref().map(|path| ["--passphrase-file", text(path)]);
        there.run(
            there.path(),
            &[&["capsule", verb, text(file), "--json"][..], more.as_ref().map_or(&[], |more| &more[..])]
                .concat(),
        )
    };
    for wrong in [None, Some("wrong"), Some("empty"), Some("missing")] {
        let refused = run("verify", wrong, &file);
        assert_eq!((refused.code, refused.error_codes()), (10, vec!["bad_request".to_owned()]), "{wrong:?}");
    }
    assert_eq!(run("verify", Some("right"), &file).ok().json()["sound"], true);
    let bytes = std::fs::read(&file).unwrap();
    let altered = at("altered.age");
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for bad in [&changed[..], &bytes[..bytes.len() - 100]] {
        std::fs::write(&altered, bad).unwrap();
        for verb in ["verify", "import"] {
            let refused = run(verb, Some("right"), &altered);
            assert_eq!(
                (refused.code, refused.error_codes()),
                (3, vec!["capsule_damaged".to_owned()]),
                "{verb}"
            );
        }
    }
    assert_eq!(run("import", Some("right"), &file).ok().json()["new"], true);
    assert!(there.run(there.path(), &["bot", "show", run_id]).ok().stdout.contains("read-only"));
}

#[test]
fn what_a_full_record_holds_beyond_the_default_leaves_only_when_that_is_asked_for() {
    let (home, bus, repository, result) = with_run(&["--capture", "full_io"]);
    let run_id = result["run_id"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str, capture: &[&str]| {
        let file = folder.path().join(name);
        let arguments = [&["capsule", "export", run_id, "--out", text(&file), "--json"], capture].concat();
        let exported = bus.run(&home, repository.path(), &arguments).ok().json();
        (std::fs::read(&file).unwrap(), exported["export"]["left_out"].as_u64().unwrap())
    };
    let results = |bytes: &[u8]| {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"at\":"));
        let events = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let results: Vec<Value> = events.filter(|event| event["type"] == "step.finished").collect();
        assert!(!results.is_empty());
        let withheld = results.iter().filter(|event| event["data_digest"].is_string()).count();
        let inline = results.iter().filter(|event| event["data"]["result"]["value"] != Value::Null).count();
        (results.len(), withheld, inline)
    };
    let (whole, left_out) = export("whole.tar", &["--capture", "full_io"]);
    let (all, withheld, inline) = results(&whole);
    assert_eq!((left_out, withheld), (0, 0), "it was asked for");
    assert!(inline > 0);
    let (safe, left_out) = export("safe.tar", &[]);
    assert_eq!(results(&safe), (all, all, 0));
    assert!(left_out >= all as u64);
    let refused = bus.run(
        &home,
        repository.path(),
        &[
            "capsule",
            "export",
            run_id,
            "--out",
            text(&folder.path().join("none")),
            "--capture",
            "none",
            "--json",
        ],
    );
    assert_eq!((refused.code, refused.error_codes()), (10, vec!["capture_none".to_owned()]));
    assert!(!folder.path().join("none").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_under_way_in_a_backup_goes_on_where_it_is_restored() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = control.submit_run(caller(), review(&repository, &json!({}))).await.unwrap().run_id;
    let held = gate.meet();
    let saved = home.path().join("saved");
    let copy = control.backup_capsule(BackupCapsule { folder: text(&saved).to_owned() }).await.unwrap();
    assert_eq!(show(&control, run_id).await.row.status, RunStatus::Running);
    drop(held);
    follow(&control, run_id).await;
    runtime.stop().await;
    drop(control);
    let state = home.state();
    assert!(windlass_capsule::wait_until_closed(&state.join("capsule"), Duration::from_secs(60)));

    let occupied = home.run(home.path(), &["capsule", "restore", text(&saved), "--json"]);
    assert_eq!((occupied.code, occupied.error_codes()), (10, vec!["bad_request".to_owned()]));
    // Whether the check is taken from its hold or done again, it ends by itself now.
    std::fs::remove_file(gate.path()).unwrap();
    std::fs::write(gate.path(), "").unwrap();
    std::fs::rename(state.join("capsule"), state.join("capsule.before-restore")).unwrap();
    let restored = home.run(home.path(), &["capsule", "restore", text(&saved), "--json"]).ok().json();
    check_schema(&restored);
    assert_eq!(restored["capsule_head"], copy.capsule_head.to_string());
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    let events = follow(&control, run_id).await;
    assert_eq!(show(&control, run_id).await.row.status, RunStatus::Succeeded, "{:?}", events.last());
    let verified = control.verify_capsule(windlass_contract::request::VerifyCapsule {
        head: Some(copy.capsule_head.to_string()),
    });
    assert!(verified.await.unwrap().sound);
    runtime.stop().await;
}

#[test]
fn numbers_and_a_backup_over_the_bus() {
    let (home, bus, repository, _) = with_run(&[]);
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    let stats = run(&["capsule", "stats", "--json"]).ok().json();
    check_schema(&stats);
    assert_eq!(stats["runs_by_status"], json!([{"status": "succeeded", "runs": 1}]));
    assert_eq!(stats["oldest_run_at"], stats["newest_run_at"]);
    let shown = run(&["capsule", "stats"]).ok().stdout;
    assert!(shown.contains("1: 1 succeeded"), "{shown}");
    let saved = home.path().join("saved");
    let copy = run(&["capsule", "backup", "--out", text(&saved), "--json"]).ok().json();
    check_schema(&copy);
    assert_eq!((&copy["events"], &copy["capsule_head"]), (&stats["events"], &stats["capsule_head"]));
    let again = run(&["capsule", "backup", "--out", text(&saved), "--json"]);
    assert_eq!((again.code, again.error_codes()), (10, vec!["bad_request".to_owned()]));
}
