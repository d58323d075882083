//! The kinds of faults, one file each.

mod clock;
mod damage;
mod disk;
mod killed;
mod points;
mod power;
mod service;

use crate::oracles::Broken;
use crate::round::Round;

/// A kind of fault.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What happens, in a few words.
    pub(crate) about: &'static str,
    /// How many of a thousand rounds are of this kind, beside the others' shares.
    pub(crate) share: u32,
    /// Whether every change waits for some of them.
    pub(crate) in_short_mix: bool,
    /// Injects the faults of one round and asks the oracles after each.
    pub(crate) inject: fn(&mut Round) -> Result<(), Broken>,
}

/// All kinds, in the order of the report.
pub(crate) const KINDS: &[Kind] = &[
    points::KIND,
    points::PAIRS,
    killed::KIND,
    power::KIND,
    disk::KIND,
    damage::KIND,
    clock::KIND,
    service::KILL,
    service::POINT,
    service::CHILD,
    service::BUS,
];

/// The kind of this name.
pub(crate) fn named(name: &str) -> Result<&'static Kind, String> {
    let found = KINDS.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        format!("the kinds are {}", names.join(", "))
    })
}
