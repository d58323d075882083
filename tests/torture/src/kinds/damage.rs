//! A store whose bytes changed while nobody looked: a flipped bit, a page of zeros, a file that was cut or is gone.
//!
//! LMDB has no checksums, so that some damage is met as a signal by whoever reads. That is an answer, because the product
//! lets a child look first. What may not be: a record that verifies and is another one, and a capsule that is begun anew.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use windlass_domain::digest::Digest;

use super::Kind;
use crate::oracles::{Broken, Oracle};
use crate::round::Round;
use crate::subject::{Chain, Death};

pub(crate) const KIND: Kind = Kind {
    name: "damage",
    about: "a file of a capsule at rest is damaged: it is noticed, or nothing is missing, and nothing is thrown away",
    share: 150,
    in_short_mix: true,
    inject,
};

/// How much is damaged at once where it is more than a bit, in bytes: a page of the store.
const PAGE_BYTES: usize = 4096;

fn inject(round: &mut Round) -> Result<(), Broken> {
    let mut chain = Chain::new(round)?;
    let death = match round.dice.bool() {
        true => Death::Never,
        false => Death::Sudden { answers: round.dice.u32(20..60), then_us: 0 },
    };
    chain.run_uncounted(round, &death)?;
    let capsule = chain.capsule().to_owned();
    let files = files_of(&capsule).map_err(unreadable)?;
    let victim = &files[victim(round, &files)];
    damage(round, victim).map_err(unreadable)?;
    round.count(true);
    let before = contents(&capsule).map_err(unreadable)?;
    match chain.examine(round) {
        // Nothing that counts was hit, or it was noticed.
        Ok(()) => {}
        Err(noticed) if matches!(noticed.oracle, Oracle::Kept | Oracle::Chain | Oracle::Blobs) => {}
        Err(unnoticed) => return Err(unnoticed),
    }
    let after = contents(&capsule).map_err(unreadable)?;
    round.ask(Oracle::Kept, || match before == after {
        true => Ok(()),
        false => Err(format!("looking at it after {} was damaged changed its files", victim.display())),
    })
}

/// The store itself in most cases, else any other file.
fn victim(round: &mut Round, files: &[PathBuf]) -> usize {
    let store = files.iter().position(|file| file.ends_with("data.mdb"));
    match store {
        Some(store) if round.dice.u8(..4) > 0 => store,
        _ => round.dice.usize(..files.len()),
    }
}

fn damage(round: &mut Round, path: &Path) -> std::io::Result<()> {
    let size = fs::metadata(path)?.len();
    if round.dice.u8(..8) == 0 || size == 0 {
        return fs::remove_file(path);
    }
    let file = File::options().read(true).write(true).open(path)?;
    match round.dice.u8(..3) {
        0 => {
            let offset = round.dice.u64(..size);
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset)?;
            file.write_all_at(&[byte[0] ^ 1 << round.dice.u8(..8)], offset)
        }
        1 => {
            let page = round.dice.u64(..size) / PAGE_BYTES as u64 * PAGE_BYTES as u64;
            let zeros = usize::try_from(size - page).unwrap_or(PAGE_BYTES).min(PAGE_BYTES);
            file.write_all_at(&vec![0; zeros], page)
        }
        _ => file.set_len(round.dice.u64(..size)),
    }
}

/// The files that hold something of the capsule, in order. LMDB's table of readers and the lock hold nothing.
fn files_of(capsule: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![capsule.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() != "lock" && entry.file_name() != "lock.mdb" {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn contents(capsule: &Path) -> std::io::Result<Vec<(PathBuf, Digest)>> {
    let files = files_of(capsule)?;
    files.into_iter().map(|file| Ok((file.clone(), Digest::of(&fs::read(file)?)))).collect()
}

fn unreadable(error: std::io::Error) -> Broken {
    Broken::harness(format!("the capsule cannot be damaged: {error}"))
}
