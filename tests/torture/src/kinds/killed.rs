//! A writer that is killed at any moment.

use super::Kind;
use crate::oracles::Broken;
use crate::round::Round;
use crate::subject::{Chain, Death};

pub(crate) const KIND: Kind = Kind {
    name: "kill",
    about: "the writer's process is killed at a random moment, and again after each start",
    share: 300,
    in_short_mix: true,
    inject,
};

/// Most deaths of one capsule: enough that a fault can build upon an earlier one.
const MOST_DEATHS: u32 = 8;

fn inject(round: &mut Round) -> Result<(), Broken> {
    let deaths = round.dice.u32(1..=MOST_DEATHS);
    let mut chain = Chain::new(round)?;
    for _ in 0..deaths {
        let (answers, then_us) = (round.dice.u32(0..60), round.dice.u64(0..3000));
        chain.run(round, &Death::Sudden { answers, then_us })?;
    }
    chain.finish(round)
}
