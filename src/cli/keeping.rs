//! Flags about what is kept on the disk: how surely, for how long and how much.

use clap::ValueEnum;
use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::outbox::{Durability, Keep};

/// Less would not recognise a webhook that comes again after an outage of the phone system.
const TIME_MIN: SignedDuration = SignedDuration::from_hours(1);

/// A busy hour; fewer would be gone before anybody looks.
const ROWS_MIN: u64 = 1_000;

/// What the program keeps free for itself, about; less would be nothing but that.
const MEBIBYTES_MIN: u64 = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Keeping {
    /// What an accepted event survives
    #[arg(long, env = "CALLCARD_DURABILITY", value_enum, default_value = "disk", value_name = "LEVEL")]
    durability: Level,
    /// How long it is kept what became of a call
    #[arg(long, env = "CALLCARD_KEEP", value_parser = time, default_value = "7d", value_name = "TIME")]
    keep: SignedDuration,
    /// For how many events at most
    #[arg(
        long,
        env = "CALLCARD_KEEP_ROWS",
        value_parser = clap::value_parser!(u64).range(ROWS_MIN..),
        default_value_t = Keep::default().rows,
        value_name = "NUMBER"
    )]
    keep_rows: u64,
    /// In how much of the disk at most, such as 500MiB or 2GiB
    #[arg(long, env = "CALLCARD_KEEP_BYTES", value_parser = bytes, default_value = "1GiB", value_name = "SIZE")]
    keep_bytes: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// A power cut: the disk has it before the webhook is answered
    Disk,
    /// A kill -9, but no power cut: the operating system has it
    Process,
}

impl Default for Keeping {
    fn default() -> Self {
        let Keep { time, rows, bytes } = Keep::default();
        Self { durability: Level::Disk, keep: time, keep_rows: rows, keep_bytes: bytes }
    }
}

impl Keeping {
    pub(super) fn durability(&self) -> Durability {
        match self.durability {
            Level::Disk => Durability::Disk,
            Level::Process => Durability::Process,
        }
    }

    pub(super) fn keep(&self) -> Keep {
        Keep { time: self.keep, rows: self.keep_rows, bytes: self.keep_bytes }
    }
}

fn time(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let time = span.map_err(|_| "expected a time such as 12h or 7d".to_owned())?;
    if time < TIME_MIN { Err("expected an hour or more".to_owned()) } else { Ok(time) }
}

fn bytes(text: &str) -> Result<u64, String> {
    let (number, mebibytes) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1024),
        (None, None) => return Err("expected a size such as 500MiB or 2GiB".to_owned()),
    };
    let number: u64 = number.trim().parse().map_err(|_| "expected a whole number before MiB or GiB".to_owned())?;
    // More than any disk is no bound.
    let mebibytes = number.saturating_mul(mebibytes).min(u64::from(u32::MAX));
    if mebibytes < MEBIBYTES_MIN {
        return Err(format!("expected {MEBIBYTES_MIN}MiB or more"));
    }
    Ok(mebibytes * 1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_and_what_keeps_nothing_is_refused() {
        assert_eq!(bytes("16MiB"), Ok(16 * 1024 * 1024));
        assert_eq!(bytes("1GiB"), Ok(Keep::default().bytes));
        assert_eq!(bytes("2 GiB"), Ok(2 * 1024 * 1024 * 1024));
        assert!(bytes("99999999999999999GiB").is_ok());
        for wrong in ["15MiB", "0GiB", "1", "1MB", "-1GiB", "", "GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("7d"), Ok(Keep::default().time));
        assert_eq!(time("90m"), Ok(SignedDuration::from_mins(90)));
        for wrong in ["59m", "-7d", "7", "a week"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
