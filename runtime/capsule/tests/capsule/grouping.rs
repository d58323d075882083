//! Group commit: what waits together commits together, in order, and each entry is answered for itself.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};

use super::support::*;
use windlass_capsule::{
    Class, Op, Options, Overloaded, Reader, Reply, WriteError, Writer, Written, create_or_open,
};
use windlass_domain::admission::AdmissionRefusal;
use windlass_domain::event::Event;
use windlass_domain::id::{Cursor, RunId};
use windlass_domain::run::Outcome;
use windlass_domain::run::request::RunKind;

type Answers = Receiver<(usize, Result<Written, WriteError>)>;

/// A capsule whose writer stops after its first transaction until it is let go, so that what is queued meanwhile waits.
struct Held {
    _folder: tempfile::TempDir,
    writer: Writer,
    reader: Reader,
    let_go: Sender<()>,
    observed: Arc<Mutex<Vec<(Cursor, usize)>>>,
}

impl Held {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (let_go, held) = channel::<()>();
        let (stopped, is_stopped) = channel();
        let observed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&observed);
        let held = Mutex::new(held);
        let observer = move |head: Cursor, events: &[Event]| {
            seen.lock().unwrap().push((head, events.len()));
            if seen.lock().unwrap().len() == 1 {
                stopped.send(()).unwrap();
                held.lock().unwrap().recv().unwrap();
            }
        };
        let (writer, reader) = create_or_open(folder.path(), options, &holder(), Box::new(observer)).unwrap();
        writer.write(Class::Durable, Op::RegisterWorkspace(workspace()), Box::new(|_| {})).unwrap();
        is_stopped.recv().unwrap();
        Self { _folder: folder, writer, reader, let_go, observed }
    }

    /// Queues entries, lets the writer go, and gives the answers in the order in which they came.
    fn answers(&self, ops: Vec<(Class, Op)>) -> Vec<(usize, Result<Written, WriteError>)> {
        let (sender, answers) = channel();
        let count = ops.len();
        for (number, (class, op)) in ops.into_iter().enumerate() {
            self.writer.write(class, op, reply(number, &sender)).unwrap();
        }
        self.let_go.send(()).unwrap();
        take(&answers, count)
    }

    fn transactions(&self) -> Vec<(Cursor, usize)> {
        self.observed.lock().unwrap().clone()
    }
}

fn reply(number: usize, sender: &Sender<(usize, Result<Written, WriteError>)>) -> Reply {
    let sender = sender.clone();
    Box::new(move |result| sender.send((number, result)).unwrap())
}

fn take(answers: &Answers, count: usize) -> Vec<(usize, Result<Written, WriteError>)> {
    (0..count).map(|_| answers.recv().unwrap()).collect()
}

fn create(number: usize) -> Op {
    Op::CreateItem(Box::new(task(&format!("T-{number}"))))
}

#[test]
fn what_waits_commits_in_one_transaction_in_the_order_of_the_queue() {
    let held = Held::new(options());
    let answers = held.answers((0..100).map(|number| (Class::Durable, create(number))).collect());
    let cursors: Vec<_> = answers
        .iter()
        .enumerate()
        .map(|(place, (number, result))| {
            assert_eq!(place, *number, "answers come in the order of the queue");
            result.as_ref().unwrap().events()[0].cursor.0
        })
        .collect();
    assert_eq!(cursors, (2..102).collect::<Vec<_>>());
    assert_eq!(held.transactions(), [(Cursor(1), 1), (Cursor(101), 100)]);
    assert_eq!(held.reader.head().unwrap().link_seq, 2);
}

#[test]
fn a_transaction_takes_at_most_256_entries() {
    let held = Held::new(options());
    held.answers((0..300).map(|number| (Class::Durable, create(number))).collect());
    assert_eq!(held.transactions(), [(Cursor(1), 1), (Cursor(257), 256), (Cursor(301), 44)]);
}

#[test]
fn a_durable_write_takes_everything_streamed_before_it_along() {
    let held = Held::new(options());
    let ops = (0..10).map(|number| (Class::Streamed, create(number)));
    let answers = held.answers(ops.chain([(Class::Durable, create(10))]).collect());
    assert!(answers.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(held.transactions(), [(Cursor(1), 1), (Cursor(12), 11)]);
}

#[test]
fn a_streamed_write_alone_is_answered_too() {
    let ship = Ship::with_task();
    ship.writer.write_blocking(Class::Streamed, create(7)).unwrap();
    ship.is_sound();
}

#[test]
fn a_refused_entry_leaves_the_others_of_its_transaction() {
    let held = Held::new(options());
    let ops = [create(1), create(1), create(2), act(run_id(9), vec![cancel()]), create(3)];
    let answers = held.answers(ops.into_iter().map(|op| (Class::Durable, op)).collect());
    let outcomes: Vec<_> =
        answers.iter().map(|(_, result)| result.as_ref().map(|_| ()).map_err(|e| e.to_string())).collect();
    assert_eq!(
        outcomes,
        [
            Ok(()),
            Err("there is a work item `T-1` already".to_owned()),
            Ok(()),
            Err(format!("there is no run {}", run_id(9))),
            Ok(())
        ]
    );
    assert_eq!(held.transactions(), [(Cursor(1), 1), (Cursor(4), 3)]);
}

#[test]
fn entries_of_one_transaction_see_each_other() {
    let held = Held::new(options());
    let ops = vec![
        create(1),
        answered("T-1"),
        submit(submission(1, "T-1")),
        act(run_id(1), vec![start(1), checkpoint(0)]),
        submit(submission(2, "T-1")),
        act(run_id(1), vec![checkpoint(1), end(1, Outcome::Succeeded)]),
        submit(submission(3, "T-1")),
    ];
    let answers = held.answers(ops.into_iter().map(|op| (Class::Durable, op)).collect());
    assert_eq!(held.transactions().len(), 2);
    let refused: Vec<_> = answers.iter().filter(|(_, result)| result.is_err()).collect();
    assert!(matches!(
        refused[..],
        [(4, Err(WriteError::Admission(AdmissionRefusal::AlreadyActive { run_id: id, .. })))] if *id == run_id(1)
    ));
    held.writer.close().unwrap();
    let report = windlass_capsule::verify(&held.reader, windlass_capsule::VerifyOptions::default()).unwrap();
    assert_eq!(report.faults, []);
}

#[test]
fn one_more_than_may_wait_is_refused_and_nothing_of_it_remains() {
    let held = Held::new(Options { max_waiting: 3, ..options() });
    let (sender, answers) = channel();
    for number in 0..3 {
        held.writer.write(Class::Durable, create(number), reply(number, &sender)).unwrap();
    }
    let refused = held.writer.write(Class::Durable, create(3), reply(3, &sender));
    assert_eq!(refused, Err(Overloaded { waiting: 3 }));
    held.let_go.send(()).unwrap();
    take(&answers, 3);
    drop(sender);
    assert!(answers.recv().is_err(), "an overloaded write is not answered as well");
    assert_eq!(held.reader.head().unwrap().items, 3);
    held.writer.write_blocking(Class::Durable, create(3)).unwrap();
}

#[test]
fn a_ping_is_answered_by_the_loop_itself() {
    let ship = Ship::new();
    let (sender, answer) = channel();
    let beats = ship.writer.beats();
    ship.writer.ping(Box::new(move || sender.send(()).unwrap())).unwrap();
    answer.recv().unwrap();
    assert!(ship.writer.beats() > beats);
}

#[test]
fn sixty_four_threads_get_one_active_run_for_a_key() {
    let ship = Ship::with_task();
    let at_once = Barrier::new(64);
    let results: Vec<_> = std::thread::scope(|scope| {
        let ask = |number: u16| {
            let (writer, at_once) = (ship.writer.clone(), &at_once);
            scope.spawn(move || {
                at_once.wait();
                writer.write_blocking(Class::Durable, submit(submission(number, "T-1")))
            })
        };
        let threads: Vec<_> = (1..=64).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let admitted: Vec<RunId> = results
        .iter()
        .filter_map(|result| match result {
            Ok(Written::Submitted { run_id, new: true, .. }) => Some(*run_id),
            Err(WriteError::Admission(AdmissionRefusal::AlreadyActive { .. })) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(admitted.len(), 1);
    let active = ship.reader.active_run(workspace_id(), &item_id("T-1"), RunKind::Review).unwrap();
    assert_eq!(active, Some(admitted[0]));
    ship.is_sound();
}

#[test]
fn many_threads_share_transactions_and_every_answer_is_in_the_record() {
    let ship = Ship::with_task();
    let before = ship.reader.head().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let (writer, reader) = (ship.writer.clone(), ship.reader.clone());
            scope.spawn(move || {
                for number in 0..20 {
                    let written =
                        writer.write_blocking(Class::Durable, create(thread * 100 + number + 2)).unwrap();
                    let event = &written.events()[0];
                    let found = reader.events_after(Cursor(event.cursor.0 - 1), 1).unwrap();
                    assert_eq!(&found[0], event, "what is answered can be read");
                }
            });
        }
    });
    let head = ship.reader.head().unwrap();
    assert_eq!(head.cursor.0 - before.cursor.0, 640);
    assert!(head.link_seq - before.link_seq < 640, "nothing was committed together");
    ship.is_sound();
}

#[test]
fn a_writer_that_panicked_refuses_what_waits_and_what_comes() {
    let held = Held::new(options());
    let (sender, answers) = channel();
    held.writer.write(Class::Durable, create(1), Box::new(|_| panic!("a reply of this test"))).unwrap();
    held.writer.write(Class::Durable, create(2), reply(2, &sender)).unwrap();
    held.let_go.send(()).unwrap();
    // The transaction committed before the panic; nobody was told, so the answer must not be a success.
    assert!(matches!(take(&answers, 1)[..], [(2, Err(WriteError::Fatal { .. }))]));
    assert!(matches!(held.writer.wait_until_ended(), WriteError::Fatal { .. }));
    held.writer.write(Class::Durable, create(3), reply(3, &sender)).unwrap();
    assert!(matches!(take(&answers, 1)[..], [(3, Err(WriteError::Fatal { .. }))]));
    assert!(matches!(held.writer.write_blocking(Class::Durable, create(4)), Err(WriteError::Fatal { .. })));
    assert!(matches!(held.writer.close(), Err(WriteError::Fatal { .. })));
}

#[test]
fn a_closed_writer_answers_what_waited_and_refuses_what_comes() {
    let held = Held::new(options());
    let (sender, answers) = channel();
    held.writer.write(Class::Streamed, create(1), reply(1, &sender)).unwrap();
    held.let_go.send(()).unwrap();
    held.writer.close().unwrap();
    assert!(matches!(take(&answers, 1)[..], [(1, Ok(_))]));
    held.writer.write(Class::Durable, create(2), reply(2, &sender)).unwrap();
    assert!(matches!(take(&answers, 1)[..], [(2, Err(WriteError::Closed))]));
    assert!(matches!(held.writer.ended(), Some(WriteError::Closed)));
}
