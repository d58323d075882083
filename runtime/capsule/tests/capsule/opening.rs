//! Opening, closing and being refused.

use std::path::Path;

use super::support::*;
use windlass_capsule::{
    Claim, Class, Doubt, Due, FORMAT, LastStop, NoRoom, Op, OpenError, Options, Reply, StageError,
    WriteError, due, last_stop, note_due, open_read_only, settle_due, wait_until_unlocked,
};
use windlass_domain::capture::CaptureMode;
use windlass_domain::item::{ItemChanges, ItemCommand};

/// The names and contents of the files of a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "lock")
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    found.sort();
    found
}

fn close(ship: Ship) -> tempfile::TempDir {
    ship.writer.close().unwrap();
    ship.folder
}

#[test]
fn a_clean_stop_is_marked_and_anything_else_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Nothing);
    let (writer, reader) = open(folder.path()).unwrap();
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Unclean);
    writer.write_blocking(Class::Durable, Op::RegisterWorkspace(workspace())).unwrap();
    let head = reader.head().unwrap();
    writer.close().unwrap();
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Clean(head));
    drop((writer, reader));
    let (writer, reader) = open(folder.path()).unwrap();
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Unclean);
    assert_eq!(reader.head().unwrap(), head);
    drop((writer, reader));
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Unclean);
}

#[test]
fn what_was_written_is_there_after_a_drop_without_a_close() {
    let (ship, run_id) = Ship::with_run();
    let before = ship.reader.run(run_id).unwrap();
    let Ship { folder, writer, reader } = ship;
    drop((writer, reader));
    let (writer, reader) = open(folder.path()).unwrap();
    assert_eq!(reader.run(run_id).unwrap(), before);
    writer.write_blocking(Class::Durable, act(run_id, vec![checkpoint(0)])).unwrap();
    assert_eq!(windlass_capsule::check_read_models(&reader).unwrap(), []);
}

#[test]
fn a_second_writer_is_told_who_has_it() {
    let ship = Ship::new();
    let error = open(ship.folder.path()).unwrap_err();
    let OpenError::Locked { text } = error else { panic!("{error}") };
    assert!(text.contains(r#""host":"ship""#) && text.contains(&std::process::id().to_string()), "{text}");
    let folder = ship.folder.path().to_owned();
    let waiting = std::thread::spawn(move || wait_until_unlocked(&folder));
    let folder = close(ship);
    waiting.join().unwrap().unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn reading_only_changes_nothing_and_stages_nothing() {
    let folder = close(Ship::with_task());
    let before = files(folder.path());
    let reader = open_read_only(folder.path()).unwrap();
    assert_eq!(reader.workspaces().unwrap(), [workspace()]);
    let error = reader.stage(OUTPUT, CaptureMode::FullIo, vec![0; 20_000]).unwrap_err();
    assert!(matches!(error, StageError::ReadOnly));
    drop(reader);
    let data = |files: Vec<(String, Vec<u8>)>| {
        files.into_iter().filter(|(name, _)| name != "lock.mdb").collect::<Vec<_>>()
    };
    assert_eq!(data(files(folder.path())), data(before));
}

#[test]
fn nothing_is_read_where_there_is_no_capsule() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open_read_only(folder.path()), Err(OpenError::NotThere { .. })));
    assert!(matches!(open_read_only(&folder.path().join("none")), Err(OpenError::NotThere { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_newer_format_is_never_written_and_read_only_if_it_says_so() {
    let folder = close(Ship::with_task());
    let before = files(folder.path());
    let state = |readable_by: u16| {
        let text = format!(r#"{{"format":{},"readable_by":{readable_by}}}"#, FORMAT + 1);
        std::fs::write(folder.path().join("format.json"), text).unwrap();
    };
    state(FORMAT);
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { readable: true, .. }), "{error}");
    assert_eq!(open_read_only(folder.path()).unwrap().workspaces().unwrap().len(), 1);
    state(FORMAT + 1);
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { readable: false, .. }), "{error}");
    assert!(matches!(open_read_only(folder.path()), Err(OpenError::Newer { .. })));
    let same = |(name, bytes): &(String, Vec<u8>)| {
        name == "format.json" || name == "lock.mdb" || before.contains(&(name.clone(), bytes.clone()))
    };
    assert!(files(folder.path()).iter().all(same), "a refused opening changed something");
}

#[test]
fn a_damaged_folder_is_named_and_left_as_it_is() {
    type Break = fn(&Path);
    let breaks: [(&str, Break); 6] = [
        ("data.mdb is not", |folder| std::fs::remove_file(folder.join("data.mdb")).unwrap()),
        ("was cut to 0 bytes", |folder| std::fs::write(folder.join("data.mdb"), "").unwrap()),
        ("the store says", |folder| std::fs::write(folder.join("data.mdb"), vec![7; 1 << 16]).unwrap()),
        ("format.json is missing", |folder| std::fs::remove_file(folder.join("format.json")).unwrap()),
        ("format.json cannot be read", |folder| std::fs::write(folder.join("format.json"), "{").unwrap()),
        ("it was left at event 7", |folder| {
            let text = std::fs::read_to_string(folder.join("clean.json")).unwrap();
            let text = text.replace(r#""cursor":3"#, r#""cursor":7"#);
            std::fs::write(folder.join("clean.json"), text).unwrap();
        }),
    ];
    for (what, damage) in breaks {
        let folder = close(Ship::with_task());
        damage(folder.path());
        let before = files(folder.path());
        let error = open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
        let lock_aside = |files: Vec<(String, Vec<u8>)>| {
            files.into_iter().filter(|(name, _)| name != "lock.mdb").collect::<Vec<_>>()
        };
        assert_eq!(lock_aside(files(folder.path())), lock_aside(before), "{what}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // The kernel's own file system takes no folders from anybody, root included.
    let error = open(Path::new("/sys/windlass-capsule")).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = open(&file.path().join("capsule")).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
}

#[test]
fn in_a_full_map_results_wait_and_everything_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { map_bytes: 1 << 20, ..options() };
    let (writer, reader) =
        windlass_capsule::create_or_open(folder.path(), options, &holder(), Box::new(|_, _| {})).unwrap();
    let ship = Ship { folder, writer, reader };
    ship.outfit(1);
    let run_id = ship.start_run(1, "T-1");
    let long_step = |occurrence: u32| {
        act(run_id, vec![begin("look", occurrence), finish("look", occurrence, inline(&"x".repeat(50_000)))])
    };
    let (answer, answered) = std::sync::mpsc::channel();
    let mut results = 0;
    while ship.writer.waits_for_room().is_none() {
        let answer = answer.clone();
        let reply: Reply = Box::new(move |result| answer.send(result.is_ok()).unwrap());
        ship.writer.write(Class::Durable, long_step(results), reply).unwrap();
        results += 1;
        let (pinged, pong) = std::sync::mpsc::channel();
        ship.writer.ping(Box::new(move || pinged.send(()).unwrap())).unwrap();
        pong.recv().unwrap();
    }
    let waits = ship.writer.waits_for_room().unwrap();
    assert!(matches!(waits.no_room, NoRoom::Map { map_bytes, .. } if map_bytes == 1 << 20), "{waits}");
    let description = ItemChanges { description: Some("x".repeat(60_000)), ..ItemChanges::default() };
    let error = ship.refused(Op::Item {
        workspace_id: workspace_id(),
        work_item_id: item_id("T-1"),
        command: ItemCommand::Edit { changes: Box::new(description), by: "crew".to_owned() },
    });
    assert!(matches!(error, WriteError::NoRoom(NoRoom::Map { .. })), "{error}");
    assert!(ship.writer.ended().is_none(), "a full map does not end the writer");
    ship.is_sound();
    ship.writer.close().unwrap();
    let answers: Vec<bool> = answered.try_iter().collect();
    assert_eq!(answers.len(), results as usize, "every write is answered");
    assert!(answers[..answers.len() - 1].iter().all(|done| *done) && !answers.last().unwrap());
    let Ship { folder, writer, reader } = ship;
    drop((writer, reader));
    let (writer, reader) = open(folder.path()).unwrap();
    let ship = Ship { folder, writer, reader };
    assert_eq!(ship.write(long_step(results - 1)).events().len(), 2, "what was not committed is not there");
    ship.is_sound();
}

#[test]
fn a_store_that_is_not_the_one_that_was_left_is_in_doubt_and_due_to_be_verified() {
    let folder = close(Ship::with_task());
    let claim = |folder: &Path| Claim::take(folder, &holder()).unwrap();
    assert_eq!(claim(folder.path()).doubt().unwrap(), None);
    assert_eq!(due(folder.path()).unwrap(), None);
    // As a copy would, this changes nothing but the file's time.
    let data = std::fs::File::options().write(true).open(folder.path().join("data.mdb")).unwrap();
    data.set_modified(std::time::UNIX_EPOCH).unwrap();
    let touched = claim(folder.path());
    assert_eq!(touched.doubt().unwrap(), Some(Doubt::Altered));
    let (writer, reader) = touched.open(options(), Box::new(|_, _| {})).unwrap();
    assert_eq!(due(folder.path()).unwrap(), Some(Due::Pending { progress: None }));
    writer.close().unwrap();
    drop((writer, reader));
    assert_eq!(claim(folder.path()).doubt().unwrap(), None, "it was left cleanly");
    assert!(due(folder.path()).unwrap().is_some(), "a clean stop settles no verification");
    settle_due(folder.path()).unwrap();
    let (writer, reader) = claim(folder.path()).open(options(), Box::new(|_, _| {})).unwrap();
    assert_eq!(due(folder.path()).unwrap(), None);
    drop((writer, reader));
    assert_eq!(claim(folder.path()).doubt().unwrap(), Some(Doubt::Unproven), "its writer was not closed");
}

#[test]
fn damage_that_was_found_keeps_a_store_from_being_written_until_none_is_found() {
    let folder = close(Ship::with_task());
    let what = "event 3: it is missing".to_owned();
    note_due(folder.path(), &Due::Damaged { what: what.clone() }).unwrap();
    assert_eq!(Claim::take(folder.path(), &holder()).unwrap().doubt().unwrap(), Some(Doubt::Damaged));
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { what: told, .. } if *told == what), "{error}");
    assert!(open_read_only(folder.path()).is_ok(), "what is sound can be read");
    settle_due(folder.path()).unwrap();
    drop(open(folder.path()).unwrap());
}
