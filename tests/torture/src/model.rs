//! What was acknowledged before a fault, and which effects were had: what the record is compared with after it.

use std::collections::BTreeMap;
use std::path::Path;

use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, Epoch, RunId};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::{OnInterrupt, StepKey};

/// Events that somebody was told are on disk. A hash covers the event and all before it in its stream, so place and hash say
/// everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledged {
    events: BTreeMap<Cursor, Digest>,
}

impl Acknowledged {
    /// What was told of the events of one write, as [`crate::subject`] writes it: `cursor:hash`, divided by spaces.
    pub(crate) fn hear(&mut self, told: &str) -> Result<(), String> {
        for word in told.split_whitespace() {
            let parsed = word
                .split_once(':')
                .and_then(|(cursor, hash)| Some((Cursor(cursor.parse().ok()?), hash.parse().ok()?)));
            let (cursor, hash) = parsed.ok_or_else(|| format!("the subject said `{word}`"))?;
            self.events.insert(cursor, hash);
        }
        Ok(())
    }

    /// One line about the events of one write.
    pub(crate) fn line(events: &[Event]) -> String {
        let words = events.iter().map(|event| format!("{}:{}", event.cursor.0, event.hash));
        words.collect::<Vec<_>>().join(" ")
    }

    /// All of it, as one line that [`Acknowledged::hear`] understands.
    pub(crate) fn text(&self) -> String {
        let words = self.events.iter().map(|(cursor, hash)| format!("{}:{hash}", cursor.0));
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether each stands in the record, which is given from its first event on.
    pub(crate) fn is_in(&self, record: &[Event]) -> Result<(), String> {
        for (cursor, hash) in &self.events {
            let found = usize::try_from(cursor.0 - 1).ok().and_then(|place| record.get(place));
            match found {
                Some(event) if event.hash == *hash => {}
                Some(event) => {
                    return Err(format!(
                        "event {} was acknowledged as {hash} and is {}",
                        cursor.0, event.hash
                    ));
                }
                None => {
                    let last = record.len();
                    return Err(format!("event {} was acknowledged and the record ends at {last}", cursor.0));
                }
            }
        }
        Ok(())
    }
}

/// Effects outside of the record, as a ledger that every effect adds one line to at the moment it happens.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    had: Vec<Effect>,
}

#[derive(Debug, Clone)]
struct Effect {
    run_id: RunId,
    epoch: Epoch,
    key: String,
}

/// What the record says of one step.
#[derive(Default)]
struct Recorded {
    intents: BTreeMap<Epoch, usize>,
    finished: Option<Epoch>,
    asks: bool,
}

impl Effects {
    /// Reads a ledger; none is an empty one. A last line that a crash cut short tells of no effect.
    pub(crate) fn read(ledger: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{}: {error}", ledger.display())),
        };
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let had: Option<Vec<Effect>> = whole.map(Effect::parse).collect();
        had.map(|had| Self { had }).ok_or_else(|| format!("{} cannot be read", ledger.display()))
    }

    /// One line of the ledger.
    pub(crate) fn line(run_id: RunId, epoch: Epoch, key: &StepKey) -> String {
        format!("{run_id} {} {key}\n", epoch.0)
    }

    /// Whether each effect was intended before by its attempt, as often as it was had, and none came after its step's result
    /// or was repeated that must not be.
    pub(crate) fn fit(&self, record: &[Event]) -> Result<(), String> {
        let recorded = recorded_steps(record);
        let mut had: BTreeMap<(RunId, &str), BTreeMap<Epoch, usize>> = BTreeMap::new();
        for Effect { run_id, epoch, key } in &self.had {
            *had.entry((*run_id, key)).or_default().entry(*epoch).or_default() += 1;
        }
        for ((run_id, key), attempts) in had {
            let none = Recorded::default();
            let step = recorded.get(&(run_id, key.to_owned())).unwrap_or(&none);
            for (epoch, times) in &attempts {
                let intended = step.intents.get(epoch).copied().unwrap_or(0);
                if *times > intended {
                    let text = "had its effect";
                    return Err(format!(
                        "step {key} of {run_id} {text} {times} times in attempt {epoch} and was intended {intended} times"
                    ));
                }
                if step.finished.is_some_and(|finished| *epoch > finished) {
                    return Err(format!("step {key} of {run_id} was done again in attempt {epoch}"));
                }
            }
            if step.asks && attempts.values().sum::<usize>() > 1 {
                return Err(format!("step {key} of {run_id} must not be repeated and was"));
            }
        }
        Ok(())
    }
}

impl Effect {
    fn parse(line: &str) -> Option<Self> {
        let (run_id, rest) = line.split_once(' ')?;
        let (epoch, key) = rest.split_once(' ')?;
        Some(Self { run_id: run_id.parse().ok()?, epoch: Epoch(epoch.parse().ok()?), key: key.to_owned() })
    }
}

fn recorded_steps(record: &[Event]) -> BTreeMap<(RunId, String), Recorded> {
    let mut steps: BTreeMap<(RunId, String), Recorded> = BTreeMap::new();
    for event in record {
        let (Stream::Run { run_id }, EventData::Run(data)) = (&event.stream, &event.data) else { continue };
        let epoch = event.attempt.unwrap_or_default();
        match data {
            RunEvent::StepStarted(intent) => {
                let step = steps.entry((*run_id, intent.key.to_string())).or_default();
                *step.intents.entry(epoch).or_default() += 1;
                step.asks |= intent.on_interrupt == OnInterrupt::Ask;
            }
            RunEvent::StepFinished { key, .. } => {
                steps.entry((*run_id, key.to_string())).or_default().finished = Some(epoch);
            }
            _ => {}
        }
    }
    steps
}
