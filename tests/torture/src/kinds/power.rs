//! A machine whose power goes: what was not synced is lost, in part or whole.

use windlass_forgetful::{Disk, Mount, MountError, Survival};

use super::Kind;
use crate::oracles::Broken;
use crate::round::Round;
use crate::subject::{Chain, Death};

pub(crate) const KIND: Kind = Kind {
    name: "power",
    about: "the power goes at the n-th change of the writer's disk, and again after each start",
    share: 300,
    in_short_mix: true,
    inject,
};

/// Most cuts of one capsule: enough that one can build upon an earlier one.
const MOST_CUTS: u32 = 6;

/// What a subject changes in all, roughly; a cut that is drawn behind its end meets a closed capsule.
const ALL_CHANGES: u64 = 500;

/// What it changes until the capsule is there and its first writes are made.
const FIRST_CHANGES: u64 = 50;

fn inject(round: &mut Round) -> Result<(), Broken> {
    let folder = make_folder(round)?;
    let mut chain = Chain::on_disk(round, &folder);
    let mut mount = Mount::new(Disk::default(), &folder).map_err(unmounted)?;
    for _ in 0..round.dice.u32(1..=MOST_CUTS) {
        // A writer that is killed leaves what it did not sync to the next one, which must not take it for durable.
        if round.dice.u8(..4) == 0 {
            let death = Death::Sudden { answers: round.dice.u32(..40), then_us: round.dice.u64(..3000) };
            chain.run(round, &death)?;
        }
        let most = if round.dice.u8(..4) == 0 { FIRST_CHANGES } else { ALL_CHANGES };
        let nth = round.dice.u64(1..=most);
        chain.work_until_dark(round, &mount, nth)?;
        let disk = mount.cut_power(survival(round)).map_err(unmounted)?;
        round.count(true);
        mount = Mount::new(disk, &folder).map_err(unmounted)?;
        chain.examine(round)?;
    }
    chain.finish(round)?;
    mount.unmount().map(|_| ()).map_err(unmounted)
}

/// An empty folder for a disk.
pub(super) fn make_folder(round: &Round) -> Result<std::path::PathBuf, Broken> {
    let folder = round.folder().join("disk");
    std::fs::create_dir(&folder).map_err(|error| Broken::harness(error.to_string()))?;
    Ok(folder)
}

/// What a cut leaves, of every sort as often.
pub(super) fn survival(round: &mut Round) -> Survival {
    let seed = round.dice.u64(..);
    match round.dice.u8(..3) {
        0 => Survival::Nothing,
        1 => Survival::Ordered { seed },
        _ => Survival::Scattered { seed },
    }
}

pub(super) fn unmounted(error: MountError) -> Broken {
    Broken::harness(error.to_string())
}
