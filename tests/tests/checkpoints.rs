//! A run that works for long says now and then what it does, and goes on from there as from anywhere.

use std::time::Duration;

use futures::TryStreamExt as _;
use serde_json::json;
use windlass_actors::Recover;
use windlass_contract::control::Control as _;
use windlass_contract::request::WatchRun;
use windlass_domain::event::EventData;
use windlass_domain::id::Seq;
use windlass_domain::run::Phase;
use windlass_domain::run::event::{Checkpoint, RunEvent};
use windlass_tests::{Gate, Home, Repository, caller, document, follow, prepare, review, show};

fn checkpoint(event: &EventData) -> Option<&Checkpoint> {
    match event {
        EventData::Run(RunEvent::Checkpoint(checkpoint)) if checkpoint.key.name.as_str() == "meanwhile" => {
            Some(checkpoint)
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_step_is_told_of_again_and_again_and_the_run_goes_on_after_a_restart() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let runtime = home.runtime_with(Recover::All, Duration::from_millis(20)).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = control.submit_run(caller(), review(&repository, &json!({}))).await.unwrap().run_id;
    let held = gate.meet();
    let mut watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    let mut told = Vec::new();
    // The gate is held all the while: that the step goes on is said more than once.
    while told.len() < 2 {
        let event = watched.try_next().await.unwrap().unwrap();
        told.extend(checkpoint(&event.data).filter(|told| told.summary.contains("gate")).cloned());
    }
    assert!(told[0].summary.ends_with("now `head/check gate#0`"), "{told:?}");
    assert_eq!(told[1].key.occurrence, told[0].key.occurrence + 1);
    assert_eq!((told[0].phase, told[0].percent), (Phase::Execute, Some(10)));
    assert_eq!(
        told[0].analysis_base_commit.as_ref().map(ToString::to_string),
        Some(repository.git(&["rev-parse", "HEAD"]))
    );
    drop((watched, control));
    runtime.stop().await;
    assert!(windlass_capsule::wait_until_closed(&home.state().join("capsule"), Duration::from_secs(60)));

    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    drop(held);
    let events = follow(&control, run_id).await;
    let run = show(&control, run_id).await;
    assert_eq!(run.row.status.word(), "succeeded", "{run:?}");
    let listed = document(&control, &run, "checkpoints.json").await;
    let recorded = events.iter().filter(|event| event.data.type_name() == "checkpoint").count();
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), recorded);
    runtime.stop().await;
}
