//! `schedule`: OpenStreetMap's opening_hours, asked about one local time.
//!
//! It reads no clock and knows no time zone: the local time comes in. What a text means is what the specification of
//! opening_hours says, with two things left out that would need a place on earth or mean no hours at all: sunrise and
//! the like, and times that repeat.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use jiff::civil::{Date, DateTime};
use opening_hours::localization::Country;
use opening_hours::{Context, ContextHolidays, OpeningHours, RuleKind};
use opening_hours_syntax::rules::OpeningHoursExpression;
use opening_hours_syntax::rules::day::{HolidayKind, WeekDayRange};
use opening_hours_syntax::rules::time::{Time, TimeSpan};
use pest::error::InputLocation;

use crate::event::Region;
use crate::problem::{Code, Fault, did_you_mean};

/// Bytes of one text. Asking takes time that grows with the square of the windows in a day, and this allows 200 of them.
const TEXT_BYTES_MAX: usize = 2000;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A Monday; which one does not matter to a schedule that is the same every week.
const SOME_MONDAY: (i32, u32, u32) = (2024, 1, 8);

/// Hours, read once. Copies share them.
#[derive(Clone, Debug)]
pub struct Schedule(Arc<Hours>);

#[derive(Debug)]
struct Hours {
    text: String,
    hours: OpeningHours,
    weekly: Option<Vec<(u16, u16)>>,
}

/// The schedules that a `when` may name.
#[derive(Clone, Debug)]
pub struct Schedules {
    /// `None` for one whose text can't be read.
    named: BTreeMap<String, Option<Schedule>>,
    country: Region,
}

impl Schedules {
    /// No schedule yet. Holidays are those of the country.
    pub fn new(country: Region) -> Schedules {
        Schedules { named: BTreeMap::new(), country }
    }

    /// Whether a name would hide an opening_hours text: `Mo`, `easter`, `PH`.
    pub fn is_text(name: &str) -> bool {
        name.parse::<OpeningHours>().is_ok()
    }

    /// Makes a name known whose text has not been read, or can't be.
    pub fn declare(&mut self, name: &str) {
        self.named.insert(name.to_owned(), None);
    }

    /// Adds a schedule.
    ///
    /// # Errors
    /// Why its text can't be read.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let schedule = Schedule::parse(text, self.country).map_err(|error| error.fault(""))?;
        self.named.insert(name.to_owned(), Some(schedule));
        Ok(())
    }

    /// The schedule of that name, or the one that the text itself is; `None` where a problem has been told already.
    pub(super) fn find(&self, name_or_text: &str, pointer: &str) -> Result<Option<Schedule>, Fault> {
        if let Some(named) = self.named.get(name_or_text) {
            return Ok(named.clone());
        }
        let is_name = name_or_text.chars().all(|character| character.is_alphanumeric() || "-_".contains(character));
        Schedule::parse(name_or_text, self.country).map(Some).map_err(|error| {
            // One word without blank or colon is hardly meant to be hours.
            if !is_name || Schedules::is_text(name_or_text) {
                return error.fault(pointer);
            }
            let mut fault = Fault::new(Code::UnknownName, pointer, format!("no schedule is named `{name_or_text}`"));
            fault.help = did_you_mean(name_or_text, self.named.keys().map(String::as_str))
                .or_else(|| Some("schedules are defined under `schedules`".to_owned()));
            fault
        })
    }
}

/// Why a text is no schedule, and what helps.
#[derive(Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl ScheduleError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> ScheduleError {
        ScheduleError { message: message.into(), help: help.into() }
    }

    fn fault(self, pointer: &str) -> Fault {
        Fault::new(Code::Schedule, pointer, self.message).help(self.help)
    }
}

impl Schedule {
    /// Reads an opening_hours text. `PH` and `SH` are the holidays of the country.
    ///
    /// # Errors
    /// What is wrong with the text, with the position in it where that is known.
    pub fn parse(text: &str, country: Region) -> Result<Schedule, ScheduleError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a schedule has at most {TEXT_BYTES_MAX} bytes; this one has {}", text.len());
            return Err(ScheduleError::new(message, "make several schedules of it: `schedule: [one, other]`"));
        }
        let hours: OpeningHours = text.trim().parse().map_err(|error| unreadable(text.trim(), error))?;
        let expression = hours.get_expression();
        only_hours(&expression)?;
        let holidays = holidays(&expression, country)?;
        let hours = hours.with_context(Context::default().with_holidays(holidays));
        let weekly = is_weekly(&expression).then(|| week(&hours));
        Ok(Schedule(Arc::new(Hours { text: text.trim().to_owned(), hours, weekly })))
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether it is open at this local time. Where the text says `unknown`, it is not.
    pub fn open_at(&self, local: DateTime) -> bool {
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        if let Some(weekly) = self.weekly() {
            let day = u16::from(local.weekday().to_monday_zero_offset().unsigned_abs());
            let minute = day * DAY + minute;
            let behind = weekly.partition_point(|(start, _)| *start <= minute);
            return behind.checked_sub(1).and_then(|at| weekly.get(at)).is_some_and(|(_, end)| minute < *end);
        }
        self.windows(local.date()).any(|(start, end)| (start..end).contains(&minute))
    }

    /// The minutes of a day at which it opens or closes.
    pub(super) fn changes(&self, date: Date) -> impl Iterator<Item = u16> {
        self.windows(date).flat_map(|(start, end)| [start, end]).filter(|minute| *minute < DAY)
    }

    /// The windows of a day, in its minutes.
    fn windows(&self, date: Date) -> impl Iterator<Item = (u16, u16)> {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        let date = NaiveDate::from_ymd_opt(date.year().into(), month.into(), day.into());
        date.into_iter().flat_map(|date| open(&self.0.hours, date))
    }

    /// The minutes of the week, from Monday 00:00, in which it is open: sorted, disjoint, each without its end. `None`
    /// where not every week is the same: dates, years, holidays, `Mo[1]`.
    pub fn weekly(&self) -> Option<&[(u16, u16)]> {
        self.0.weekly.as_deref()
    }
}

/// The windows of one day, in its minutes. What began the day before and goes on is among them.
fn open(hours: &OpeningHours, date: NaiveDate) -> impl Iterator<Item = (u16, u16)> {
    let windows = hours.schedule_at(date).into_iter();
    windows
        .filter(|window| window.kind == RuleKind::Open)
        .map(|window| (window.range.start.mins_from_midnight(), window.range.end.mins_from_midnight()))
}

/// The windows of a week, windows that touch made one.
fn week(hours: &OpeningHours) -> Vec<(u16, u16)> {
    let (year, month, day) = SOME_MONDAY;
    let monday = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    let mut week: Vec<(u16, u16)> = Vec::new();
    for (day, date) in (0..7).zip(monday.iter_days()) {
        for (start, end) in open(hours, date) {
            let (start, end) = (day * DAY + start, day * DAY + end);
            match week.last_mut() {
                Some(last) if last.1 >= start => last.1 = last.1.max(end),
                _ => week.push((start, end)),
            }
        }
    }
    week
}

/// Whether the weekday alone decides about a day.
fn is_weekly(expression: &OpeningHoursExpression) -> bool {
    expression.rules.iter().all(|rule| {
        let days = &rule.day_selector;
        let every_week = |range: &WeekDayRange| match range {
            WeekDayRange::Fixed { offset, nth_from_start, nth_from_end, .. } => {
                *offset == 0 && nth_from_start.iter().chain(nth_from_end).all(|nth| *nth)
            }
            WeekDayRange::Holiday { .. } => false,
        };
        days.year.is_empty() && days.monthday.is_empty() && days.week.is_empty() && days.weekday.iter().all(every_week)
    })
}

/// Refuses what are no hours, or none that can be known.
fn only_hours(expression: &OpeningHoursExpression) -> Result<(), ScheduleError> {
    let is_event = |time: &Time| matches!(time, Time::Variable(_));
    for TimeSpan { range, repeats, .. } in expression.rules.iter().flat_map(|rule| &rule.time_selector.spans) {
        if is_event(&range.start) || is_event(&range.end) {
            let message = "the sun rises and sets elsewhere at another time: a schedule has no place";
            return Err(ScheduleError::new(message, "write times instead, for example: 07:00-19:00"));
        }
        if repeats.is_some() {
            let message = "times that repeat (`/01:30`) are moments, not hours";
            return Err(ScheduleError::new(message, "write from when to when, for example: 09:00-18:00"));
        }
    }
    Ok(())
}

/// The holidays that the expression asks for.
fn holidays(expression: &OpeningHoursExpression, country: Region) -> Result<ContextHolidays, ScheduleError> {
    let ranges = expression.rules.iter().flat_map(|rule| &rule.day_selector.weekday);
    let kinds: Vec<HolidayKind> = ranges
        .filter_map(|range| match range {
            WeekDayRange::Holiday { kind, .. } => Some(*kind),
            WeekDayRange::Fixed { .. } => None,
        })
        .collect();
    if kinds.is_empty() {
        return Ok(ContextHolidays::default());
    }
    let known = country.as_str().parse::<Country>().map(Country::holidays).unwrap_or_default();
    match kinds.into_iter().find(|kind| known.get_for_kind(*kind).count() == 0) {
        None => Ok(known),
        Some(kind) => {
            let name = if kind == HolidayKind::Public { "public holidays (`PH`)" } else { "school holidays (`SH`)" };
            let message = format!("no {name} are known for {country}, which is `defaults.region`");
            Err(ScheduleError::new(message, "write their dates, for example: Mo-Fr 09:00-18:00; Jan 1 off"))
        }
    }
}

fn unreadable(text: &str, error: opening_hours_syntax::Error) -> ScheduleError {
    use opening_hours_syntax::Error;
    let what = match &error {
        Error::Syntax(error) => {
            let at = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
            };
            let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
            match rest {
                "" => "something is missing at its end".to_owned(),
                rest => format!("it can't be read from character {} on: `{rest}`", before.chars().count() + 1),
            }
        }
        Error::Unsupported(what) => format!("{what} is no hours"),
        Error::InvertedYearRange { start, end, .. } => format!("the year {} comes before {}", start.0, end.0),
        Error::InvertedWeekRange { start, end, .. } => format!("week {} comes before week {}", start.0, end.0),
        other => other.to_string(),
    };
    let help = if text.contains(['–', '—']) {
        "write `-` between days and times, not a dash"
    } else {
        "for example: Mo-Fr 09:00-18:00; Sa 09:00-13:00; PH off"
    };
    ScheduleError::new(format!("`{text}` is not an opening_hours text: {what}"), help)
}
