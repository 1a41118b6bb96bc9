//! An opening_hours text → when it is open.

use callcard::condition::Schedule;
use jiff::civil::{DateTime, date};
use jiff::{Span, ToSpan};

use crate::world;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// The text; what it answers is asked for the first seven days of years that begin and end on any day, at odd minutes.
pub fn schedule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(schedule) = Schedule::parse(&text, world::region("TR")) else { return };
    let again = Schedule::parse(schedule.text(), world::region("TR")).expect("its own text can be read");
    let weekly = schedule.weekly().unwrap_or_default();
    assert!(weekly.iter().all(|(start, end)| start < end), "{text}: {weekly:?}");
    assert!(weekly.windows(2).all(|pair| pair[0].1 < pair[1].0), "{text}: {weekly:?}");
    for first in [date(2024, 2, 26), date(2026, 3, 2), date(2026, 12, 28), date(1970, 1, 5)] {
        for hours in (0..7 * 24).step_by(5) {
            let minutes = i64::from(hours * 60 + hours % 60);
            let at: DateTime = first.at(0, 0, 0, 0).checked_add(Span::new().minutes(minutes)).expect("in range");
            let open = schedule.open_at(at);
            assert_eq!(open, again.open_at(at), "{text} at {at}");
            if schedule.weekly().is_some() {
                let next_week = at.checked_add(1.week()).expect("in range");
                assert_eq!(open, schedule.open_at(next_week), "{text} at {at} and a week later");
                let day = u16::from(at.weekday().to_monday_zero_offset().unsigned_abs());
                let minute = day * DAY + at.hour().unsigned_abs() as u16 * 60 + at.minute().unsigned_abs() as u16;
                let is_within = weekly.iter().any(|(start, end)| (*start..*end).contains(&minute));
                assert_eq!(open, is_within, "{text} at {at}");
            }
        }
    }
}
