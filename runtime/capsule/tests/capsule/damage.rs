//! Damage planted behind the capsule's back is found, and the first bad event is named.

use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{Database, EnvOpenOptions, RwTxn};

use super::support::*;
use windlass_capsule::{
    Depth, Fault, FaultKind, Op, VerifyMark, VerifyOptions, VerifyProgress, VerifyReport, check_read_models,
    open_read_only, verify,
};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::{Cursor, Seq};
use windlass_domain::run::command::Act;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::{Outcome, Phase};

const RECORD_HEADER_BYTES: usize = 7;

/// A closed capsule: three tasks, a run that ended with two artifacts, one that is running.
struct Wreck {
    folder: tempfile::TempDir,
    small: Digest,
    large: Digest,
    head: windlass_capsule::CapsuleHead,
}

impl Wreck {
    fn new() -> Self {
        let ship = Ship::new();
        ship.outfit(3);
        let one = ship.start_run(1, "T-1");
        let stage = |bytes: Vec<u8>| ship.writer.stage(OUTPUT, CaptureMode::PromptsOnly, bytes).unwrap();
        let (small, large) = (stage(b"small".to_vec()), stage(vec![b'x'; 20_000]));
        let store = |path: &str, blob: &windlass_capsule::StagedBlob| {
            let (path, media_type) = (ArtifactPath::new(path).unwrap(), "text/plain".to_owned());
            let artifact =
                Artifact { path, digest: blob.digest(), bytes: blob.bytes(), media_type, class: OUTPUT };
            of(1, Act::StoreArtifact(artifact))
        };
        let commands = vec![checkpoint(0), store("a.txt", &small), store("b.txt", &large)];
        ship.write(Op::Run { run_id: one, commands, blobs: vec![small.clone(), large.clone()] });
        let two = ship.start_run(2, "T-2");
        ship.write(act(two, vec![checkpoint(0), checkpoint(1)]));
        ship.write(act(one, vec![checkpoint(1), end(1, Outcome::Succeeded)]));
        ship.write(act(two, vec![of(1, Act::EnterPhase(Phase::Execute))]));
        ship.is_sound();
        let head = ship.reader.head().unwrap();
        ship.writer.close().unwrap();
        Self { folder: ship.folder, small: small.digest(), large: large.digest(), head }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes a table as no writer of ours would.
    #[expect(unsafe_code, reason = "mapping a file is unsafe; nobody else has this one open")]
    fn tamper(&self, table: &str, change: impl FnOnce(Database<'_, Bytes, Bytes>, &mut RwTxn<'_>)) {
        let mut options = EnvOpenOptions::new();
        options.max_dbs(24).map_size(256 << 20);
        // SAFETY: the capsule is closed and the folder is this test's own.
        let store = unsafe { options.open(self.path()) }.unwrap();
        let txn = store.write_txn().unwrap();
        let result: Result<_, heed::Error> = store.create_databases_and_commit(txn, |opener, txn| {
            let database = opener.open_database::<Bytes, Bytes>(txn, Some(table))?.unwrap();
            change(database, txn);
            Ok(heed::CommitOrAbort::<_, ()>::Commit(()))
        });
        result.unwrap();
        store.prepare_for_closing().wait();
    }

    fn edit(&self, table: &str, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        self.tamper(table, |database, txn| {
            let mut value = database.get(txn, key).unwrap().unwrap().to_vec();
            change(&mut value);
            database.put(txn, key, &value).unwrap();
        });
    }

    fn edit_event(&self, cursor: u64, change: impl FnOnce(&mut Event)) {
        self.edit("events", &cursor.to_be_bytes(), |bytes| {
            let (mut event, _): (Event, usize) =
                bincode::decode_from_slice(&bytes[RECORD_HEADER_BYTES..], bincode::config::standard())
                    .unwrap();
            change(&mut event);
            *bytes = record(1, &event);
        });
    }

    fn verify(&self, options: VerifyOptions<'_>) -> VerifyReport {
        let reader = open_read_only(self.path()).unwrap();
        let VerifyOptions { depth, head, resume, progress } = options;
        verify(&reader, VerifyOptions { depth, head, resume, progress: progress.map(|p| p as _) }).unwrap()
    }

    fn first(&self) -> Fault {
        let report = self.verify(VerifyOptions::default());
        report.first().cloned().expect("the damage was not found")
    }

    fn event(&self, cursor: u64) -> Event {
        open_read_only(self.path()).unwrap().events_after(Cursor(cursor - 1), 1).unwrap().remove(0)
    }

    /// The cursors of the events of a type.
    fn cursors_of(&self, type_name: &str) -> Vec<u64> {
        let events = open_read_only(self.path()).unwrap().events_after(Cursor(0), 500).unwrap();
        events
            .iter()
            .filter(|event| event.data.type_name() == type_name)
            .map(|event| event.cursor.0)
            .collect()
    }

    /// What the link after this one says it follows.
    fn link_hash(&self, link: u64) -> Digest {
        let mut hash = [0; 32];
        self.edit("links", &(link + 1).to_be_bytes(), |bytes| {
            hash.copy_from_slice(&bytes[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + 32]);
        });
        Digest::from_bytes(hash)
    }

    fn blob_file(&self) -> PathBuf {
        let name = self.large.to_string();
        self.path().join("blobs").join(&name[..2]).join(name)
    }
}

/// A record as the format's description says, without the crate's own code.
fn record(kind: u8, value: &impl bincode::Encode) -> Vec<u8> {
    let body = bincode::encode_to_vec(value, bincode::config::standard()).unwrap();
    let mut bytes = vec![0, 1, kind];
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

#[test]
fn an_untouched_capsule_is_sound_in_every_way_of_looking() {
    let wreck = Wreck::new();
    let report = wreck.verify(VerifyOptions::default());
    assert_eq!(report.faults, []);
    assert_eq!((report.events, report.links), (wreck.head.cursor.0, wreck.head.link_seq));
    for newest_links in [0, 1, 3, 1000] {
        let depth = Some(Depth::Bounded { newest_links });
        assert_eq!(wreck.verify(VerifyOptions { depth, ..VerifyOptions::default() }).faults, []);
    }
    let head = Some(wreck.head.hash);
    assert_eq!(wreck.verify(VerifyOptions { head, ..VerifyOptions::default() }).faults, []);
    assert_eq!(check_read_models(&open_read_only(wreck.path()).unwrap()).unwrap(), []);
}

#[test]
fn every_flipped_byte_of_an_event_is_found_at_that_event() {
    let wreck = Wreck::new();
    let cursor = wreck.cursors_of("checkpoint")[1];
    let mut bytes = Vec::new();
    wreck.edit("events", &cursor.to_be_bytes(), |value| bytes.clone_from(value));
    for place in 0..bytes.len() {
        wreck.edit("events", &cursor.to_be_bytes(), |value| {
            value.clone_from(&bytes);
            value[place] ^= 0x01;
        });
        assert_eq!(wreck.first().cursor, Some(Cursor(cursor)), "byte {place}");
    }
    wreck.edit("events", &cursor.to_be_bytes(), |value| *value = bytes);
    assert!(wreck.verify(VerifyOptions::default()).is_sound());
}

#[test]
fn a_changed_event_is_named_with_its_place() {
    let wreck = Wreck::new();
    let cursor = wreck.cursors_of("checkpoint")[2];
    let found = wreck.event(cursor);
    wreck.edit_event(cursor, |event| {
        let EventData::Run(RunEvent::Checkpoint(checkpoint)) = &mut event.data else { panic!() };
        checkpoint.summary = "did nothing".to_owned();
    });
    let fault = wreck.first();
    assert_eq!((&fault.stream, fault.seq), (&Some(found.stream.clone()), Some(found.seq)));
    assert!(matches!(fault.kind, FaultKind::Hash { stated, .. } if stated == found.hash), "{fault}");
    let text = fault.to_string();
    assert!(text.starts_with(&format!("event {cursor} ({}, seq {}): ", found.stream, found.seq.0)), "{text}");
}

#[test]
fn a_changed_event_with_a_recomputed_hash_breaks_what_follows_it() {
    let wreck = Wreck::new();
    let cursor = wreck.cursors_of("checkpoint")[1];
    wreck.edit_event(cursor, |event| {
        event.at = time(999);
        event.hash = event.hash_of().unwrap();
    });
    let fault = wreck.first();
    assert!(matches!(fault.kind, FaultKind::PrevHash { .. }), "{fault}");
    assert_eq!(fault.cursor, Some(Cursor(cursor + 1)));
}

#[test]
fn the_last_event_with_a_recomputed_hash_breaks_its_head_and_its_link() {
    let wreck = Wreck::new();
    let cursor = wreck.head.cursor.0;
    let key = stream_key(2);
    let mut hash = Digest::ZERO;
    wreck.edit_event(cursor, |event| {
        event.at = time(999);
        event.hash = event.hash_of().unwrap();
        hash = event.hash;
    });
    assert!(matches!(wreck.first().kind, FaultKind::Link { .. }));
    let seq = wreck.event(cursor).seq;
    wreck.edit("heads", &key, |bytes| *bytes = record(2, &(seq, hash)));
    let fault = wreck.first();
    assert!(matches!(fault.kind, FaultKind::Link { link, .. } if link == wreck.head.link_seq), "{fault}");
    assert_eq!(fault.cursor, Some(Cursor(cursor)));
    let bounded = Some(Depth::Bounded { newest_links: 1 });
    let report = wreck.verify(VerifyOptions { depth: bounded, ..VerifyOptions::default() });
    assert_eq!(report.first().unwrap().cursor, Some(Cursor(cursor)));
}

fn stream_key(run: u16) -> Vec<u8> {
    [b"r".as_slice(), run_id(run).as_bytes()].concat()
}

#[test]
fn two_swapped_events_are_out_of_order_at_the_first() {
    let wreck = Wreck::new();
    let [_, one, two, _] = wreck.cursors_of("checkpoint")[..] else { panic!() };
    wreck.tamper("events", |events, txn| {
        let (one, two) = (one.to_be_bytes(), two.to_be_bytes());
        let first = events.get(txn, &one).unwrap().unwrap().to_vec();
        let second = events.get(txn, &two).unwrap().unwrap().to_vec();
        events.put(txn, &one, &second).unwrap();
        events.put(txn, &two, &first).unwrap();
    });
    let fault = wreck.first();
    assert_eq!(fault.cursor, Some(Cursor(one)));
    assert!(matches!(fault.kind, FaultKind::OutOfOrder { cursor, .. } if cursor == Cursor(two)), "{fault}");
}

#[test]
fn a_removed_event_is_missing() {
    let wreck = Wreck::new();
    let cursor = wreck.cursors_of("checkpoint")[0];
    let found = wreck.event(cursor);
    wreck.tamper("events", |events, txn| assert!(events.delete(txn, &cursor.to_be_bytes()).unwrap()));
    let fault = wreck.first();
    let place = (fault.stream, fault.seq, fault.cursor, fault.kind);
    assert_eq!(place, (Some(found.stream), Some(found.seq), Some(Cursor(cursor)), FaultKind::Missing));
}

#[test]
fn a_truncated_stream_is_found_even_where_its_head_was_set_back() {
    let wreck = Wreck::new();
    let last = wreck.event(wreck.head.cursor.0);
    let key = stream_key(2);
    assert_eq!(last.stream, Stream::Run { run_id: run_id(2) });
    wreck.tamper("streams", |streams, txn| {
        assert!(streams.delete(txn, &[key.as_slice(), &last.seq.0.to_be_bytes()].concat()).unwrap());
    });
    let fault = wreck.first();
    assert_eq!(
        (fault.stream, fault.seq, fault.kind),
        (Some(last.stream), Some(last.seq), FaultKind::Missing)
    );
    wreck.tamper("events", |events, txn| assert!(events.delete(txn, &last.cursor.0.to_be_bytes()).unwrap()));
    wreck.edit("heads", &key, |bytes| *bytes = record(2, &(Seq(last.seq.0 - 1), last.prev_hash)));
    let fault = wreck.first();
    assert_eq!((fault.cursor, fault.kind), (Some(last.cursor), FaultKind::Missing));
}

#[test]
fn a_stream_without_a_head_is_found() {
    let wreck = Wreck::new();
    wreck.tamper("heads", |heads, txn| assert!(heads.delete(txn, &stream_key(1)).unwrap()));
    let fault = wreck.first();
    assert!(matches!(fault.kind, FaultKind::ReadModel { table: "heads", .. }), "{fault}");
}

#[test]
fn removed_and_changed_blobs_are_found_at_the_event_that_names_them() {
    let stored = |wreck: &Wreck, place: usize| wreck.cursors_of("artifact.stored")[place];
    let missing = |wreck: &Wreck, digest, place| {
        let fault = wreck.first();
        assert_eq!(fault.kind, FaultKind::BlobMissing { digest }, "{fault}");
        assert_eq!(fault.cursor, Some(Cursor(stored(wreck, place))));
    };
    let changed = |wreck: &Wreck, blob, place| {
        let fault = wreck.first();
        assert!(matches!(&fault.kind, FaultKind::BlobChanged { digest, .. } if *digest == blob), "{fault}");
        assert_eq!(fault.cursor, Some(Cursor(stored(wreck, place))));
    };
    let wreck = Wreck::new();
    wreck.tamper("blobs", |blobs, txn| assert!(blobs.delete(txn, wreck.small.as_bytes()).unwrap()));
    missing(&wreck, wreck.small, 0);
    let wreck = Wreck::new();
    wreck.edit("blobs", wreck.small.as_bytes(), |bytes| bytes[0] ^= 1);
    changed(&wreck, wreck.small, 0);
    let error = open_read_only(wreck.path()).unwrap().blob(wreck.small).unwrap_err();
    assert!(error.to_string().contains("was changed"), "{error}");
    let wreck = Wreck::new();
    let mut bytes = std::fs::read(wreck.blob_file()).unwrap();
    bytes[9_999] ^= 1;
    std::fs::write(wreck.blob_file(), &bytes).unwrap();
    changed(&wreck, wreck.large, 1);
    std::fs::remove_file(wreck.blob_file()).unwrap();
    missing(&wreck, wreck.large, 1);
}

#[test]
fn an_edited_link_is_named() {
    let wreck = Wreck::new();
    for place in [7, 40, 60] {
        let wreck = Wreck::new();
        wreck.edit("links", &4_u64.to_be_bytes(), |bytes| bytes[place] ^= 1);
        let fault = wreck.first();
        assert!(matches!(fault.kind, FaultKind::Link { link: 4 | 5, .. }), "byte {place}: {fault}");
    }
    wreck.tamper("links", |links, txn| {
        assert!(links.delete(txn, &wreck.head.link_seq.to_be_bytes()).unwrap());
    });
    let fault = wreck.first();
    assert!(matches!(fault.kind, FaultKind::Link { link, .. } if link == wreck.head.link_seq), "{fault}");
}

#[test]
fn an_edited_head_is_found() {
    let wreck = Wreck::new();
    let mut other = wreck.head;
    other.hash = Digest::of(b"other");
    wreck.edit("meta", b"head", |bytes| *bytes = record(4, &other));
    assert!(matches!(wreck.first().kind, FaultKind::CapsuleHead { .. }));
    other = wreck.head;
    other.runs += 1;
    wreck.edit("meta", b"head", |bytes| *bytes = record(4, &other));
    let fault = wreck.first();
    assert!(matches!(fault.kind, FaultKind::CapsuleHead { .. }), "{fault}");
    wreck.edit("meta", b"head", |bytes| bytes.truncate(9));
    assert!(!wreck.verify(VerifyOptions::default()).is_sound());
}

#[test]
fn another_capsule_does_not_have_an_earlier_head() {
    let (mine, other) = (Wreck::new(), Ship::with_task());
    let look = |head: Digest, depth| {
        mine.verify(VerifyOptions { head: Some(head), depth, ..VerifyOptions::default() })
    };
    let depths = [None, Some(Depth::Bounded { newest_links: 2 })];
    // Both were begun by the same writes, so the other's head is on the way of this one; a write later it is not.
    let shared = other.reader.head().unwrap().hash;
    other.write(Op::CreateItem(Box::new(task("T-77"))));
    let later = other.reader.head().unwrap().hash;
    for depth in depths {
        assert_eq!(look(shared, depth).faults, []);
        assert_eq!(look(later, depth).first().unwrap().kind, FaultKind::HeadNotFound { head: later });
    }
}

#[test]
fn the_newest_links_show_a_change_of_a_run_that_has_ended() {
    let wreck = Wreck::new();
    let cursor = wreck.cursors_of("checkpoint")[3];
    let found = wreck.event(cursor);
    assert_eq!(found.stream, Stream::Run { run_id: run_id(1) });
    wreck.edit_event(cursor, |event| event.at = time(999));
    let bounded = |newest_links| {
        let depth = Some(Depth::Bounded { newest_links });
        wreck.verify(VerifyOptions { depth, ..VerifyOptions::default() })
    };
    let report = bounded(2);
    let fault = report.first().unwrap();
    assert!(matches!(fault.kind, FaultKind::Hash { stated, .. } if stated == found.hash), "{fault}");
    assert_eq!(fault.cursor, Some(Cursor(cursor)));
    assert!(bounded(1).is_sound(), "one link more than asked for was looked at");
}

#[test]
fn an_event_that_the_rules_refuse_is_found_though_its_chain_is_whole() {
    let wreck = Wreck::new();
    let (cursor, before) = (wreck.head.cursor.0, wreck.event(wreck.head.cursor.0));
    wreck.edit_event(cursor, |event| {
        event.data = EventData::Run(RunEvent::PhaseChanged { phase: Phase::Prepare });
        event.hash = event.hash_of().unwrap();
    });
    let fault = wreck.first();
    assert_eq!((fault.cursor, &fault.stream), (Some(Cursor(cursor)), &Some(before.stream)));
    assert!(
        matches!(&fault.kind, FaultKind::Refused { why } if why.contains("phases only go forward")),
        "{fault}"
    );
}

#[test]
fn read_models_that_the_log_does_not_make_are_found() {
    type Tamper = fn(&Wreck);
    let cases: [(&str, Tamper); 9] = [
        ("runs", |wreck| {
            wreck.tamper("runs", |runs, txn| assert!(runs.delete(txn, run_id(1).as_bytes()).unwrap()));
        }),
        ("run_index", |wreck| {
            wreck.tamper("run_index", |index, txn| {
                let (key, value) =
                    index.first(txn).unwrap().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap();
                let mut other = key.clone();
                *other.last_mut().unwrap() += 100;
                index.delete(txn, &key).unwrap();
                index.put(txn, &other, &value).unwrap();
            });
        }),
        ("active", |wreck| wreck.tamper("active", |active, txn| active.clear(txn).unwrap())),
        ("artifacts", |wreck| {
            wreck.tamper("artifacts", |artifacts, txn| {
                let value = artifacts.first(txn).unwrap().unwrap().1.to_vec();
                artifacts.put(txn, &[run_id(1).as_bytes().as_slice(), b"c.txt"].concat(), &value).unwrap();
            });
        }),
        ("continued", |wreck| {
            wreck.tamper("continued", |continued, txn| {
                continued.put(txn, run_id(1).as_bytes(), run_id(2).as_bytes()).unwrap();
            });
        }),
        ("approvals", |wreck| {
            wreck.tamper("approvals", |approvals, txn| {
                let asking = [workspace_id().as_bytes().as_slice(), run_id(1).as_bytes()].concat();
                approvals.put(txn, &[7; 16], &asking).unwrap();
            });
        }),
        ("common_dirs", |wreck| {
            wreck.tamper("common_dirs", |dirs, txn| {
                dirs.put(txn, &[7; 32], workspace_id().as_bytes()).unwrap()
            });
        }),
        ("items", |wreck| {
            let key = [workspace_id().as_bytes().as_slice(), b"T-1"].concat();
            wreck.edit("items", &key, |bytes| {
                let place = bytes.windows(6).position(|found| found == b"Do T-1").unwrap();
                bytes[place] = b'N';
            });
        }),
        ("dedupe", |wreck| {
            wreck.tamper("dedupe", |dedupe, txn| {
                dedupe.put(txn, &[7; 32], &record(9, &(run_id(1), Digest::ZERO))).unwrap();
            });
        }),
    ];
    for (table, tamper) in cases {
        let wreck = Wreck::new();
        tamper(&wreck);
        let faults = check_read_models(&open_read_only(wreck.path()).unwrap()).unwrap();
        let in_table =
            |fault: &Fault| matches!(fault.kind, FaultKind::ReadModel { table: found, .. } if found == table);
        assert!(faults.iter().any(in_table), "{table}: {faults:?}");
        assert!(!wreck.verify(VerifyOptions::default()).is_sound(), "{table}");
    }
}

#[test]
fn a_full_verification_goes_on_where_it_was_stopped() {
    let wreck = Wreck::new();
    let mut told = Vec::new();
    let mut note = |progress: &VerifyProgress| told.push(progress.clone());
    let whole = wreck.verify(VerifyOptions { progress: Some(&mut note), ..VerifyOptions::default() });
    assert!(whole.is_sound());
    let (first, last) = (&told[0], told.last().unwrap());
    assert!(matches!(first.mark, VerifyMark::Streams { .. }));
    assert_eq!((first.done, first.under), (wreck.head.cursor.0, wreck.head));
    assert_eq!(last.mark, VerifyMark::Links { after: wreck.head.link_seq });
    assert_eq!(last.done, last.of, "it was at its end");
    let at = |mark| VerifyProgress { mark, ..first.clone() };
    for (progress, events, links) in [
        (first.clone(), 0, wreck.head.link_seq),
        (at(VerifyMark::Links { after: wreck.head.link_seq - 1 }), 0, 1),
        (at(VerifyMark::Streams { after: "zz".to_owned() }), wreck.head.cursor.0, wreck.head.link_seq),
    ] {
        let report = wreck.verify(VerifyOptions { resume: Some(progress), ..VerifyOptions::default() });
        assert_eq!((report.faults.len(), report.events, report.links), (0, events, links));
    }
}

#[test]
fn a_verification_that_goes_on_hashes_what_was_committed_since_and_trusts_no_other_capsule() {
    let wreck = Wreck::new();
    let (first_link, mut told) = (1, Vec::new());
    let mut note = |progress: &VerifyProgress| told.push(progress.clone());
    wreck.verify(VerifyOptions { progress: Some(&mut note), ..VerifyOptions::default() });
    let first = told.remove(0);
    // As if the streams had been looked at when there was one link only: the rest was committed since.
    let link = windlass_capsule::CapsuleHead {
        link_seq: first_link,
        hash: wreck.link_hash(first_link),
        ..first.under
    };
    let earlier = VerifyProgress { under: link, ..first.clone() };
    wreck.edit_event(wreck.head.cursor.0, |event| event.at = time(999));
    let look = |resume| wreck.verify(VerifyOptions { resume: Some(resume), ..VerifyOptions::default() });
    assert!(matches!(look(earlier.clone()).first().unwrap().kind, FaultKind::Hash { .. }));
    assert!(look(first.clone()).is_sound(), "what was looked at is looked at again");
    let other = VerifyProgress {
        under: windlass_capsule::CapsuleHead { hash: Digest::of(b"other"), ..link },
        ..first
    };
    assert!(
        matches!(look(other).first().unwrap().kind, FaultKind::Hash { .. }),
        "another capsule's progress counts"
    );
}
