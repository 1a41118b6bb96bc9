//! Rows by telephone number, as small as that can be: twelve bytes a number.
//!
//! It knows where the rows of a number are, not what is in them.

use crate::event::CustomerNumber;

/// The positions of rows by number, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberIndex {
    entries: Vec<Entry>,
}

/// A number of a row. The number is in two halves, for without them four bytes of each entry would lie idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    number: [u32; 2],
    row: u32,
}

impl Entry {
    /// The place of a number that is not there; an index leaves it out.
    pub(super) const NONE: Entry = Entry { number: [0, 0], row: 0 };

    /// A number of a row; `None` where no call has it.
    pub(super) fn new(number: &CustomerNumber, row: usize) -> Option<Entry> {
        Some(Entry { number: halves(number)?, row: u32::try_from(row).ok()? })
    }
}

impl NumberIndex {
    /// An index of these. A number that stands in one row twice counts once.
    pub(super) fn new(mut entries: Vec<Entry>) -> NumberIndex {
        entries.sort_unstable();
        entries.dedup();
        entries.retain(|entry| *entry != Entry::NONE);
        entries.shrink_to_fit();
        NumberIndex { entries }
    }

    /// Whether no row can be found.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The rows of a customer, in their order.
    pub(super) fn rows(&self, customer: &CustomerNumber) -> impl Iterator<Item = usize> {
        let number = halves(customer);
        let begin =
            number.map_or(self.entries.len(), |number| self.entries.partition_point(|entry| entry.number < number));
        let rest = self.entries.get(begin..).unwrap_or_default().iter();
        rest.take_while(move |entry| Some(entry.number) == number).filter_map(|entry| usize::try_from(entry.row).ok())
    }
}

/// The digits of a number in E.164, which has at most fifteen and no zero in front.
fn halves(number: &CustomerNumber) -> Option<[u32; 2]> {
    let digits: u64 = number.e164()?.strip_prefix('+')?.parse().ok()?;
    Some([u32::try_from(digits >> 32).ok()?, u32::try_from(digits & u64::from(u32::MAX)).ok()?])
}
