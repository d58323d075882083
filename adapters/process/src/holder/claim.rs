//! Becoming the one holder of a hold: out of the caller's session, into the claim.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{getpid, set_child_subreaper, setsid};
use tokio::net::UnixListener;

use super::describe;
use crate::boot::boot_id;
use crate::folder::{CLAIM_FORMAT, ClaimRecord, Folder};
use crate::processes;

/// Leaves everything that belongs to the caller: its session, its terminal, its streams, its working folder.
///
/// After it, the session's members are this process and what it starts, which is what lets them be told from others
/// later.
pub(super) fn detach() -> io::Result<()> {
    // A process that leads its session already, as a systemd service does, may not start another one. The session's
    // number is zero where its leader is outside this pid namespace, which `getsid` has no value for.
    if processes::own_session()? != getpid().as_raw_nonzero().get() {
        setsid()?;
    }
    set_child_subreaper(Some(getpid()))?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    std::env::set_current_dir("/")
}

/// Claims the hold. `None` if another holder has.
///
/// The lock is held only from the look at the claim to the claim itself, and the kernel drops it if this process dies.
/// So of holders started together one binds the socket and claims, and the others wait a moment and leave; and a socket
/// that is found under the lock without a claim belongs to nobody.
pub(super) fn claim(folder: &Folder) -> Result<Option<UnixListener>, String> {
    let lock = lock(folder).map_err(|error| format!("cannot lock {}: {error}", folder.path().display()))?;
    if folder.is_claimed().map_err(|error| describe(&error))? {
        return Ok(None);
    }
    let socket = folder.file("socket");
    let bind = || {
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(folder.socket_address())?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    let listener = bind().map_err(|error| format!("cannot listen on {}: {error}", socket.display()))?;
    let identity = || Ok::<_, io::Error>((boot_id()?.to_owned(), processes::own()?));
    let (boot_id, holder) = identity().map_err(|error| format!("cannot tell who it is: {error}"))?;
    let record = ClaimRecord { version: CLAIM_FORMAT, boot_id, holder };
    let claimed = folder.create_claim(&record).map_err(|error| describe(&error))?;
    drop(lock);
    Ok(claimed.then_some(listener))
}

fn lock(folder: &Folder) -> io::Result<File> {
    let path = folder.file("starting");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}
