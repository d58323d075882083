//! The disk is what it says: through plain calls of the standard library, with the power cut between them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc::channel;

use rustix::fs::OFlags;
use windlass_forgetful::{Call, Disk, Failure, Fault, Mount, MountError, Survival};

/// Does something on an empty disk, cuts the power, and looks at what is left.
fn after_a_cut(survival: Survival, act: impl FnOnce(&Path), look: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    act(folder.path());
    let disk = mount.cut_power(survival).expect("nobody uses the disk");
    let mount = Mount::new(disk, folder.path()).expect("the disk can be mounted again");
    look(folder.path());
    mount.unmount().expect("nobody uses the disk");
}

fn sync_folder(path: &Path) {
    File::open(path).and_then(|folder| folder.sync_all()).expect("a folder can be synced");
}

/// A file of this name with these bytes, both durable.
fn durable(folder: &Path, name: &str, bytes: &[u8]) -> File {
    let path = folder.join(name);
    let mut file = File::options().read(true).write(true).create_new(true).open(path).expect("it is new");
    file.write_all(bytes).and_then(|()| file.sync_all()).expect("it can be written");
    sync_folder(folder);
    file
}

#[test]
fn what_was_synced_is_kept() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            durable(folder, "kept", b"all of it");
        },
        |folder| assert_eq!(fs::read(folder.join("kept")).expect("it is there"), b"all of it"),
    );
}

#[test]
fn what_was_not_synced_is_lost() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            let file = durable(folder, "file", b"old");
            file.write_all_at(b"new and longer", 0).expect("it can be written");
            assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"new and longer");
        },
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"old"),
    );
}

#[test]
fn a_size_that_was_not_synced_is_lost() {
    after_a_cut(
        Survival::Nothing,
        |folder| durable(folder, "file", b"old").set_len(0).expect("it can be cut"),
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"old"),
    );
}

#[test]
fn a_file_whose_folder_was_not_synced_is_not_there() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            let mut file = File::create(folder.join("file")).expect("it can be made");
            file.write_all(b"bytes").and_then(|()| file.sync_all()).expect("it can be written");
        },
        |folder| assert_eq!(fs::read_dir(folder).expect("the folder is there").count(), 0),
    );
}

#[test]
fn a_folder_that_was_synced_names_a_file_that_is_empty_without_its_own_sync() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            fs::write(folder.join("file"), b"bytes").expect("it can be written");
            sync_folder(folder);
        },
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b""),
    );
}

#[test]
fn a_rename_reverts_without_a_sync_of_the_folder() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            durable(folder, "target", b"old");
            durable(folder, "target.new", b"new");
            fs::rename(folder.join("target.new"), folder.join("target")).expect("it can be renamed");
            assert_eq!(fs::read(folder.join("target")).expect("it is there"), b"new");
        },
        |folder| {
            assert_eq!(fs::read(folder.join("target")).expect("it is there"), b"old");
            assert_eq!(fs::read(folder.join("target.new")).expect("it is there"), b"new");
        },
    );
}

#[test]
fn a_rename_between_folders_is_in_both_or_in_neither() {
    for synced in ["from", "to"] {
        after_a_cut(
            Survival::Nothing,
            |folder| {
                for name in ["from", "to"] {
                    fs::create_dir(folder.join(name)).expect("it can be made");
                }
                sync_folder(folder);
                fs::write(folder.join("from/file"), b"").expect("it can be written");
                fs::rename(folder.join("from/file"), folder.join("to/file")).expect("it can be renamed");
                sync_folder(&folder.join(synced));
            },
            |folder| {
                assert!(folder.join("to/file").exists(), "after a sync of {synced}");
                assert!(!folder.join("from/file").exists(), "after a sync of {synced}");
            },
        );
    }
}

#[test]
fn a_removed_file_is_back_without_a_sync_of_the_folder() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            drop(durable(folder, "file", b"bytes"));
            fs::remove_file(folder.join("file")).expect("it can be removed");
            assert!(!folder.join("file").exists());
        },
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"bytes"),
    );
}

#[test]
fn a_write_that_syncs_by_itself_is_kept() {
    after_a_cut(
        Survival::Nothing,
        |folder| {
            drop(durable(folder, "file", b"old"));
            let flags = OFlags::DSYNC.bits().cast_signed();
            let file = OpenOptions::new().write(true).custom_flags(flags).open(folder.join("file"));
            file.and_then(|file| file.write_all_at(b"new", 0)).expect("it can be written");
        },
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"new"),
    );
}

#[test]
fn a_write_can_be_torn_at_its_sectors() {
    const SECTORS: usize = 16;
    let (mut ordered, mut scattered) = (false, false);
    for seed in 0..32 {
        for survival in [Survival::Ordered { seed }, Survival::Scattered { seed }] {
            after_a_cut(
                survival,
                |folder| {
                    let file = durable(folder, "file", &[b'o'; 512 * SECTORS]);
                    file.write_all_at(&[b'n'; 512 * SECTORS], 0).expect("it can be written");
                },
                |folder| {
                    let bytes = fs::read(folder.join("file")).expect("it is there");
                    let (sectors, rest) = bytes.as_chunks::<512>();
                    assert_eq!((sectors.len(), rest.len()), (SECTORS, 0));
                    assert!(sectors.iter().all(|sector| sector.iter().all(|byte| *byte == sector[0])));
                    let new = sectors.iter().filter(|sector| sector[0] == b'n').count();
                    let first = sectors.iter().take_while(|sector| sector[0] == b'n').count();
                    let torn = new > 0 && new < SECTORS;
                    match survival {
                        Survival::Ordered { .. } => {
                            assert_eq!(new, first, "in order, nothing survives behind a hole");
                            ordered |= torn;
                        }
                        Survival::Scattered { .. } => scattered |= torn && new != first,
                        Survival::Nothing => unreachable!("it is not asked for"),
                    }
                },
            );
        }
    }
    assert!(ordered && scattered, "torn in order: {ordered}; with holes: {scattered}");
}

#[test]
fn the_same_seed_leaves_the_same() {
    let run = |seed| {
        let mut left = Vec::new();
        after_a_cut(
            Survival::Scattered { seed },
            |folder| (0..32).for_each(|name| fs::write(folder.join(name.to_string()), b"").expect("writes")),
            |folder| {
                for entry in fs::read_dir(folder).expect("the folder is there") {
                    left.push(entry.expect("it can be listed").file_name());
                }
            },
        );
        left
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_power_goes_at_the_chosen_change_and_that_one_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    let file = durable(folder.path(), "file", b"old");
    let (sender, gone) = channel();
    mount.cut_power_at(3, move || sender.send(()).expect("the test waits"));
    file.write_all_at(b"new", 0).expect("the first change");
    file.sync_all().expect("the second change");
    gone.try_recv().expect_err("there is power");
    let error = file.write_all_at(b"non", 0).expect_err("the third change");
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    gone.try_recv().expect("the power went, and whoever cuts it was told");
    assert!(mount.is_dark());
    file.sync_all().expect_err("no call is answered with success");
    drop(file);
    let disk = mount.cut_power(Survival::Nothing).expect("nobody uses the disk");
    let mount = Mount::new(disk, folder.path()).expect("the disk can be mounted again");
    assert_eq!(fs::read(folder.path().join("file")).expect("it is there"), b"new");
    mount.unmount().expect("nobody uses the disk");
}

#[test]
fn planned_calls_fail_as_planned() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    let file = durable(folder.path(), "file", b"");
    mount.plan(&[
        Fault { call: Call::Write, nth: 2, failure: Failure::Full, lasting: false },
        Fault { call: Call::Rename, nth: 1, failure: Failure::Io, lasting: true },
    ]);
    file.write_all_at(b"one", 0).expect("the first write");
    let full = file.write_all_at(b"two", 0).expect_err("the second write");
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    file.write_all_at(b"six", 0).expect("the third write");
    for _ in 0..2 {
        fs::rename(folder.path().join("file"), folder.path().join("other")).expect_err("every rename");
    }
    assert_eq!(fs::read(folder.path().join("file")).expect("it is there"), b"six");
    drop(file);
    mount.unmount().expect("nobody uses the disk");
}

#[test]
fn a_failed_sync_can_drop_what_it_should_have_written() {
    after_a_cut_with_faults(
        &[Fault { call: Call::Sync, nth: 1, failure: Failure::Dropped, lasting: false }],
        |folder| {
            let file = File::options().write(true).open(folder.join("file")).expect("it is there");
            file.write_all_at(b"new", 0).expect("it can be written");
            file.sync_all().expect_err("the planned failure");
            file.sync_all().expect("the next sync says that all is well");
            assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"new");
        },
        |folder| assert_eq!(fs::read(folder.join("file")).expect("it is there"), b"old"),
    );
}

fn after_a_cut_with_faults(faults: &[Fault], act: impl FnOnce(&Path), look: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    drop(durable(folder.path(), "file", b"old"));
    mount.plan(faults);
    act(folder.path());
    let disk = mount.cut_power(Survival::Nothing).expect("nobody uses the disk");
    let mount = Mount::new(disk, folder.path()).expect("the disk can be mounted again");
    look(folder.path());
    mount.unmount().expect("nobody uses the disk");
}

#[test]
fn an_orderly_unmount_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    fs::create_dir_all(folder.path().join("a/b")).expect("they can be made");
    fs::write(folder.path().join("a/b/file"), b"bytes").expect("it can be written");
    std::os::unix::fs::symlink("b", folder.path().join("a/link")).expect("it can be made");
    let disk = mount.unmount().expect("nobody uses the disk");
    let mount = Mount::new(disk, folder.path()).expect("the disk can be mounted again");
    assert_eq!(fs::read(folder.path().join("a/link/file")).expect("it is there"), b"bytes");
    fs::remove_dir_all(folder.path().join("a")).expect("all of it can be removed");
    mount.unmount().expect("nobody uses the disk");
}

#[test]
fn a_long_listing_is_whole() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    for name in 0..1_000 {
        fs::write(folder.path().join(format!("a long name, number {name}")), b"").expect("it can be written");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("the folder is there").count(), 1_000);
    mount.unmount().expect("nobody uses the disk");
}

#[test]
fn the_bare_folder_is_closed_and_the_mount_is_another_file_system() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let bare = fs::metadata(folder.path()).expect("it is there").dev();
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    assert_ne!(fs::metadata(folder.path()).expect("it is there").dev(), bare);
    mount.unmount().expect("nobody uses the disk");
    let left = fs::metadata(folder.path()).expect("it is there");
    assert_eq!((left.dev(), left.permissions().mode() & 0o7777), (bare, 0));
}

#[test]
fn a_disk_in_use_stays_and_has_no_power() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = Mount::new(Disk::default(), folder.path()).expect("the disk can be mounted");
    let mut file = durable(folder.path(), "file", b"bytes");
    let error = mount.cut_power(Survival::Nothing).expect_err("a file is open");
    assert!(matches!(error, MountError::Busy { .. }), "{error}");
    file.write_all(b"more").expect_err("there is no power");
    let mut text = String::new();
    // What the kernel still has in its memory may be read; nothing can be opened any more.
    let _ = file.read_to_string(&mut text);
    File::open(folder.path().join("file")).expect_err("there is no power");
}
