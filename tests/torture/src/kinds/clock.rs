//! A wall clock that jumps: nothing but what is shown to people may depend on it.

use super::Kind;
use crate::oracles::Broken;
use crate::round::Round;
use crate::subject::{Chain, Death};

pub(crate) const KIND: Kind = Kind {
    name: "clock",
    about: "the wall clock jumps by up to years, back and forth, before each transaction; and the writer is killed",
    share: 50,
    in_short_mix: true,
    inject,
};

/// Most deaths of one capsule.
const MOST_DEATHS: u32 = 4;

fn inject(round: &mut Round) -> Result<(), Broken> {
    let mut chain = Chain::new(round)?.with_jumping_clock();
    for _ in 0..round.dice.u32(1..=MOST_DEATHS) {
        let death = Death::Sudden { answers: round.dice.u32(..60), then_us: round.dice.u64(..3000) };
        chain.run(round, &death)?;
    }
    chain.finish(round)
}
