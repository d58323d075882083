//! Addresses of the web: which ones are read at all, and which ones a policy's pattern admits.
//!
//! Addresses are compared in the form that the WHATWG URL Standard gives them: `.` and `..`, upper-case hosts, default ports
//! and numbers that stand for a host are gone before anything is compared.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longest address, in bytes: what servers and proxies commonly take.
const MAX_ADDRESS_BYTES: usize = 2048;

/// The address of a page that may be read: https, or http on this machine alone, without a name or password, and without a
/// fragment, which no server sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebAddress(Url);

/// The text is no address of a page that may be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address to read: {why}")]
pub struct BadAddress {
    text: String,
    why: &'static str,
}

impl WebAddress {
    /// The host, as `net.connect` is judged by it: a name, or a number without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(number)) => number.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where a redirect leads from here.
    ///
    /// # Errors
    /// [`BadAddress`] when that is no address to read.
    pub fn redirected(&self, location: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: shown(location), why };
        self.0.join(location).map_err(|_| bad("it is not well-formed"))?.as_str().parse()
    }
}

impl FromStr for WebAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: shown(text), why };
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(bad("it has more than 2048 bytes"));
        }
        let mut url = Url::parse(text).map_err(|_| bad("it is not well-formed"))?;
        url.set_fragment(None);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it carries a name or a password, and no credentials are sent"));
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(Self(url)),
            ("http", Some(host)) if is_this_machine(&host) => Ok(Self(url)),
            ("http", Some(_)) => Err(bad("http is read from this machine alone; write https")),
            _ => Err(bad("only https pages are read")),
        }
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for WebAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for WebAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(number) => number.is_loopback(),
        Host::Ipv6(number) => number.is_loopback(),
    }
}

/// One address, or all that begin like it: `https://docs.rs/bm25/*`, `https://*.rust-lang.org/*`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct AddressPattern {
    text: String,
    address: WebAddress,
    /// The part of the host behind `*.`, with its dot.
    host_ending: Option<String>,
    /// The path before the last `*`.
    path_beginning: Option<String>,
}

impl AddressPattern {
    /// The one page that it names; none where it names many.
    #[must_use]
    pub fn page(&self) -> Option<&WebAddress> {
        (self.host_ending.is_none() && self.path_beginning.is_none()).then_some(&self.address)
    }

    /// Whether an address is meant.
    #[must_use]
    pub fn admits(&self, address: &WebAddress) -> bool {
        if let Some(page) = self.page() {
            return page == address;
        }
        let (own, other) = (&self.address.0, &address.0);
        let host = match &self.host_ending {
            None => own.host() == other.host(),
            Some(ending) => other.host_str().is_some_and(|host| host.ends_with(ending.as_str())),
        };
        let path = match &self.path_beginning {
            None => own.path() == other.path() && own.query() == other.query(),
            // A server may take an escaped divider for a divider, and `..` between two of them for a way up.
            Some(beginning) => {
                other.path().starts_with(beginning.as_str()) && !escapes_dividers(other.path())
            }
        };
        own.scheme() == other.scheme() && own.port() == other.port() && host && path
    }
}

fn escapes_dividers(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%2e"].iter().any(|escaped| path.contains(escaped))
}

impl FromStr for AddressPattern {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: shown(text), why };
        let address: WebAddress = text.parse()?;
        let host_ending = match address.host().strip_prefix('*') {
            None => None,
            Some(ending) if ending.starts_with('.') && ending[1..].contains('.') => Some(ending.to_owned()),
            Some(_) => {
                return Err(bad("a `*` in a host stands for all below a domain: `https://*.example.org/*`"));
            }
        };
        let path = address.0.path();
        let path_beginning = path.strip_suffix('*').map(str::to_owned);
        let rest = path_beginning.as_deref().unwrap_or(path);
        let in_host = host_ending.as_deref().unwrap_or_default().contains('*');
        let elsewhere = rest.contains('*') || address.0.query().is_some_and(|query| query.contains('*'));
        if in_host || elsewhere || (host_ending.is_none() && address.host().contains('*')) {
            return Err(bad("a `*` stands before a domain or at the end of a path, nowhere else"));
        }
        if path_beginning.as_deref().is_some_and(|beginning| !beginning.ends_with('/')) {
            return Err(bad("a `*` at the end stands behind a `/`: all below a folder"));
        }
        Ok(Self { text: text.to_owned(), address, host_ending, path_beginning })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for AddressPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for AddressPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_may_be_read_have_an_address() {
        for (text, expected) in [
            ("https://Example.org:443/a/../b#c", Ok("https://example.org/b")),
            ("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080/")),
            ("http://[::1]/", Ok("http://[::1]/")),
            ("http://localhost/", Ok("http://localhost/")),
            ("https://0x7f.1/", Ok("https://127.0.0.1/")),
            ("http://example.org/", Err("http is read from this machine alone; write https")),
            ("http://127.0.0.1.example.org/", Err("http is read from this machine alone; write https")),
            (
                "https://me:secret@example.org/",
                Err("it carries a name or a password, and no credentials are sent"),
            ),
            ("ftp://example.org/", Err("only https pages are read")),
            ("file:///etc/passwd", Err("only https pages are read")),
            ("example.org", Err("it is not well-formed")),
        ] {
            let parsed = text.parse::<WebAddress>();
            assert_eq!(parsed.as_ref().map(WebAddress::as_str).map_err(|bad| bad.why), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_admits_what_it_names_and_no_more() {
        let below = "https://docs.rs/bm25/*";
        let domain = "https://*.example.org/*";
        for (pattern, address, admitted) in [
            ("https://docs.rs/bm25/", "https://docs.rs/bm25/", true),
            ("https://docs.rs/bm25/", "https://docs.rs/bm25/latest", false),
            ("https://docs.rs/a?b=1", "https://docs.rs/a?b=2", false),
            (below, "https://docs.rs/bm25/latest/index.html?x=1", true),
            (below, "https://docs.rs/bm25", false),
            (below, "https://docs.rs/bm250/", false),
            (below, "https://docs.rs/bm25/../serde/", false),
            (below, "https://docs.rs/bm25/%2e%2e/serde/", false),
            (below, "https://docs.rs/bm25/..%2fserde", false),
            (below, "https://docs.rs:444/bm25/x", false),
            (below, "https://docs.rs.evil.example/bm25/x", false),
            (domain, "https://a.example.org/x", true),
            (domain, "https://a.b.example.org/x", true),
            (domain, "https://example.org/x", false),
            (domain, "https://evilexample.org/x", false),
            ("http://127.0.0.1:80/*", "http://127.0.0.1/x", true),
            ("http://127.0.0.1:81/*", "http://127.0.0.1:82/x", false),
        ] {
            let admits = pattern.parse::<AddressPattern>().unwrap().admits(&address.parse().unwrap());
            assert_eq!(admits, admitted, "{pattern} {address}");
        }
        for bad in [
            "https://*/",
            "https://*.org/*",
            "https://a.*.org/",
            "https://a/*/b",
            "https://a/x*",
            "https://a/?*",
        ] {
            assert!(bad.parse::<AddressPattern>().is_err(), "{bad}");
        }
    }
}
