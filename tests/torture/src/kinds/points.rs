//! A writer that dies at named places, at one or at one after the other.

use windlass_failpoint::Place;

use super::Kind;
use crate::oracles::Broken;
use crate::round::Round;
use crate::subject::{Chain, Death};

pub(crate) const KIND: Kind = Kind {
    name: "point",
    about: "the writer's process is killed at a named place, at its n-th pass",
    share: 100,
    in_short_mix: true,
    inject: one,
};

pub(crate) const PAIRS: Kind = Kind {
    name: "pair",
    about: "it is killed at a second named place while it comes up again from the first: all pairs in turn",
    share: 200,
    in_short_mix: true,
    inject: pair,
};

/// The places that whoever writes a capsule passes.
const PLACES: [Place; 14] = [
    Place::CapsuleMade,
    Place::CapsuleMapped,
    Place::CapsuleHeaded,
    Place::CapsuleSettled,
    Place::CapsuleUnmarked,
    Place::WriterGathered,
    Place::WriterDrafted,
    Place::WriterCommitted,
    Place::WriterAnswered,
    Place::WriterClosing,
    Place::WriterClosed,
    Place::FileWritten,
    Place::FileRenamed,
    Place::BlobStored,
];

fn one(round: &mut Round) -> Result<(), Broken> {
    let place = PLACES[index(round.seed, 1)];
    let death = at(round, place);
    let mut chain = Chain::new(round)?;
    chain.run(round, &death)?;
    chain.finish(round)
}

fn pair(round: &mut Round) -> Result<(), Broken> {
    let (first, second) = (PLACES[index(round.seed, PLACES.len() as u64)], PLACES[index(round.seed, 1)]);
    let (first, second) = (at(round, first), at(round, second));
    let mut chain = Chain::new(round)?;
    chain.run(round, &first)?;
    chain.run(round, &second)?;
    chain.finish(round)
}

/// Consecutive seeds go through all places, and through all pairs.
fn index(seed: u64, divisor: u64) -> usize {
    usize::try_from(seed / divisor % PLACES.len() as u64).expect("there are few places")
}

/// How often a place is passed before the end comes: some are passed once a process, others by every write.
fn at(round: &mut Round, place: Place) -> Death {
    let most = match place {
        Place::CapsuleMade
        | Place::CapsuleMapped
        | Place::CapsuleHeaded
        | Place::CapsuleSettled
        | Place::CapsuleUnmarked
        | Place::WriterClosing
        | Place::WriterClosed => 1,
        Place::BlobStored => 4,
        Place::FileWritten | Place::FileRenamed => 6,
        _ => 40,
    };
    Death::At { place, pass: round.dice.u32(1..=most) }
}
