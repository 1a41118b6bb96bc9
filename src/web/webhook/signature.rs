//! Whether the bytes of a body are signed by who knows the key.
//!
//! Works on the bytes as they were received, before anybody reads them. Reads no clock: the time comes in.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::rules::{Encoding, Signature};

/// How far the sender's clock and ours may be apart; what is older may have been recorded by somebody.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A sender that changes its key sends two; each further one is work for nothing.
const SIGNATURES_MAX: usize = 16;

/// Why a signature is not taken. No value is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("it is not signed; see `signature` in `accounts`")]
    Missing,
    #[error("its signature or timestamp can't be read")]
    Unreadable,
    #[error("its timestamp is more than 5 minutes from this machine's clock")]
    Stale,
    #[error("its signature is by another key or of another body")]
    Wrong,
}

/// Compares the signature in the headers with that of the body.
pub(super) fn verify(expected: &Signature, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Refused> {
    match expected {
        Signature::StandardWebhooks(keys) => {
            let id = header(headers, "webhook-id")?;
            let timestamp = header(headers, "webhook-timestamp")?;
            let seconds = timestamp.parse().map_err(|_| Refused::Unreadable)?;
            let sent_at = Timestamp::from_second(seconds).map_err(|_| Refused::Unreadable)?;
            let given: Vec<Vec<u8>> = header(headers, "webhook-signature")?
                .split(' ')
                .filter_map(|signature| Encoding::Base64.decode(signature.strip_prefix("v1,")?))
                .take(SIGNATURES_MAX)
                .collect();
            if now.duration_since(sent_at).abs() > TOLERANCE {
                return Err(Refused::Stale);
            }
            compare(keys, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body], &given)
        }
        Signature::Hmac { header: name, prefix, encoding, keys } => {
            let given = header(headers, name)?.strip_prefix(prefix.as_str()).and_then(|text| encoding.decode(text));
            compare(keys, &[body], &[given.ok_or(Refused::Unreadable)?])
        }
    }
}

/// A header that is there once.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refused::Missing)?;
    if values.next().is_some() {
        return Err(Refused::Unreadable);
    }
    value.to_str().map_err(|_| Refused::Unreadable)
}

/// Every key with every signature, whichever fits.
fn compare(keys: &[SecretSlice<u8>], signed: &[&[u8]], given: &[Vec<u8>]) -> Result<(), Refused> {
    if given.is_empty() {
        return Err(Refused::Unreadable);
    }
    let mut fits = Choice::from(0);
    for key in keys {
        let mut hmac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).map_err(|_| Refused::Wrong)?;
        signed.iter().for_each(|part| hmac.update(part));
        let expected = hmac.finalize().into_bytes();
        for signature in given {
            fits |= expected.ct_eq(signature.as_slice());
        }
    }
    if bool::from(fits) { Ok(()) } else { Err(Refused::Wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const AT: i64 = 1_614_265_330;
    /// By the key of [`keys`], as the reference implementations of the specification have it in their tests.
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key(base64: &str) -> SecretSlice<u8> {
        Encoding::Base64.decode(base64).unwrap().into()
    }

    fn keys() -> Vec<SecretSlice<u8>> {
        vec![key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    }

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect::<HeaderMap>()
    }

    /// The example of the specification with another signature, some seconds later.
    fn example(keys: Vec<SecretSlice<u8>>, signature: &str, body: &[u8], later: i64) -> Result<(), Refused> {
        let headers = headers(&[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ]);
        verify(&Signature::StandardWebhooks(keys), &headers, body, Timestamp::from_second(AT + later).unwrap())
    }

    #[test]
    fn the_published_example_of_standard_webhooks_is_taken() {
        assert_eq!(example(keys(), SIGNED, BODY, 0), Ok(()));
        assert_eq!(example(keys(), SIGNED, b"{\"test\":2432232314}", 0), Err(Refused::Wrong));
    }

    #[test]
    fn five_minutes_are_tolerated_both_ways() {
        for (later, expected) in
            [(300, Ok(())), (-300, Ok(())), (301, Err(Refused::Stale)), (-301, Err(Refused::Stale))]
        {
            assert_eq!(example(keys(), SIGNED, BODY, later), expected, "{later}");
        }
    }

    #[test]
    fn one_of_several_signatures_and_one_of_several_keys_is_enough() {
        let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(example(keys(), &format!("v1a,xyz {wrong} {SIGNED}"), BODY, 0), Ok(()));
        let other = key("c2VjcmV0LW9mLXNvbWVib2R5LWVsc2U=");
        assert_eq!(example(vec![other.clone(), keys().remove(0)], SIGNED, BODY, 0), Ok(()));
        assert_eq!(example(vec![other], SIGNED, BODY, 0), Err(Refused::Wrong));
        assert_eq!(example(Vec::new(), SIGNED, BODY, 0), Err(Refused::Wrong));
        let behind = format!("{} {SIGNED}", [wrong; SIGNATURES_MAX].join(" "));
        assert_eq!(example(keys(), &behind, BODY, 0), Err(Refused::Wrong), "not all are tried");
    }

    #[test]
    fn what_is_missing_or_not_to_be_read_is_told_apart() {
        for signature in ["", "v1", "v2,AAAA", "v1,?", "v1a,AAAA"] {
            assert_eq!(example(keys(), signature, BODY, 0), Err(Refused::Unreadable), "{signature}");
        }
        assert_eq!(example(keys(), "v1,", BODY, 0), Err(Refused::Wrong));
        let signature = Signature::StandardWebhooks(keys());
        let now = Timestamp::from_second(AT).unwrap();
        assert_eq!(verify(&signature, &HeaderMap::new(), BODY, now), Err(Refused::Missing));
        for timestamp in ["", "now", "1614265330.0", "99999999999999999999", "999999999999999"] {
            let headers =
                headers(&[("webhook-id", "a"), ("webhook-timestamp", timestamp), ("webhook-signature", SIGNED)]);
            assert_eq!(verify(&signature, &headers, BODY, now), Err(Refused::Unreadable), "{timestamp}");
        }
    }

    /// The example in GitHub's documentation of its webhooks, by a header of another name.
    fn hmac(encoding: Encoding, prefix: &str, value: &str, body: &[u8]) -> Result<(), Refused> {
        let signature = Signature::Hmac {
            header: "X-Signature".to_owned(),
            prefix: prefix.to_owned(),
            encoding,
            keys: vec![b"It's a Secret to Everybody".to_vec().into()],
        };
        verify(&signature, &headers(&[("x-signature", value)]), body, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_header_with_an_hmac_is_taken_as_hexadecimal_digits_and_as_base64() {
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let body = b"Hello, World!";
        assert_eq!(hmac(Encoding::Hex, "sha256=", &format!("sha256={hex}"), body), Ok(()));
        assert_eq!(hmac(Encoding::Hex, "", &hex.to_uppercase(), body), Ok(()));
        assert_eq!(hmac(Encoding::Base64, "", "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=", body), Ok(()));
        assert_eq!(hmac(Encoding::Hex, "", hex, b"Hello, World?"), Err(Refused::Wrong));
        assert_eq!(hmac(Encoding::Hex, "", &hex[..62], body), Err(Refused::Wrong), "a part of it is not enough");
        assert_eq!(hmac(Encoding::Hex, "sha256=", hex, body), Err(Refused::Unreadable));
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        let mut twice = headers(&[("x-signature", "00")]);
        twice.append("x-signature", "01".parse().unwrap());
        assert_eq!(header(&twice, "X-Signature"), Err(Refused::Unreadable));
    }
}
