//! Bad values: files that are not what they should be, ids that are none, names that are no text. Each is refused with what is wrong
//! with it and the next step, alike on a bus and without one, and nothing is changed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use rustix::process::Signal;
use tokio::runtime::Runtime;
use windlass_contract::control::Control;
use windlass_contract::error::{ErrorBody, ErrorCode};
use windlass_tests::{Home, Output, PrivateBus, wait_until_gone};

use crate::refusal;
use crate::world::{World, fingerprint, head};

const GOOD: &[u8] = b"goal = \"g\"\n[[acceptance_criteria]]\ntext = \"a\"\nhow_verified = \"h\"\n";

/// The files of the table, below the world's folder, by name and content.
const FILES: [(&str, &[u8]); 7] = [
    ("unknown.toml", b"goal = \"g\"\ngaol = \"h\"\n"),
    ("type.toml", b"goal = 7\n"),
    ("broken.json", b"{\"goal\": \"g\",\n"),
    ("latin.toml", b"goal = \"caf\xe9\"\n"),
    ("policy.toml", b"version = 1\n[limits]\nruns = \"many\"\n"),
    ("key.toml", b"version = 1\n[limit]\nruns = 2\n"),
    ("good.toml", GOOD),
];

/// What is typed, and the words that the message must have. `{folder}` holds the files, `\xff` stands for a byte that is no text.
const LINES: [(&str, &[&str]); 27] = [
    ("item intake T-3 --answers {folder}/unknown.toml", &["unknown.toml:2", "gaol"]),
    ("item intake T-3 --answers {folder}/type.toml", &["type.toml:1", "string"]),
    ("item intake T-3 --answers {folder}/broken.json", &["broken.json:2", "EOF"]),
    ("item intake T-3 --answers {folder}/latin.toml", &["latin.toml", "UTF-8"]),
    ("item intake T-3 --answers {folder}/huge.toml", &["huge.toml", "at most 1048576 bytes"]),
    ("item intake T-3 --answers {folder}/none.toml", &["none.toml", "No such file"]),
    ("item intake T-3 --answers {folder}/nested", &["nested", "directory"]),
    ("item intake T-3 --answers /proc/self/mem", &["/proc/self/mem", "cannot be read"]),
    ("item intake T-3 --answers {folder}/\\xff.toml", &["No such file"]),
    ("item intake T-3 --form --answers {folder}/unknown.toml", &["unknown.toml:2", "gaol"]),
    ("bot run --id T-3 --kind review --answers {folder}/type.toml", &["type.toml:1"]),
    ("policy check {folder}/policy.toml", &["policy.toml:3:8", "u32"]),
    ("policy check {folder}/key.toml", &["key.toml:2", "limit"]),
    ("policy check {folder}/none.toml", &["none.toml"]),
    ("item show ../T-1", &["../T-1"]),
    ("item show T/1", &["T/1"]),
    ("item show T\\x1b[2J", &["T\\u{1b}[2J"]),
    ("item add --type task --id T-4.lock --title Lock", &["T-4.lock"]),
    ("item add --type task --id T-4 --title \\xff", &["UTF-8"]),
    ("item add --type task --id T-4 --title Two\\x0alines", &["one line"]),
    ("item edit T-1 --parent F-1", &["--parent"]),
    ("init {folder}/\\xff", &["UTF-8"]),
    ("init {folder}/none", &["none"]),
    ("bot show 0189000-", &["0189000-"]),
    ("capsule export {active} --out {folder}/out.tar", &["{active}", "only a run that has ended"]),
    ("capsule import {folder}/good.toml", &["export"]),
    ("capsule get mv2://../T-1", &["mv2://"]),
];

/// The words of a line, with what stands for something put in.
fn words(line: &str, world: &World) -> Vec<OsString> {
    let (active, folder) = (world.active.to_string(), world.folder.path().to_str().unwrap());
    let ephemeral = if line.starts_with("bot run") { " --ephemeral" } else { "" };
    let line = format!("{line}{ephemeral} --json").replace("{folder}", folder).replace("{active}", &active);
    let bytes = |word: &str| {
        let mut bytes = word.as_bytes().to_vec();
        for (written, byte) in [("\\xff", 0xff), ("\\x1b", 0x1b), ("\\x0a", b'\n')] {
            while let Some(at) = bytes.windows(4).position(|four| four == written.as_bytes()) {
                bytes.splice(at..at + 4, [byte]);
            }
        }
        OsString::from_vec(bytes)
    };
    line.split(' ').map(bytes).collect()
}

/// Types every line, and gives what was said.
fn refused(world: &World, run: impl Fn(&Path, &[OsString]) -> Output) -> Vec<Vec<ErrorBody>> {
    let mut said = Vec::new();
    for (line, expected) in LINES {
        let done = run(world.known.path(), &words(line, world));
        let errors = refusal(&done, ErrorCode::BadRequest, 10);
        for word in expected {
            let word = word.replace("{active}", &world.active.to_string());
            assert!(errors[0].message.contains(&word), "{line}: no `{word}` in {errors:?}");
        }
        said.push(errors);
    }
    said
}

#[test]
fn a_bad_value_is_named_and_changes_nothing() {
    let home = Home::new();
    let bus = PrivateBus::start(&home);
    let runtime = Runtime::new().unwrap();
    let control = runtime.block_on(bus.control());
    let world = runtime.block_on(World::new(&home, &control));
    let folder = world.folder.path();
    for (name, content) in FILES {
        fs::write(folder.join(name), content).unwrap();
    }
    fs::create_dir(folder.join("nested")).unwrap();
    // As large as it says, and nothing on the disk.
    fs::File::create(folder.join("huge.toml")).unwrap().set_len(100 << 20).unwrap();

    let places = || [home.path(), folder, world.known.path()].map(fingerprint);
    let before = (runtime.block_on(head(&control)), places());
    let on_the_bus = refused(&world, |folder, words| Output::of(bus.windlass(&home, folder).args(words)));
    assert!((runtime.block_on(head(&control)), places()) == before, "a refusal changes nothing");
    wait_until_gone(runtime.block_on(control.service_status()).unwrap().pid, Signal::KILL);
    bus.end();
    let alone = refused(&world, |folder, words| Output::of(home.windlass(folder).args(words)));
    assert_eq!(alone, on_the_bus);
    let verified = home.run(world.known.path(), &["capsule", "verify", "--json"]).ok().json();
    assert_eq!(verified["capsule_head"], before.0.to_string(), "a refusal changes nothing");
}
