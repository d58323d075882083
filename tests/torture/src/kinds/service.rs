//! The service, its holders, their children and the bus die while clients at several doors ask for things.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::runtime::Builder;
use windlass_capsule::open_read_only;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::RunId;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::OnInterrupt;
use windlass_failpoint::Place;
use windlass_tests::processes_of;

use super::Kind;
use crate::history;
use crate::model::{Acknowledged, Effects};
use crate::oracles::{Broken, Oracle, all_events, check_capsule};
use crate::round::Round;
use crate::town::{DoorOf, Town};

pub(crate) const KILL: Kind = Kind {
    name: "service-kill",
    about: "the service is killed at a random moment, with clients at three doors",
    share: 8,
    in_short_mix: false,
    inject: |round| voyage(round, Fault::Kill),
};

pub(crate) const POINT: Kind = Kind {
    name: "service-point",
    about: "the service or a holder is killed at a named place: all places in turn",
    share: 12,
    in_short_mix: false,
    inject: |round| voyage(round, Fault::Point),
};

pub(crate) const CHILD: Kind = Kind {
    name: "child-kill",
    about: "a holder or the command that it holds is killed",
    share: 6,
    in_short_mix: false,
    inject: |round| voyage(round, Fault::Child),
};

pub(crate) const BUS: Kind = Kind {
    name: "bus-restart",
    about: "the bus is killed under the service and its clients, and another one is started",
    share: 4,
    in_short_mix: false,
    inject: |round| voyage(round, Fault::Bus),
};

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Point,
    Child,
    Bus,
}

/// The places that a service or its holders pass. Those of the capsule's writer are among them: here they die with everything
/// that hangs on them.
const PLACES: [Place; 27] = [
    Place::CapsuleMapped,
    Place::CapsuleSettled,
    Place::CapsuleUnmarked,
    Place::WriterGathered,
    Place::WriterDrafted,
    Place::WriterCommitted,
    Place::WriterAnswered,
    Place::BlobStored,
    Place::RunSubmitted,
    Place::AttemptStarted,
    Place::StepIntended,
    Place::StepEffected,
    Place::StepRecorded,
    Place::ProjectionWritten,
    Place::RunEnded,
    Place::CancelRequested,
    Place::WorktreeMade,
    Place::HoldPrepared,
    Place::HoldStarted,
    Place::HolderStarted,
    Place::HolderClaimed,
    Place::HolderSpawned,
    Place::HolderEnded,
    Place::HolderExited,
    Place::ServiceRecovered,
    Place::ServiceNamed,
    Place::ServiceReady,
];

/// How many faults one home sees.
const FAULTS: u32 = 8;

/// How often a start is asked for: the first may find the name of the one that was killed, the second dies where it is armed.
const STARTS: u32 = 4;

/// Longest pause between two faults, in milliseconds: about what a run takes.
const PAUSE_MS: u64 = 700;

fn voyage(round: &mut Round, fault: Fault) -> Result<(), Broken> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Broken::harness(format!("no runtime: {error}")))?;
    let town = runtime.block_on(async {
        let town = Town::found().await;
        let doors = [DoorOf::Bus, DoorOf::Bus, DoorOf::CommandLine, DoorOf::Unserved];
        let clients = doors.map(|door| tokio::spawn(Arc::clone(&town).client(door, round.dice.u64(..))));
        for number in 0..FAULTS {
            pause(round, PAUSE_MS).await;
            let happened = inject(round, &town, fault, number).await;
            round.count(happened);
        }
        for client in clients {
            client.await.map_err(|error| Broken::harness(format!("a client stopped: {error}")))?;
        }
        let settled = town.settle().await;
        round.ask(Oracle::GoesOn, || settled)?;
        // What a death left outside of the record is taken away by the next start.
        town.kill_service().await;
        town.service().await;
        town.signal_service(Signal::TERM).await;
        town.end_bus();
        Ok::<_, Broken>(town)
    })?;
    drop(runtime);
    check_record(round, &town)
}

/// Lets things go on for a random while: the moment of the next fault is what is drawn here; nothing is waited for.
async fn pause(round: &mut Round, most_ms: u64) {
    let pause = Duration::from_micros(round.dice.u64(..most_ms * 1000));
    tokio::time::sleep(pause).await;
}

async fn inject(round: &mut Round, town: &Town, fault: Fault, number: u32) -> bool {
    match fault {
        Fault::Kill => town.kill_service().await,
        Fault::Bus => {
            town.new_bus();
            true
        }
        Fault::Child => {
            let words = ["holder", "sh -c"];
            let word = words[round.dice.usize(..words.len())];
            // Children come and go: the first that is seen is the one.
            let until = Instant::now() + Duration::from_millis(PAUSE_MS);
            while Instant::now() < until {
                if town.kill_one(&mut round.dice, word) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            false
        }
        Fault::Point => {
            let place = PLACES[usize::try_from(
                (round.seed * u64::from(FAULTS) + u64::from(number)) % PLACES.len() as u64,
            )
            .expect("there are few places")];
            let most =
                if place.name().starts_with("writer.") || place.name().starts_with("step.") { 12 } else { 2 };
            town.arm(place, round.dice.u32(1..=most));
            // Whoever is there makes way for one that is armed.
            town.kill_service().await;
            for _ in 0..STARTS {
                if town.service().await.is_some() {
                    break;
                }
            }
            pause(round, PAUSE_MS).await;
            town.disarm()
        }
    }
}

/// No process works in the home, no folder of a run that has ended is left, and every worktree is one of a run in the record:
/// those of runs that can be continued stay, and so may one whose removal a crash cut short, until somebody cleans up.
fn nothing_is_left(round: &mut Round, town: &Town, events: &[Event]) -> Result<(), Broken> {
    round.ask(Oracle::Nothing, || {
        for left in processes_of(town.home.path()) {
            if !left.ends() {
                return Err(format!("`{}` is left behind", left.command()));
            }
        }
        for name in ["holds", "scratch"] {
            let left = entries(&town.home.state().join(name));
            if !left.is_empty() {
                return Err(format!("{name} holds {left:?}"));
            }
        }
        let worktrees = town.repository.git(&["worktree", "list", "--porcelain"]);
        let paths = worktrees.lines().filter_map(|line| line.strip_prefix("worktree "));
        let left = paths.filter(|path| Path::new(path) != town.repository.path());
        match left.map(Path::new).find(|path| !has_ended_run(path, events)) {
            Some(path) => Err(format!("{} is left, and no run in the record is its own", path.display())),
            None => Ok(()),
        }
    })
}

/// Whether the run that a worktree is named after is in the record, and has ended.
fn has_ended_run(worktree: &Path, events: &[Event]) -> bool {
    let named = worktree.parent().and_then(|run| run.file_name()?.to_str()?.parse::<RunId>().ok());
    events.iter().any(|event| match (&event.stream, &event.data) {
        (Stream::Run { run_id }, EventData::Run(RunEvent::Ended { .. })) => Some(*run_id) == named,
        _ => false,
    })
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

fn check_record(round: &mut Round, town: &Town) -> Result<(), Broken> {
    let capsule = town.home.state().join("capsule");
    check_capsule(round.asked(), &capsule, &Acknowledged::default(), &Effects::default())?;
    let reader = open_read_only(&capsule)
        .map_err(|error| Broken { oracle: Oracle::Kept, what: format!("it does not open: {error}") })?;
    let events = all_events(&reader)?;
    let operations = town.history.operations();
    round
        .ask(Oracle::Answers, || history::check(&operations, &events).map_err(|untrue| untrue.to_string()))?;
    nothing_is_left(round, town, &events)?;
    let ledger = std::fs::read_to_string(town.ledger()).unwrap_or_default();
    round.ask(Oracle::Effects, || held_effects(&events, &ledger))
}

/// Each line of the ledger is a child that a hold started: every hold was intended, and started one child at most.
fn held_effects(events: &[Event], ledger: &str) -> Result<(), String> {
    let mut intended: BTreeMap<String, u32> = BTreeMap::new();
    for event in events {
        if let EventData::Run(RunEvent::StepStarted(intent)) = &event.data
            && let OnInterrupt::Held { hold_id, .. } = intent.on_interrupt
        {
            intended.insert(hold_id.to_string(), 0);
        }
    }
    for hold in ledger.lines() {
        match intended.get_mut(hold) {
            None => return Err(format!("hold {hold} started a child that nobody intended")),
            Some(0) => {
                intended.insert(hold.to_owned(), 1);
            }
            Some(_) => return Err(format!("hold {hold} started a second child")),
        }
    }
    Ok(())
}
