//! Which numbers a name may lead to.

use std::net::{IpAddr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

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

/// Whether a number belongs to a host that anybody may reach: none of this machine, of a private or local network, or of a
/// range with a meaning of its own (the special-purpose registries of RFC 6890).
fn is_public(number: IpAddr) -> bool {
    match number {
        IpAddr::V4(number) => {
            let [a, b, c, _] = number.octets();
            !(a == 0
                || a == 10
                || a == 127
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 169 && b == 254)
                || (a == 172 && (16..32).contains(&b))
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113))
        }
        IpAddr::V6(number) => {
            // Only 2000::/3 is given out to networks; in it, what tunnels to IPv4 or is for examples is none of them. A
            // mapped IPv4 number lies outside of it too.
            let [first, second, ..] = number.segments();
            (first & 0xe000) == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_not_everybody_may_reach_are_not_public() {
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "64:ff9b::7f00:1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
