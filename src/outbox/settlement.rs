//! What can become of a delivery, and the names under which that is stored and shown.
//!
//! Does not say which settlement an answer of the phone system deserves.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// How a delivery ended. A closed set: whoever reports on deliveries must know them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The phone system took the card.
    Sent {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// The rules give this call no card.
    NoCard {
        /// Why not.
        reason: String,
    },
    /// The card that came out breaks the card schema, so it was not sent.
    InvalidCard {
        /// What is wrong with it.
        reason: String,
    },
    /// The phone system said no, and would say it again.
    Refused {
        /// The HTTP status of its answer.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The time in which a card is worth something ran out.
    TooLate {
        /// What took so long.
        reason: String,
    },
    /// Another event of the call has the card, so this one needs none.
    Superseded,
    /// The call ended first.
    Over,
}

impl Settlement {
    /// The stable name: in the database, in JSON, as a metric's label.
    pub fn as_str(&self) -> &'static str {
        self.state().as_str()
    }

    /// The state of a delivery that is settled so.
    pub fn state(&self) -> State {
        match self {
            Self::Sent { .. } => State::Sent,
            Self::NoCard { .. } => State::NoCard,
            Self::InvalidCard { .. } => State::InvalidCard,
            Self::Refused { .. } => State::Refused,
            Self::TooLate { .. } => State::TooLate,
            Self::Superseded => State::Superseded,
            Self::Over => State::Over,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Sent { status } | Self::Refused { status, .. } => Some(*status),
            Self::NoCard { .. } | Self::InvalidCard { .. } | Self::TooLate { .. } | Self::Superseded | Self::Over => {
                None
            }
        }
    }

    /// The reason, where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::NoCard { reason }
            | Self::InvalidCard { reason }
            | Self::Refused { reason, .. }
            | Self::TooLate { reason } => Some(reason),
            Self::Sent { .. } | Self::Superseded | Self::Over => None,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Due now or later.
    Pending,
    /// A worker has it, or had it when its lease ran out.
    Leased,
    /// Its card was sent and no answer came, or the process ended in between: due, and asked about before it is sent again.
    Unknown,
    /// See [`Settlement::Sent`].
    Sent,
    /// See [`Settlement::NoCard`].
    NoCard,
    /// See [`Settlement::InvalidCard`].
    InvalidCard,
    /// See [`Settlement::Refused`].
    Refused,
    /// See [`Settlement::TooLate`].
    TooLate,
    /// See [`Settlement::Superseded`].
    Superseded,
    /// See [`Settlement::Over`].
    Over,
}

impl State {
    /// All of them, in the order in which help shows them.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Leased,
        Self::Unknown,
        Self::Sent,
        Self::NoCard,
        Self::InvalidCard,
        Self::Refused,
        Self::TooLate,
        Self::Superseded,
        Self::Over,
    ];

    /// The stable name: in the database, in JSON, on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::NoCard => "no_card",
            Self::InvalidCard => "invalid_card",
            Self::Refused => "refused",
            Self::TooLate => "too_late",
            Self::Superseded => "superseded",
            Self::Over => "over",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A word that names no [`State`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a delivery")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|error: UnknownState| FromSqlError::Other(Box::new(error)))
    }
}
