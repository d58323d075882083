//! A run outlives what drives it: a panicking actor, a killed service, a killed terminal.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use futures::{StreamExt as _, TryStreamExt as _};
use rustix::process::Signal;
use windlass_actors::Recover;
use windlass_contract::control::Control;
use windlass_contract::request::{AddItem, Caller, Init, RunRef, SubmitRun, VerifyCapsule, WatchRun};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{ItemId, RunId, Seq};
use windlass_domain::item::ItemType;
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::event::{AttemptLoss, RunEvent};
use windlass_domain::run::request::{Door, RunKind};
use windlass_domain::run::{BlockedReason, Outcome, RunStatus};
use windlass_domain::time::Timestamp;
use windlass_engine::failpoint;
use windlass_tests::{Gate, Home, PrivateBus, Repository, wait_until_gone};

fn caller() -> Caller {
    Caller { name: "somebody".to_owned(), door: Door::Dbus }
}

fn submission(folder: &str, item: &str) -> SubmitRun {
    let context = MaieuticContext::from_flags(
        "look".to_owned(),
        vec!["it is so".to_owned()],
        "somebody".to_owned(),
        Timestamp::from_millis(0),
    );
    let request = serde_json::json!({
        "folder": folder, "id": item, "kind": RunKind::Review, "headless": true, "context": context,
    });
    serde_json::from_value(request).unwrap()
}

async fn prepare(control: &dyn Control, folder: &str, items: &[&str]) {
    control.init(caller(), Init { folder: folder.to_owned() }).await.unwrap();
    for item in items {
        let item = AddItem {
            folder: folder.to_owned(),
            item_type: ItemType::Task,
            id: ItemId::new(*item).unwrap(),
            title: "Something".to_owned(),
            description: String::new(),
            parent_id: None,
        };
        control.add_item(caller(), item).await.unwrap();
    }
}

async fn follow(control: &dyn Control, run_id: RunId) -> Vec<Event> {
    let watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    watched.try_collect().await.unwrap()
}

fn attempts(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event.data, EventData::Run(RunEvent::AttemptStarted { .. })))
        .count()
}

fn losses(events: &[Event]) -> Vec<AttemptLoss> {
    let loss = |event: &Event| match &event.data {
        EventData::Run(RunEvent::AttemptLost { why, .. }) => Some(why.clone()),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

fn results_of_each_step(events: &[Event]) -> Vec<String> {
    let key = |event: &Event| match &event.data {
        EventData::Run(RunEvent::StepFinished { key, .. }) => Some(key.to_string()),
        _ => None,
    };
    events.iter().filter_map(key).collect()
}

fn assert_each_step_finished_once(events: &[Event]) {
    let mut finished = results_of_each_step(events);
    let all = finished.len();
    finished.sort();
    finished.dedup();
    assert_eq!(finished.len(), all);
}

fn two_checks() -> Repository {
    let checks =
        "[[check]]\nname = \"one\"\nargv = [\"true\"]\n[[check]]\nname = \"two\"\nargv = [\"true\"]\n";
    Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", checks)])
}

async fn status(control: &dyn Control, run_id: RunId) -> RunStatus {
    control.show_run(RunRef { run_id }).await.unwrap().row.status
}

/// Arms a place before the run's first step by submitting it behind another run of the same workspace.
async fn panics_at(place: &'static str, times: u32) -> (Vec<Event>, Vec<Event>) {
    let home = Home::new();
    let gate = Gate::new(&home);
    let policy = std::fs::read_to_string(home.config().join("policy.toml")).unwrap();
    let one_at_a_time = format!("{policy}\n[limits]\nruns = 1\n");
    std::fs::write(home.config().join("policy.toml"), one_at_a_time).unwrap();
    let waiting = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let repository = two_checks();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &waiting.text(), &["T-0"]).await;
    prepare(&control, &repository.text(), &["T-1"]).await;
    let neighbour = control.submit_run(caller(), submission(&waiting.text(), "T-0")).await.unwrap().run_id;
    let held = gate.meet();
    let accepted = control.submit_run(caller(), submission(&repository.text(), "T-1")).await.unwrap();
    assert_eq!(accepted.queue_place, 1);
    failpoint::arm(accepted.run_id, place, times);
    drop(held);
    let events = follow(&control, accepted.run_id).await;
    assert_eq!(failpoint::left(accepted.run_id, place), 0);
    let neighbours = follow(&control, neighbour).await;
    assert_eq!(status(&control, neighbour).await, RunStatus::Succeeded);
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
    runtime.stop().await;
    (events, neighbours)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_run_is_seen_by_no_other_and_the_run_goes_on() {
    for place in failpoint::PLACES {
        let (events, neighbours) = panics_at(place, 1).await;
        assert_eq!(attempts(&events), 2, "{place}");
        assert!(
            matches!(&losses(&events)[..], [AttemptLoss::ActorFailed { message }] if message.contains(place))
        );
        assert_each_step_finished_once(&events);
        assert!(results_of_each_step(&events).contains(&"head/check two#0".to_owned()), "{place}");
        assert_eq!(attempts(&neighbours), 1, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_at_the_same_place_each_time_is_ended_as_failed() {
    let (events, _) = panics_at(failpoint::INTENDED, 5).await;
    let Some(EventData::Run(RunEvent::Ended { outcome, summary })) =
        events.last().map(|event| event.data.clone())
    else {
        panic!("{events:?}")
    };
    assert_eq!(outcome.status(), RunStatus::Failed);
    assert!(summary.contains("5 attempts failed at the same place"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_is_started_by_the_next_call_and_its_run_goes_on() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository.text(), &["T-1"]).await;
    let accepted = control.submit_run(caller(), submission(&repository.text(), "T-1")).await.unwrap();
    let held = gate.meet();
    let first = control.service_status().await.unwrap().pid;
    wait_until_gone(first, Signal::KILL);

    let control = bus.control().await;
    let second = control.service_status().await.unwrap().pid;
    assert_ne!(first, second);
    let mut watched = control.watch_run(WatchRun { run_id: accepted.run_id, from: Seq(1) }).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = watched.next().await {
        events.push(event.unwrap());
        if attempts(&events) == 2 {
            break;
        }
    }
    // The check has been held all the while: it hangs on its holder, not on the service.
    drop(held);
    let events = follow(&control, accepted.run_id).await;
    assert_eq!(losses(&events), [AttemptLoss::ProcessGone]);
    assert_eq!(attempts(&events), 2);
    assert_each_step_finished_once(&events);
    assert_eq!(status(&control, accepted.run_id).await, RunStatus::Succeeded);
    let started = |event: &&Event| match &event.data {
        EventData::Run(RunEvent::StepStarted(intent)) => intent.key.to_string() == "head/check gate#0",
        _ => false,
    };
    assert_eq!(events.iter().filter(started).count(), 1, "the held child is found again, not started again");
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_time_is_used_up_ends_blocked_and_so_does_its_child() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository.text(), &["T-1"]).await;
    let mut request = submission(&repository.text(), "T-1");
    request.budget.max_duration_ms = Some(2_000);
    let accepted = control.submit_run(caller(), request).await.unwrap();
    // Nobody opens the gate: only the budget ends the check.
    let events = follow(&control, accepted.run_id).await;
    let Some(EventData::Run(RunEvent::Ended { outcome, .. })) = events.last().map(|event| event.data.clone())
    else {
        panic!("{events:?}")
    };
    assert_eq!(outcome, Outcome::Blocked { reason: BlockedReason::BudgetExhausted });
    runtime.activity().wait_for(|activity| activity.running == 0).await.unwrap();
    runtime.stop().await;
    assert_eq!(std::fs::read_dir(home.state().join("holds")).map_or(0, Iterator::count), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_when_a_run_has_ended() {
    let home = Home::new();
    let repository = two_checks();
    let before = repository.fingerprint();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository.text(), &["T-1"]).await;
    let accepted = control.submit_run(caller(), submission(&repository.text(), "T-1")).await.unwrap();
    follow(&control, accepted.run_id).await;
    runtime.stop().await;
    assert_eq!(repository.fingerprint(), before);
    let left = |name: &str| std::fs::read_dir(home.state().join(name)).map_or(0, Iterator::count);
    assert_eq!((left("holds"), left("scratch")), (0, 0));
    assert_eq!(repository.git(&["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
}
