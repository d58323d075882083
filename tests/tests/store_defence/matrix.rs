//! Damage of many kinds at many places. Whatever it hits: no command and no service dies of it, nothing wrong is shown as sound, and
//! nothing is begun anew.
//!
//! `WINDLASS_DAMAGE_CASES=1000 cargo test -p windlass-tests --test store_defence matrix` tries more of them, and
//! `WINDLASS_DAMAGE_SEED` others.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::Value;
use windlass_tests::PrivateBus;

use crate::wreck::{State, Wreck, blobs, lasting};

/// How many cases are tried when nobody says.
const CASES: u64 = 24;

const PAGE_BYTES: u64 = 4096;

/// The commands that look at the record.
const LOOKS: [&[&str]; 7] = [
    &["bot", "status"],
    &["bot", "runs"],
    &["bot", "show", "latest"],
    &["item", "list"],
    &["item", "show", "T-1"],
    &["capsule", "events", "latest"],
    &["capsule", "stats"],
];

/// Numbers that look like chance and are the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Damages a capsule somehow, and says how.
fn damage(capsule: &Path, chance: &mut Chance) -> String {
    let data = fs::File::options().read(true).write(true).open(capsule.join("data.mdb")).unwrap();
    let bytes = data.metadata().unwrap().len();
    let page = chance.below(bytes / PAGE_BYTES);
    let (files, blob) = (blobs(capsule), chance.below(u64::MAX));
    let blob = &files[usize::try_from(blob % files.len() as u64).unwrap()];
    match chance.below(8) {
        0..3 => {
            let (place, bit) = (chance.below(bytes), chance.below(8));
            let mut byte = [0];
            data.read_exact_at(&mut byte, place).unwrap();
            data.write_all_at(&[byte[0] ^ (1 << bit)], place).unwrap();
            format!("bit {bit} of byte {place} is flipped")
        }
        3 => {
            data.write_all_at(&[0; PAGE_BYTES as usize], page * PAGE_BYTES).unwrap();
            format!("page {page} is zeros")
        }
        4 => {
            let noise: Vec<u8> = (0..PAGE_BYTES).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
            data.write_all_at(&noise, page * PAGE_BYTES).unwrap();
            format!("page {page} is noise")
        }
        5 => {
            let left = chance.below(bytes);
            data.set_len(left).unwrap();
            format!("it is cut to {left} bytes")
        }
        6 => {
            fs::remove_file(blob).unwrap();
            format!("blob {} is gone", blob.display())
        }
        _ => {
            let file = fs::File::options().write(true).open(blob).unwrap();
            file.set_len(chance.below(file.metadata().unwrap().len())).unwrap();
            format!("blob {} is cut", blob.display())
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What the commands show of a capsule that is sound.
fn shown(state: &State<'_>) -> Vec<Value> {
    LOOKS.map(|look| lasting(state.run(&[look, &["--json"]].concat()).ok().json())).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_damaged_nothing_dies_of_it_and_nothing_wrong_is_shown_as_sound() {
    let wreck = Wreck::new().await;
    // Always in the same place: paths below it are shown.
    let whole = wreck.state("place");
    let expected = shown(&whole);
    whole.remove();
    let bus = PrivateBus::start(&wreck.home);
    let (cases, mut found) = (number("WINDLASS_DAMAGE_CASES", CASES), 0);
    let mut chance = Chance(number("WINDLASS_DAMAGE_SEED", 7));
    for case in 0..cases {
        let state = wreck.state("place");
        let what = format!("case {case}: {}", damage(&state.folder.join("capsule"), &mut chance));
        let before = fs::read(state.capsule("data.mdb")).unwrap();
        let verified = verify(&state, &what);
        for (look, expected) in LOOKS.into_iter().zip(&expected) {
            look_at(&state, look, expected, verified.is_none(), &what);
        }
        assert_eq!(fs::read(state.capsule("data.mdb")).unwrap(), before, "{what}: looking changed it");
        serve(&state, &bus, verified.as_deref(), &what);
        found += u64::from(verified.is_some());
        state.remove();
    }
    assert!(found * 4 >= cases, "{found} of {cases} damages hit anything: the cases prove little");
}

/// What `capsule verify` finds; none where it finds nothing.
fn verify(state: &State<'_>, what: &str) -> Option<String> {
    let done = state.run(&["capsule", "verify", "--json"]);
    let document = done.json();
    match done.code {
        0 => {
            assert_eq!(document["sound"], true, "{what}: {document}");
            None
        }
        3 => {
            let error = &document["errors"][0];
            assert_eq!(error["code"], "capsule_damaged", "{what}: {document}");
            Some(error["message"].as_str().unwrap().to_owned())
        }
        code => panic!("{what}: capsule verify ended with {code}: {done:?}"),
    }
}

/// What a command shows is right, or labelled, or refused.
fn look_at(state: &State<'_>, look: &[&str], expected: &Value, sound: bool, what: &str) {
    let done = state.run(&[look, &["--json"]].concat());
    let document = done.json();
    match done.code {
        0 => {
            let labelled = document["unserved"]["damage"].is_string();
            assert!(!sound || !labelled, "{what}: {look:?} names damage that nobody finds: {document}");
            let right = lasting(document.clone()) == *expected;
            assert!(right || labelled, "{what}: {look:?} shows something else as sound: {document}");
        }
        3 => {
            assert!(!sound, "{what}: {look:?} is refused: {document}");
            assert_eq!(done.error_codes(), ["capsule_damaged"], "{what}: {look:?}");
        }
        code => panic!("{what}: {look:?} ended with {code}: {done:?}"),
    }
}

/// The service finds the damage before it opens the store or while it runs, and ends with 78; without damage it is ready.
fn serve(state: &State<'_>, bus: &PrivateBus, damage: Option<&str>, what: &str) {
    let mut service = state.service(bus);
    let verified = service.wait_for(&["the whole record was verified", "error: "]);
    match (damage, verified) {
        (None, Some(0)) => assert_eq!(service.leave(), Some(0), "{what}"),
        (Some(_), Some(1) | None) => {
            let (code, log) = service.ended();
            assert_eq!(code, Some(78), "{what}: {log}");
        }
        (damage, verified) => {
            panic!("{what}: verify says {damage:?}, the service {verified:?}, and then {:?}", service.leave())
        }
    }
}
