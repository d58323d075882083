//! A writer that is killed in the middle of its work, and readers in other processes.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::*;
use windlass_capsule::{
    Class, LastStop, NoRoom, Op, OpenError, Reply, StageError, VerifyOptions, WriteError, last_stop,
    open_read_only, verify,
};
use windlass_domain::capture::CaptureMode;
use windlass_domain::event::Stream;
use windlass_domain::id::Seq;
use windlass_domain::item::{ItemChanges, ItemCommand};

/// Tells the children below what to do.
const FOLDER: &str = "WINDLASS_TEST_CAPSULE";

/// Starts this test binary again, to run one of the children below; inside another program, if one is given.
fn child_in(wrapper: &[&str], name: &str, folder: &Path) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut words = wrapper.iter().map(OsStr::new).chain([own.as_os_str()]);
    Command::new(words.next().unwrap())
        .args(words)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn child(name: &str, folder: &Path) -> Child {
    child_in(&[], name, folder)
}

/// Runs a child to its end and gives what it said; it must have passed.
fn said_in(wrapper: &[&str], name: &str, folder: &Path) -> String {
    let output = child_in(wrapper, name, folder).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("the child is done"), "the child did not run: {text}");
    text
}

/// Not a test of its own: what the killed process does. Four threads write until the end comes, and say what was
/// acknowledged.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (writer, _reader) = open(folder.as_ref()).unwrap();
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let writer = writer.clone();
            scope.spawn(move || {
                for occurrence in 0.. {
                    let large = vec![u8::try_from(thread).unwrap(); 20_000];
                    writer.stage(OUTPUT, CaptureMode::FullIo, large).unwrap();
                    writer
                        .write_blocking(Class::Durable, act(run_id(thread), vec![checkpoint(occurrence)]))
                        .unwrap();
                    println!("\nacknowledged {thread} {occurrence}");
                }
            });
        }
    });
}

/// Not a test of its own: what another process reads.
#[test]
fn child_that_reads() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let reader = open_read_only(folder.as_ref()).unwrap();
    println!("\nhead {}", reader.head().unwrap().hash);
    println!("locked {}", open(folder.as_ref()).is_err());
    println!("the child is done");
}

#[test]
fn everything_acknowledged_is_there_after_a_kill() {
    let ship = Ship::new();
    ship.outfit(4);
    for number in 1..=4 {
        ship.start_run(number, &format!("T-{number}"));
    }
    ship.writer.close().unwrap();
    let Ship { folder, writer, reader } = ship;
    drop((writer, reader));

    let mut killed = child("crash::child_that_writes", folder.path());
    let mut acknowledged = vec![Vec::new(); 5];
    let mut note = |line: &str| {
        if let Some(rest) = line.strip_prefix("acknowledged ") {
            let mut numbers = rest.split(' ').map(|number| number.parse::<usize>().unwrap());
            acknowledged[numbers.next().unwrap()].push(numbers.next().unwrap());
        }
    };
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    lines.by_ref().take(300).for_each(|line| note(&line.unwrap()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    // A last line that the kill cut short acknowledges nothing.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    rest.iter().take(rest.len().saturating_sub(1)).for_each(|line| note(line));

    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Unclean);
    let (writer, reader) = open(folder.path()).unwrap();
    let report = verify(&reader, VerifyOptions::default()).unwrap();
    assert_eq!(report.faults, []);
    for thread in 1..=4_u16 {
        let stream = Stream::Run { run_id: run_id(thread) };
        let written = reader.last_seq(&stream).unwrap().0 - 4;
        let told = &acknowledged[usize::from(thread)];
        assert!(!told.is_empty());
        assert!(written >= told.len() as u64, "{thread}: {written} written, {} acknowledged", told.len());
        assert_eq!(reader.events(&stream, Seq(5), 1).unwrap()[0].data.type_name(), "checkpoint");
    }
    writer.write_blocking(Class::Durable, act(run_id(1), vec![cancel()])).unwrap();
}

#[test]
fn another_process_reads_beside_the_writer_and_cannot_write() {
    let (ship, run_id) = Ship::with_run();
    ship.write(act(run_id, vec![checkpoint(0)]));
    let text = said_in(&[], "crash::child_that_reads", ship.folder.path());
    assert!(text.contains(&format!("head {}", ship.reader.head().unwrap().hash)), "{text}");
    assert!(text.contains("locked true"), "{text}");
    ship.write(act(run_id, vec![checkpoint(1)]));
}

/// Describes the task at some length.
fn describe(letters: usize) -> Op {
    let changes = ItemChanges { description: Some("x".repeat(letters)), ..ItemChanges::default() };
    Op::Item {
        workspace_id: workspace_id(),
        work_item_id: item_id("T-1"),
        command: ItemCommand::Edit { changes: Box::new(changes), by: "crew".to_owned() },
    }
}

/// Not a test of its own: what happens on a small disk.
#[test]
fn child_on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let reserve = folder.join("reserve");
    std::fs::write(&reserve, vec![0; 1 << 20]).unwrap();
    let (writer, reader) = open(&folder.join("capsule")).unwrap();
    let ship = |op| writer.write_blocking(Class::Durable, op);
    ship(Op::RegisterWorkspace(workspace())).unwrap();
    ship(Op::CreateItem(Box::new(task("T-1")))).unwrap();
    for op in [answered("T-1"), submit(submission(1, "T-1")), act(run_id(1), vec![start(1)])] {
        ship(op).unwrap();
    }
    let error = (0..1000).find_map(|_| ship(describe(30_000)).err()).unwrap();
    assert!(matches!(error, WriteError::NoRoom(NoRoom::Disk { .. })), "{error}");
    let error = writer.stage(OUTPUT, CaptureMode::FullIo, vec![1; 1 << 20]).unwrap_err();
    assert!(matches!(error, StageError::DiskFull { needed_bytes: 1_048_576, .. }), "{error}");
    assert!(writer.ended().is_none(), "a full disk does not end the writer");
    assert_eq!(verify(&reader, VerifyOptions::default()).unwrap().faults, []);

    let (answer, answered) = std::sync::mpsc::channel();
    for occurrence in 0..3 {
        let answer = answer.clone();
        let reply: Reply = Box::new(move |result| answer.send((occurrence, result.is_ok())).unwrap());
        writer.write(Class::Durable, act(run_id(1), vec![checkpoint(occurrence)]), reply).unwrap();
    }
    let error = ship(describe(30_000)).unwrap_err();
    assert!(matches!(error, WriteError::NoRoom(NoRoom::Disk { .. })), "{error}");
    let waits = writer.waits_for_room().unwrap();
    assert_eq!(waits.results, 3, "what a running step has come to is refused: {waits}");
    assert!(waits.to_string().contains(folder.to_str().unwrap()), "{waits}");
    assert!(answered.try_recv().is_err());
    std::fs::remove_file(reserve).unwrap();
    // Nobody writes any more: the writer looks by itself.
    let answers: Vec<_> = answered.iter().take(3).collect();
    assert_eq!(answers, [(0, true), (1, true), (2, true)], "in their order");
    ship(describe(30_000)).unwrap();
    assert_eq!(writer.waits_for_room(), None);
    let events = reader.events(&Stream::Run { run_id: run_id(1) }, Seq(5), 10).unwrap();
    assert_eq!(events.iter().map(|event| event.data.type_name()).collect::<Vec<_>>(), ["checkpoint"; 3]);
    assert_eq!(verify(&reader, VerifyOptions::default()).unwrap().faults, []);
    println!("\nthe child is done");
}

#[test]
fn on_a_full_disk_results_wait_and_everything_else_is_refused_until_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let small_disk = ["bwrap", "--dev-bind", "/", "/", "--size", "4194304", "--tmpfs", place];
    said_in(&small_disk, "crash::child_on_a_small_disk", folder.path());
}

/// Not a test of its own: what happens in a folder that is mounted read-only.
#[test]
fn child_in_a_read_only_folder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let error = open(folder.as_ref()).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    let reader = open_read_only(folder.as_ref()).unwrap();
    assert_eq!(reader.workspaces().unwrap(), [workspace()]);
    println!("\nthe child is done");
}

#[test]
fn a_read_only_folder_is_named_and_can_be_read() {
    let Ship { folder, writer, reader } = Ship::with_task();
    writer.close().unwrap();
    drop((writer, reader));
    let place = folder.path().to_str().unwrap();
    let read_only = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", place, place];
    said_in(&read_only, "crash::child_in_a_read_only_folder", folder.path());
}

/// Not a test of its own: a file that may not grow, which is an error that no writer knows a way out of.
#[test]
fn child_whose_commits_fail() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (writer, reader) = open(folder.as_ref()).unwrap();
    let write = |letters| writer.write_blocking(Class::Durable, describe(letters));
    let mut written = 0;
    let error = loop {
        match write(30_000) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::Fatal { .. }), "{error}");
    assert!(error.to_string().contains("(os error "), "the cause is not told: {error}");
    assert!(matches!(writer.wait_until_ended(), WriteError::Fatal { .. }));
    assert!(matches!(write(1), Err(WriteError::Fatal { .. })), "a writer that failed goes on");
    assert!(matches!(writer.close(), Err(WriteError::Fatal { .. })));
    drop(reader);
    println!("\nwritten {written}\nthe child is done");
}

#[test]
fn a_failed_commit_ends_the_writer_and_loses_nothing() {
    let Ship { folder, writer, reader } = Ship::with_task();
    let before = reader.head().unwrap().cursor.0;
    writer.close().unwrap();
    drop((writer, reader));
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""];
    let text = said_in(&limited, "crash::child_whose_commits_fail", folder.path());
    let written = text.lines().find_map(|line| line.strip_prefix("written ")).unwrap();
    let written: u64 = written.parse().unwrap();
    assert_eq!(last_stop(folder.path()).unwrap(), LastStop::Unclean);
    let (writer, reader) = open(folder.path()).unwrap();
    assert_eq!(verify(&reader, VerifyOptions::default()).unwrap().faults, []);
    assert!(written > 0 && reader.head().unwrap().cursor.0 >= before + written);
    writer.write_blocking(Class::Durable, describe(1)).unwrap();
}
