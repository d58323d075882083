//! Sixty-four who ask for the same at once, through several doors: one run, and everybody is told which; also where the service is
//! killed among them.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::Scope;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use windlass_contract::control::Control;
use windlass_contract::error::ErrorCode;
use windlass_contract::request::ListRuns;
use windlass_domain::id::RunId;
use windlass_tests::{Gate, Home, Output, PrivateBus, Repository, caller, review, wait_until_gone};

/// How many ask at once.
const SUBMITTERS: usize = 64;

/// What one of them was told.
#[derive(Debug)]
enum Told {
    Accepted(RunId),
    Refused(ErrorCode, String),
}

/// What the run relies on. It is kept with the item, so that every door asks for exactly the same.
const ANSWERS: &str =
    "goal = \"look\"\n[[acceptance_criteria]]\ntext = \"it is so\"\nhow_verified = \"a look\"\n";

/// Where they meet: a repository with one item, whose run waits at a gate.
struct Place {
    home: Home,
    gate: Gate,
    repository: Repository,
    bus: PrivateBus,
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        let gate = Gate::new(&home);
        let repository =
            Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
        let bus = PrivateBus::start(&home);
        let answers = home.path().join("answers.toml");
        std::fs::write(&answers, ANSWERS).unwrap();
        for arguments in [
            &["init"][..],
            &["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"],
            &["item", "intake", "T-1", "--answers", answers.to_str().unwrap()],
        ] {
            home.run(repository.path(), arguments).ok();
        }
        Self { home, gate, repository, bus, runtime: Runtime::new().unwrap() }
    }

    /// Asks over a connection of its own.
    fn asked(&self, key: Option<&str>) -> Told {
        self.runtime.block_on(async {
            let request = review(&self.repository, &json!({"context": null, "dedupe_key": key}));
            match self.bus.control().await.submit_run(caller(), request).await {
                Ok(accepted) => Told::Accepted(accepted.run_id),
                Err(fault) => Told::Refused(fault.code(), fault.to_string()),
            }
        })
    }

    /// Asks as a process on the bus.
    fn typed(&self, key: Option<&str>) -> Told {
        self.told(self.bus.windlass(&self.home, self.repository.path()), key.map(|key| ["--dedupe-key", key]))
    }

    /// Asks as a process that would drive the run itself, and knows no bus.
    fn alone(&self) -> Told {
        self.told(self.home.windlass(self.repository.path()), Some(["--ephemeral", "--quiet"]))
    }

    fn told(&self, mut command: Command, more: Option<[&str; 2]>) -> Told {
        let run = ["bot", "run", "--id", "T-1", "--kind", "review", "--json"];
        let done = Output::of(command.args(run).args(more.into_iter().flatten()));
        let document = done.json();
        if done.code == 0 {
            return Told::Accepted(serde_json::from_value(document["run_id"].clone()).unwrap());
        }
        let error = &document["errors"][0];
        let code: ErrorCode = serde_json::from_value(error["code"].clone()).unwrap();
        assert_eq!(done.code, code.exit() as i32, "{done:?}");
        Told::Refused(code, error["message"].as_str().unwrap().to_owned())
    }

    /// The runs in the record.
    fn runs(&self) -> Vec<RunId> {
        let done = self.bus.run(&self.home, self.repository.path(), &["bot", "runs", "--json"]).ok();
        let runs: Vec<Value> = serde_json::from_value(done.json()["runs"].clone()).unwrap();
        runs.iter().map(|run| serde_json::from_value(run["run_id"].clone()).unwrap()).collect()
    }
}

/// Has all of them ask at once, each by its number; what each is told comes out of the channel.
fn at_once<'scope>(
    scope: &'scope Scope<'scope, '_>,
    told: &Sender<Told>,
    ask: impl Fn(usize) -> Told + Send + Sync + 'scope,
) {
    let (barrier, ask) = (Arc::new(Barrier::new(SUBMITTERS)), Arc::new(ask));
    for number in 0..SUBMITTERS {
        let (barrier, ask, told) = (Arc::clone(&barrier), Arc::clone(&ask), told.clone());
        scope.spawn(move || {
            barrier.wait();
            told.send(ask(number)).unwrap();
        });
    }
}

#[test]
fn one_is_accepted_and_all_others_are_told_which() {
    let place = Place::new();
    let (sender, receiver) = channel();
    let told: Vec<Told> = std::thread::scope(|scope| {
        // No service is there yet: the bus starts it for some while others compete with it for the capsule.
        at_once(scope, &sender, |number| match number % 4 {
            0 => place.asked(None),
            1 | 2 => place.typed(None),
            _ => place.alone(),
        });
        let held = place.gate.meet();
        let mut told: Vec<Told> = receiver.iter().take(SUBMITTERS - 1).collect();
        // Whoever drives the run itself is told nothing before it ends.
        if !told.iter().any(|told| matches!(told, Told::Accepted(_))) {
            drop(held);
            told.extend(receiver.recv());
        } else {
            told.extend(receiver.recv());
            drop(held);
        }
        told
    });
    let runs = place.runs();
    let [run_id] = runs[..] else { panic!("one run: {runs:?}") };
    let mut accepted = 0;
    for told in told {
        match told {
            Told::Accepted(it) => {
                accepted += 1;
                assert_eq!(it, run_id);
            }
            Told::Refused(ErrorCode::AlreadyActive, says) => {
                assert!(says.contains(&run_id.to_string()), "{says}")
            }
            Told::Refused(ErrorCode::CapsuleLocked, _) => {}
            Told::Refused(code, says) => panic!("{code:?}: {says}"),
        }
    }
    assert_eq!(accepted, 1);
}

#[test]
fn who_gives_the_same_key_gets_the_same_run() {
    let place = Place::new();
    let (sender, receiver) = channel();
    let told: Vec<Told> = std::thread::scope(|scope| {
        let ask = |number| if number % 2 == 0 { place.asked(Some("one")) } else { place.typed(Some("one")) };
        at_once(scope, &sender, ask);
        receiver.iter().take(SUBMITTERS).collect()
    });
    drop(place.gate.meet());
    let runs = place.runs();
    assert_eq!(runs.len(), 1);
    for told in told {
        assert!(matches!(told, Told::Accepted(run_id) if run_id == runs[0]), "{told:?}");
    }
}

/// Kills the service as soon as it has answered one of them.
fn killed(key: Option<&str>) -> (Place, Vec<Told>) {
    let place = Place::new();
    let pid = place.runtime.block_on(async { place.bus.control().await.service_status().await.unwrap().pid });
    let (sender, receiver) = channel();
    let told = std::thread::scope(|scope| {
        at_once(scope, &sender, |number| if number % 4 == 0 { place.typed(key) } else { place.asked(key) });
        let first = receiver.recv().unwrap();
        wait_until_gone(pid, Signal::KILL);
        std::iter::once(first).chain(receiver.iter().take(SUBMITTERS - 1)).collect()
    });
    (place, told)
}

#[test]
fn a_service_that_is_killed_among_them_leaves_one_run_and_who_asks_again_gets_it() {
    let (place, told) = killed(Some("one"));
    for told in &told {
        assert!(matches!(told, Told::Accepted(_) | Told::Refused(ErrorCode::BusUnavailable, _)), "{told:?}");
    }
    let mut known: BTreeSet<RunId> = place.runs().into_iter().collect();
    for told in told.into_iter().chain([place.asked(Some("one")), place.typed(Some("one"))]) {
        if let Told::Accepted(run_id) = told {
            known.insert(run_id);
        }
    }
    assert_eq!(known.len(), 1);
    assert_eq!(place.runs().len(), 1);
    drop(place.gate.meet());
}

#[test]
fn a_service_that_is_killed_among_them_accepts_no_second_run_without_a_key_either() {
    let (place, told) = killed(None);
    let runs = place.runs();
    let [run_id] = runs[..] else { panic!("one run: {runs:?}") };
    for told in told {
        match told {
            Told::Accepted(it) => assert_eq!(it, run_id),
            Told::Refused(ErrorCode::AlreadyActive, says) => {
                assert!(says.contains(&run_id.to_string()), "{says}")
            }
            Told::Refused(ErrorCode::BusUnavailable, _) => {}
            Told::Refused(code, says) => panic!("{code:?}: {says}"),
        }
    }
    let page =
        place.runtime.block_on(async { place.bus.control().await.list_runs(ListRuns::default()).await });
    assert_eq!(page.unwrap().runs.len(), 1);
    drop(place.gate.meet());
}
