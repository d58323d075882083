//! Twenty questions about a repository of this project's own files, with the places that answer them.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use windlass_actors::Recover;
use windlass_contract::control::Control as _;
use windlass_domain::run::Outcome;
use windlass_tests::{Home, Repository, caller, document, follow, prepare, show};

use crate::cited::assert_resolved;
use crate::research;

/// How many of the twenty must be answered with a citation of a known place.
const AT_LEAST: usize = 16;

#[derive(Deserialize)]
struct Questions {
    files: Vec<String>,
    question: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    ask: String,
    places: Vec<Place>,
}

/// An answer, by what its first and its last line hold: line numbers would not outlive the next change of the file.
#[derive(Deserialize)]
struct Place {
    path: String,
    from: String,
    to: Option<String>,
}

impl Place {
    /// Its first and last line, counted from 1.
    fn lines(&self, root: &Path) -> (u64, u64) {
        let Self { path, from, to } = self;
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        let holds = |words: &str, after: u64| -> Vec<u64> {
            let numbered = (1..).zip(text.lines());
            numbered.filter(|(at, line)| *at >= after && line.contains(words)).map(|(at, _)| at).collect()
        };
        let [first] = holds(from, 1)[..] else {
            panic!("not one line of {path} holds `{from}`: give the question's place anew");
        };
        let last = to.as_ref().map(|to| {
            let found = holds(to, first).first().copied();
            found.unwrap_or_else(|| panic!("no line of {path} holds `{to}`: give the question's place anew"))
        });
        (first, last.unwrap_or(first))
    }

    fn is_hit_by(&self, root: &Path, citation: &Value) -> bool {
        let line = |end: &str| citation["lines"][end].as_u64();
        // A citation of a commit has no lines.
        let (Some(cited_first), Some(cited_last)) = (line("first"), line("last")) else { return false };
        let (first, last) = self.lines(root);
        citation["path"] == self.path.as_str() && cited_first <= last && first <= cited_last
    }
}

/// These files of the checkout, as a repository with one commit.
fn repository_of(root: &Path, files: &[String]) -> Repository {
    let texts: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap()).collect();
    let pairs: Vec<(&str, &str)> =
        files.iter().zip(&texts).map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Repository::with(&pairs)
}

#[tokio::test(flavor = "multi_thread")]
async fn most_questions_lead_to_the_place_that_answers_them_and_every_citation_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Questions { files, question } = toml::from_str(include_str!("questions.toml")).unwrap();
    assert_eq!(question.len(), 20);
    let repository = repository_of(&root, &files);
    let home = Home::new();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    let items: Vec<String> = (1..=question.len()).map(|number| format!("T-{number}")).collect();
    prepare(&control, &repository, &items.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mut hits, mut citations, mut missed) = (0, 0, Vec::new());
    for (item, question) in items.iter().zip(&question) {
        let asked = research(&repository, item, &question.ask);
        let run_id = control.submit_run(caller(), asked).await.unwrap().run_id;
        follow(&control, run_id).await;
        let run = show(&control, run_id).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{}", run.row.summary);
        let report = document(&control, &run, "research/research_report.json").await;
        let pack = document(&control, &run, "research/knowledge_evidence_pack.json").await;
        citations += assert_resolved(&repository, &report, &pack);
        let cited = report["citations"].as_array().unwrap();
        if question.places.iter().any(|place| cited.iter().any(|citation| place.is_hit_by(&root, citation))) {
            hits += 1;
        } else {
            missed.push(&question.ask);
        }
    }
    println!("{hits} of {} questions, {citations} citations; missed: {missed:#?}", question.len());
    assert!(hits >= AT_LEAST, "{hits} of {}: {missed:#?}", question.len());
    runtime.stop().await;
}
