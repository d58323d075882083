//! Asking for a page.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;
use ureq::http::Response;
use ureq::http::header::{CONTENT_TYPE, HeaderName, LAST_MODIFIED, LOCATION};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};
use windlass_domain::digest::Digest;
use windlass_domain::time::Timestamp;
use windlass_policy::{Connect, Permit, WebAddress};

use crate::network::{NotPublic, PublicNames};
use crate::text::{self, Text};

/// Largest page that is read, in bytes: what people read is smaller, larger ones are data.
pub const MAX_PAGE_BYTES: u64 = 1024 * 1024;
/// Largest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// A page to read.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Where it is.
    pub address: WebAddress,
    /// Whether it may be on this machine or in a private network: policy names exactly this page.
    pub any_network: bool,
    /// Whether its text comes back. Without, only its digest.
    pub keep_text: bool,
    /// Longest time for it, from looking up its name to its last word.
    pub time: Duration,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageAnswer {
    /// The page.
    Page(Page),
    /// It is elsewhere, as the server says in these words.
    Redirect {
        /// Where.
        location: String,
    },
    /// It cannot be had.
    Failed {
        /// Why, in a sentence fragment.
        reason: String,
    },
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: Option<String>,
    /// When it was changed last, as the server says.
    pub published_at: Option<Timestamp>,
    /// The digest of its text.
    pub digest: Digest,
    /// The size of its text.
    pub bytes: u64,
    /// Its text, where that comes back.
    pub text: Option<String>,
}

/// The request was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the permit is for `{permitted}`, not for `{wanted}`; ask policy about the host that is to be connected to"
)]
pub struct PageError {
    /// What was permitted.
    pub permitted: String,
    /// What was to be connected to.
    pub wanted: String,
}

/// Reads a page. Blocks for at most the time of the request.
///
/// # Errors
/// [`PageError`] when the permit is for another host.
pub fn get(permit: &Permit<Connect>, request: &PageRequest) -> Result<PageAnswer, PageError> {
    let wanted = request.address.host();
    if permit.subject() != wanted {
        return Err(PageError { permitted: permit.subject().to_owned(), wanted });
    }
    Ok(answer(request).unwrap_or_else(|reason| PageAnswer::Failed { reason }))
}

fn answer(request: &PageRequest) -> Result<PageAnswer, String> {
    let until = Instant::now() + request.time;
    let agent = agent(request);
    let mut response = agent.get(request.address.as_str()).call().map_err(|error| in_words(&error))?;
    let status = response.status();
    if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        let location =
            header(&response, &LOCATION).ok_or_else(|| format!("it answered {status} without a place"))?;
        return Ok(PageAnswer::Redirect { location: location.to_owned() });
    }
    if status.as_u16() != 200 {
        return Err(format!("it answered {status}"));
    }
    let kind = Kind::of(header(&response, &CONTENT_TYPE).unwrap_or_default())?;
    let published_at = header(&response, &LAST_MODIFIED).and_then(|text| {
        let time = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Timestamp::from_millis(time.as_millisecond()))
    });
    let Text { title, text } = kind.text_of(body(response.body_mut())?, until)?;
    Ok(PageAnswer::Page(Page {
        title,
        published_at,
        digest: Digest::of(text.as_bytes()),
        bytes: text.len() as u64,
        text: request.keep_text.then_some(text),
    }))
}

/// A client for one request. Nothing is kept from one to the next.
fn agent(request: &PageRequest) -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(MAX_HEAD_BYTES)
        .timeout_global(Some(request.time))
        .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .accept("text/html, text/plain, text/markdown;q=0.9")
        .build();
    let names = PublicNames { any_network: request.any_network, system: DefaultResolver::default() };
    Agent::with_parts(config, DefaultConnector::default(), names)
}

fn body(body: &mut Body) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // One byte more, so that a page of exactly the largest size is told from a larger one. The client's own limit is
    // beyond that: this one has better words.
    let read = body
        .with_config()
        .limit(2 * MAX_PAGE_BYTES)
        .reader()
        .take(MAX_PAGE_BYTES + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| in_words(&ureq::Error::from(error)))?;
    if bytes.len() as u64 > MAX_PAGE_BYTES {
        return Err(format!("it has more than {MAX_PAGE_BYTES} bytes"));
    }
    Ok(bytes)
}

fn header<'a>(response: &'a Response<Body>, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// What a page's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Html,
    Plain,
}

impl Kind {
    fn of(content_type: &str) -> Result<Self, String> {
        let content_type = content_type.to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let charset =
            parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or("utf-8").trim_matches('"');
        if !matches!(charset, "utf-8" | "utf8" | "us-ascii") {
            return Err(format!("it is written in `{}`, and only UTF-8 is read", charset.escape_debug()));
        }
        match media_type {
            "text/html" | "application/xhtml+xml" => Ok(Self::Html),
            "text/plain" | "text/markdown" => Ok(Self::Plain),
            other => Err(format!("it is `{}`, and only HTML and plain text are read", other.escape_debug())),
        }
    }

    fn text_of(self, bytes: Vec<u8>, until: Instant) -> Result<Text, String> {
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        match self {
            Self::Html => text::of_html(&text, until).ok_or_else(too_slow),
            Self::Plain => Ok(text::of_plain(text)),
        }
    }
}

/// What the resolver and TLS say comes through the connection that they are part of.
fn io_in_words(error: &std::io::Error) -> String {
    let inner = error.get_ref();
    match (
        inner.and_then(|inner| inner.downcast_ref::<NotPublic>()),
        inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()),
    ) {
        (Some(not_public), _) => not_public.to_string(),
        (None, Some(error)) => tls_in_words(error),
        (None, None) => format!("the connection failed: {error}"),
    }
}

fn tls_in_words(error: &rustls::Error) -> String {
    format!("its certificate or its TLS is refused: {error}")
}

fn too_slow() -> String {
    "it did not come in time, or could not be read through in it".to_owned()
}

/// What the client says, without what a server may have put into it.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => too_slow(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::Io(error) => io_in_words(error),
        ureq::Error::Rustls(error) => tls_in_words(error),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => "it does not speak HTTP as it should".to_owned(),
        error => format!("it cannot be had: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use windlass_policy::{Layer, LayerKind, Policy};

    fn permit(host: &str) -> Permit<Connect> {
        let rule = "version = 1\n[[rule]]\nid = \"any\"\ncapability = \"net.connect\"\nverdict = \"allow\"\n";
        let layer = Layer::parse(LayerKind::User, "test", rule).unwrap();
        Policy::merge(vec![layer], BTreeSet::new()).permit_connect(host, None).unwrap()
    }

    fn request(address: &str) -> PageRequest {
        let address = address.parse().unwrap();
        PageRequest { address, any_network: false, keep_text: false, time: Duration::from_secs(60) }
    }

    #[test]
    fn a_permit_for_another_host_is_none() {
        let refused = get(&permit("docs.example"), &request("https://other.example/"));
        let expected = PageError { permitted: "docs.example".to_owned(), wanted: "other.example".to_owned() };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn no_name_and_no_number_leads_inward() {
        for host in ["localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"] {
            let request = request(&format!("https://{host}/"));
            let answer = get(&permit(&request.address.host()), &request).unwrap();
            let PageAnswer::Failed { reason } = &answer else { panic!("{host}: {answer:?}") };
            assert!(reason.contains("on this machine or in a private network"), "{host}: {reason}");
        }
    }
}
