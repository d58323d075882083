//! The command line says the same whether a service answers over a bus or this process does the work itself: each command of a walk
//! prints the same document, but for ids, times and sizes.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;

use regex::{Captures, Regex};
use serde_json::Value;
use windlass_tests::{Home, Output, PrivateBus, Repository};

/// The walk; each line is typed on both sides. `{uri}` stands for the report of the run, and `{wait}` for what waits for its end.
const WALK: [&str; 36] = [
    "item list",
    "init",
    "init",
    "item add --type feature --id F-1 --title Build",
    "item add --type task --id T-1 --title Look",
    "item add --type task --id T-1 --title Look",
    "item add --type spec --id S-1 --title Parts --parent F-1",
    "item list",
    "item list --type task",
    "item show F-1",
    "item show NONE",
    "item edit F-1 --priority p0 --accept fast",
    "item edit T-1 --priority p0",
    "item move F-1 --to completed",
    "item hold F-1 --kind research",
    "bot run --id T-1 --kind review {wait}",
    "bot run --id NONE --kind review --goal g --accept a {wait}",
    "bot run --id T-1 --kind review --goal g --accept a --capture none {wait}",
    "bot run --id F-1 --kind research --goal parser --accept a {wait}",
    "item show F-1",
    "bot run --id T-1 --kind review --goal g --accept a --write-mode worktree {wait}",
    "bot runs",
    "bot show {run}",
    "bot watch {run} --from 3",
    "bot cancel {run}",
    "bot resume {run} {wait}",
    "diff {run}",
    "capsule events {run} --limit 5",
    "capsule get {uri}",
    "capsule get mv2://x",
    "capsule imports",
    "capsule verify",
    "approvals list",
    "policy show",
    "policy explain --capability tool.run --subject make --origin user",
    "policy explain --capability net.connect --subject example.org",
];

/// What was printed, with ids, times and digests replaced by names that repeat, and sizes and durations by nothing.
struct Plain {
    varying: Regex,
    sizes: Regex,
    names: BTreeMap<String, String>,
}

impl Plain {
    fn new() -> Self {
        let varying = [
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"\b[0-9a-f]{64}\b",
            r"\b[0-9a-f]{40}\b",
            r"\d{4}-\d\d-\d\dT[0-9:.]+Z",
        ];
        Self {
            varying: Regex::new(&varying.join("|")).unwrap(),
            sizes: Regex::new(r#""(\w+_ms|bytes|links)":\d+"#).unwrap(),
            names: BTreeMap::new(),
        }
    }

    fn of(&mut self, text: &str, home: &Home) -> String {
        let text = text.replace(home.path().to_str().unwrap(), "HOME");
        let text = self.sizes.replace_all(&text, r#""$1":0"#).into_owned();
        let named = |found: &Captures<'_>| {
            let next = format!("name{}", self.names.len());
            if found[0].ends_with('Z') {
                return "TIME".to_owned();
            }
            self.names.entry(found[0].to_owned()).or_insert(next).clone()
        };
        self.varying.replace_all(&text, named).into_owned()
    }
}

/// A document without what says that nobody but this process answered.
fn without_unserved(line: &str) -> Value {
    let mut document: Value = serde_json::from_str(line).unwrap();
    document.as_object_mut().unwrap().remove("unserved");
    document
}

/// Types the walk, and gives what each line printed and how it exited.
fn walk(home: &Home, wait: &str, run: impl Fn(&[&str]) -> Output) -> Vec<String> {
    let (mut plain, mut told) = (Plain::new(), Vec::new());
    let mut words = BTreeMap::from([("{wait}", wait.to_owned())]);
    for line in WALK {
        let filled = words.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
        let done = run(&filled.split(' ').chain(["--json"]).collect::<Vec<_>>());
        let documents: Vec<Value> = done.stdout.lines().map(without_unserved).collect();
        if line.starts_with("bot run ") && done.code == 0 {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let report = |uri: &&Value| text(uri).ends_with("report.md");
            let uri = documents[0]["artifact_uris"].as_array().unwrap().iter().find(report).unwrap();
            words.insert("{uri}", text(uri));
            words.insert("{run}", text(&documents[0]["run_id"]));
        }
        let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
        told.push(plain.of(&format!("{line}\nexit {}\n{}", done.code, documents.join("\n")), home));
    }
    told
}

#[test]
fn a_command_says_the_same_with_a_service_and_without_one() {
    let fixer = "[[fixer]]\nname = \"more\"\nargv = [\"sh\", \"-c\", \"echo more >> README.md\"]\n";
    let repository = Repository::with(&[("README.md", "# The parser\n"), (".windlass/checks.toml", fixer)]);
    let (home, alone) = (Home::new(), Home::new());
    for home in [&home, &alone] {
        home.without_sandbox();
    }
    let bus = PrivateBus::start(&home);
    let over_the_bus = walk(&home, "--wait", |words| bus.run(&home, repository.path(), words));
    let in_process = walk(&alone, "--ephemeral", |words| alone.run(repository.path(), words));
    for (over_the_bus, in_process) in over_the_bus.iter().zip(&in_process) {
        assert_eq!(over_the_bus, in_process);
    }
}
