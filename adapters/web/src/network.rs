//! Which numbers a name may lead to.

use std::net::SocketAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use windlass_policy::is_public;

/// A name leads into a network that not everybody reaches.
#[derive(Debug, thiserror::Error)]
#[error(
    "the name leads to {0}, on this machine or in a private network; only a page that policy names exactly is read there"
)]
pub(crate) struct NotPublic(SocketAddr);

/// Looks names up as the system does, and refuses a name one of whose numbers is not public: another look could give that one.
#[derive(Debug)]
pub(crate) struct PublicNames {
    pub(crate) any_network: bool,
    pub(crate) system: DefaultResolver,
}

impl Resolver for PublicNames {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.system.resolve(uri, config, timeout)?;
        match found.iter().find(|address| !self.any_network && !is_public(address.ip())) {
            Some(address) => Err(ureq::Error::Io(std::io::Error::other(NotPublic(*address)))),
            None => Ok(found),
        }
    }
}
