//! Random histories of commands to a run, and what holds of each.
//!
//! A history is drawn as wishes, which become commands when their turn comes: most name the newest attempt and the next
//! occurrence, so that most are obeyed, and the rest are as wrong as callers can be.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{ApprovalAnswer, RunEvent};
use windlass_domain::run::step::{OnInterrupt, StepIntent, StepKey, StepName};
use windlass_domain::run::{
    AttentionReason, BlockedReason, Outcome, Phase, Progress, Refusal, Run, RunState, apply, decide,
};

use crate::arbitrary;
use crate::support::*;

/// Which number a command carries.
#[derive(Debug, Clone, Copy)]
enum Number {
    /// The one that fits.
    Fitting,
    /// Any.
    Any(u32),
}

impl Number {
    fn or(self, fitting: u32) -> u32 {
        match self {
            Self::Fitting => fitting,
            Self::Any(number) => number,
        }
    }
}

/// A command before its numbers are known.
#[derive(Debug, Clone)]
enum Wish {
    Start(Number),
    Cancel,
    Answer(u8),
    Lapse(u8),
    Act { epoch: Number, occurrence: Number, act: WishedAct },
}

/// An act before its occurrence is known.
#[derive(Debug, Clone)]
enum WishedAct {
    Begin { name: &'static str, input: &'static str, on_interrupt: OnInterrupt },
    Finish(&'static str),
    FinishAnyOpen,
    Checkpoint(&'static str),
    Decide(&'static str),
    Block(&'static str),
    LoseTail(&'static str),
    Enter(Phase),
    Ask(u8),
    Store { path: &'static str, content: &'static str, io: bool },
    End(Outcome),
}

/// Some notes have a step's name: then only one of both may be recorded under an occurrence.
const STEPS: [&str; 6] = ["a", "b", "x/a", "x/b", "y/a", "x/y/a"];
const NOTES: [&str; 4] = ["note", "x/note", "a", "x/a"];

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![12 => Just(Number::Fitting), 1 => (0_u32..5).prop_map(Number::Any)]
}

fn wished_act() -> impl Strategy<Value = WishedAct> {
    use WishedAct as A;
    let kinds = [OnInterrupt::Redo, OnInterrupt::Redo, OnInterrupt::Ask, held(1), held(2)];
    let begin = (select(&STEPS), select(&["1", "1", "1", "2"]), select(kinds.to_vec()));
    let phases = [Phase::Prepare, Phase::Execute, Phase::Finalize, Phase::Publish];
    let outcomes = vec![
        Outcome::Succeeded,
        Outcome::Cancelled,
        failed(),
        Outcome::Blocked { reason: BlockedReason::PolicyDenied },
        Outcome::NeedsAttention { reason: AttentionReason::RebaseConflict },
    ];
    let store = (select(&["p/one", "two"]), select(&["1", "2"]), prop::bool::weighted(0.2));
    prop_oneof![
        10 => begin.prop_map(|(name, input, on_interrupt)| A::Begin { name, input, on_interrupt }).boxed(),
        8 => Just(A::FinishAnyOpen).boxed(),
        2 => select(&STEPS).prop_map(A::Finish).boxed(),
        2 => select(&NOTES).prop_map(A::Checkpoint).boxed(),
        2 => select(&NOTES).prop_map(A::Decide).boxed(),
        1 => select(&NOTES).prop_map(A::Block).boxed(),
        1 => select(&STEPS).prop_map(A::LoseTail).boxed(),
        2 => select(phases.to_vec()).prop_map(A::Enter).boxed(),
        2 => (1_u8..3).prop_map(A::Ask).boxed(),
        3 => store.prop_map(|(path, content, io)| A::Store { path, content, io }).boxed(),
        1 => select(outcomes).prop_map(A::End).boxed(),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let act = (number(), number(), wished_act());
    prop_oneof![
        4 => number().prop_map(Wish::Start),
        1 => Just(Wish::Cancel),
        2 => (1_u8..3).prop_map(Wish::Answer),
        1 => (1_u8..3).prop_map(Wish::Lapse),
        24 => act.prop_map(|(epoch, occurrence, act)| Wish::Act { epoch, occurrence, act }),
    ]
}

/// A history, long enough to end a run and go on knocking.
fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    vec(wish(), 1..80)
}

fn recorded(run: &Run, name: &StepName) -> u32 {
    match &run.state {
        RunState::Running(progress) => progress.recorded.get(name).copied().unwrap_or(0),
        RunState::Queued { .. } | RunState::Ended(_) => 0,
    }
}

fn command(run: &Run, wish: Wish) -> RunCommand {
    let newest = u32::try_from(run.epoch.0).expect("a history has few attempts");
    match wish {
        Wish::Start(epoch) => start(epoch.or(newest + 1).into()),
        Wish::Cancel => cancel(),
        Wish::Answer(number) => answer(number),
        Wish::Lapse(number) => answer_at(number, ApprovalAnswer::Expired, 99),
        Wish::Act { epoch, occurrence, act } => by(epoch.or(newest).into(), wished(run, occurrence, act)),
    }
}

fn wished(run: &Run, occurrence: Number, act: WishedAct) -> Act {
    use WishedAct as A;
    let key = |name: &str| {
        let StepKey { name, .. } = key(&format!("{name}#0"));
        StepKey { occurrence: occurrence.or(recorded(run, &name)), name }
    };
    let text = |name: &str| key(name).to_string();
    match act {
        A::Begin { name, input, on_interrupt } => Act::BeginStep(StepIntent {
            key: key(name),
            input_digest: Digest::of(input.as_bytes()),
            on_interrupt,
        }),
        A::Finish(name) => finish(&text(name)),
        A::FinishAnyOpen => finish(&any_open(run).map_or_else(|| text("a"), |open| open.to_string())),
        A::Checkpoint(name) => checkpoint(&text(name)),
        A::Decide(name) => decision(&text(name)),
        A::Block(name) => block(&text(name)),
        A::LoseTail(name) => lose_tail(&text(name)),
        A::Enter(phase) => Act::EnterPhase(phase),
        A::Ask(number) => ask(number),
        A::Store { path, io: true, .. } => store_io(path),
        A::Store { path, content, io: false } => store(path, content),
        A::End(outcome) => end(outcome),
    }
}

fn any_open(run: &Run) -> Option<&StepKey> {
    progress(run).and_then(|progress| progress.open.keys().next())
}

fn progress(run: &Run) -> Option<&Progress> {
    match &run.state {
        RunState::Running(progress) => Some(progress),
        RunState::Queued { .. } | RunState::Ended(_) => None,
    }
}

/// One command of a history.
struct Turn {
    before: Run,
    command: RunCommand,
    came: Result<Vec<RunEvent>, Refusal>,
    /// The events of the whole history before this turn.
    past: Vec<RunEvent>,
}

/// A history that was played.
struct Played {
    turns: Vec<Turn>,
    events: Vec<RunEvent>,
    last: Run,
}

impl Played {
    /// Each turn with the run after it.
    fn with_afters(&self) -> impl Iterator<Item = (&Turn, &Run)> {
        let afters = self.turns.iter().skip(1).map(|turn| &turn.before).chain([&self.last]);
        self.turns.iter().zip(afters)
    }
}

/// Whether a replay may say this again without repeating anything.
fn is_said_once(command: &RunCommand) -> bool {
    match command {
        RunCommand::RequestCancel(_) => true,
        RunCommand::StartAttempt { .. } | RunCommand::AnswerApproval { .. } => false,
        RunCommand::Act { act, .. } => match act {
            Act::EnterPhase(_) | Act::Checkpoint(_) | Act::RecordDecision(_) | Act::BlockCapture { .. } => {
                true
            }
            Act::StoreArtifact(artifact) => CaptureMode::PromptsOnly.keeps(artifact.class),
            Act::BeginStep(_)
            | Act::FinishStep { .. }
            | Act::AskApproval { .. }
            | Act::LoseTail { .. }
            | Act::End { .. } => false,
        },
    }
}

/// Plays a history as the writer does: the run is stored and read back after each command.
fn play(wishes: Vec<Wish>) -> Played {
    let mut run = queued_run(CaptureMode::PromptsOnly);
    let mut events = vec![submitted(CaptureMode::PromptsOnly), RunEvent::Queued {}];
    let mut turns = Vec::new();
    for wish in wishes {
        let command = command(&run, wish);
        let before = run.clone();
        let came = decide(&run, command.clone());
        let caused = came.clone().unwrap_or_default();
        for event in &caused {
            run = apply(Some(run), RUN, event, at(0)).unwrap_or_else(|corrupt| {
                panic!("after {events:?}\n{command:?} caused {event:?}: {corrupt}")
            });
        }
        turns.push(Turn { before, command, came, past: events.clone() });
        events.extend(caused);
        run = stored(&run);
    }
    Played { turns, events, last: run }
}

fn stored<T: bincode::Encode + bincode::Decode<()>>(value: &T) -> T {
    let codec = bincode::config::standard();
    let bytes = bincode::encode_to_vec(value, codec).unwrap();
    bincode::decode_from_slice(&bytes, codec).unwrap().0
}

fn cancels(events: &[RunEvent]) -> usize {
    events.iter().filter(|event| matches!(event, RunEvent::CancelRequested(_))).count()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn replaying_the_events_gives_the_live_run(wishes in wishes()) {
        let played = play(wishes);
        let mut replayed = None;
        for event in &played.events {
            replayed = Some(apply(replayed, RUN, &stored(event), at(0)).unwrap());
        }
        prop_assert_eq!(replayed, Some(played.last));
    }

    /// [`play`] panics when an event cannot follow.
    #[test]
    fn a_command_is_refused_and_changes_nothing_or_its_events_follow(wishes in wishes()) {
        let played = play(wishes);
        for (turn, after) in played.with_afters() {
            if turn.came.is_err() {
                prop_assert_eq!(&turn.before, after, "{:?}", turn.command);
            }
        }
    }

    #[test]
    fn what_was_noted_stored_entered_or_cancelled_is_no_news_when_it_is_said_again(wishes in wishes()) {
        let played = play(wishes);
        for (turn, after) in played.with_afters() {
            if turn.came.is_ok() && is_said_once(&turn.command) {
                prop_assert_eq!(decide(after, turn.command.clone()), Ok(Vec::new()), "{:?}", turn.command);
            }
        }
    }

    #[test]
    fn no_command_and_no_event_leads_out_of_an_ended_run(wishes in wishes(), event in arbitrary::run_event()) {
        let played = play(wishes);
        for turn in &played.turns {
            if let RunState::Ended(ended) = &turn.before.state {
                let refused = Refusal::RunEnded { run_id: RUN, status: ended.outcome.status() };
                prop_assert_eq!(&turn.came, &Err(refused));
            }
        }
        if matches!(played.last.state, RunState::Ended(_)) {
            prop_assert!(apply(Some(played.last), RUN, &event, at(0)).is_err(), "{event:?}");
        }
    }

    #[test]
    fn an_epoch_rises_by_one_with_each_attempt_and_never_falls(wishes in wishes()) {
        let played = play(wishes);
        let attempts = played.events.iter().filter_map(|event| match event {
            RunEvent::AttemptStarted { epoch, .. } => Some(epoch.0),
            _ => None,
        });
        let attempts: Vec<u64> = attempts.collect();
        prop_assert_eq!(&attempts, &Vec::from_iter(1..=played.last.epoch.0));
        let epochs: Vec<_> = played.turns.iter().map(|turn| turn.before.epoch).collect();
        prop_assert!(epochs.is_sorted(), "{epochs:?}");
    }

    #[test]
    fn only_the_newest_attempt_acts(wishes in wishes()) {
        for turn in play(wishes).turns {
            if let (RunCommand::Act { epoch, .. }, Ok(_)) = (&turn.command, &turn.came) {
                prop_assert_eq!(*epoch, turn.before.epoch);
            }
        }
    }

    #[test]
    fn at_most_one_step_of_a_branch_is_open(wishes in wishes()) {
        for turn in play(wishes).turns {
            let open: Vec<_> = progress(&turn.before).into_iter().flat_map(|progress| progress.open.keys()).collect();
            let mut branches: Vec<_> = open.iter().map(|key| key.name.branch()).collect();
            branches.sort();
            branches.dedup();
            prop_assert_eq!(branches.len(), open.len(), "{:?}", open);
        }
    }

    #[test]
    fn a_step_in_doubt_is_never_begun_again(wishes in wishes()) {
        let mut in_doubt = std::collections::BTreeSet::new();
        for event in play(wishes).events {
            if let RunEvent::StepStarted(intent) = event {
                prop_assert!(!in_doubt.contains(&intent.key), "{} was begun again", intent.key);
                if intent.on_interrupt == OnInterrupt::Ask {
                    in_doubt.insert(intent.key);
                }
            }
        }
    }

    #[test]
    fn a_step_is_finished_at_most_once_and_after_its_intent(wishes in wishes()) {
        let (mut begun, mut done) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for event in play(wishes).events {
            match event {
                RunEvent::StepStarted(intent) => {
                    prop_assert!(!done.contains(&intent.key), "{} was begun after its result", intent.key);
                    begun.insert(intent.key);
                }
                RunEvent::StepFinished { key, .. } => {
                    prop_assert!(begun.contains(&key), "{key} has a result without an intent");
                    prop_assert!(done.insert(key.clone()), "{key} has two results");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn an_ended_run_is_cancelled_exactly_when_a_cancel_was_committed(wishes in wishes()) {
        let played = play(wishes);
        prop_assert!(cancels(&played.events) <= 1);
        if let RunState::Ended(ended) = &played.last.state {
            prop_assert_eq!(ended.outcome == Outcome::Cancelled, cancels(&played.events) == 1);
        }
    }

    #[test]
    fn after_a_cancel_only_finalization_begins_new_steps(wishes in wishes()) {
        for turn in play(wishes).turns {
            let Ok(caused) = &turn.came else { continue };
            let Some(progress) = progress(&turn.before) else { continue };
            for event in caused {
                if let RunEvent::StepStarted(intent) = event {
                    let again = progress.open.contains_key(&intent.key);
                    prop_assert!(cancels(&turn.past) == 0 || again || progress.phase.finalizes(), "{intent:?}");
                }
            }
        }
    }
}

/// Whether the drawn histories reach what the properties speak of: without this, all of them could hold of nothing.
#[test]
fn the_drawn_histories_reach_every_refusal_and_every_event() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut events, mut refusals) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for _ in 0..256 {
        let played = play(wishes().new_tree(&mut runner).unwrap().current());
        events.extend(played.events.iter().map(RunEvent::type_name));
        refusals.extend(
            played.turns.iter().filter_map(|turn| turn.came.as_ref().err()).map(crate::runs::name_of),
        );
    }
    assert_eq!((events.len(), refusals.len()), (17, 15), "{events:?} {refusals:?}");
}
