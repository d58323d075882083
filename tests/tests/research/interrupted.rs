//! Research that is cut short goes on with what it had, and comes to the same.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use windlass_actors::Recover;
use windlass_contract::control::Control;
use windlass_contract::request::{CancelRun, ResumeRun, VerifyCapsule, WatchRun};
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::Outcome;
use windlass_domain::run::event::RunEvent;
use windlass_tests::{
    Home, PrivateBus, Repository, artifact, caller, follow, prepare, show, wait_until_gone,
};

use crate::research;

const PACK: &str = "research/knowledge_evidence_pack.json";

/// A file's content that cannot be read to its end until somebody lets it: a named pipe in the place of the object.
struct Stuck {
    object: PathBuf,
    content: Vec<u8>,
}

impl Stuck {
    fn new(repository: &Repository, path: &str) -> Self {
        let id = repository.git(&["rev-parse", &format!("HEAD:{path}")]);
        let object = repository.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
        let content = std::fs::read(&object).unwrap();
        std::fs::remove_file(&object).unwrap();
        mknodat(CWD, &object, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Self { object, content }
    }

    /// Puts the object back, and lets go who waits for the pipe in vain.
    fn release(self) {
        let aside = self.object.with_extension("pipe");
        std::fs::rename(&self.object, &aside).unwrap();
        std::fs::write(&self.object, &self.content).unwrap();
        drop(OpenOptions::new().write(true).open(&aside).unwrap());
    }

    /// Puts the object back where nobody waits any more.
    fn restore(self) {
        std::fs::remove_file(&self.object).unwrap();
        std::fs::write(&self.object, &self.content).unwrap();
    }
}

fn repository() -> Repository {
    Repository::with(&[
        ("README.md", "# Ship\n\nThe anchor hangs on a chain.\n"),
        ("winch.md", "# Winch\n\nThe winch hauls the anchor.\n"),
    ])
}

fn key_of(event: &Event) -> Option<(&'static str, String)> {
    match &event.data {
        EventData::Run(RunEvent::StepStarted(intent)) => Some(("started", intent.key.to_string())),
        EventData::Run(RunEvent::StepInherited(step)) => Some(("inherited", step.key.to_string())),
        EventData::Run(RunEvent::StepFinished { key, .. }) => Some(("finished", key.to_string())),
        _ => None,
    }
}

fn keys(events: &[Event], what: &str) -> Vec<String> {
    let of_kind = |(kind, key)| (kind == what).then_some(key);
    events.iter().filter_map(|event| key_of(event).and_then(of_kind)).collect()
}

/// Follows a run until the intent of the step that lists the files is on disk.
async fn until_files(control: &dyn Control, run_id: RunId) {
    let mut watched = control.watch_run(WatchRun { run_id, from: Seq(1) }).await.unwrap();
    while let Some(event) = watched.next().await {
        if key_of(&event.unwrap()) == Some(("started", "files#0".to_owned())) {
            return;
        }
    }
    panic!("the stream ended before the files were listed");
}

async fn pack_of(control: &dyn Control, run_id: RunId) -> Digest {
    let run = show(control, run_id).await;
    assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{}", run.row.summary);
    Digest::of(&artifact(control, &run, PACK).await.unwrap())
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_goes_on_in_the_middle_and_finds_the_same() {
    let (home, repository) = (Home::new(), repository());
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1", "T-2"]).await;
    let asked = |item| research(&repository, item, "Where does the anchor hang?");
    let stuck = Stuck::new(&repository, "README.md");
    let run_id = control.submit_run(caller(), asked("T-1")).await.unwrap().run_id;
    until_files(&control, run_id).await;
    let service = control.service_status().await.unwrap().pid;
    wait_until_gone(service, Signal::KILL);
    stuck.restore();

    let control = bus.control().await;
    let events = follow(&control, run_id).await;
    assert_eq!(keys(&events, "started"), ["inputs#0", "files#0", "files#0", "search#0", "changes#0"]);
    assert_eq!(keys(&events, "finished"), ["inputs#0", "files#0", "search#0", "changes#0"]);
    let interrupted = pack_of(&control, run_id).await;
    let undisturbed = control.submit_run(caller(), asked("T-2")).await.unwrap().run_id;
    follow(&control, undisturbed).await;
    assert_eq!(pack_of(&control, undisturbed).await, interrupted);
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
    assert_eq!((left(&home.state().join("holds")), left(&home.state().join("scratch"))), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_research_is_continued_by_a_new_run_with_what_was_done() {
    let (home, repository) = (Home::new(), repository());
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let stuck = Stuck::new(&repository, "README.md");
    let asked = research(&repository, "T-1", "Where does the winch haul the anchor?");
    let first = control.submit_run(caller(), asked).await.unwrap().run_id;
    until_files(&control, first).await;
    control.cancel_run(caller(), CancelRun { run_id: first, reason: None }).await.unwrap();
    stuck.release();
    follow(&control, first).await;
    assert_eq!(show(&control, first).await.ended.unwrap().outcome, Outcome::Cancelled);

    let resume = ResumeRun { run_id: first, hold: false, step: None, headless: true, dedupe_key: None };
    let second = control.resume_run(caller(), resume).await.unwrap().run_id;
    let events = follow(&control, second).await;
    assert!(keys(&events, "inherited").contains(&"inputs#0".to_owned()), "{events:?}");
    assert!(!keys(&events, "started").contains(&"inputs#0".to_owned()), "{events:?}");
    pack_of(&control, second).await;
    runtime.stop().await;
}
