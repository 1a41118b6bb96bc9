//! One row of a text, taken apart.
//!
//! What a row is, `csv-core` decides; fields lose the blanks around them, and empty lines are no rows. Nothing is kept of a
//! row when the next one is read.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader};

/// Takes rows apart. Making one takes longer than using it many times, and a copy of its machine would not work
/// (`csv-core` 0.1.13 forgets in a copy which of its states are the final ones).
pub(super) struct Splitter {
    machine: Reader,
    fields: Fields,
}

/// The fields of the row that was read last.
#[derive(Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

/// The text ends inside the quotes of a row that begins here.
pub(super) struct NotClosed(pub(super) usize);

impl Splitter {
    /// Splits at this byte.
    pub(super) fn new(delimiter: u8) -> Splitter {
        Splitter { machine: csv_core::ReaderBuilder::new().delimiter(delimiter).build(), fields: Fields::default() }
    }

    /// The first row from a place on, which lies between two rows: where it is, and its fields.
    pub(super) fn row(&mut self, text: &str, place: usize) -> Result<Option<(Range<usize>, &Fields)>, NotClosed> {
        let rest = text.as_bytes().get(place..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = place + blank;
        let mut rest = rest.get(blank..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let Splitter { machine, fields } = self;
        let (mut written, mut is_over) = (0, false);
        fields.count = 0;
        loop {
            let (result, taken, put, ended) = machine.read_record(
                rest,
                fields.bytes.get_mut(written..).unwrap_or_default(),
                fields.ends.get_mut(fields.count..).unwrap_or_default(),
            );
            rest = rest.get(taken..).unwrap_or_default();
            written += put;
            fields.count += ended;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => fields.bytes.resize((2 * fields.bytes.len()).max(256), 0),
                ReadRecordResult::OutputEndsFull => fields.ends.resize((2 * fields.ends.len()).max(16), 0),
                // A line break ends the last row, unless it stands inside quotes.
                ReadRecordResult::InputEmpty if !is_over => (rest, is_over) = (b"\n", true),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Err(NotClosed(begin)),
            }
        }
        let end = if is_over { text.len() } else { text.len() - rest.len() };
        Ok(Some((begin..end, fields)))
    }
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// One of them; empty where there is none.
    pub(super) fn get(&self, position: usize) -> &str {
        let end_of = |position: usize| self.ends.get(..self.count).and_then(|ends| ends.get(position)).copied();
        let begin = position.checked_sub(1).and_then(end_of).unwrap_or_default();
        let bytes = end_of(position).and_then(|end| self.bytes.get(begin..end)).unwrap_or_default();
        // A text that is split at ASCII characters stays a text.
        std::str::from_utf8(bytes).unwrap_or_default().trim()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.count).map(|position| self.get(position))
    }
}
