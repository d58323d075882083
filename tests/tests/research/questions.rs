//! Twenty questions about a kept repository of real text, with the places that answer them.

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
    question: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    ask: String,
    places: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    path: String,
    first: u64,
    last: u64,
}

impl Place {
    fn is_hit_by(&self, citation: &Value) -> bool {
        let (Some(first), Some(last)) =
            (citation["lines"]["first"].as_u64(), citation["lines"]["last"].as_u64())
        else {
            return false;
        };
        citation["path"] == self.path.as_str() && first <= self.last && self.first <= last
    }
}

/// The files below a folder, as a repository with one commit.
fn kept(folder: &Path) -> Repository {
    let repository = Repository::unborn(&[]);
    copy(folder, repository.path());
    repository.commit("as it was kept");
    repository
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn most_questions_lead_to_the_place_that_answers_them_and_every_citation_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/research");
    let Questions { question } =
        toml::from_str(&std::fs::read_to_string(folder.join("questions.toml")).unwrap()).unwrap();
    assert_eq!(question.len(), 20);
    let repository = kept(&folder.join("repository"));
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
        if question.places.iter().any(|place| cited.iter().any(|citation| place.is_hit_by(citation))) {
            hits += 1;
        } else {
            missed.push(&question.ask);
        }
    }
    println!("{hits} of {} questions, {citations} citations; missed: {missed:#?}", question.len());
    assert!(hits >= AT_LEAST, "{hits} of {}: {missed:#?}", question.len());
    runtime.stop().await;
}
