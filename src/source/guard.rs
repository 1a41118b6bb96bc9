//! Connections of HTTP sources, and where they may not go.
//!
//! A rule file must not be able to make the server ask its own neighbours: unless a source says `private: true`, names
//! that resolve to private, loopback, link-local or metadata addresses are refused when they are dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A source that does not even accept a connection in this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Idle connections are kept this long: calls come in bursts.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The connections of all HTTP sources; copies share them.
#[derive(Clone, Debug)]
pub struct Network {
    public: Client,
    private: Client,
}

impl Network {
    /// Makes the two clients. Opens no connection.
    ///
    /// # Errors
    /// Where the TLS roots of the system can't be loaded.
    pub fn new() -> Result<Network, reqwest::Error> {
        let builder = || {
            Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .user_agent(concat!("callcard/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Network { public: builder().dns_resolver(Arc::new(PublicOnly)).build()?, private: builder().build()? })
    }

    pub(super) fn client(&self, private: bool) -> &Client {
        if private { &self.private } else { &self.public }
    }
}

/// Resolves names and leaves out addresses that are not public.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.filter(|address| is_public(address.ip())).collect();
            if addresses.is_empty() {
                return Err(std::io::Error::other("no public address").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the open internet (IANA's special-purpose registries).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [first, second, third, fourth, fifth, sixth, high, low] = address.segments();
    // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address that a gateway would dial.
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if (first, second, third, fourth, fifth, sixth) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return inner(high, low);
    }
    if first == 0x2002 {
        return inner(second, third);
    }
    // Global unicast is 2000::/3, without the documentation and Teredo blocks.
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        for address in ["1.1.1.1", "193.140.1.1", "2a00:1450:4017::200e", "64:ff9b::101:101"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
