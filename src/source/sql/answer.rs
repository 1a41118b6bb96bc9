//! What the answers of all databases have in common: named columns, a limit, and failures that name no value.

use std::collections::BTreeSet;

use crate::source::{Failure, RECORDS_MAX, Record};

/// Bytes of an answer; a contact is a few hundred.
const BYTES_MAX: usize = 1024 * 1024;

/// The records of an answer as they come in.
#[derive(Debug, Default)]
pub(super) struct Answer {
    records: Vec<Record>,
    bytes: usize,
    /// Whether the database had more to say.
    pub(super) is_cut: bool,
}

impl Answer {
    /// Adds a record of so many bytes.
    pub(super) fn add(&mut self, record: Record, bytes: usize) -> Result<(), Failure> {
        self.bytes += bytes;
        if self.bytes > BYTES_MAX {
            return Err(Failure::lasting(format!("its answer has more than {BYTES_MAX} bytes")));
        }
        self.records.push(record);
        Ok(())
    }

    /// Whether no more records are wanted.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }
}

/// Columns of one name would hide each other.
pub(super) fn told_apart<'c>(columns: impl IntoIterator<Item = &'c str>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match columns.into_iter().find(|column| !seen.insert(*column)) {
        Some(twice) => {
            Err(Failure::lasting(format!("its answer has two columns named `{twice}`: rename one with `as`")))
        }
        None => Ok(()),
    }
}

/// A column whose value has no form in JSON.
pub(super) fn unreadable(column: &str, kind: &str) -> Failure {
    Failure::lasting(format!("the column `{column}` has a {kind} that can't be read: ask for it as text with `cast`"))
}

/// A parameter that the database wants as something else.
pub(super) fn unfit(number: usize, kind: &str) -> Failure {
    Failure::lasting(format!("parameter ${number} is no {kind}, which the statement wants there"))
}

/// Bytes as text.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
