//! The journal of a run that has ended gives the stored bytes of every artifact, whatever the outcome, where nothing but the capsule is
//! left; and what gives others is found.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use windlass_actors::{Local, Recover};
use windlass_capsule::{MAX_PAGE, Reader};
use windlass_contract::control::Control;
use windlass_contract::error::ErrorCode;
use windlass_contract::request::{CancelRun, ResumeRun, RunRef};
use windlass_contract::view::RunView;
use windlass_domain::digest::{Digest, Json};
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::StepResult;
use windlass_domain::run::{Outcome, RunStatus};
use windlass_engine::ports::RecordError;
use windlass_engine::replay::{Blobs, Replayed, replay};
use windlass_policy::Policy;
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, assert_replays, caller, check_schema, follow, prepare, review, show,
};

const FIX: &str = "[[fixer]]\nname = \"mend\"\nargv = [\"sed\", \"-i\", \"s/^two$/TWO/\", \"poem.txt\"]\n";
const POEM: &str = "one\ntwo\nthree\n";

/// A home, a repository whose checks wait at a gate, and what is asked of it.
struct Story {
    home: Home,
    gate: Gate,
    repository: Repository,
}

impl Story {
    fn new() -> Self {
        let home = Home::new();
        let gate = Gate::new(&home);
        let checks = format!("{}{FIX}", gate.checks());
        let repository = Repository::with(&[("poem.txt", POEM), (".windlass/checks.toml", &checks)]);
        Self { home, gate, repository }
    }

    /// Submits, does something while the run is held at the gate, and follows it to its end.
    async fn review(&self, control: &Local, more: Value, meanwhile: impl AsyncFnOnce(RunId)) -> RunView {
        let run_id = control.submit_run(caller(), review(&self.repository, &more)).await.unwrap().run_id;
        let held = self.gate.meet();
        meanwhile(run_id).await;
        drop(held);
        follow(control, run_id).await;
        show(control, run_id).await
    }
}

fn write() -> Value {
    json!({"write_mode": "worktree"})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_replayed_where_nothing_but_the_capsule_is_left() {
    let story = Story::new();
    let runtime = story.home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &story.repository, &["T-1"]).await;
    let mut runs = vec![story.review(&control, write(), async |_| ()).await];
    let conflict = async |_| {
        story.repository.write_all(&[("poem.txt", &POEM.replace("two", "deux"))]);
        story.repository.commit("another two");
    };
    runs.push(story.review(&control, write(), conflict).await);
    let cancel = async |run_id| {
        control.cancel_run(caller(), CancelRun { run_id, reason: None }).await.unwrap();
    };
    runs.push(story.review(&control, write(), cancel).await);
    let cancelled = runs[2].row.run_id;
    let request = ResumeRun { run_id: cancelled, hold: false, step: None, headless: true, dedupe_key: None };
    let continued = control.resume_run(caller(), request).await.unwrap().run_id;
    drop(story.gate.meet());
    follow(&control, continued).await;
    runs.push(show(&control, continued).await);
    let short = json!({"budget": {"max_duration_ms": 1_500}});
    let run_id = control.submit_run(caller(), review(&story.repository, &short)).await.unwrap().run_id;
    // Nobody opens the gate: only the budget ends the check.
    follow(&control, run_id).await;
    runs.push(show(&control, run_id).await);
    let research = review(&story.repository, &json!({"kind": "research"}));
    let run_id = control.submit_run(caller(), research).await.unwrap().run_id;
    follow(&control, run_id).await;
    runs.push(show(&control, run_id).await);
    let statuses: Vec<_> = runs.iter().map(|run| run.row.status).collect();
    use RunStatus::{Blocked, Cancelled, NeedsAttention, Succeeded};
    assert_eq!(statuses, [Succeeded, NeedsAttention, Cancelled, Succeeded, Blocked, Succeeded]);
    story.home.end(runtime, control).await;

    let Story { home, repository, .. } = story;
    drop(repository);
    for folder in
        [home.state().join("worktrees"), home.state().join("projections"), home.path().join("cache")]
    {
        fs::remove_dir_all(folder).unwrap();
    }
    let runtime = home.runtime(Recover::All).await;
    for run in &runs {
        assert_replays(&runtime.control(), run.row.run_id).await;
    }
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_is_not_overtaken() {
    let story = Story::new();
    let runtime = story.home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &story.repository, &["T-1"]).await;
    let ask = async |run_id| {
        let refused = control.replay_run(RunRef { run_id }).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::BadRequest);
        assert!(refused.first().message.contains("has not ended"), "{refused:?}");
    };
    let run = story.review(&control, json!({}), ask).await;
    assert_replays(&control, run.row.run_id).await;
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_step_holds_every_input() {
    let story = Story::new();
    let runtime = story.home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &story.repository, &["T-1"]).await;
    let run = story.review(&control, json!({}), async |_| ()).await;
    let research = review(&story.repository, &json!({"kind": "research"}));
    let researched = control.submit_run(caller(), research).await.unwrap().run_id;
    follow(&control, researched).await;
    story.home.end(runtime, control).await;
    let recorded = Recorded::of(&story.home);
    let head = story.repository.git(&["rev-parse", "HEAD"]);
    let checks = fs::read(story.repository.path().join(".windlass/checks.toml")).unwrap();
    for run_id in [run.row.run_id, researched] {
        let (key, inputs) = recorded.first_result(run_id);
        assert_eq!(key, "inputs#0");
        let admission = recorded.reader.run(run_id).unwrap().unwrap().admission;
        assert_eq!(inputs["head"], json!(head));
        assert_eq!(inputs["policy"], json!(admission.policy_digest));
        assert!(inputs["tool_version"].as_str().unwrap().starts_with("windlass "), "{inputs}");
        let context =
            if run_id == researched { &inputs["question"]["context_digest"] } else { &inputs["context"] };
        assert_eq!(*context, json!(admission.context_digest));
    }
    let (_, inputs) = recorded.first_result(run.row.run_id);
    assert_eq!(inputs["checks_file"], json!(Digest::of(&checks)));
    assert!(inputs["surroundings"]["sandbox"]["kind"].is_string(), "{inputs}");
}

/// A capsule that nobody writes any more.
struct Recorded {
    reader: Reader,
}

impl Recorded {
    fn of(home: &Home) -> Self {
        Self { reader: windlass_capsule::open_read_only(&home.state().join("capsule")).unwrap() }
    }

    fn events(&self, run_id: RunId) -> Vec<Event> {
        self.reader.events(&Stream::Run { run_id }, Seq(1), MAX_PAGE).unwrap()
    }

    /// The first step that finished, and its result.
    fn first_result(&self, run_id: RunId) -> (String, Value) {
        let finished = |event: &Event| match &event.data {
            EventData::Run(RunEvent::StepFinished { key, result: StepResult::Inline { value }, .. }) => {
                Some((key.to_string(), value.read().unwrap()))
            }
            _ => None,
        };
        self.events(run_id).iter().find_map(finished).unwrap()
    }

    /// Replays these events of a run.
    async fn replay(&self, run_id: RunId, events: &[Event]) -> Replayed {
        let admission = self.reader.run(run_id).unwrap().unwrap().admission;
        let policy: Policy =
            serde_json::from_slice(&self.reader.blob(admission.policy_digest).unwrap()).unwrap();
        replay(events, Arc::new(policy), Arc::new(Stored(self.reader.clone()))).await.unwrap()
    }
}

struct Stored(Reader);

#[async_trait]
impl Blobs for Stored {
    async fn blob(&self, digest: Digest) -> Result<Vec<u8>, RecordError> {
        Ok(self.0.blob(digest).unwrap())
    }
}

fn differing(replayed: &Replayed) -> Vec<String> {
    let differ = replayed.artifacts.iter().filter(|(_, digests)| digests.stored != digests.regenerated);
    differ.map(|(path, _)| path.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_come_out_otherwise_is_named() {
    let story = Story::new();
    let runtime = story.home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &story.repository, &["T-1"]).await;
    let run_id = story.review(&control, write(), async |_| ()).await.row.run_id;
    story.home.end(runtime, control).await;
    let recorded = Recorded::of(&story.home);
    let events = recorded.events(run_id);
    assert!(recorded.replay(run_id, &events).await.is_same());

    // As a program whose renderer writes other bytes, or a report that was put in another's place.
    let mut other_bytes = events.clone();
    for event in &mut other_bytes {
        if let EventData::Run(RunEvent::ArtifactStored(artifact)) = &mut event.data
            && artifact.path.as_str() == "review/review_report.md"
        {
            artifact.digest = Digest::of(b"other bytes");
        }
    }
    let replayed = recorded.replay(run_id, &other_bytes).await;
    assert_eq!(
        (differing(&replayed), replayed.is_same()),
        (vec!["review/review_report.md".to_owned()], false)
    );

    // A step that gave something else makes other reports.
    let mut other_result = events.clone();
    let said = finish_of(&mut other_result, "head/check gate#0");
    let StepResult::Inline { value } = &*said else { panic!("it is small") };
    let text = value.as_str().replace("\"code\":0", "\"code\":7");
    assert_ne!(text, value.as_str());
    *said = StepResult::Inline { value: Json::of(&serde_json::from_str::<Value>(&text).unwrap()).unwrap() };
    let replayed = recorded.replay(run_id, &other_result).await;
    assert!(differing(&replayed).contains(&"review/review_report.json".to_owned()), "{replayed:?}");

    // A log that says other times than the events is found, too.
    let mut other_time = events.clone();
    for event in &mut other_time {
        if let EventData::Run(RunEvent::StepFinished { duration_ms, .. }) = &mut event.data {
            *duration_ms += 1;
        }
    }
    assert_eq!(differing(&recorded.replay(run_id, &other_time).await), ["run_log.json"]);

    // A run that succeeded has a result of each of its steps.
    for (step, stopped_at) in [("clean#0", Some("clean#0")), ("bot/fix mend#0", None)] {
        let lacks = |event: &Event| match &event.data {
            EventData::Run(RunEvent::StepFinished { key, .. }) => key.to_string() == step,
            _ => false,
        };
        let unfinished: Vec<Event> = events.iter().filter(|event| !lacks(event)).cloned().collect();
        let replayed = recorded.replay(run_id, &unfinished).await;
        assert_eq!(replayed.stopped_at.as_deref(), stopped_at);
        assert!(replayed.problems[0].contains(step), "{replayed:?}");
    }

    // A run does not come to another end than its engine.
    let mut other_end = events;
    if let Some(EventData::Run(RunEvent::Ended { summary, .. })) =
        other_end.last_mut().map(|event| &mut event.data)
    {
        "it went well".clone_into(summary);
    }
    let replayed = recorded.replay(run_id, &other_end).await;
    assert!(matches!(replayed.outcome, Outcome::Succeeded) && !replayed.is_same(), "{replayed:?}");
}

/// The recorded result of a step.
fn finish_of<'a>(events: &'a mut [Event], step: &str) -> &'a mut StepResult {
    let found = events.iter_mut().find_map(|event| match &mut event.data {
        EventData::Run(RunEvent::StepFinished { key, result, .. }) if key.to_string() == step => Some(result),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no step {step}"))
}

#[test]
fn the_command_line_replays_with_and_without_a_service() {
    let home = Home::new();
    home.without_sandbox();
    let checks = "[[check]]\nname = \"look\"\nargv = [\"true\"]\n";
    let repository = Repository::with(&[("poem.txt", POEM), (".windlass/checks.toml", checks)]);
    let run = |arguments: &[&str]| home.run(repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    run(&["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a", "--ephemeral"])
        .ok();
    let replayed = run(&["capsule", "replay", "latest", "--json"]).ok().json();
    check_schema(&replayed);
    assert_eq!((&replayed["same"], &replayed["exit_code"]), (&json!(true), &json!(0)));
    let bus = PrivateBus::start(&home);
    let text = bus.run(&home, repository.path(), &["capsule", "replay", "--run", "latest"]).ok();
    assert!(text.stdout.contains("the same  review/review_report.md"), "{text:?}");
    let unknown = bus.run(
        &home,
        repository.path(),
        &["capsule", "replay", "01890000-0000-7000-8000-000000000001", "--json"],
    );
    assert_eq!((unknown.code, unknown.error_codes()), (10, vec!["unknown_run".to_owned()]));
}
