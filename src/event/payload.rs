//! A webhook's body: what a call is read from, and all of it for those who ask.
//!
//! Most rules ask for a handful of values, and a tree of the whole body takes longer to make than all else that is read of a
//! call. So the body is looked through once, as strictly as a tree would be made of it, and only what is wanted is taken.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What a call is read from, below `data`.
const WANTED: [&str; 10] = [
    "uuid",
    "direction",
    "started_at",
    "caller_number",
    "callee_number",
    "number_id",
    "channel_id",
    "callee_type",
    "callee_id",
    "user_id",
];

/// The whole body, as templates and expressions see it. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// As JSON; made anew each time.
    pub fn value(&self) -> Value {
        // It was looked through before.
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// What was found in a body; of keys that come twice, the last one, as in a tree.
#[derive(Clone, Default)]
pub(super) struct Found {
    pub(super) is_object: bool,
    pub(super) event: Option<Value>,
    data: [Option<Value>; WANTED.len()],
}

impl Found {
    /// A value below `data`, of those that are wanted.
    pub(super) fn data(&self, key: &str) -> Option<&Value> {
        self.data.get(WANTED.iter().position(|wanted| *wanted == key)?)?.as_ref()
    }
}

/// Looks a body through. Fails where `serde_json` would not make a [`Value`] of it, which includes its limit of 128 levels.
pub(super) fn read(body: &[u8]) -> Result<(Found, Payload), serde_json::Error> {
    // Once for all of it takes less than once for each text in it; where it is no text, the mistake is found below.
    let found = match std::str::from_utf8(body) {
        Ok(text) => look(serde_json::Deserializer::from_str(text))?,
        Err(_) => look(serde_json::Deserializer::from_slice(body))?,
    };
    Ok((found, Payload(body.into())))
}

fn look<'de>(mut body: serde_json::Deserializer<impl serde_json::de::Read<'de>>) -> Result<Found, serde_json::Error> {
    let mut found = Found::default();
    Look { place: Place::Body, found: &mut found }.deserialize(&mut body)?;
    body.end()?;
    Ok(found)
}

#[derive(Clone, Copy)]
enum Place {
    Body,
    Data,
    Elsewhere,
}

/// What to do with a value.
#[derive(Clone, Copy)]
enum Step {
    TakeEvent,
    Take(usize),
    Look(Place),
}

impl Place {
    /// What to do with the value of this key.
    fn step(self, key: &str) -> Step {
        match self {
            Place::Body if key == "event" => Step::TakeEvent,
            Place::Body if key == "data" => Step::Look(Place::Data),
            Place::Data => {
                WANTED.iter().position(|wanted| *wanted == key).map_or(Step::Look(Place::Elsewhere), Step::Take)
            }
            Place::Body | Place::Elsewhere => Step::Look(Place::Elsewhere),
        }
    }
}

/// Reads a key, and says what to do with its value.
impl<'de> DeserializeSeed<'de> for Place {
    type Value = Step;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Step, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place {
    type Value = Step;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Step, E> {
        Ok(self.step(key))
    }
}

/// Reads a value, and takes from it what is wanted.
struct Look<'a> {
    place: Place,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found.is_object |= matches!(self.place, Place::Body);
        while let Some(step) = map.next_key_seed(self.place)? {
            match step {
                Step::TakeEvent => self.found.event = Some(map.next_value()?),
                Step::Take(wanted) => {
                    let value = map.next_value()?;
                    if let Some(place) = self.found.data.get_mut(wanted) {
                        *place = Some(value);
                    }
                }
                Step::Look(place) => {
                    if matches!(place, Place::Data) {
                        self.found.data = Default::default();
                    }
                    map.next_value_seed(Look { place, found: self.found })?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Look { place: Place::Elsewhere, found: self.found })?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_where_a_tree_could_be_made_of_it_and_nowhere_else() {
        let deep = |levels: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let bodies = [
            r#"{"event":"call_init","data":{"uuid":"a","x":[{"uuid":"b"},null,true,1.5,-1]}}"#.to_owned(),
            deep(126),
            deep(127),
            deep(128),
            r#"{"a":1e999}"#.to_owned(),
            r#"{"a":01}"#.to_owned(),
            r#"{"a":"\ud800"}"#.to_owned(),
            r#"{"a":"\ud83d\ude00"}"#.to_owned(),
            "{\"a\":\"\u{1}\"}".to_owned(),
            r#"{"a":1}{"#.to_owned(),
            r#"{"a":1,}"#.to_owned(),
            r#"{"a":[1,]}"#.to_owned(),
            r#"{"data":{"uuid":"#.to_owned(),
            r#"{1:2}"#.to_owned(),
            "[]".to_owned(),
            "7 ".to_owned(),
        ];
        let (mut right, mut wrong) = (0, 0);
        for body in bodies.iter().map(String::as_bytes).chain([b"{\"a\":\"\xff\"}".as_slice(), b"{\"\xff\":1}"]) {
            let (got, tree) = (read(body), serde_json::from_slice::<Value>(body));
            let at = |error: &serde_json::Error| (error.line(), error.column(), error.classify());
            let shown = String::from_utf8_lossy(body);
            match (got, tree) {
                (Ok((found, payload)), Ok(tree)) => {
                    assert_eq!((found.is_object, payload.value()), (tree.is_object(), tree), "{shown:.60}");
                    right += 1;
                }
                (got, tree) => {
                    assert_eq!(got.err().as_ref().map(at), tree.err().as_ref().map(at), "{shown:.60}");
                    wrong += 1;
                }
            }
        }
        assert_eq!((right, wrong), (5, 13));
    }

    #[test]
    fn what_is_found_is_what_a_tree_would_have_there() {
        let bodies = [
            r#"{"event":"a","data":{"uuid":"1","uuid":"2","direction":{"x":[1]},"user_id":7}}"#,
            r#"{"data":{"uuid":"1","caller_number":"+1"},"event":1,"event":"b","data":{"uuid":"2"}}"#,
            r#"{"data":{"uuid":"1"},"data":[{"uuid":"2"}]}"#,
            r#"{"data":{"data":{"uuid":"1"},"event":"c"},"uuid":"2"}"#,
            r#"{"d\u0061ta":{"uu\u0069d":"\u0031"},"other":{"data":{"uuid":"2"}}}"#,
            r#"{"event":null,"data":null}"#,
            r#"[{"event":"a","data":{"uuid":"1"}}]"#,
        ];
        for body in bodies {
            let ((found, _), tree) = (read(body.as_bytes()).unwrap(), serde_json::from_str::<Value>(body).unwrap());
            assert_eq!(found.event.as_ref(), tree.get("event"), "{body}");
            for key in WANTED {
                assert_eq!(found.data(key), tree.get("data").and_then(|data| data.get(key)), "{body}: {key}");
            }
        }
    }
}
