//! What a card may be and better were not: too many rows for a phone, no title above them, a number that is not meant to
//! be seen.
//!
//! Only advice: the phone system takes such a card. Which calls the card is for is not known here.

use super::{CardTemplate, ROWS_MAX};
use crate::problem::{Code, Fault};

/// Rows that a phone's layout takes: 4 to 6 were tried to look well.
const ROWS_SHOWN_WELL: usize = 6;

/// What shows the customer's whole number.
const WHOLE_NUMBER: [&str; 5] =
    ["customer.number", "customer.e164", "customer.national", "customer.international", "event.callee_number"];

impl CardTemplate {
    /// Advice on the card, each with its pointer.
    pub fn advice(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.rows.iter().position(|row| row.is_title()) {
            Some(0) => {}
            Some(at) => faults.push(
                Fault::new(Code::NoTitle, self.pointer(at), "the title is not the first row of the card")
                    .help("put it first; it is what is read while the phone rings"),
            ),
            None => faults.push(
                Fault::new(Code::NoTitle, self.pointer(0), "the card has no title")
                    .help("begin it with `{type: title, text: …}`; it is what is read while the phone rings"),
            ),
        }
        let (mut rows, mut beyond) = (0, None);
        for (at, row) in self.rows.iter().enumerate() {
            rows += row.rows_max();
            beyond = beyond.or((rows > ROWS_SHOWN_WELL).then_some(at));
        }
        if let Some(at) = beyond {
            let message = format!(
                "with this row the card goes beyond {ROWS_SHOWN_WELL} rows; it may have {}",
                rows.min(ROWS_MAX)
            );
            let fault = Fault::new(Code::ManyRows, self.pointer(at), message);
            faults.push(fault.help("a phone shows 4 to 6 rows well: leave some out, or make `at_most` smaller"));
        }
        faults
    }

    /// The pointers of rows that show the customer's whole number.
    pub fn whole_numbers(&self) -> Vec<String> {
        let rows = self.rows.iter().enumerate().filter(|(_, row)| row.shows(&WHOLE_NUMBER));
        rows.map(|(at, _)| self.pointer(at)).collect()
    }

    fn pointer(&self, row: usize) -> String {
        format!("{}/{row}", self.pointer)
    }
}
