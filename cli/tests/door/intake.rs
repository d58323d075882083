//! `item intake`: the only command that asks, and only in a terminal. Here the terminal is a real one.

use windlass_tests::Terminal;

use crate::support::{Place, file};

const ANSWERS: &str = "\
goal = 'find bugs'
[[acceptance_criteria]]
text = 'each names a line'
how_verified = 'a look'
";

fn place() -> Place {
    let place = Place::new();
    place.ok(&["init"]);
    place.ok(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]);
    place.ok(&["item", "add", "--type", "feature", "--id", "F-1", "--title", "Build"]);
    place
}

fn terminal(place: &Place, arguments: &[&str]) -> Terminal {
    Terminal::start(place.windlass().args(arguments))
}

#[test]
fn where_nobody_can_answer_nothing_is_asked() {
    let place = place();
    for arguments in [vec!["item", "intake", "T-1"], vec!["item", "intake", "F-1", "--form"]] {
        let done = place.run(&arguments);
        assert_eq!((done.code, done.stdout.as_str()), (13, ""), "{}", done.stderr);
        assert!(done.stderr.contains("would_prompt") && done.stderr.contains("--answers"), "{}", done.stderr);
        let (code, document) = place.json(&arguments);
        assert_eq!((code, &document["errors"][0]["code"]), (13, &"would_prompt".into()));
        assert_eq!(document["work_item_id"], arguments[2]);
    }
}

#[test]
fn in_a_terminal_json_asks_nothing_either() {
    let place = place();
    let mut terminal = terminal(&place, &["item", "intake", "T-1", "--json"]);
    terminal.read();
    // Ends a question, if that was one, with another exit code.
    terminal.type_in("\u{3}");
    assert_eq!(terminal.finish(), 13);
}

#[test]
fn answers_come_from_a_file() {
    let place = place();
    let answers = file(&place.path("config"), "answers.toml", ANSWERS);
    let (code, item) = place.json(&["item", "intake", "T-1", "--answers", &answers]);
    assert_eq!((code, &item["answers"]["mode"]), (0, &"manifest".into()), "{item}");
    assert_eq!(
        item["answers"]["defaulted"],
        serde_json::json!(["constraints", "risks", "delegation_bounds", "open_questions"])
    );

    let form = place
        .ok(&["item", "intake", "--template", "--form"])
        .stdout
        .replace("problem = \"\"", "problem = \"slow\"");
    let form = file(&place.path("config"), "form.toml", &form);
    let (code, item) = place.json(&["item", "intake", "F-1", "--form", "--answers", &form]);
    assert_eq!((code, &item["intake"]["problem"]), (0, &"slow".into()), "{item}");
    assert_eq!(
        place.json(&["item", "intake", "T-1", "--form", "--answers", &form]).0,
        10,
        "a task has no form"
    );
}

#[test]
fn a_template_is_what_intake_takes() {
    let place = place();
    let template = place.ok(&["item", "intake", "--template"]).stdout;
    assert!(template.contains("goal = \"\"") && template.contains("# What is to be achieved"), "{template}");
    let done = place.run_with_input(&["item", "intake", "T-1", "--answers", "-"], &template);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn a_person_is_asked_one_question_at_a_time_and_reviews_the_answers() {
    let place = place();
    let mut terminal = terminal(&place, &["item", "intake", "T-1"]);
    for (question, answer) in [
        ("What is to be achieved?", "find bugs"),
        ("Done when (1; empty ends)", "each names a line"),
        ("How is that checked?", "a look"),
        ("Done when (2; empty ends)", ""),
        ("What must be respected? (1; empty ends)", "no network"),
        ("What must be respected? (2; empty ends)", ""),
        ("What could go wrong? (1; empty ends)", ""),
        ("Which paths may be edited? (1; empty ends)", ""),
        ("Which paths must not be touched? (1; empty ends)", ""),
        ("How long may it take?", "1h30m"),
        ("May it use the network?", "n"),
        ("What is still unanswered? (1; empty ends)", ""),
        ("These answers:", ""),
    ] {
        terminal.answer(question, answer);
    }
    assert_eq!(terminal.finish(), 0);
    let answers = &place.json(&["item", "show", "T-1"]).1["answers"];
    assert_eq!(
        (&answers["goal"], &answers["mode"]),
        (&"find bugs".into(), &"interactive".into()),
        "{answers}"
    );
    assert_eq!(answers["acceptance_criteria"][0]["how_verified"], "a look");
    assert_eq!(answers["constraints"], serde_json::json!(["no network"]));
    assert_eq!(answers["delegation_bounds"]["max_duration_ms"], 5_400_000);
}

#[test]
fn earlier_answers_are_offered_and_leaving_changes_nothing() {
    let place = place();
    let answers = file(&place.path("config"), "answers.toml", ANSWERS);
    place.ok(&["item", "intake", "T-1", "--answers", &answers]);
    let before = place.json(&["item", "show", "T-1"]).1;
    let mut terminal = terminal(&place, &["item", "intake", "T-1"]);
    terminal.answer("What is to be achieved?", " everywhere");
    let offered = terminal.answer("Done when (1; empty ends)", "\u{3}");
    assert!(offered.contains("find bugs everywhere"), "{offered}");
    assert_eq!(terminal.finish(), 10);
    assert!(terminal.seen().contains("each names a line"), "{}", terminal.seen());
    assert_eq!(place.json(&["item", "show", "T-1"]).1, before);
}
