//! Where a request comes from: the peer of the connection, or what trusted proxies say about it.
//!
//! Anybody can write `X-Forwarded-For` and `Forwarded`. They are believed from trusted proxies only, from the right, where
//! the nearest proxy wrote; what stands left of the first address that is no proxy of ours may be made up.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use crate::rules::is_in_ranges;

/// The address of the sender; `None` where it can't be told for sure.
pub(super) fn address(head: &Parts, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    if !is_in_ranges(trusted, peer) {
        return Some(peer);
    }
    let lists = sender(stations(&head.headers, "x-forwarded-for", node), trusted);
    let standard = sender(stations(&head.headers, "forwarded", forwarded_for), trusted);
    match (lists, standard) {
        (None, None) => Some(peer),
        (Some(said), None) | (None, Some(said)) => said,
        // A proxy that writes one of the two lets a stranger write the other.
        (Some(one), Some(other)) => one.filter(|_| one == other),
    }
}

/// Through whose hands a request went, the nearest last; `None` for one that can't be read.
fn stations(headers: &HeaderMap, name: &str, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',').map(|part| read(part.trim()))).collect()
}

/// The first station from the right that is no trusted proxy; where all are, the leftmost. Nothing where there is none.
fn sender(stations: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> Option<Option<IpAddr>> {
    let is_proxy = |station: &Option<IpAddr>| station.is_some_and(|address| is_in_ranges(trusted, address));
    let nearest = stations.iter().rev().find(|station| !is_proxy(station));
    nearest.or(stations.first()).map(|station| station.map(|address| address.to_canonical()))
}

/// `for=203.0.113.7;proto=https` or `for="[2001:db8::1]:4711"` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    node(value.trim_matches('"'))
}

/// An address with or without brackets and port. `unknown` and made-up names are none.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::rules::address_range;

    /// The sender of a request by this peer with these headers, behind proxies at 10.0.0.0/8 and 2001:db8:aaaa::/48.
    fn seen(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let mut head = request.body(()).unwrap().into_parts().0;
        head.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        let trusted = ["10.0.0.0/8", "2001:db8:aaaa::/48"].map(|range| address_range(range).unwrap());
        address(&head, &trusted).map(|address| address.to_string())
    }

    fn is(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn a_stranger_who_says_where_he_comes_from_is_not_believed() {
        for header in [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")] {
            assert_eq!(seen("198.51.100.1", &[header]), is("198.51.100.1"));
        }
        assert_eq!(seen("::ffff:198.51.100.1", &[]), is("198.51.100.1"));
    }

    #[test]
    fn a_trusted_proxy_is_believed_from_the_right() {
        for (value, expected) in [
            ("203.0.113.7", is("203.0.113.7")),
            ("192.0.2.1, 203.0.113.7", is("203.0.113.7")),
            ("192.0.2.1, 203.0.113.7, 10.1.1.1,10.2.2.2", is("203.0.113.7")),
            ("::ffff:203.0.113.7, ::ffff:10.0.0.9", is("203.0.113.7")),
            ("203.0.113.7:4711", is("203.0.113.7")),
            ("[2001:db8::7]:4711", is("2001:db8::7")),
            ("2001:db8::7, 2001:db8:aaaa::1", is("2001:db8::7")),
            ("10.3.3.3, 10.4.4.4", is("10.3.3.3")),
            ("203.0.113.7, unknown", None),
            ("unknown, 203.0.113.7", is("203.0.113.7")),
            ("", None),
        ] {
            assert_eq!(seen("10.0.0.1", &[("x-forwarded-for", value)]), expected, "{value}");
        }
        assert_eq!(seen("10.0.0.1", &[]), is("10.0.0.1"));
        let twice = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(seen("::ffff:10.0.0.1", &twice), is("203.0.113.7"));
    }

    #[test]
    fn the_standard_header_says_the_same() {
        for (value, expected) in [
            ("for=203.0.113.7", is("203.0.113.7")),
            ("For=192.0.2.1, proto=https; FOR=\"203.0.113.7:4711\";by=10.0.0.1", is("203.0.113.7")),
            ("for=\"[2001:db8::7]\", for=10.0.0.2", is("2001:db8::7")),
            ("for=\"[2001:db8::7]:4711\"", is("2001:db8::7")),
            ("for=203.0.113.7, proto=https", None),
            ("for=203.0.113.7, for=_hidden", None),
        ] {
            assert_eq!(seen("10.0.0.1", &[("forwarded", value)]), expected, "{value}");
        }
    }

    #[test]
    fn two_headers_that_contradict_each_other_are_not_believed() {
        let both = |one, other| seen("10.0.0.1", &[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(both("203.0.113.7", "for=203.0.113.7"), is("203.0.113.7"));
        assert_eq!(both("198.51.100.1", "for=203.0.113.7"), None);
        assert_eq!(both("203.0.113.7", "for=unknown"), None);
    }
}
