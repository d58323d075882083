//! Pages of the web for the engine.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use windlass_engine::ports::{Page, PageAnswer, PageRequest, Web};
use windlass_policy::{Connect, Permit};

use crate::store::blocking;

/// The pages of one attempt.
pub(crate) struct WebPages {
    pub(crate) cancel: CancellationToken,
}

#[async_trait]
impl Web for WebPages {
    async fn page(&self, permit: &Permit<Connect>, request: &PageRequest) -> Option<PageAnswer> {
        let (permit, request) = (permit.for_same(), asked(request));
        let read = blocking(move || windlass_web::get(&permit, &request));
        // A page that is not waited for any more ends within its own time, and nobody hears of it.
        let answer = tokio::select! {
            answer = read => answer,
            () = self.cancel.cancelled() => return None,
        };
        Some(answer.map_or_else(|error| PageAnswer::Failed { reason: error.to_string() }, answered))
    }
}

fn asked(request: &PageRequest) -> windlass_web::PageRequest {
    windlass_web::PageRequest {
        address: request.address.clone(),
        any_network: request.any_network,
        keep_text: request.keep_text,
        time: Duration::from_millis(request.time_ms),
    }
}

fn answered(answer: windlass_web::PageAnswer) -> PageAnswer {
    match answer {
        windlass_web::PageAnswer::Page(windlass_web::Page { title, published_at, digest, bytes, text }) => {
            PageAnswer::Page(Page { title, published_at, digest, bytes, text })
        }
        windlass_web::PageAnswer::Redirect { location } => PageAnswer::Redirect { location },
        windlass_web::PageAnswer::Failed { reason } => PageAnswer::Failed { reason },
    }
}
