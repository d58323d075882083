//! One file: how it stands, and how it is put in its place.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, fsync, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;
use windlass_domain::digest::{Digest, Digester};

use crate::folder::{RunFolder, enter, in_the_way, make, mode};
use crate::{NotWritten, Standing, WantedFile, Written};

/// What a file is called until it is whole. In a run's own folder nobody else has a name of this form.
const UNFINISHED: &str = ".windlass-unfinished-";

/// What stands in the place of a file.
enum Found {
    Nothing,
    AsWanted,
    /// A file with other bytes that we wrote once, or that may be replaced anyway.
    Ours,
}

impl RunFolder {
    /// Writes a file, unless it stands there already.
    pub(crate) fn write(&self, wanted: &WantedFile, ours: &BTreeSet<Digest>) -> Result<Written, NotWritten> {
        let (folders, name) = split(&wanted.path);
        let mut inner: Option<OwnedFd> = None;
        for folder in folders {
            inner = Some(make(self.reached(inner.as_ref()), folder, self.in_tree)?);
        }
        let folder = self.reached(inner.as_ref());
        let found = self.found(folder, name, wanted, ours)?;
        if matches!(found, Found::AsWanted) {
            return Ok(Written::Unchanged);
        }
        let unfinished = format!("{UNFINISHED}{name}");
        let put = self.fill(folder, &unfinished, &wanted.bytes).and_then(|()| {
            match found {
                Found::Nothing => place_new(folder, &unfinished, name),
                Found::Ours | Found::AsWanted => renameat(folder, &unfinished, folder, name),
            }
            .map_err(|errno| match errno {
                Errno::EXIST => NotWritten::NotOurs,
                errno => NotWritten::io("put in its place")(errno),
            })
        });
        if let Err(error) = put {
            // It is under our own name, and without it nothing of the attempt is left.
            let _ = unlinkat(folder, &unfinished, AtFlags::empty());
            return Err(error);
        }
        fsync(folder).map_err(NotWritten::io("synced"))?;
        Ok(Written::Written)
    }

    /// How a file stands.
    pub(crate) fn look(&self, wanted: &WantedFile, ours: &BTreeSet<Digest>) -> Result<Standing, NotWritten> {
        let (folders, name) = split(&wanted.path);
        let mut inner: Option<OwnedFd> = None;
        for folder in folders {
            match enter(self.reached(inner.as_ref()), folder, self.in_tree)? {
                Some(entered) => inner = Some(entered),
                None => return Ok(Standing::Otherwise),
            }
        }
        Ok(match self.found(self.reached(inner.as_ref()), name, wanted, ours)? {
            Found::AsWanted => Standing::AsWanted,
            Found::Nothing | Found::Ours => Standing::Otherwise,
        })
    }

    fn reached<'a>(&'a self, inner: Option<&'a OwnedFd>) -> BorrowedFd<'a> {
        inner.unwrap_or(&self.folder).as_fd()
    }

    fn found(
        &self,
        folder: BorrowedFd<'_>,
        name: &str,
        wanted: &WantedFile,
        ours: &BTreeSet<Digest>,
    ) -> Result<Found, NotWritten> {
        // Nothing waits here for the writer of a pipe that stands in the way.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::NXIO) => return Err(in_the_way(folder, name)),
            Err(errno) => return Err(NotWritten::io("looked at")(errno)),
        };
        let stat = fstat(&file).map_err(NotWritten::io("looked at"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(in_the_way(folder, name));
        }
        let digest = digest_of(File::from(file));
        let digest = digest.map_err(|source| NotWritten::Io { doing: "read", source })?;
        if digest == Digest::of(&wanted.bytes) {
            Ok(Found::AsWanted)
        } else if self.in_tree && !ours.contains(&digest) {
            Err(NotWritten::NotOurs)
        } else {
            Ok(Found::Ours)
        }
    }

    /// Writes the bytes under a name of our own, and syncs them.
    fn fill(&self, folder: BorrowedFd<'_>, unfinished: &str, bytes: &[u8]) -> Result<(), NotWritten> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (own, tree) = (Mode::RUSR | Mode::WUSR, Mode::from_raw_mode(0o666));
        let open = || openat(folder, unfinished, flags, mode(self.in_tree, own, tree));
        let opened = match open() {
            Err(Errno::EXIST) => {
                // A crash left it: the folder is locked, so nobody is at it.
                unlinkat(folder, unfinished, AtFlags::empty()).map_err(NotWritten::io("begun"))?;
                open()
            }
            opened => opened,
        };
        let mut file = File::from(opened.map_err(NotWritten::io("begun"))?);
        let filled = file.write_all(bytes).and_then(|()| file.sync_all());
        filled.map_err(|source| NotWritten::Io { doing: "written", source })
    }
}

/// Puts a file where nothing stood. Where the file system can, one that came there meanwhile is not replaced.
fn place_new(folder: BorrowedFd<'_>, unfinished: &str, name: &str) -> Result<(), Errno> {
    match renameat_with(folder, unfinished, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => renameat(folder, unfinished, folder, name),
        placed => placed,
    }
}

/// The folders of a path, and the name in the last of them.
fn split(path: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or(path);
    (parts, name)
}

fn digest_of(mut file: File) -> io::Result<Digest> {
    let (mut digester, mut piece) = (Digester::default(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digester.finish()),
            read => digester.update(&piece[..read]),
        }
    }
}
