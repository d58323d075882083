//! Every command that prints a document, with real output of it: when it does what it was asked, and when it refuses.
//!
//! A command of the reference without a line here fails the test, and a line here without a command too.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use serde_json::{Value, json};
use windlass_contract::control::Control;
use windlass_contract::error::ErrorCode;
use windlass_contract::request::WatchRun;
use windlass_contract::schema::PRINTED;
use windlass_domain::id::{RunId, Seq};
use windlass_tests::{Home, Output, PrivateBus, Repository, caller, check_schema_of, prepare, review};

/// A command with the arguments that make it do what it is for, those that it refuses, and with which code.
type Line = (&'static str, &'static str, &'static str, ErrorCode);

/// Commands over a bus, in the order that they need each other. Words in braces stand for what the story knows.
const OVER_THE_BUS: [Line; 36] = [
    ("init", "", "/", ErrorCode::BadRequest),
    (
        "item add",
        "--type feature --id F-1 --title Build",
        "--type task --id T-1 --title Again",
        ErrorCode::BadRequest,
    ),
    ("item list", "--type task", "--type epic", ErrorCode::BadRequest),
    ("item show", "T-1", "NONE", ErrorCode::UnknownItem),
    ("item edit", "T-1 --title Better", "T-1 --priority p0", ErrorCode::BadRequest),
    ("item move", "T-2 --to completed", "F-1 --to completed", ErrorCode::IllegalMove),
    ("item hold", "F-1 --kind research", "NONE --kind research", ErrorCode::UnknownItem),
    ("item intake", "T-1 --answers {folder}/answers.toml", "T-1", ErrorCode::WouldPrompt),
    (
        "bot run",
        "--id T-1 --kind review --write-mode worktree --wait",
        "--id T-1 --kind review --capture none",
        ErrorCode::CaptureNone,
    ),
    ("bot status", "", "--all", ErrorCode::BadRequest),
    ("bot runs", "", "--limit 501", ErrorCode::BadRequest),
    ("bot show", "latest", "{nobody}", ErrorCode::UnknownRun),
    ("bot cancel", "{waits}", "{run}", ErrorCode::RunEnded),
    ("bot watch", "{waits}", "{nobody}", ErrorCode::UnknownRun),
    ("bot resume", "{waits}", "{run}", ErrorCode::RunEnded),
    ("diff", "{run}", "{waits}", ErrorCode::UnknownArtifact),
    ("approvals list", "--all", "--none", ErrorCode::BadRequest),
    ("approvals answer", "{asks} --allow", "{nobody} --allow", ErrorCode::UnknownApproval),
    ("capsule verify", "", "--head x", ErrorCode::BadRequest),
    ("capsule events", "latest", "{nobody}", ErrorCode::UnknownRun),
    ("capsule get", "{uri}", "mv2://{nobody}/T-1/{nobody}/artifact/a.json", ErrorCode::UnknownArtifact),
    (
        "capsule export",
        "latest --out {folder}/run.tar",
        "latest --out {folder}/run.tar",
        ErrorCode::BadRequest,
    ),
    ("capsule replay", "{run}", "{nobody}", ErrorCode::UnknownRun),
    ("capsule import", "{kept}/export-1/run.tar", "{folder}/run.tar", ErrorCode::BadRequest),
    ("capsule imports", "", "--all", ErrorCode::BadRequest),
    ("capsule stats", "", "--all", ErrorCode::BadRequest),
    ("capsule backup", "--out {folder}/saved", "--out {folder}/saved", ErrorCode::BadRequest),
    ("project rebuild", "", "--none", ErrorCode::BadRequest),
    ("policy show", "", "--all", ErrorCode::BadRequest),
    ("policy check", "", "{folder}/answers.toml", ErrorCode::BadRequest),
    (
        "policy explain",
        "--capability tool.run --subject make --origin user",
        "--capability everything --subject make",
        ErrorCode::BadRequest,
    ),
    ("service start", "", "", ErrorCode::BusUnavailable),
    ("service stop", "", "", ErrorCode::BusUnavailable),
    ("service status", "", "--all", ErrorCode::BadRequest),
    ("service doctor", "", "--all", ErrorCode::BadRequest),
    ("man", "{folder}/man", "{folder}/answers.toml", ErrorCode::Io),
];

/// Commands in a home of their own without a bus, because they want a place where nothing is yet.
const ALONE: [Line; 4] = [
    ("policy init", "", "", ErrorCode::BadRequest),
    ("capsule restore", "{folder}/saved", "{folder}/saved", ErrorCode::BadRequest),
    ("service install", "", "--all", ErrorCode::BadRequest),
    ("service uninstall", "", "--all", ErrorCode::BadRequest),
];

/// What these do needs a user manager; the tests that boot a machine look at what they print there.
const ON_A_MACHINE: [&str; 2] = ["service start", "service stop"];

const ANSWERS: &str =
    "goal = \"look\"\n[[acceptance_criteria]]\ntext = \"it is so\"\nhow_verified = \"a look\"\n";

/// A workspace whose checks ask first, so that a run of it waits for as long as it is wanted.
fn asking() -> Repository {
    let policy = "version = 1\n[[rule]]\nid = \"tools\"\ncapability = \"tool.run\"\nverdict = \"ask\"\n\
        [[rule]]\nid = \"rest\"\ncapability = \"fs.read\"\nverdict = \"allow\"\n";
    let checks = "[[check]]\nname = \"one\"\nargv = [\"true\"]\n";
    Repository::with(&[
        ("README.md", "# It\n"),
        (".windlass/policy.toml", policy),
        (".windlass/checks.toml", checks),
    ])
}

/// A repository whose one fixer changes something, so that a run proposes a patch.
fn fixable() -> Repository {
    let fixer = "[[fixer]]\nname = \"more\"\nargv = [\"sh\", \"-c\", \"echo more >> README.md\"]\n";
    Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", fixer)])
}

/// A run of the asking workspace that has asked.
async fn waiting(control: &dyn Control, repository: &Repository, item: &str) -> RunId {
    let request = review(repository, &json!({"id": item, "headless": false}));
    let run_id = control.submit_run(caller(), request).await.unwrap().run_id;
    let mut events = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    while events.try_next().await.unwrap().unwrap().data.type_name() != "approval.asked" {}
    run_id
}

/// The arguments of a line with `--json`, as the story's words fill them.
fn arguments(command: &str, rest: &str, words: &BTreeMap<&str, String>) -> Vec<String> {
    let fill = |word: &str| {
        words.iter().fold(word.to_owned(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    let all = command.split(' ').chain(rest.split_whitespace()).chain(["--json"]);
    all.map(fill).collect()
}

/// The documents on standard output: one, or one a line where events are followed.
fn documents(done: &Output) -> Vec<Value> {
    let read = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no document ({error}): {done:?}"))
    };
    done.stdout.lines().map(read).collect()
}

/// Gives the last document.
fn assert_prints(command: &str, schema: &str, done: &Output) -> Value {
    // What is wrong with this machine is not what is tested.
    assert!(done.code == 0 || command == "service doctor", "{command}: {done:?}");
    let mut documents = documents(done);
    for document in &documents {
        check_schema_of(schema, document);
        let version = document["schema_version"].as_str();
        // Events are told apart by where they stand, and have no header.
        assert!(
            version.is_none_or(|version| version.starts_with(&format!("{schema}@"))),
            "{command}: {document}"
        );
    }
    assert!(documents.len() == 1 || command == "bot watch", "{command} prints one document: {done:?}");
    documents.pop().unwrap()
}

fn assert_refuses(command: &str, code: ErrorCode, done: &Output) {
    let documents = documents(done);
    let [document] = &documents[..] else { panic!("{command} prints one document: {done:?}") };
    check_schema_of("result", document);
    assert_eq!(document["errors"][0]["code"], code.word(), "{command}: {document}");
    assert_eq!(
        (done.code, &document["exit_code"]),
        (code.exit() as i32, &json!(code.exit() as u8)),
        "{command}"
    );
}

/// Runs the lines in their order, each twice: as it succeeds, and as it is refused.
fn walk(lines: &[Line], words: &mut BTreeMap<&str, String>, run: impl Fn(&[&str]) -> Output) {
    let printed: BTreeMap<_, _> = PRINTED.into_iter().collect();
    for (command, succeeds, refused, code) in lines {
        let schema = printed.get(command).unwrap_or_else(|| panic!("no schema is published for `{command}`"));
        let run = |rest: &str, words: &BTreeMap<&str, String>| {
            let arguments = arguments(command, rest, words);
            run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        if !ON_A_MACHINE.contains(command) {
            let document = assert_prints(command, schema, &run(succeeds, words));
            if *command == "bot run" {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                words.insert("run", text(&document["run_id"]));
                words.insert("uri", text(&document["artifact_uris"][0]));
            }
        }
        assert_refuses(command, *code, &run(refused, words));
    }
}

#[test]
fn every_command_that_prints_a_document_has_a_line() {
    let lines: BTreeSet<_> = OVER_THE_BUS.iter().chain(&ALONE).map(|line| line.0).collect();
    let printed: BTreeSet<_> = PRINTED.into_iter().map(|(command, _)| command).collect();
    assert_eq!(lines, printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_fits_what_is_published() {
    let (home, alone) = (Home::new(), Home::new());
    home.without_sandbox();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("answers.toml"), ANSWERS).unwrap();
    let (repository, asking) = (fixable(), asking());
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1", "T-2"]).await;
    prepare(&control, &asking, &["T-1", "T-2"]).await;
    let mut words = BTreeMap::from([
        ("folder", folder.path().to_str().unwrap().to_owned()),
        ("kept", concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/capsule/fixtures").to_owned()),
        ("nobody", RunId::from_bytes([7; 16]).to_string()),
        ("waits", waiting(&control, &asking, "T-1").await.to_string()),
        ("asks", waiting(&control, &asking, "T-2").await.to_string()),
    ]);
    walk(&OVER_THE_BUS, &mut words, |arguments| bus.run(&home, repository.path(), arguments));
    walk(&ALONE, &mut words, |arguments| alone.run(repository.path(), arguments));
}
