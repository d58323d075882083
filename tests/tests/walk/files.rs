//! By the command line without a question: the answers come from the templates, filled in, and no service is there.

use serde_json::{Value, json};
use windlass_tests::{Home, Output, check_schema};

use super::{CHANGE, assert_untouched, ship};

/// What is written into the template of answers: the line there, and what stands in its place.
const ANSWERS: [(&str, &str); 5] = [
    ("goal = \"\"", "goal = \"Is the anchr spelled well?\""),
    ("text = \"\"", "text = \"the log says how it is spelled\""),
    ("how_verified = \"\"", "how_verified = \"a look\""),
    ("may_edit = []", "may_edit = [\"*.md\"]"),
    ("# max_duration = \"2h\"", "max_duration = \"1h\""),
];

/// What is written into the template of the intake form.
const FORM: [(&str, &str); 13] = [
    ("problem = \"\"", "problem = \"words are misspelled\""),
    ("outcome = \"\"", "outcome = \"they are not\""),
    ("scope_in = []", "scope_in = [\"the log\"]"),
    ("non_goals = []", "non_goals = [\"the crew's letters\"]"),
    ("integration_points = []", "integration_points = [\"log.md\"]"),
    ("constraints = []", "constraints = [\"no new words\"]"),
    ("risks = []", "risks = [\"a name is changed\"]"),
    ("assumptions = []", "assumptions = [\"it is English\"]"),
    ("text = \"\"", "text = \"no word is misspelled\""),
    ("how_verified = \"\"", "how_verified = \"a look\""),
    ("components = \"\"", "components = \"words\""),
    ("dataflows = \"\"", "dataflows = \"sense\""),
    ("test_plan = \"\"", "test_plan = \"by reading\""),
];

fn filled(template: &str, lines: &[(&str, &str)]) -> String {
    lines.iter().fold(template.to_owned(), |text, (line, filled)| {
        assert_eq!(text.lines().filter(|there| there == line).count(), 1, "{line} in {text}");
        text.replace(&format!("\n{line}\n"), &format!("\n{filled}\n"))
    })
}

#[test]
fn a_feature_goes_from_an_empty_home_to_done() {
    let home = Home::new();
    let repository = ship();
    let before = repository.fingerprint();
    let run = |arguments: &[&str]| -> Output { home.run(repository.path(), arguments) };
    let reads = |arguments: &[&str]| -> Value {
        let document = run(&[arguments, &["--json"]].concat()).ok().json();
        check_schema(&document);
        document
    };
    let fill_in = |name: &str, template: &[&str], lines: &[(&str, &str)]| -> String {
        let template = run(&[&["item", "intake", "--template"], template].concat()).ok().stdout;
        let path = home.path().join(name);
        std::fs::write(&path, filled(&template, lines)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    run(&["init"]).ok();
    run(&["item", "add", "--type", "feature", "--id", "F-1", "--title", "Spell well"]).ok();
    let answers = fill_in("answers.toml", &[], &ANSWERS);
    let item = reads(&["item", "intake", "F-1", "--answers", &answers]);
    assert_eq!(item["answers"]["delegation_bounds"]["max_duration_ms"], 3_600_000, "{item}");
    // The same answers in JSON, as another program writes them.
    let json = home.path().join("answers.json");
    let written = json!({
        "goal": item["answers"]["goal"],
        "acceptance_criteria": item["answers"]["acceptance_criteria"],
    });
    std::fs::write(&json, written.to_string()).unwrap();
    let item = reads(&["item", "intake", "F-1", "--answers", json.to_str().unwrap()]);
    assert_eq!(
        item["answers"]["defaulted"],
        json!(["constraints", "risks", "delegation_bounds", "open_questions"]),
        "what nobody answered is on record"
    );

    let submit = |kind: &str, more: &[&str]| {
        let run = ["bot", "run", "--id", "F-1", "--kind", kind, "--hold", "--ephemeral"];
        let result = reads(&[&run[..], more].concat());
        assert_eq!(result["status"], "succeeded", "{result}");
    };
    submit("research", &[]);
    assert_eq!(reads(&["item", "show", "F-1"])["state"], "backlog");
    let report = run(&["bot", "show", "latest", "--format", "md"]).ok().stdout;
    assert!(report.contains("log.md:"), "{report}");
    let form = fill_in("form.toml", &["--form"], &FORM);
    let item = reads(&["item", "intake", "F-1", "--form", "--answers", &form]);
    assert_eq!(item["quality_score"], 90, "{item}");
    run(&["item", "move", "F-1", "--to", "planned"]).ok();
    run(&["item", "move", "F-1", "--to", "in_progress"]).ok();
    submit("review", &["--write-mode", "worktree", "--answers", &answers]);
    let patch = run(&["diff", "latest"]).ok().stdout;
    assert!(patch.contains(CHANGE), "{patch}");
    run(&["item", "move", "F-1", "--to", "completed"]).ok();
    assert_eq!(reads(&["item", "show", "F-1"])["state"], "completed");
    run(&["capsule", "verify"]).ok();
    assert_untouched(&repository, &before);
}
