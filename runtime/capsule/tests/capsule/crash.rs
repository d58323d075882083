//! A writer that is killed in the middle of its work, and readers in other processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::support::*;
use windlass_capsule::{Class, LastStop, VerifyOptions, last_stop, open_read_only, verify};
use windlass_domain::capture::CaptureMode;
use windlass_domain::event::Stream;
use windlass_domain::id::Seq;

/// Tells the children below what to do.
const FOLDER: &str = "WINDLASS_TEST_CAPSULE";

/// Starts this test binary again, to run one of the children below.
fn child(name: &str, folder: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
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
    let output = child("crash::child_that_reads", ship.folder.path()).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("head {}", ship.reader.head().unwrap().hash)), "{text}");
    assert!(text.contains("locked true"), "{text}");
    ship.write(act(run_id, vec![checkpoint(1)]));
}
