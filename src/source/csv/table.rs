//! A table: a sheet whose rows are found by number.
//!
//! Made in one go and never changed; a changed file becomes another table.

use std::fmt;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::rows::{Fields, Splitter};
use super::{Definition, Sheet};
use crate::event::{CustomerNumber, Region};
use crate::problem::{Code, Fault};
use crate::source::index::{Entry, NumberIndex};
use crate::source::{RECORDS_MAX, Record};

/// Fewer rows are read by one thread sooner than a second one has begun.
const ROWS_A_THREAD_MIN: usize = 1_000;

/// Rows and where the numbers are.
pub(super) struct Table {
    sheet: Sheet,
    index: NumberIndex,
    /// For the rows that are found: each is taken apart in less than a thousandth of a millisecond, one at a time.
    splitter: Mutex<Splitter>,
    /// Rows that no call will ever find.
    unfindable: Vec<usize>,
}

impl Table {
    /// Reads the file of a definition.
    pub(super) fn read(definition: &Definition) -> Result<Table, Vec<Fault>> {
        let sheet = Sheet::read(&definition.file, &definition.layout).map_err(|fault| vec![at_file(fault)])?;
        let columns = number_columns(&definition.numbers, &sheet)?;
        if let Some(twice) = sheet.column_that_stands_twice() {
            let (path, is_ours) = (&definition.file.path, definition.layout.header.is_some());
            let (pointer, whose) =
                if is_ours { ("/header", "these are") } else { ("/file", &*format!("`{path}` has")) };
            return Err(vec![
                Fault::new(Code::SourceFile, pointer, format!("{whose} two columns named `{twice}`"))
                    .help("rename one of them: templates could not tell them apart"),
            ]);
        }
        let (index, unfindable) = indexed(&sheet, &columns, definition.region);
        let splitter = Mutex::new(sheet.splitter());
        Ok(Table { sheet, index, splitter, unfindable })
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.sheet.columns
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.sheet.len()
    }

    /// Whether a call can find any row.
    pub(super) fn can_be_found(&self) -> bool {
        !self.index.is_empty()
    }

    /// The warning about rows that no call will ever find.
    pub(super) fn warning(&self) -> Option<Fault> {
        self.sheet.rows_without_number(&self.unfindable)
    }

    /// The rows of this customer, in the order of the file.
    pub(super) fn records(&self, customer: &CustomerNumber) -> Vec<Record> {
        let mut splitter = self.splitter.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.index.rows(customer).take(RECORDS_MAX);
        let record = |fields: &Fields| self.columns().iter().cloned().zip(fields.iter().map(Value::from)).collect();
        rows.filter_map(|row| self.sheet.row(row, &mut splitter).map(record)).collect()
    }
}

/// Without what is in it.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sheet.fmt(f)
    }
}

/// A fault of the file is shown at its name.
fn at_file(fault: Fault) -> Fault {
    if fault.pointer.is_empty() { fault.under("/file") } else { fault }
}

/// The positions of the columns that hold numbers.
fn number_columns(names: &[String], sheet: &Sheet) -> Result<Vec<usize>, Vec<Fault>> {
    let (mut positions, mut faults) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        match sheet.column(name) {
            Ok(position) => positions.push(position),
            Err(fault) => faults.push(fault.under(&format!("/numbers/{index}"))),
        }
    }
    if faults.is_empty() { Ok(positions) } else { Err(faults) }
}

/// Where the numbers are, and the rows that have none. Nearly all of its time goes into reading numbers, which every
/// processor can do for rows of its own; each writes into its part of what becomes the index.
fn indexed(sheet: &Sheet, columns: &[usize], region: Region) -> (NumberIndex, Vec<usize>) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let each = sheet.len().div_ceil(threads).max(ROWS_A_THREAD_MIN);
    let mut entries = vec![Entry::NONE; sheet.len() * columns.len()];
    let unfindable = thread::scope(|scope| {
        let parts = entries.chunks_mut(each * columns.len().max(1)).enumerate();
        let parts: Vec<_> = parts
            .map(|(part, entries)| scope.spawn(move || numbers(sheet, part * each, columns, region, entries)))
            .collect();
        let ended = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.flatten().collect()
    });
    (NumberIndex::new(entries), unfindable)
}

/// Fills in the numbers of the rows from `first` on; the rows that have none.
fn numbers(sheet: &Sheet, first: usize, columns: &[usize], region: Region, entries: &mut [Entry]) -> Vec<usize> {
    let (mut unfindable, mut splitter) = (Vec::new(), sheet.splitter());
    for (row, entries) in (first..).zip(entries.chunks_mut(columns.len())) {
        let Some(fields) = sheet.row(row, &mut splitter) else { continue };
        let mut is_found = false;
        for (entry, column) in entries.iter_mut().zip(columns) {
            if let Some(number) = Entry::new(&CustomerNumber::parse(Some(fields.get(*column)), region), row) {
                (*entry, is_found) = (number, true);
            }
        }
        if !is_found {
            unfindable.push(row);
        }
    }
    unfindable
}
