//! What a condition may look at: the call, the names that templates know, and the local time of its start.
//!
//! Nothing here reads a clock, so a retry or a replay decides the same. The local time is worked out when the first
//! condition asks for it, once a call.

use std::cell::OnceCell;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::event::Call;

/// One call, for all conditions of all rules.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The call.
    pub call: &'a Call,
    /// What the names of the call stand for in expressions.
    pub(super) values: &'a Value,
    time_zone: &'a TimeZone,
    local: OnceCell<DateTime>,
}

impl<'a> Facts<'a> {
    /// The facts about a call, with the values that templates and expressions see, in the time zone of the rules.
    pub fn new(call: &'a Call, values: &'a Value, time_zone: &'a TimeZone) -> Facts<'a> {
        Facts { call, values, time_zone, local: OnceCell::new() }
    }

    /// When the call began, on the clock of the time zone.
    pub(super) fn local(&self) -> DateTime {
        *self.local.get_or_init(|| self.time_zone.to_datetime(self.call.started_at))
    }

    /// The same for people: `Mo 2026-03-02 11:15 (Europe/Istanbul)`.
    pub(super) fn local_text(&self) -> String {
        const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
        let local = self.local();
        let day = DAYS.into_iter().nth(usize::from(local.weekday().to_monday_zero_offset().unsigned_abs()));
        let zone = self.time_zone.iana_name().unwrap_or("local time");
        format!("{} {} ({zone})", day.unwrap_or_default(), local.strftime("%Y-%m-%d %H:%M"))
    }
}
