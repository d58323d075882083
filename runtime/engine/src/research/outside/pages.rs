//! Reading one page, through its redirects.

use windlass_policy::{Connect, Provider, UrlProvider, WebAddress};

use super::{Answered, At, Facts, Outside, Texts, Told, holds_secret, unanswered};
use crate::leave::{Leave, NoLeave};
use crate::ports::{Page, PageAnswer, PageRequest};
use crate::stop::Stop;

/// Most redirects of one page: from a name without `www` to one with it, to the newest version, and some more.
const MAX_REDIRECTS: usize = 5;

/// Longest time for a page, in milliseconds, from looking up its name to its last word.
const PAGE_TIME_MS: u64 = 20_000;

/// The step that reads one page.
const STEP: &str = "fetch";

impl Outside<'_> {
    /// Reads a page that policy admits. A redirect is followed to where policy admits it too.
    pub(super) async fn read(&self, provider: &UrlProvider, page: &WebAddress) -> Result<Answered, Stop> {
        let mut answered = unanswered(&provider.name, "http.get".to_owned(), "named");
        let mut at = page.clone();
        loop {
            answered.request.urls.push(at.to_string());
            let failed = |why: &str| format!("{at}: {why}");
            let leave = match self.leave_to_connect(&at.host(), STEP).await? {
                Ok(leave) => leave,
                Err(NoLeave { why, .. }) => return Ok(answered.failing(failed(&why))),
            };
            let fetched = self.fetch(provider, &at, &leave).await?;
            answered.request.retrieved_at = Some(fetched.retrieved_at);
            match fetched.answer {
                PageAnswer::Page(Page { title, published_at, digest, bytes, text }) => {
                    answered.take(Told { url: at.to_string(), title, published_at, digest, bytes, text });
                    return Ok(answered);
                }
                PageAnswer::Failed { reason } => return Ok(answered.failing(failed(&reason))),
                PageAnswer::Redirect { .. } if answered.request.urls.len() > MAX_REDIRECTS => {
                    return Ok(answered.failing(failed("it redirects too often")));
                }
                PageAnswer::Redirect { location } => match at.redirected(&location) {
                    Ok(to) if provider.urls.iter().any(|pattern| pattern.admits(&to)) => at = to,
                    Ok(to) => {
                        let why = format!("it redirects to {to}, which policy does not name");
                        return Ok(answered.failing(failed(&why)));
                    }
                    Err(bad) => return Ok(answered.failing(failed(&format!("it redirects, and {bad}")))),
                },
            }
        }
    }

    /// What stands in the bundle for a page that was not asked for.
    pub(super) fn not_read(&self, provider: &UrlProvider, page: &WebAddress, why: &str) -> Answered {
        let mut answered = unanswered(&provider.name, "http.get".to_owned(), "named");
        answered.request.urls.push(page.to_string());
        answered.failing(format!("{page}: {why}"))
    }

    async fn fetch(
        &self,
        provider: &UrlProvider,
        at: &WebAddress,
        leave: &Leave<Connect>,
    ) -> Result<At<PageAnswer>, Stop> {
        let input = (&provider.name, at);
        if self.keeps_text() {
            let effect = || async { self.ask_for(provider, at, leave).await.map(Texts) };
            self.context.step(STEP, &input, effect).await.map(|Texts(fetched)| fetched)
        } else {
            let effect = || async { self.ask_for(provider, at, leave).await.map(Facts) };
            self.context.step(STEP, &input, effect).await.map(|Facts(fetched)| fetched)
        }
    }

    async fn ask_for(
        &self,
        provider: &UrlProvider,
        at: &WebAddress,
        leave: &Leave<Connect>,
    ) -> Result<At<PageAnswer>, Stop> {
        self.still_named(
            &provider.name,
            |named| matches!(named, Provider::Urls(named) if named == provider),
        )?;
        let request = PageRequest {
            address: at.clone(),
            any_network: provider.urls.iter().any(|pattern| pattern.page() == Some(at)),
            keep_text: self.keeps_text(),
            time_ms: PAGE_TIME_MS.min(self.policy.command_time_ms()),
        };
        let ports = self.context.ports();
        let answer = ports.web.page(leave.permit()?, &request).await.ok_or(Stop::Cancelled)?;
        Ok(At { retrieved_at: ports.record.now(), answer: without_secrets(answer) })
    }
}

fn without_secrets(answer: PageAnswer) -> PageAnswer {
    match answer {
        PageAnswer::Page(page) if holds_secret([&page.title, &page.text]) => {
            PageAnswer::Failed { reason: "it holds what looks like a secret, and is not kept".to_owned() }
        }
        answer => answer,
    }
}
