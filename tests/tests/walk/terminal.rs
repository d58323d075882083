//! By the command line, where `item intake` asks a person one question at a time.

use serde_json::{Value, json};
use windlass_tests::{Home, Output, PrivateBus, Repository, Terminal, check_schema};

use super::{CHANGE, assert_untouched, ship};

/// The questions of the answers that a run needs, with what is typed.
const ANSWERS: [(&str, &str); 13] = [
    ("What is to be achieved?", "Is the anchr spelled well?"),
    ("Done when (1; empty ends)", "the log says how it is spelled"),
    ("How is that checked?", "a look"),
    ("Done when (2; empty ends)", ""),
    ("What must be respected? (1; empty ends)", "no new words"),
    ("What must be respected? (2; empty ends)", ""),
    ("What could go wrong? (1; empty ends)", ""),
    ("Which paths may be edited? (1; empty ends)", "*.md"),
    ("Which paths may be edited? (2; empty ends)", ""),
    ("Which paths must not be touched? (1; empty ends)", ""),
    ("How long may it take?", "1h"),
    ("May it use the network?", "n"),
    ("What is still unanswered? (1; empty ends)", ""),
];

/// The questions of the intake form, with what is typed.
const FORM: [(&str, &str); 26] = [
    ("What is wrong today?", "words are misspelled"),
    ("What will be better?", "they are not"),
    ("What belongs to it? (1; empty ends)", "the log"),
    ("What belongs to it? (2; empty ends)", ""),
    ("What does not? (1; empty ends)", "the crew's letters"),
    ("What does not? (2; empty ends)", ""),
    ("Done when (1; empty ends)", "no word is misspelled"),
    ("How is that checked?", "a look"),
    ("Done when (2; empty ends)", ""),
    ("What does it touch? (1; empty ends)", "log.md"),
    ("What does it touch? (2; empty ends)", ""),
    ("What must be respected? (1; empty ends)", "no new words"),
    ("What must be respected? (2; empty ends)", ""),
    ("What could go wrong? (1; empty ends)", "a name is changed"),
    ("What could go wrong? (2; empty ends)", ""),
    ("What is taken for granted? (1; empty ends)", "it is English"),
    ("What is taken for granted? (2; empty ends)", ""),
    ("What is still unanswered? (1; empty ends)", ""),
    ("What are its parts?", "words"),
    ("What flows between them?", "sense"),
    ("How do they meet what exists?", "in lines"),
    ("How is it tested?", "by reading"),
    ("Who might attack it, and how?", ""),
    ("How does it reach its users?", "with the tide"),
    ("What could go wrong, and what then?", ""),
    ("Why are the non-goals none?", "they are private"),
];

struct Person {
    home: Home,
    bus: PrivateBus,
    repository: Repository,
}

impl Person {
    fn types(&self, arguments: &[&str]) -> Output {
        self.bus.run(&self.home, self.repository.path(), arguments)
    }

    /// The one document that a command prints.
    fn reads(&self, arguments: &[&str]) -> Value {
        let document = self.types(&[arguments, &["--json"]].concat()).ok().json();
        check_schema(&document);
        document
    }

    /// Answers what is asked, and saves after a look at it all; gives what was shown for that look.
    fn is_asked(&self, arguments: &[&str], questions: &[(&str, &str)]) -> String {
        let mut terminal =
            Terminal::start(self.bus.windlass(&self.home, self.repository.path()).args(arguments));
        for (question, answer) in questions {
            terminal.answer(question, answer);
        }
        let review = terminal.answer("These answers:", "");
        assert_eq!(terminal.finish(), 0, "{}", terminal.seen());
        review
    }

    /// Submits, waits for the end and gives the result.
    fn runs(&self, kind: &str, more: &[&str]) -> Value {
        let run = ["bot", "run", "--id", "F-1", "--kind", kind, "--wait"];
        let result = self.reads(&[&run[..], more].concat());
        assert_eq!(result["status"], "succeeded", "{result}");
        result
    }

    fn state(&self) -> Value {
        self.reads(&["item", "show", "F-1"])["state"].clone()
    }
}

#[test]
fn a_feature_goes_from_an_empty_home_to_done() {
    let home = Home::new();
    let bus = PrivateBus::start(&home);
    let person = Person { home, bus, repository: ship() };
    let before = person.repository.fingerprint();
    person.types(&["init"]).ok();
    person.types(&["item", "add", "--type", "feature", "--id", "F-1", "--title", "Spell well"]).ok();

    let review = person.is_asked(&["item", "intake", "F-1"], &ANSWERS);
    for answer in ["Is the anchr spelled well?", "the log says how it is spelled (checked: a look)", "*.md"] {
        assert!(review.contains(answer), "{answer}: {review}");
    }
    person.types(&["item", "hold", "F-1", "--kind", "research"]).ok();
    let refused = person.types(&["item", "move", "F-1", "--to", "completed"]);
    assert_eq!(refused.code, 10);
    assert!(refused.stderr.contains("from there it can go to: backlog, deprecated"), "{refused:?}");
    let research = person.runs("research", &[]);
    assert_eq!(person.state(), "backlog", "it goes back by itself");
    let report = person.types(&["bot", "show", "latest", "--format", "md"]).ok().stdout;
    assert!(report.contains("Is the anchr spelled well?") && report.contains("log.md:"), "{report}");

    let refused = person.types(&["item", "move", "F-1", "--to", "planned"]);
    assert!(refused.stderr.contains("windlass item intake --id F-1 --form"), "{refused:?}");
    let review = person.is_asked(&["item", "intake", "F-1", "--form"], &FORM);
    for answer in ["words are misspelled", "the crew's letters", "with the tide", "scores 96 of 100"] {
        assert!(review.contains(answer), "{answer}: {review}");
    }
    person.types(&["item", "move", "F-1", "--to", "planned"]).ok();
    person.types(&["item", "move", "F-1", "--to", "in_progress"]).ok();
    let held = person.reads(&["item", "hold", "F-1", "--kind", "review"]);
    assert_eq!((&held["state"], &held["return_state"]), (&json!("needs_review"), &json!("in_progress")));
    let result = person.runs("review", &["--write-mode", "worktree"]);
    assert_eq!(person.state(), "in_progress");

    let patch = person.types(&["diff", "latest"]).ok().stdout;
    assert!(patch.contains(CHANGE), "{patch}");
    let bundle = person.reads(&["diff", "--run", result["run_id"].as_str().unwrap()]);
    assert_eq!(bundle["files"][0]["path"], "log.md", "{bundle}");
    let files = person.types(&["diff", "latest", "--stat"]).ok().stdout;
    assert!(files.contains("modified") && files.contains("log.md"), "{files}");
    let nothing = person.types(&["diff", research["run_id"].as_str().unwrap(), "--json"]);
    assert_eq!((nothing.code, nothing.error_codes()), (10, vec!["unknown_artifact".to_owned()]));

    person.types(&["item", "move", "F-1", "--to", "completed"]).ok();
    assert_eq!(person.state(), "completed");
    person.types(&["capsule", "verify", "--head", result["capsule_head"].as_str().unwrap()]).ok();
    assert_untouched(&person.repository, &before);
}
