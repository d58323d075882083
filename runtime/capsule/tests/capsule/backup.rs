//! Backup beside a writer, and the way back.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::*;
use windlass_capsule::{
    BackupError, LastStop, Op, RestoreError, VerifyOptions, back_up, last_stop, open_read_only, restore,
    verify, wait_until_closed,
};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::CaptureMode;
use windlass_domain::run::command::Act;
use windlass_domain::run::{Outcome, RunStatus};

fn store_large(ship: &Ship, number: u16, path: &str) {
    let bytes = format!("{path}{}", "x".repeat(20_000)).into_bytes();
    let blob = ship.writer.stage(OUTPUT, CaptureMode::PromptsOnly, bytes).unwrap();
    let (path, media_type) = (ArtifactPath::new(path).unwrap(), "text/plain".to_owned());
    let artifact = Artifact { path, digest: blob.digest(), bytes: blob.bytes(), media_type, class: OUTPUT };
    let commands = vec![of(1, Act::StoreArtifact(artifact))];
    ship.write(Op::Run { run_id: run_id(number), commands, blobs: vec![blob] });
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_backup_beside_a_busy_writer_is_sound_and_its_runs_go_on_elsewhere() {
    let (ship, run) = Ship::with_run();
    store_large(&ship, 1, "before.txt");
    let before = ship.reader.head().unwrap();
    let places = tempfile::tempdir().unwrap();
    let (saved, target) = (places.path().join("saved"), places.path().join("deep/state/capsule"));
    let enough = AtomicBool::new(false);
    let backup = std::thread::scope(|scope| {
        let (started, begun) = std::sync::mpsc::channel();
        let (ship, enough) = (&ship, &enough);
        scope.spawn(move || {
            let mut number = 0;
            while !enough.load(Ordering::Relaxed) {
                store_large(ship, 1, &format!("during-{number}.txt"));
                number += 1;
                let _ = started.send(());
            }
        });
        begun.recv().unwrap();
        let backup = back_up(&ship.reader, &saved);
        enough.store(true, Ordering::Relaxed);
        backup.unwrap()
    });
    assert!(backup.head.cursor > before.cursor, "it was taken in the middle of writes");
    assert!(backup.head.cursor <= ship.reader.head().unwrap().cursor);
    assert_eq!(last_stop(&saved).unwrap(), LastStop::Clean(backup.head));
    let restored = restore(&saved, &target).unwrap();
    assert_eq!((restored.head, restored.blob_files), (backup.head, backup.blob_files));
    ship.writer.close().unwrap();
    let (writer, reader) = open(&target).unwrap();
    let other = Ship { folder: places, writer, reader };
    other.is_sound();
    assert_eq!(other.reader.head().unwrap(), backup.head);
    other.write(act(run, vec![checkpoint(0), end(1, Outcome::Succeeded)]));
    assert_eq!(other.reader.run(run).unwrap().unwrap().status(), RunStatus::Succeeded);
    other.is_sound();
}

#[test]
fn a_backup_reads_like_any_capsule_and_holds_only_what_the_record_names() {
    let (ship, _) = Ship::with_run();
    store_large(&ship, 1, "named.txt");
    let unnamed = ship.writer.stage(OUTPUT, CaptureMode::PromptsOnly, vec![b'u'; 20_000]).unwrap();
    let places = tempfile::tempdir().unwrap();
    let saved = places.path().join("saved");
    assert_eq!(back_up(&ship.reader, &saved).unwrap().blob_files, 1);
    let reader = open_read_only(&saved).unwrap();
    assert!(verify(&reader, VerifyOptions::default()).unwrap().is_sound());
    assert!(reader.blob(unnamed.digest()).is_err());
    drop(reader);
    assert!(wait_until_closed(&saved, Duration::from_secs(5)));
}

#[test]
fn nothing_is_replaced() {
    let (ship, _) = Ship::with_run();
    let places = tempfile::tempdir().unwrap();
    let saved = places.path().join("saved");
    back_up(&ship.reader, &saved).unwrap();
    assert!(matches!(back_up(&ship.reader, &saved), Err(BackupError::Exists { .. })));
    let inside = ship.folder.path().join("blobs/saved");
    assert!(matches!(back_up(&ship.reader, &inside), Err(BackupError::Inside { .. })));
    assert!(matches!(restore(&saved, ship.folder.path()), Err(RestoreError::Exists { .. })));
    ship.is_sound();
    assert_eq!(std::fs::read_dir(places.path()).unwrap().count(), 1, "no leftover");
}

#[test]
fn a_damaged_backup_is_not_restored_and_nothing_is_left_of_the_attempt() {
    let (ship, _) = Ship::with_run();
    store_large(&ship, 1, "named.txt");
    let places = tempfile::tempdir().unwrap();
    let (saved, state) = (places.path().join("saved"), places.path().join("state"));
    back_up(&ship.reader, &saved).unwrap();
    std::fs::create_dir(&state).unwrap();
    let attempt = || {
        let error = restore(&saved, &state.join("capsule")).unwrap_err();
        assert!(is_empty(&state), "something is left: {error}");
        error
    };
    let damage = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = saved.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        std::fs::write(&path, &bad).unwrap();
        let error = attempt();
        std::fs::write(&path, good).unwrap();
        error
    };
    let is_unsound = |error: &RestoreError| matches!(error, RestoreError::Copy(BackupError::Unsound { .. }));
    for place in [100, 9000, 20_000] {
        let error = damage("data.mdb", &|bytes| bytes[place] ^= 1);
        assert!(is_unsound(&error), "byte {place}: {error}");
    }
    assert!(is_unsound(&damage("data.mdb", &|bytes| bytes.truncate(8192))));
    assert!(is_unsound(&damage("data.mdb", &|bytes| bytes.truncate(100))));
    let blob = blob_file(&saved);
    assert!(is_unsound(&damage(&blob, &|bytes| bytes[7] ^= 1)));
    let newer = damage("format.json", &|bytes| *bytes = br#"{"format":2,"readable_by":2}"#.to_vec());
    assert!(matches!(newer, RestoreError::Copy(BackupError::Open(_))), "{newer}");
    std::fs::rename(saved.join(&blob), places.path().join("aside")).unwrap();
    attempt();
    std::fs::rename(places.path().join("aside"), saved.join(&blob)).unwrap();
    std::fs::rename(saved.join("backup.json"), places.path().join("aside")).unwrap();
    assert!(matches!(attempt(), RestoreError::NotABackup { .. }));
    std::fs::rename(places.path().join("aside"), saved.join("backup.json")).unwrap();
    restore(&saved, &state.join("capsule")).unwrap();
}

/// The one blob file of a backup, relative to it.
fn blob_file(saved: &Path) -> String {
    let shelves = std::fs::read_dir(saved.join("blobs")).unwrap();
    let mut files = shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap());
    let file = files.next().unwrap().unwrap().path();
    file.strip_prefix(saved).unwrap().to_str().unwrap().to_owned()
}
