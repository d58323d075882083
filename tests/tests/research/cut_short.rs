//! Research outside of the repository whose service is killed in the middle: what was asked is asked once more at most.

use std::fs::OpenOptions;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;
use windlass_contract::control::Control;
use windlass_domain::capture::CaptureMode;
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::RunId;
use windlass_domain::run::Outcome;
use windlass_domain::run::event::RunEvent;
use windlass_tests::{
    Home, PrivateBus, caller, document, follow, prepare, processes_of, show, wait_for_end_of, wait_until_gone,
};

use crate::outside::{BUNDLE, RULES, asking, mcp, ship, urls, write_policy};
use crate::pages::{Answer, Pages};

fn started(events: &[Event], name: &str) -> usize {
    let of = |event: &&Event| match &event.data {
        EventData::Run(RunEvent::StepStarted(intent)) => intent.key.name.as_str() == name,
        _ => false,
    };
    events.iter().filter(of).count()
}

async fn assert_whole(home: &Home, control: &dyn Control, run_id: RunId) -> Vec<Event> {
    let events = follow(control, run_id).await;
    let run = show(control, run_id).await;
    assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{}", run.row.summary);
    let bundle = document(control, &run, BUNDLE).await;
    let failed: Vec<_> =
        bundle["requests"].as_array().unwrap().iter().map(|request| &request["errors"]).collect();
    assert!(failed.iter().all(|errors| **errors == json!([])), "{bundle}");
    let left = |folder: &str| std::fs::read_dir(home.state().join(folder)).map_or(0, Iterator::count);
    assert_eq!((left("holds"), left("scratch")), (0, 0));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_being_read_is_read_once_more_and_no_other() {
    let home = Home::new();
    let pages = Pages::serving([
        ("/first", Answer::Page("text/plain", "The anchor.".to_owned())),
        ("/second", Answer::Gated("<p>The capstan.</p>".to_owned())),
    ]);
    write_policy(&home, &(RULES.to_owned() + &urls("handbook", &[pages.at("/first"), pages.at("/second")])));
    let repository = ship();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = control.submit_run(caller(), asking(&repository, CaptureMode::FullIo)).await.unwrap().run_id;
    pages.until_asked("/second");
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    pages.open_the_gate();

    let control = bus.control().await;
    let events = assert_whole(&home, &control, run_id).await;
    assert_eq!(pages.asked(), ["/first", "/second", "/second"]);
    assert_eq!(started(&events, "fetch"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_was_being_asked_is_listened_to_and_not_asked_again() {
    let home = Home::new();
    let (log, gate) = (home.path().join("asked"), home.path().join("gate"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    mknodat(CWD, &gate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    write_policy(&home, &(RULES.to_owned() + &mcp("search", &["gated", &text(&log), &text(&gate)])));
    let repository = ship();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let mut request = asking(&repository, CaptureMode::PromptsOnly);
    request.preset = windlass_domain::run::request::Preset::Quick;
    let run_id = control.submit_run(caller(), request).await.unwrap().run_id;
    // To open a pipe for writing waits until the server has opened it for reading: it was asked.
    let opened = tokio::task::spawn_blocking({
        let gate = gate.clone();
        move || OpenOptions::new().write(true).open(gate).unwrap()
    });
    let gate = opened.await.unwrap();
    let servers = processes_of(&log);
    assert!(servers.len() >= 2, "the server and its client: {servers:?}");
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);

    let control = bus.control().await;
    drop(gate);
    let events = assert_whole(&home, &control, run_id).await;
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "asked\n");
    assert_eq!(started(&events, "ask"), 1);
    servers.iter().for_each(wait_for_end_of);
}
