//! Exports: a kept file of format 1, what it leaves out, and that no byte of it can change unnoticed.

use std::fs::File;
use std::io::{Cursor as Bytes, Read as _, Write as _};

use super::support::*;
use windlass_capsule::{
    BadExport, ExportError, Exported, Import, ImportError, Imports, LeftOutKind, Manifest, Op, export_run,
    verify_export,
};
use windlass_domain::artifact::{Artifact, ArtifactPath};
use windlass_domain::capture::{CaptureMode, DataClass};
use windlass_domain::digest::Digest;
use windlass_domain::event::Stream;
use windlass_domain::id::{RunId, Seq};
use windlass_domain::run::command::Act;
use windlass_domain::run::request::RunKind;
use windlass_domain::run::step::StepResult;
use windlass_domain::run::{Outcome, RunState, RunStatus};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/export-1/run.tar");

const SAID: &str = "what the command said";

/// A run beside others that ended with two artifacts and two step results, of which the longer is a file.
fn exported_run(ship: &Ship, mode: CaptureMode, summary: &str) -> RunId {
    ship.outfit(2);
    let other = ship.start_run(9, "T-2");
    let mut request = request("T-1", RunKind::Review);
    request.capture_mode = mode;
    ship.write(submit(submission_of(run_id(1), request)));
    ship.write(act(run_id(1), vec![start(1)]));
    let stage = |class, bytes: Vec<u8>| ship.writer.stage(class, mode, bytes).unwrap();
    let report = stage(OUTPUT, b"# Report\n".to_vec());
    let said = if mode.keeps(DataClass::Io) { DataClass::Io } else { OUTPUT };
    let log = stage(said, SAID.repeat(20).into_bytes());
    let long = stage(said, format!("\"{}\"", SAID.repeat(10)).into_bytes());
    let store = |path: &str, blob: &windlass_capsule::StagedBlob| {
        let (path, media_type) = (ArtifactPath::new(path).unwrap(), "text/plain".to_owned());
        let (digest, bytes) = (blob.digest(), blob.bytes());
        of(1, Act::StoreArtifact(Artifact { path, digest, bytes, media_type, class: blob.class() }))
    };
    ship.write(act(other, vec![checkpoint(0)]));
    let stored = StepResult::Stored { digest: long.digest(), bytes: long.bytes() };
    let commands = vec![
        begin("look", 0),
        finish("look", 0, inline(SAID)),
        begin("check", 0),
        finish("check", 0, stored),
        store("report.md", &report),
        store("check.log", &log),
    ];
    ship.write(Op::Run { run_id: run_id(1), commands, blobs: vec![report, log, long] });
    ship.write(act(other, vec![checkpoint(1)]));
    let end = of(1, Act::End { outcome: Outcome::Succeeded, summary: summary.to_owned() });
    ship.write(act(run_id(1), vec![end]));
    ship.write(act(other, vec![checkpoint(2)]));
    run_id(1)
}

fn export(ship: &Ship, run_id: RunId, mode: CaptureMode) -> (Vec<u8>, Exported) {
    let mut file = tempfile::tempfile().unwrap();
    let exported = export_run(&ship.reader, run_id, mode, &mut file).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, exported.bytes);
    (bytes, exported)
}

fn sound(bytes: &[u8]) -> Manifest {
    verify_export(Bytes::new(bytes), None).unwrap().manifest
}

fn refused(bytes: &[u8]) -> BadExport {
    verify_export(Bytes::new(bytes), None).unwrap_err()
}

fn kept() -> Vec<u8> {
    std::fs::read(KEPT).unwrap()
}

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn what_is_exported_today_is_what_format_1_wrote() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::PromptsOnly, "done");
    let (today, exported) = export(&ship, run_id, CaptureMode::FullIo);
    if std::env::var_os("WINDLASS_UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(KEPT).parent().unwrap()).unwrap();
        std::fs::write(KEPT, &today).unwrap();
    }
    assert_eq!(exported.report.manifest.exported_as, CaptureMode::PromptsOnly);
    assert!(
        today == kept(),
        "the export changed: raise EXPORT_FORMAT and keep the old file, or, before there are users, write it anew with \
         WINDLASS_UPDATE=1"
    );
    assert_eq!(export(&ship, run_id, CaptureMode::FullIo).0, today, "the same capsule gives the same bytes");
}

#[test]
fn every_changed_byte_is_detected() {
    let good = kept();
    sound(&good);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let good = &good;
            scope.spawn(move || {
                let mut bytes = good.clone();
                for place in (thread..good.len()).step_by(threads) {
                    bytes[place] ^= 1 << (place / threads % 8);
                    let found = verify_export(Bytes::new(&bytes), None);
                    assert!(found.is_err(), "byte {place} was changed and nobody noticed");
                    bytes[place] = good[place];
                }
            });
        }
    });
}

#[test]
fn every_truncation_and_every_addition_is_detected() {
    let good = kept();
    // Around every block of the container, and at some place inside of each.
    let around =
        (0..=good.len() / 512).flat_map(|block| [0, 1, 7 + block % 500, 511].map(|more| block * 512 + more));
    for length in around.filter(|length| *length < good.len()) {
        let error = refused(&good[..length]);
        let told = matches!(error, BadExport::NotAnExport | BadExport::Damaged { .. });
        assert!(told, "cut to {length} bytes: {error:?}");
    }
    for more in [1, 511, 512, 1024] {
        refused(&[&good[..], &vec![0; more]].concat());
    }
}

#[test]
fn a_newer_export_is_told_from_a_damaged_one() {
    let mut bytes = kept();
    let place = find(&bytes, b"windlass export 1");
    bytes[place + "windlass export ".len()] = b'2';
    assert!(matches!(refused(&bytes), BadExport::Newer { found: 2 }));
    let mut bytes = kept();
    bytes[place + "windlass export ".len()] = b'0';
    assert!(matches!(refused(&bytes), BadExport::Damaged { .. }));
    assert!(matches!(refused(b"PK\x03\x04"), BadExport::NotAnExport));
    assert!(matches!(refused(&[]), BadExport::NotAnExport));
    assert!(matches!(refused(&vec![0; 4096]), BadExport::NotAnExport));
}

#[test]
fn the_first_bad_event_is_named() {
    let mut bytes = kept();
    let place = find(&bytes, b"\"did ");
    assert_eq!(place, bytes.len(), "the checkpoints belong to the other run");
    let place = find(&bytes, b"\"summary\":\"done\"");
    bytes[place + 12] = b'X';
    let error = refused(&bytes).to_string();
    let events = sound(&kept()).events;
    assert!(error.starts_with(&format!("event {events}: its hash is stated as ")), "{error}");
}

#[test]
fn a_hostile_length_reserves_nothing() {
    // The second header claims 8 GiB, as any tar could.
    let good = kept();
    let events = 1024;
    let mut bytes = good[..events + 512].to_vec();
    bytes[events + 124..events + 135].copy_from_slice(b"77777777777");
    bytes[events + 148..events + 156].fill(b' ');
    let sum: u32 = bytes[events..events + 512].iter().copied().map(u32::from).sum();
    bytes[events + 148..events + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let error = refused(&bytes).to_string();
    assert!(error.contains("cut short"), "{error}");
}

#[test]
fn without_a_head_a_recomputed_record_passes_and_with_one_it_does_not() {
    let (honest, forged) = (Ship::new(), Ship::new());
    let run_id = exported_run(&honest, CaptureMode::PromptsOnly, "failed");
    let noted = honest.reader.head().unwrap().hash;
    assert_eq!(exported_run(&forged, CaptureMode::PromptsOnly, "succeeded"), run_id);
    let (good, report) = export(&honest, run_id, CaptureMode::PromptsOnly);
    let (bad, _) = export(&forged, run_id, CaptureMode::PromptsOnly);
    assert_eq!(report.report.manifest.capsule_head, noted);
    verify_export(Bytes::new(&good), Some(noted)).unwrap();
    sound(&bad);
    let error = verify_export(Bytes::new(&bad), Some(noted)).unwrap_err();
    assert!(matches!(error, BadExport::HeadNotFound { head, .. } if head == noted), "{error}");
}

#[test]
fn any_head_from_the_run_s_beginning_on_is_known() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::PromptsOnly, "done");
    let at_end = ship.reader.head().unwrap();
    ship.write(Op::CreateItem(Box::new(task("LATER"))));
    let later = ship.reader.head().unwrap();
    let (bytes, exported) = export(&ship, run_id, CaptureMode::PromptsOnly);
    let manifest = exported.report.manifest;
    assert_eq!((manifest.last_link, manifest.capsule_head), (later.link_seq, later.hash));
    assert!(manifest.first_link > 1 && manifest.first_link < at_end.link_seq);
    for head in [at_end.hash, later.hash] {
        verify_export(Bytes::new(&bytes), Some(head)).unwrap();
    }
    assert_eq!(find(&bytes, b"LATER"), bytes.len(), "the names of other streams are not in the export");
    assert_eq!(find(&bytes, run_id_text(9).as_bytes()), bytes.len());
}

#[test]
fn a_safe_export_holds_nothing_of_what_commands_said_and_says_so() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::FullIo, "done");
    let (whole, _) = export(&ship, run_id, CaptureMode::FullIo);
    assert!(find(&whole, SAID.as_bytes()) < whole.len(), "the run stored it");
    let (safe, exported) = export(&ship, run_id, CaptureMode::PromptsOnly);
    assert_eq!(find(&safe, SAID.as_bytes()), safe.len(), "the safe export holds it");
    let manifest = sound(&safe);
    assert_eq!(manifest, exported.report.manifest);
    let whats: Vec<_> = manifest.left_out.iter().map(|left_out| left_out.what).collect();
    assert_eq!(whats, [LeftOutKind::StepResult, LeftOutKind::StepResult, LeftOutKind::Artifact]);
    assert_eq!(manifest.artifacts.len(), 2, "an artifact that is left out is still named");
    assert_eq!(sound(&whole).run_head, manifest.run_head, "both are the same chain");
}

#[test]
fn an_export_cannot_claim_to_hold_less_than_it_does() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::FullIo, "done");
    let (mut whole, _) = export(&ship, run_id, CaptureMode::FullIo);
    let place = find(&whole, b" full_io\n");
    whole[place..place + 9].copy_from_slice(b" prompts_");
    refused(&whole);
}

#[test]
fn only_an_ended_run_is_exported() {
    let (ship, run_id) = Ship::with_run();
    let mut file = tempfile::tempfile().unwrap();
    let mut attempt = |run_id, mode| export_run(&ship.reader, run_id, mode, &mut file).unwrap_err();
    let error = attempt(run_id, CaptureMode::PromptsOnly);
    assert!(matches!(error, ExportError::NotEnded { status: RunStatus::Running, .. }), "{error}");
    let error = attempt(super::support::run_id(77), CaptureMode::PromptsOnly);
    assert!(matches!(error, ExportError::UnknownRun { .. }), "{error}");
    assert!(matches!(attempt(run_id, CaptureMode::None), ExportError::CaptureNone));
    assert_eq!(file.metadata().unwrap().len(), 0, "nothing was written");
}

#[test]
fn an_import_is_read_like_the_run_that_it_was() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::PromptsOnly, "done");
    let (bytes, _) = export(&ship, run_id, CaptureMode::PromptsOnly);
    let folder = tempfile::tempdir().unwrap();
    let imports = Imports::at(folder.path().join("imports"));
    assert!(imports.list().unwrap().is_empty());
    let add = |is_own: bool| imports.add(&mut file_with(&bytes), |_| Ok(is_own)).unwrap();
    assert_eq!(add(true), Import::Own { run_id });
    assert!(imports.list().unwrap().is_empty());
    assert!(matches!(add(false), Import::Kept { new: true, .. }));
    assert!(matches!(add(false), Import::Kept { new: false, .. }), "the second time changes nothing");
    assert_eq!(imports.list().unwrap(), [sound(&bytes)]);
    let import = imports.open(run_id).unwrap().unwrap();
    let (run, artifacts) = import.run().unwrap();
    assert!(matches!(run.state, RunState::Ended(_)));
    assert_eq!(Some(run), ship.reader.run(run_id).unwrap());
    assert_eq!(artifacts, ship.reader.artifacts(run_id).unwrap());
    let stream = Stream::Run { run_id };
    assert_eq!(import.events(Seq(1), 100).unwrap(), ship.reader.events(&stream, Seq(1), 100).unwrap());
    assert_eq!(import.events(Seq(3), 2).unwrap(), ship.reader.events(&stream, Seq(3), 2).unwrap());
    for artifact in artifacts {
        assert_eq!(import.blob(artifact.digest).unwrap(), ship.reader.blob(artifact.digest).ok());
    }
    assert_eq!(import.blob(Digest::of(b"nowhere")).unwrap(), None);
    assert!(imports.open(super::support::run_id(9)).unwrap().is_none());
}

#[test]
fn an_import_of_what_is_not_sound_changes_nothing() {
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::PromptsOnly, "done");
    let (bytes, _) = export(&ship, run_id, CaptureMode::PromptsOnly);
    let folder = tempfile::tempdir().unwrap();
    let imports = Imports::at(folder.path().join("imports"));
    let mut altered = bytes.clone();
    altered[5000] ^= 1;
    for bad in [&altered[..], &bytes[..bytes.len() - 512], b"nothing"] {
        assert!(matches!(imports.add(&mut file_with(bad), |_| Ok(false)), Err(ImportError::Bad(_))));
    }
    assert!(!folder.path().join("imports").exists());
    imports.add(&mut file_with(&bytes), |_| Ok(false)).unwrap();
    let forged = Ship::new();
    exported_run(&forged, CaptureMode::PromptsOnly, "another end");
    let (other, _) = export(&forged, run_id, CaptureMode::PromptsOnly);
    let error = imports.add(&mut file_with(&other), |_| Ok(false)).unwrap_err();
    assert!(matches!(error, ImportError::Other { .. }), "{error}");
    assert_eq!(imports.list().unwrap(), [sound(&bytes)]);
    assert_eq!(std::fs::read_dir(folder.path().join("imports")).unwrap().count(), 1, "no leftover");
}

/// Where these bytes begin; the length where they are not there.
fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap_or(bytes.len())
}

fn run_id_text(number: u16) -> String {
    run_id(number).to_string()
}

/// The commands that the format's description gives, on the kept file and on one that leaves something out.
#[test]
fn an_export_can_be_checked_by_hand() {
    let page = include_str!("../../../../docs/formats/export.md");
    let script = page.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let ship = Ship::new();
    let run_id = exported_run(&ship, CaptureMode::FullIo, "done");
    let mut altered = kept();
    let place = find(&altered, b"\"summary\":\"done\"");
    altered[place + 12] = b'X';
    for (bytes, is_sound) in
        [(kept(), true), (export(&ship, run_id, CaptureMode::PromptsOnly).0, true), (altered, false)]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.tar"), &bytes).unwrap();
        let mut shell = std::process::Command::new("bash");
        let output = shell.args(["-c", script]).current_dir(folder.path()).output().unwrap();
        let (said, complained) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let lines: Vec<_> = said.lines().collect();
        if is_sound {
            assert!(complained.is_empty(), "{complained}");
            let head = sound(&bytes).capsule_head.to_string();
            assert_eq!(lines, [format!("head: {head}"), head]);
        } else {
            assert!(lines.iter().any(|line| line.starts_with("bad: ")), "{said} {complained}");
        }
    }
}
