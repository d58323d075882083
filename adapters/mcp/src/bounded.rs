//! Reading from somebody who may never stop talking.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf, Take};

/// A stream that ends after so many bytes, and says whether it did.
pub(crate) struct Bounded<R> {
    inner: Take<R>,
    overrun: Arc<AtomicBool>,
}

/// Whether a stream was cut off.
#[derive(Clone)]
pub(crate) struct Overrun(Arc<AtomicBool>);

impl Overrun {
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<R: AsyncRead + Unpin> Bounded<R> {
    pub(crate) fn new(inner: R, limit: u64) -> (Self, Overrun) {
        let overrun = Arc::new(AtomicBool::new(false));
        (Self { inner: inner.take(limit), overrun: Arc::clone(&overrun) }, Overrun(overrun))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.inner.limit() == 0 {
            self.overrun.store(true, Ordering::Relaxed);
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}
