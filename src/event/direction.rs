//! Which way a call goes.
//!
//! Knows the words and the old numbers for it; where they stand in a payload, others know.

use std::fmt;

/// Which way a call goes, seen from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A customer calls us.
    Inbound,
    /// We call a customer.
    Outbound,
    /// One of us calls another.
    Internal,
}

impl Direction {
    /// The word on the wire and in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        }
    }

    /// The direction that a word names; capitals do not count.
    pub fn parse(word: &str) -> Option<Direction> {
        let all = [Direction::Inbound, Direction::Outbound, Direction::Internal];
        all.into_iter().find(|direction| direction.as_str().eq_ignore_ascii_case(word))
    }

    /// The integers of old payloads (version 3 of the vendor's fixtures).
    pub(super) fn from_number(number: i64) -> Option<Direction> {
        match number {
            1 => Some(Direction::Inbound),
            2 => Some(Direction::Outbound),
            3 => Some(Direction::Internal),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
