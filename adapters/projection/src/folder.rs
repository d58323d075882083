//! The folder of one run, walked to from its anchor without following a link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, openat, statat};
use rustix::io::Errno;
use windlass_policy::ProjectionPlace;

use crate::NotWritten;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder of one run. Who holds one is alone in it among those that write projections, in this process and in others.
pub(crate) struct RunFolder {
    pub(crate) folder: OwnedFd,
    /// Whether it is among the user's own files.
    pub(crate) in_tree: bool,
}

impl RunFolder {
    /// Makes the folder, or finds it as it is.
    pub(crate) fn make(place: &ProjectionPlace) -> Result<Self, NotWritten> {
        let mut folder = anchor(place)?;
        for name in place.folder().split('/') {
            folder = make(folder.as_fd(), name, place.in_tree())?;
        }
        flock(&folder, FlockOperation::LockExclusive).map_err(NotWritten::io("locked"))?;
        Ok(Self { folder, in_tree: place.in_tree() })
    }

    /// Finds the folder; none where it is not there.
    pub(crate) fn find(place: &ProjectionPlace) -> Result<Option<Self>, NotWritten> {
        let mut folder = anchor(place)?;
        for name in place.folder().split('/') {
            match enter(folder.as_fd(), name, place.in_tree())? {
                Some(inner) => folder = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(Self { folder, in_tree: place.in_tree() }))
    }
}

/// The folder that everything stands in. It is the user's to place, and may be reached through links.
fn anchor(place: &ProjectionPlace) -> Result<OwnedFd, NotWritten> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(place.anchor(), flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => Err(NotWritten::NoAnchor { anchor: place.anchor().to_owned() }),
        opened => opened.map_err(NotWritten::io("reached")),
    }
}

/// Enters a folder, which is made where nothing stands.
pub(crate) fn make(outer: BorrowedFd<'_>, name: &str, in_tree: bool) -> Result<OwnedFd, NotWritten> {
    if let Some(inner) = enter(outer, name, in_tree)? {
        return Ok(inner);
    }
    match mkdirat(outer, name, mode(in_tree, Mode::RWXU, Mode::RWXU | Mode::RWXG | Mode::RWXO)) {
        Ok(()) => fsync(outer).map_err(NotWritten::io("synced"))?,
        // Somebody else made it meanwhile.
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(NotWritten::io("put into a folder of its own")(errno)),
    }
    let gone = || NotWritten::io("reached")(Errno::NOENT);
    enter(outer, name, in_tree)?.ok_or_else(gone)
}

/// Enters a folder; none where nothing stands.
pub(crate) fn enter(outer: BorrowedFd<'_>, name: &str, in_tree: bool) -> Result<Option<OwnedFd>, NotWritten> {
    let inner = match openat(outer, name, FOLDER, Mode::empty()) {
        Ok(inner) => inner,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(in_the_way(outer, name)),
        Err(errno) => return Err(NotWritten::io("reached")(errno)),
    };
    // What git keeps of a submodule or a nested checkout tells that this is another repository's tree.
    if in_tree && statat(&inner, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(NotWritten::OtherRepository { name: name.to_owned() });
    }
    Ok(Some(inner))
}

/// Says what stands where something else should.
pub(crate) fn in_the_way(outer: BorrowedFd<'_>, name: &str) -> NotWritten {
    let name = name.to_owned();
    let found = match statat(outer, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Err(errno) => return NotWritten::io("looked at")(errno),
        Ok(found) => FileType::from_raw_mode(found.st_mode),
    };
    match found {
        FileType::Symlink => NotWritten::Link { name },
        FileType::Directory => NotWritten::InTheWay { name, found: "a folder" },
        FileType::RegularFile => NotWritten::InTheWay { name, found: "a file" },
        _ => NotWritten::InTheWay { name, found: "neither a file nor a folder" },
    }
}

/// Among the user's files the umask says who reads; in a folder of our own nobody else does.
pub(crate) const fn mode(in_tree: bool, own: Mode, tree: Mode) -> Mode {
    if in_tree { tree } else { own }
}
