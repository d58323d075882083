//! The subject of faults at the service: a home with a private bus, the real service on it, a repository, and clients at several
//! doors that submit, cancel and resume while things die.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use windlass_contract::request::{CancelRun, ListRuns, ResumeRun};
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_dbus::{Bus, BusControl};
use windlass_domain::id::{ItemId, RunId};
use windlass_failpoint::{PLACES_VARIABLE, Place, TOKEN_VARIABLE};
use windlass_tests::{Home, Output, PrivateBus, Repository, binary, caller, prepare, processes_of, review};

use crate::history::{Answer, Asked, History};

/// How long any answer may take before it counts as lost. It only ends what would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long everything may take to come to its end after the last fault. It only ends what would hang.
const SETTLING: Duration = Duration::from_secs(240);

/// The items that clients ask about: few, so that they meet.
const ITEMS: [&str; 3] = ["T-0", "T-1", "T-2"];

/// How many operations each client asks for.
const OPERATIONS: u32 = 6;

/// A home with everything in it.
pub(crate) struct Town {
    pub(crate) home: Home,
    pub(crate) repository: Repository,
    pub(crate) history: History,
    bus: Mutex<Option<PrivateBus>>,
    runs: Mutex<Vec<RunId>>,
}

/// At which door a client stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DoorOf {
    /// The bus, from this process.
    Bus,
    /// The command line, which goes over the bus.
    CommandLine,
    /// The command line without a bus: it can only work while no service holds the capsule.
    Unserved,
}

impl Town {
    /// Everything is there, and nothing has died.
    pub(crate) async fn found() -> Arc<Self> {
        let home = Home::new();
        home.without_sandbox();
        let ledger = home.path().join("effects");
        let repository = Repository::with(&[
            ("README.md", "# It\n"),
            (".windlass/checks.toml", &checks(&ledger.display().to_string())),
        ]);
        let town = Self {
            bus: Mutex::new(None),
            runs: Mutex::new(Vec::new()),
            history: History::default(),
            home,
            repository,
        };
        town.write_program();
        town.new_bus();
        let control = town.connect().await.expect("a new bus can be reached");
        prepare(&control, &town.repository, &ITEMS).await;
        Arc::new(town)
    }

    /// The file to which every check adds a line with its hold.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.home.path().join("effects")
    }

    /// A program that becomes the service: armed with a place, once, where a file says so.
    fn write_program(&self) {
        let home = self.home.path().display();
        let text = format!(
            "#!/bin/sh\nif mv '{home}/next' '{home}/armed' 2>/dev/null; then\n\
             {PLACES_VARIABLE}=$(cat '{home}/armed')\n{TOKEN_VARIABLE}='{home}/token'\n\
             export {PLACES_VARIABLE} {TOKEN_VARIABLE}\nfi\nexec '{}' service run\n",
            binary().display()
        );
        std::fs::write(self.home.path().join("service"), text).expect("a file can be written in our own");
    }

    /// Arms the next service that is started.
    pub(crate) fn arm(&self, place: Place, pass: u32) {
        let file = |name: &str| self.home.path().join(name);
        std::fs::write(file("token"), "").expect("a file can be written in our own");
        std::fs::write(file("next.new"), format!("{}={pass}", place.name()))
            .and_then(|()| std::fs::rename(file("next.new"), file("next")))
            .expect("a file can be written in our own");
    }

    /// Takes back what was armed, and says whether something died of it.
    pub(crate) fn disarm(&self) -> bool {
        // It may be armed, or never have been started.
        let _ = std::fs::remove_file(self.home.path().join("next"));
        std::fs::remove_file(self.home.path().join("token")).is_err()
    }

    /// Ends the bus, if there is one, and starts another at the same place.
    pub(crate) fn new_bus(&self) {
        let mut bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = bus.take() {
            bus.end();
        }
        let program = self.home.path().join("service");
        *bus = Some(PrivateBus::start_as(&self.home, &format!("/bin/sh {}", program.display())));
    }

    /// Ends the bus for good; a service that is on it leaves.
    pub(crate) fn end_bus(&self) {
        if let Some(bus) = self.bus.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bus.end();
        }
    }

    async fn connect(&self) -> Result<BusControl, Fault> {
        let address = {
            let bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
            bus.as_ref().map(|bus| bus.address().to_owned()).unwrap_or_default()
        };
        let connecting = timeout(PATIENCE, BusControl::connect(&Bus::Address(address))).await;
        connecting.unwrap_or_else(|_| Err(Fault::new(ErrorCode::BusUnavailable, "the bus does not answer")))
    }

    /// The process of the service, which is started if there is none.
    pub(crate) async fn service(&self) -> Option<u32> {
        let control = self.connect().await.ok()?;
        let status = timeout(PATIENCE, control.service_status()).await.ok()?.ok()?;
        Some(status.pid)
    }

    /// Kills the service, and says whether it was there.
    pub(crate) async fn kill_service(&self) -> bool {
        self.signal_service(Signal::KILL).await
    }

    /// Asks the service to leave.
    pub(crate) async fn signal_service(&self, signal: Signal) -> bool {
        let pid = self.service().await.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        self.forget_crashes();
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Forgets the unclean ends of services, as `service start` does. Three of them within a minute pause every run, so that none of
    /// a round's faults would meet one any more; that promise has its own test, on a machine with systemd.
    fn forget_crashes(&self) {
        // There is none while no service has ended so.
        let _ = std::fs::remove_file(self.home.state().join("crashes.json"));
    }

    /// Kills one process of this home whose command line holds a word, and says whether there was one.
    pub(crate) fn kill_one(&self, dice: &mut fastrand::Rng, word: &str) -> bool {
        let mut found = processes_of(self.home.path());
        found.retain(|left| left.command().contains(word));
        !found.is_empty() && found[dice.usize(..found.len())].kill()
    }

    /// A client at a door: asks for one thing after the other, and notes what it is told.
    pub(crate) async fn client(self: Arc<Self>, door: DoorOf, seed: u64) {
        let mut dice = fastrand::Rng::with_seed(seed);
        for number in 0..OPERATIONS {
            let asked = self.choose(&mut dice, number);
            // A lost answer is asked for again, as a caller with a dedupe key does.
            for _ in 0..3 {
                let invoked = self.history.invoke();
                let answer = self.ask(door, &asked).await;
                self.history.answer(invoked, asked.clone(), answer.clone());
                if let Answer::Accepted { run_id, .. } = answer {
                    self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run_id);
                }
                if answer != Answer::Lost {
                    break;
                }
            }
        }
    }

    fn choose(&self, dice: &mut fastrand::Rng, number: u32) -> Asked {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = (!runs.is_empty()).then(|| runs[dice.usize(..runs.len())]);
        match (known, dice.u8(..8)) {
            (Some(run_id), 0 | 1) => Asked::Cancel { run_id },
            (Some(run_id), 2) => Asked::Resume { run_id },
            _ => {
                let item = ITEMS[dice.usize(..ITEMS.len())];
                let item_id = ItemId::new(item).expect("the items of a town have good names");
                // Now and then two clients ask for the same with the same key.
                let key = format!("{item}-{number}-{}", dice.u8(..2));
                Asked::Submit { item: item_id, key }
            }
        }
    }

    async fn ask(&self, door: DoorOf, asked: &Asked) -> Answer {
        let answering = async {
            match door {
                DoorOf::Bus => self.ask_bus(asked).await,
                DoorOf::CommandLine | DoorOf::Unserved => self.ask_command_line(door, asked).await,
            }
        };
        timeout(PATIENCE, answering).await.unwrap_or(Answer::Lost)
    }

    async fn ask_bus(&self, asked: &Asked) -> Answer {
        let control = match self.connect().await {
            Ok(control) => control,
            Err(_) => return Answer::Lost,
        };
        let accepted = match asked {
            Asked::Submit { item, key } => {
                let request = review(&self.repository, &json!({"id": item, "dedupe_key": key}));
                control.submit_run(caller(), request).await
            }
            Asked::Resume { run_id } => {
                let (run_id, hold) = (*run_id, false);
                let request = ResumeRun { run_id, hold, step: None, headless: true, dedupe_key: None };
                control.resume_run(caller(), request).await
            }
            Asked::Cancel { run_id } => {
                let cancelled = control.cancel_run(caller(), CancelRun { run_id: *run_id, reason: None });
                return cancelled.await.map_or_else(|fault| answer_of(fault.code()), |_| Answer::Cancelled);
            }
        };
        match accepted {
            Ok(accepted) => Answer::Accepted { run_id: accepted.run_id, new: accepted.new },
            Err(fault) => answer_of(fault.code()),
        }
    }

    async fn ask_command_line(&self, door: DoorOf, asked: &Asked) -> Answer {
        let words = match asked {
            Asked::Submit { item, key } => format!(
                "bot run --id {item} --kind review --goal look --accept so --dedupe-key {key} --headless --json"
            ),
            Asked::Resume { run_id } => format!("bot resume --run {run_id} --headless --json"),
            Asked::Cancel { run_id } => format!("bot cancel --run {run_id} --json"),
        };
        let mut command = match door {
            DoorOf::Bus | DoorOf::CommandLine => {
                let bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(bus) = bus.as_ref() else { return Answer::Lost };
                bus.windlass(&self.home, self.repository.path())
            }
            DoorOf::Unserved => self.home.windlass(self.repository.path()),
        };
        command.args(words.split_whitespace());
        let output = tokio::task::spawn_blocking(move || Output::of(&mut command)).await;
        output.map_or(Answer::Lost, |output| said(asked, &output))
    }

    /// Waits until every run has ended, and gives what hangs otherwise.
    pub(crate) async fn settle(&self) -> Result<(), String> {
        let until = Instant::now() + SETTLING;
        let mut why = String::from("nobody answers");
        while Instant::now() < until {
            match self.active().await {
                Ok(0) => return Ok(()),
                Ok(active) => why = format!("{active} runs have not ended"),
                Err(fault) => why = fault.to_string(),
            }
            // The service may be between two lives; asking starts it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(why)
    }

    async fn active(&self) -> Result<usize, Fault> {
        let control = self.connect().await?;
        let request: Value = json!({ "limit": 100, "statuses": ["queued", "running"] });
        let request: ListRuns = serde_json::from_value(request).expect("a list can be asked for");
        let listing = timeout(PATIENCE, control.list_runs(request)).await;
        let page =
            listing.unwrap_or_else(|_| Err(Fault::new(ErrorCode::BusUnavailable, "a list does not come")))?;
        Ok(page.runs.len())
    }
}

/// Refusals that the contract gives reasons for are answers; everything else leaves open what happened.
fn answer_of(code: ErrorCode) -> Answer {
    match code {
        ErrorCode::BusUnavailable | ErrorCode::Io => Answer::Lost,
        code => Answer::Refused(code),
    }
}

/// What a command printed, as an answer.
fn said(asked: &Asked, output: &Output) -> Answer {
    let Ok(document) = serde_json::from_str::<Value>(&output.stdout) else { return Answer::Lost };
    if output.code == 0 {
        return match asked {
            Asked::Cancel { .. } => Answer::Cancelled,
            Asked::Submit { .. } | Asked::Resume { .. } => {
                let run_id = document["run_id"].as_str().and_then(|text| text.parse().ok());
                // A command does not say whether its run is new.
                run_id.map_or(Answer::Lost, |run_id| Answer::Accepted { run_id, new: false })
            }
        };
    }
    let code = serde_json::from_value(document["errors"][0]["code"].clone());
    code.map_or(Answer::Lost, answer_of)
}

/// Two checks that each add their hold to the ledger; the second takes a moment, so that something can die in it.
fn checks(ledger: &str) -> String {
    let check = |name: &str, then: &str| {
        let line = format!("echo $WINDLASS_HOLD_ID >> {ledger}; {then}");
        format!("[[check]]\nname = \"{name}\"\nargv = [\"sh\", \"-c\", \"{line}\"]\n")
    };
    check("quick", "true") + &check("slow", "sleep 0.1")
}
