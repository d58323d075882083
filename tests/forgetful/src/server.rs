//! Answers the kernel's calls from the disk, while there is power.
//!
//! One thread serves all calls, one after the other: the order of changes is the order in which they were asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::bytes::Bytes;
use crate::disk::{Attributes, Disk, Kind};
use crate::fault::{Call, Failure, Fault};
use crate::names::Names;

/// How long the kernel may remember what it was told. Every change comes through this kernel, so for long.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The block size that is told, in bytes.
const BLOCK_BYTES: u32 = 4096;

/// The free blocks that are told: 64 GiB.
const FREE_BLOCKS: u64 = 16 << 20;

/// The type bits of a mode, and those of what `mknod` makes here (inode(7)).
const TYPE_BITS: u32 = 0o170_000;
const SOCKET: u32 = 0o140_000;
const PIPE: u32 = 0o010_000;
const REGULAR: u32 = 0o100_000;

/// What happens when the power goes.
type End = Box<dyn FnOnce() + Send>;

/// The disk, the power, and what is planned.
pub(crate) struct Powered {
    disk: Disk,
    dark: bool,
    cut: Option<(u64, End)>,
    faults: Vec<Fault>,
    counts: BTreeMap<Call, u64>,
}

impl fmt::Debug for Powered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Powered")
            .field("dark", &self.dark)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Powered {
    pub(crate) const fn new(disk: Disk) -> Self {
        Self { disk, dark: false, cut: None, faults: Vec::new(), counts: BTreeMap::new() }
    }

    pub(crate) fn cut_at(&mut self, nth: u64, end: End) {
        self.cut = Some((self.changes() + nth, end));
    }

    pub(crate) const fn is_dark(&self) -> bool {
        self.dark
    }

    pub(crate) const fn go_dark(&mut self) {
        self.dark = true;
    }

    pub(crate) fn plan(&mut self, faults: &[Fault]) {
        let from_now = |fault: &Fault| Fault { nth: self.count(fault.call) + fault.nth, ..*fault };
        self.faults = faults.iter().map(from_now).collect();
    }

    pub(crate) fn count(&self, call: Call) -> u64 {
        self.counts.get(&call).copied().unwrap_or_default()
    }

    pub(crate) fn changes(&self) -> u64 {
        self.counts.iter().filter(|(call, _)| call.changes()).map(|(_, count)| count).sum()
    }

    pub(crate) fn take_disk(&mut self) -> Disk {
        std::mem::take(&mut self.disk)
    }

    /// Counts a call, and says how it is to fail, if it is.
    fn begin(&mut self, call: Call) -> Result<Option<Failure>, Errno> {
        if self.dark {
            return Err(Errno::EIO);
        }
        let count = self.counts.entry(call).or_default();
        *count += 1;
        let count = *count;
        if call.changes() && self.cut.as_ref().is_some_and(|(nth, _)| self.changes() >= *nth) {
            self.dark = true;
            if let Some((_, end)) = self.cut.take() {
                end();
            }
            return Err(Errno::EIO);
        }
        Ok(self.faults.iter().find(|fault| fault.hits(call, count)).map(|fault| fault.failure))
    }

    /// As [`Powered::begin`], for calls of which nothing is dropped when they fail.
    fn allow(&mut self, call: Call) -> Result<&mut Disk, Errno> {
        match self.begin(call)? {
            None => Ok(&mut self.disk),
            Some(Failure::Full) => Err(Errno::ENOSPC),
            Some(Failure::Io | Failure::Dropped) => Err(Errno::EIO),
        }
    }

    /// For calls that change nothing.
    const fn look(&self) -> Result<&Disk, Errno> {
        if self.dark { Err(Errno::EIO) } else { Ok(&self.disk) }
    }

    fn sync(&mut self, file: u64) -> Result<(), Errno> {
        match self.begin(Call::Sync)? {
            None => self.disk.sync(file),
            Some(Failure::Full) => Err(Errno::ENOSPC),
            Some(Failure::Io) => Err(Errno::EIO),
            Some(Failure::Dropped) => self.disk.sync_and_drop(file).and(Err(Errno::EIO)),
        }
    }
}

/// The file system, as fuser wants it.
pub(crate) struct Server {
    powered: Arc<Mutex<Powered>>,
    /// The listings that are being read, as they were when each was begun.
    listings: Mutex<Listings>,
}

#[derive(Default)]
struct Listings {
    next: u64,
    open: BTreeMap<u64, Vec<(u64, FileType, OsString)>>,
}

impl Server {
    pub(crate) fn new(powered: Arc<Mutex<Powered>>) -> Self {
        Self { powered, listings: Mutex::default() }
    }

    fn powered(&self) -> MutexGuard<'_, Powered> {
        self.powered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listings(&self) -> MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a node and describes it.
    fn make(
        &self,
        call: Call,
        request: &Request,
        place: (INodeNo, &OsStr),
        kind: Kind,
        mode: u32,
    ) -> Result<FileAttr, Errno> {
        let mode = u16::try_from(mode & 0o7777).expect("twelve bits fit");
        let attributes = Attributes::new(mode, request.uid(), request.gid());
        let mut powered = self.powered();
        let disk = powered.allow(call)?;
        let node = disk.make(place.0.0, place.1, kind, attributes)?;
        describe(disk, node)
    }
}

fn describe(disk: &Disk, number: u64) -> Result<FileAttr, Errno> {
    let node = disk.node(number)?;
    let size = match &node.kind {
        Kind::File(bytes) => bytes.size(),
        Kind::Link(target) => target.as_os_str().len() as u64,
        Kind::Folder(_) | Kind::Special(_) => 0,
    };
    let attributes = &node.attributes;
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: attributes.accessed,
        mtime: attributes.modified,
        ctime: attributes.changed,
        crtime: attributes.changed,
        kind: file_type(&node.kind),
        perm: attributes.mode,
        nlink: node.links,
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    })
}

const fn file_type(kind: &Kind) -> FileType {
    match kind {
        Kind::File(_) => FileType::RegularFile,
        Kind::Folder(_) => FileType::Directory,
        Kind::Link(_) => FileType::Symlink,
        Kind::Special(kind) => *kind,
    }
}

fn moment(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

fn answer_entry(found: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry(&REMEMBERED, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn answer_empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_attributes(found: Result<FileAttr, Errno>, reply: ReplyAttr) {
    match found {
        Ok(found) => reply.attr(&REMEMBERED, &found),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Server {
    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let powered = self.powered();
        let found = powered.look().and_then(|disk| describe(disk, disk.look_up(parent.0, name)?));
        answer_entry(found, reply);
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        answer_attributes(self.powered().look().and_then(|disk| describe(disk, ino.0)), reply);
    }

    fn setattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut powered = self.powered();
        let mut change = || {
            if let Some(size) = size {
                powered.allow(Call::Resize)?.resize(ino.0, size)?;
            }
            powered.look()?;
            let disk = &mut powered.disk;
            let attributes = disk.attributes(ino.0)?;
            attributes.mode = mode.map_or(attributes.mode, |mode| (mode & 0o7777) as u16);
            attributes.uid = uid.unwrap_or(attributes.uid);
            attributes.gid = gid.unwrap_or(attributes.gid);
            attributes.accessed = atime.map_or(attributes.accessed, moment);
            attributes.modified = mtime.map_or(attributes.modified, moment);
            attributes.changed = SystemTime::now();
            describe(disk, ino.0)
        };
        answer_attributes(change(), reply);
    }

    fn readlink(&self, _request: &Request, ino: INodeNo, reply: ReplyData) {
        let powered = self.powered();
        match powered.look().and_then(|disk| disk.target(ino.0)) {
            Ok(target) => reply.data(target.as_os_str().as_encoded_bytes()),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let kind = match mode & TYPE_BITS {
            REGULAR => Kind::File(Bytes::default()),
            SOCKET => Kind::Special(FileType::Socket),
            PIPE => Kind::Special(FileType::NamedPipe),
            _ => return reply.error(Errno::EPERM),
        };
        answer_entry(self.make(Call::Create, request, (parent, name), kind, mode & !umask), reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let kind = Kind::Folder(Names::default());
        answer_entry(self.make(Call::MakeFolder, request, (parent, name), kind, mode & !umask), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let kind = Kind::Link(target.to_owned());
        answer_entry(self.make(Call::Create, request, (parent, name), kind, 0o777), reply);
    }

    fn link(
        &self,
        _request: &Request,
        ino: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let mut powered = self.powered();
        let linked = powered.allow(Call::Create).and_then(|disk| {
            disk.link(ino.0, new_parent.0, new_name)?;
            describe(disk, ino.0)
        });
        answer_entry(linked, reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut powered = self.powered();
        answer_empty(powered.allow(Call::Remove).and_then(|disk| disk.remove(parent.0, name, false)), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut powered = self.powered();
        answer_empty(powered.allow(Call::Remove).and_then(|disk| disk.remove(parent.0, name, true)), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(Errno::EINVAL);
        }
        let keep = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let mut powered = self.powered();
        let renamed = powered
            .allow(Call::Rename)
            .and_then(|disk| disk.rename((parent.0, name), (new_parent.0, new_name), keep));
        answer_empty(renamed, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let kind = Kind::File(Bytes::default());
        match self.make(Call::Create, request, (parent, name), kind, mode & !umask) {
            Ok(made) => {
                reply.created(&REMEMBERED, &made, Generation(0), FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.powered().allow(Call::Open) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let powered = self.powered();
        match powered.look().and_then(|disk| disk.bytes(ino.0)) {
            Ok(bytes) => reply.data(bytes.read(offset, size)),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut powered = self.powered();
        // Pages of a shared map come when the kernel likes: they are no operation of anybody, and are not counted.
        let disk = if write_flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
            powered.look().map(|_| ()).map(|()| &mut powered.disk)
        } else {
            powered.allow(Call::Write)
        };
        match disk.and_then(|disk| disk.write(ino.0, offset, data)) {
            Ok(()) => {
                reply.written(u32::try_from(data.len()).expect("the kernel gave the length in 32 bits"))
            }
            Err(error) => reply.error(error),
        }
    }

    fn flush(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // A close makes nothing durable.
        reply.ok();
    }

    fn fsync(&self, _request: &Request, ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        answer_empty(self.powered().sync(ino.0), reply);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let mut powered = self.powered();
        answer_empty(powered.allow(Call::SyncFolder).and_then(|disk| disk.sync_folder(ino.0)), reply);
    }

    fn opendir(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let powered = self.powered();
        let listed = powered.look().and_then(|disk| {
            let names = disk.names(ino.0)?.iter();
            names
                .map(|(name, node)| Ok((*node, file_type(&disk.node(*node)?.kind), name.clone())))
                .collect::<Result<Vec<_>, Errno>>()
        });
        match listed {
            Ok(listed) => {
                let mut listings = self.listings();
                listings.next += 1;
                let handle = listings.next;
                listings.open.insert(handle, listed);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listings = self.listings();
        let dots =
            [(ino.0, FileType::Directory, OsString::from(".")), (ino.0, FileType::Directory, "..".into())];
        let listed = dots.iter().chain(listings.open.get(&fh.0).into_iter().flatten());
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (node, kind, name)) in listed.enumerate().skip(from) {
            if reply.add(INodeNo(*node), place as u64 + 1, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings().open.remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        reply.statfs(
            FREE_BLOCKS,
            FREE_BLOCKS,
            FREE_BLOCKS,
            FREE_BLOCKS,
            FREE_BLOCKS,
            BLOCK_BYTES,
            255,
            BLOCK_BYTES,
        );
    }
}
