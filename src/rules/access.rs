//! What a webhook of an account must bring to be taken for the phone system's own.
//!
//! These are the resolved settings and how each is read from its text. Requests are compared with them in `web`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ipnet::{IpNet, Ipv4Net};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// The one in use and the one before: more are forgotten ones.
pub const SECRETS_MAX: usize = 2;

/// What nobody can guess by trying.
pub const SECRET_BITS_MIN: usize = 128;

/// In front of the secrets of Standard Webhooks.
const STANDARD_PREFIX: &str = "whsec_";

/// What a request must bring; all of it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// One of them is the last part of the address. The first is the one in use, the second the one before.
    pub secrets: Vec<SecretString>,
    /// Where requests may come from; empty: from everywhere.
    pub allow_from: Vec<IpNet>,
    /// How requests are signed, where they are.
    pub signature: Option<Signature>,
}

impl Access {
    /// Whoever knows this secret.
    pub fn by_secret(secret: SecretString) -> Access {
        Access { secrets: vec![secret], ..Access::default() }
    }

    /// Whether a webhook from this address is taken. An address that nobody knows is outside of every range.
    pub fn allows(&self, address: Option<IpAddr>) -> bool {
        self.allow_from.is_empty() || address.is_some_and(|address| is_in(&self.allow_from, address))
    }
}

/// Whether an address is in one of the ranges. An IPv4 address written as an IPv6 one is the IPv4 address.
pub fn is_in(ranges: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    ranges.iter().any(|range| range.contains(&address))
}

/// How the bytes of a body are signed. A request needs a signature by one of the keys.
#[derive(Clone, Debug)]
pub enum Signature {
    /// Headers `webhook-id`, `webhook-timestamp` and `webhook-signature` (<https://www.standardwebhooks.com>).
    StandardWebhooks(Vec<SecretSlice<u8>>),
    /// One header with the HMAC-SHA256 of the body.
    Hmac {
        /// The header's name.
        header: String,
        /// In front of the signature, `sha256=`; often empty.
        prefix: String,
        /// How the signature is written.
        encoding: Encoding,
        /// The keys.
        keys: Vec<SecretSlice<u8>>,
    },
}

/// How bytes are written in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Two hexadecimal digits a byte.
    #[default]
    Hex,
    /// As in RFC 4648, with or without `=`.
    Base64,
}

impl Encoding {
    /// The bytes of a text; `None` where it is not of this encoding.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Encoding::Base64 => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            Encoding::Hex => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let pairs = text.as_bytes().chunks(2);
                pairs
                    .map(|pair| match pair {
                        [high, low] => Some(digit(high)? << 4 | digit(low)?),
                        _ => None,
                    })
                    .collect()
            }
        }
    }
}

/// The key in a secret of Standard Webhooks; `None` where it is none.
pub(super) fn standard_key(text: &str) -> Option<SecretSlice<u8>> {
    let key = STANDARD.decode(text.strip_prefix(STANDARD_PREFIX)?).ok()?;
    (!key.is_empty()).then(|| key.into())
}

/// A range of addresses, `203.0.113.0/24`, or one address.
///
/// # Errors
/// In words, where it is neither.
pub fn address_range(text: &str) -> Result<IpNet, String> {
    let range = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| format!("`{text}` is neither an address nor a range of addresses"))?,
    };
    if range.trunc() != range {
        return Err(format!("`{text}` has an address that is not the first one of its range: `{}`", range.trunc()));
    }
    Ok(match range {
        IpNet::V6(six) => match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
            (Some(four), Some(length)) => Ipv4Net::new(four, length).map_or(range, IpNet::V4),
            _ => range,
        },
        IpNet::V4(_) => range,
    })
}

/// Whether a secret is too short, as far as its characters tell: a text of hexadecimal digits is taken for random ones.
pub fn is_weak(secret: &SecretString) -> bool {
    /// Random texts have more; `aaaa…` and `1212…` are of none.
    const DISTINCT_MIN: usize = 8;
    let characters: Vec<char> = secret.expose_secret().chars().filter(|character| *character != '-').collect();
    let all = |is: fn(&char) -> bool| characters.iter().all(is);
    let bits = if all(char::is_ascii_digit) {
        3
    } else if all(char::is_ascii_hexdigit) {
        4
    } else if all(|character| character.is_ascii_lowercase() || character.is_ascii_digit()) {
        5
    } else {
        6
    };
    let distinct: std::collections::BTreeSet<char> = characters.iter().copied().collect();
    characters.len() * bits < SECRET_BITS_MIN || distinct.len() < DISTINCT_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_an_ipv4_address_in_an_ipv6_one_is_an_ipv4_address() {
        let ranges: Vec<IpNet> = ["203.0.113.0/24", "2001:db8::/32", "192.0.2.7", "::ffff:198.51.100.0/120"]
            .map(|text| address_range(text).unwrap())
            .into();
        for inside in ["203.0.113.255", "::ffff:203.0.113.1", "2001:db8:ffff::1", "192.0.2.7", "198.51.100.9"] {
            assert!(is_in(&ranges, inside.parse().unwrap()), "{inside}");
        }
        for outside in ["203.0.114.0", "2001:db9::1", "192.0.2.8", "198.51.101.0", "::203.0.113.1"] {
            assert!(!is_in(&ranges, outside.parse().unwrap()), "{outside}");
        }
        for wrong in ["", "203.0.113.7/24", "203.0.113.0/33", "example.com", "203.0.113/24", "2001:db8::1/32"] {
            assert!(address_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_nobody_knows_is_allowed_only_where_all_are() {
        assert!(Access::default().allows(None));
        let access = Access { allow_from: vec![address_range("0.0.0.0/0").unwrap()], ..Access::default() };
        assert!(!access.allows(None));
        assert!(access.allows(Some("::ffff:10.0.0.1".parse().unwrap())));
        assert!(!access.allows(Some("2001:db8::1".parse().unwrap())));
    }

    #[test]
    fn a_secret_of_less_than_128_bits_is_weak_and_what_generators_make_is_not() {
        for weak in ["", "geheim", "0123456789abcdef", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "kJ8-2mNq_x7Lw0Zt"] {
            assert!(is_weak(&weak.into()), "{weak}");
        }
        for strong in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "kJ82mNq_x7Lw0ZtPpQ4vRb",
            "abcdefghijklmnopqrstuvwxyz234567",
        ] {
            assert!(!is_weak(&strong.into()), "{strong}");
        }
    }

    #[test]
    fn bytes_are_read_from_hexadecimal_digits_and_from_base64() {
        assert_eq!(Encoding::Hex.decode("00fFa0"), Some(vec![0, 255, 160]));
        assert_eq!(Encoding::Base64.decode("AP+g"), Some(vec![0, 255, 160]));
        assert_eq!(Encoding::Base64.decode("AP8="), Encoding::Base64.decode("AP8"));
        for wrong in ["0", "0g", "+1", "é"] {
            assert_eq!(Encoding::Hex.decode(wrong), None, "{wrong}");
        }
        assert_eq!(Encoding::Base64.decode("A?=="), None);
    }
}
