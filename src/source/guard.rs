//! Where HTTP sources may not go.
//!
//! A rule file must not be able to make the server ask its own neighbours: unless a source says `private: true`, names
//! that resolve to private, loopback, link-local or metadata addresses are refused when they are dialled. It dials
//! nothing itself; the addresses it lets through are the ones that are dialled, without a second look-up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Azure's virtual machines have their agent at this address, which looks like any other.
const AZURE_AGENT: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// A name that leads to no address that may be dialled.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
pub(super) struct NoPublicAddress;

/// Looks a name up.
type LookUp = dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Resolves names and leaves out addresses that are not public.
pub(super) struct PublicOnly {
    look_up: Arc<LookUp>,
}

impl Default for PublicOnly {
    fn default() -> PublicOnly {
        PublicOnly {
            look_up: Arc::new(|name| {
                Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
            }),
        }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.look_up)(name.as_str().to_owned());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                found.await?.into_iter().filter(|address| is_public(address.ip())).collect();
            if addresses.is_empty() {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether a URL names an address itself, however it is spelt, and not a public one: nobody resolves it.
pub(super) fn is_private_literal(url: &Url) -> bool {
    let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    address.is_some_and(|address| !is_public(address))
}

/// Whether an address is one of the open internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
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
        || address.is_documentation()
        || address == AZURE_AGENT
        || first == 0
        || first >= 224
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 192 && second == 88 && third == 99)
        || (first == 198 && (18..20).contains(&second)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [first, second, third, fourth, fifth, sixth, high, low] = address.segments();
    // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address that a gateway would dial. The prefix for NAT64 within
    // one network (RFC 8215) is none of the open internet, whatever it carries.
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
    // Global unicast is 2000::/3, without what is kept for protocols (Teredo among them) and for documentation.
    let is_for_protocols = first == 0x2001 && second < 0x200;
    let is_documentation = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    first & 0xe000 == 0x2000 && !is_for_protocols && !is_documentation
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_addresses_of_the_open_internet_are_public() {
        for address in ["1.1.1.1", "193.140.1.1", "2a00:1450:4017::200e", "64:ff9b::101:101", "2002:101:101::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.192",
            "192.88.99.1",
            "198.18.0.1",
            "203.0.113.1",
            "0.0.0.0",
            "100.64.0.1",
            "100.100.100.200",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1.1.1.1",
            "2002:7f00:1::",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_is_known_in_every_spelling_that_a_url_may_have() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::10.0.0.1]",
            "0",
        ] {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert!(is_private_literal(&url), "{host}");
        }
        for host in ["1.1.1.1", "0x01010101", "[2a00:1450:4017::200e]", "crm.example.com", "127.0.0.1.example.com"] {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert!(!is_private_literal(&url), "{host}");
        }
    }

    /// A resolver whose look-ups find these addresses, one list after the other.
    fn finding(answers: Vec<Vec<&'static str>>) -> PublicOnly {
        let asked = AtomicUsize::new(0);
        PublicOnly {
            look_up: Arc::new(move |_| {
                let answer = &answers[asked.fetch_add(1, Ordering::Relaxed)];
                let found = answer.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
                Box::pin(std::future::ready(Ok(found)))
            }),
        }
    }

    async fn dialled(resolver: &PublicOnly) -> Vec<String> {
        let found = resolver.resolve("crm.example.com".parse().unwrap()).await;
        found.map(|addresses| addresses.map(|address| address.ip().to_string()).collect()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_name_that_is_bound_again_to_a_private_address_is_refused_from_then_on() {
        let resolver = finding(vec![vec!["1.1.1.1"], vec!["127.0.0.1"], vec!["169.254.169.254", "::1"]]);
        assert_eq!(dialled(&resolver).await, ["1.1.1.1"]);
        assert!(dialled(&resolver).await.is_empty());
        assert!(dialled(&resolver).await.is_empty());
    }

    #[tokio::test]
    async fn of_public_and_private_addresses_only_the_public_ones_are_dialled() {
        let resolver = finding(vec![vec!["10.0.0.1", "1.1.1.1", "::ffff:127.0.0.1", "2a00:1450:4017::200e"]]);
        assert_eq!(dialled(&resolver).await, ["1.1.1.1", "2a00:1450:4017::200e"]);
    }
}
