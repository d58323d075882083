//! The holder's end of its socket: who may speak, who is obeyed, and what they are told.
//!
//! Each connection is a task of its own, so that a client that neither reads nor writes holds nobody up. What they are
//! told is the newest state; what came between is merged.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use windlass_domain::child::EndedBecause;
use windlass_domain::id::Epoch;

use crate::spool::SpoolCursor;
use crate::wire::{CLIENT_LIMIT, FromHolder, Hello, ToHolder, WIRE_VERSION, line};

/// Most clients at once: the service, and some that a restarted one has not dropped yet.
const MOST_CLIENTS: usize = 16;

/// Requests that wait for the holder's loop. A client that sends more waits.
const QUEUED_REQUESTS: usize = 16;

/// Longest wait for clients to take the last line. They find the exit record without it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Pause after the kernel refused to hand out a connection.
const AFTER_REFUSED_ACCEPT: Duration = Duration::from_secs(1);

/// What clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    spool_end: SpoolCursor,
    exited: bool,
}

/// A request by a client that was not fenced when it spoke.
#[derive(Debug)]
struct Request {
    epoch: Epoch,
    request: ToHolder,
}

/// All connections of a holder.
pub(super) struct Clients {
    told: watch::Sender<Told>,
    open: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

/// What clients want.
pub(super) struct Requests {
    highest: Arc<watch::Sender<Epoch>>,
    receiver: mpsc::Receiver<Request>,
}

/// What a connection needs.
struct Connection {
    told: watch::Receiver<Told>,
    highest: Arc<watch::Sender<Epoch>>,
    requests: mpsc::Sender<Request>,
}

/// Accepts clients from now on.
pub(super) fn serve(listener: UnixListener, spool_end: SpoolCursor) -> (Clients, Requests) {
    let (told, told_receiver) = watch::channel(Told { spool_end, exited: false });
    let (requests, receiver) = mpsc::channel(QUEUED_REQUESTS);
    let highest = Arc::new(watch::Sender::new(Epoch::default()));
    let open = Arc::new(Semaphore::new(MOST_CLIENTS));
    let accepting = tokio::spawn({
        let (highest, open) = (highest.clone(), open.clone());
        async move {
            loop {
                let Ok(place) = open.clone().acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors or memory: not to be asked again at once.
                    tokio::time::sleep(AFTER_REFUSED_ACCEPT).await;
                    continue;
                };
                let connection = Connection {
                    told: told_receiver.clone(),
                    highest: highest.clone(),
                    requests: requests.clone(),
                };
                tokio::spawn(async move {
                    // A connection that breaks is over; the client sees its end as well.
                    let _ = connection.talk(stream).await;
                    drop(place);
                });
            }
        }
    });
    (Clients { told, open, accepting }, Requests { highest, receiver })
}

impl Clients {
    /// Tells all clients where the spool ends now.
    pub(super) fn grew(&self, spool_end: SpoolCursor) {
        self.told.send_replace(Told { spool_end, exited: false });
    }

    /// Tells all clients that the exit record is there, and lets them go.
    pub(super) async fn exited(self) {
        self.accepting.abort();
        self.told.send_modify(|told| told.exited = true);
        let all = u32::try_from(MOST_CLIENTS).expect("a handful");
        // The accepting task gives its own place back when it is aborted.
        let _ = tokio::time::timeout(FAREWELL, self.open.acquire_many(all)).await;
    }
}

impl Requests {
    /// Waits until the newest attempt wants the child ended. May be dropped and called again.
    pub(super) async fn end_wanted(&mut self) -> EndedBecause {
        loop {
            match self.receiver.recv().await {
                Some(Request { epoch, request: ToHolder::End { why } })
                    if epoch >= *self.highest.borrow() =>
                {
                    return why;
                }
                Some(_fenced_meanwhile) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Connection {
    async fn talk(mut self, mut stream: UnixStream) -> std::io::Result<()> {
        if stream.peer_cred()?.uid() != geteuid().as_raw() {
            return Ok(());
        }
        let (reader, mut writer) = stream.split();
        let mut lines = BufReader::new(reader.take(CLIENT_LIMIT)).lines();
        let Some(first) = lines.next_line().await? else { return Ok(()) };
        let Ok(hello) = serde_json::from_str::<Hello>(&first) else { return Ok(()) };
        if hello.version != WIRE_VERSION {
            return writer.write_all(&line(&FromHolder::UnknownVersion { version: WIRE_VERSION })).await;
        }
        self.highest.send_if_modified(|highest| {
            let higher = hello.epoch > *highest;
            *highest = hello.epoch.max(*highest);
            higher
        });
        let mut highest = self.highest.subscribe();
        let told = *self.told.borrow_and_update();
        if hello.epoch >= *highest.borrow() {
            writer
                .write_all(&line(&FromHolder::State { version: WIRE_VERSION, spool_end: told.spool_end }))
                .await?;
        }
        loop {
            let highest_epoch = *highest.borrow_and_update();
            if hello.epoch < highest_epoch {
                return writer.write_all(&line(&FromHolder::Refused { highest_epoch })).await;
            }
            if self.told.borrow().exited {
                return writer.write_all(&line(&FromHolder::Exited)).await;
            }
            tokio::select! {
                changed = self.told.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let spool_end = self.told.borrow_and_update().spool_end;
                    writer.write_all(&line(&FromHolder::Grew { spool_end })).await?;
                }
                _ = highest.changed() => {}
                spoken = lines.next_line() => {
                    let Some(text) = spoken? else { return Ok(()) };
                    let Ok(request) = serde_json::from_str(&text) else { return Ok(()) };
                    if self.requests.send(Request { epoch: hello.epoch, request }).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}
