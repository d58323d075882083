//! A disk whose calls fail: full, or broken.

use windlass_forgetful::{Call, Disk, Failure, Fault, Mount};

use super::Kind;
use super::power::{make_folder, survival, unmounted};
use crate::oracles::Broken;
use crate::round::Round;
use crate::subject::Chain;

pub(crate) const KIND: Kind = Kind {
    name: "disk",
    about: "the n-th call of one sort to the writer's disk fails with EIO or ENOSPC, once or from then on",
    share: 150,
    in_short_mix: true,
    inject,
};

/// Most faults of one capsule.
const MOST_FAULTS: u32 = 4;

fn inject(round: &mut Round) -> Result<(), Broken> {
    let folder = make_folder(round)?;
    let mut chain = Chain::on_disk(round, &folder);
    let mut mount = Mount::new(Disk::default(), &folder).map_err(unmounted)?;
    for _ in 0..round.dice.u32(1..=MOST_FAULTS) {
        let fault = fault(round);
        let before = mount.count(fault.call);
        mount.plan(&[fault]);
        chain.work_with_faults(round)?;
        let happened = mount.count(fault.call) - before >= fault.nth;
        mount.plan(&[]);
        round.count(happened);
        chain.examine(round)?;
        // What was acknowledged beside a failing call must be durable all the same.
        if round.dice.bool() {
            let disk = mount.cut_power(survival(round)).map_err(unmounted)?;
            mount = Mount::new(disk, &folder).map_err(unmounted)?;
            chain.examine(round)?;
        }
    }
    chain.finish(round)?;
    mount.unmount().map(|_| ()).map_err(unmounted)
}

fn fault(round: &mut Round) -> Fault {
    let call = Call::ALL[round.dice.usize(..Call::ALL.len())];
    // The most that a subject makes of each, roughly.
    let most = match call {
        Call::Write | Call::Sync => 150,
        Call::Open | Call::Create | Call::Rename | Call::SyncFolder => 20,
        Call::Resize | Call::Remove | Call::MakeFolder => 8,
    };
    let failure = match round.dice.u8(..3) {
        0 => Failure::Io,
        1 => Failure::Full,
        _ => Failure::Dropped,
    };
    Fault { call, nth: round.dice.u64(1..=most), failure, lasting: round.dice.u8(..4) == 0 }
}
