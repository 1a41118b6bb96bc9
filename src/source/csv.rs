//! A table in a file, found by number.
//!
//! The file is read once, when the rules are compiled; a changed file takes effect with the next reload. Numbers are
//! normalised as the caller's is, so `0532 123 45 67` in the table is found for `+905321234567`. Nothing is matched by
//! its tail.

mod sheet;

pub use sheet::{Sheet, rows_without_number};

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Kind, Made, Reach, Record, Records};
use crate::event::CustomerNumber;
use crate::problem::{Code, Fault};

/// A table in memory; copies share it.
#[derive(Clone, Debug)]
pub struct Csv {
    table: Arc<Table>,
}

#[derive(Debug)]
struct Table {
    columns: Vec<String>,
    rows: Vec<::csv::StringRecord>,
    /// E.164 → positions in `rows`, in the order of the file.
    by_number: HashMap<Box<str>, Vec<usize>>,
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let path = definition.get("file").and_then(Value::as_str).unwrap_or_default();
    let sheet = Sheet::read(path, reach).map_err(|fault| vec![fault.under("/file")])?;
    let number_columns = number_columns(definition, &sheet)?;
    if let Some(twice) = sheet.column_that_stands_twice() {
        let message = format!("`{path}` has two columns named `{twice}`");
        return Err(vec![
            Fault::new(Code::SourceFile, "/file", message)
                .help("rename one of them: templates could not tell them apart"),
        ]);
    }
    let mut unfindable: Vec<u64> = Vec::new();
    let mut table = Table { columns: sheet.columns, rows: Vec::new(), by_number: HashMap::new() };
    for row in sheet.rows {
        let line = row.position().map_or(0, ::csv::Position::line);
        if !table.add(row, &number_columns, reach) {
            unfindable.push(line);
        }
    }
    let faults = sheet::rows_without_number(path, &unfindable).map(|fault| fault.under("/file")).into_iter().collect();
    Ok(Made { kind: Kind::Csv(Csv { table: Arc::new(table) }), parameters: Vec::new(), faults })
}

/// The positions of the columns that hold numbers.
fn number_columns(definition: &Value, sheet: &Sheet) -> Result<Vec<usize>, Vec<Fault>> {
    let mut positions = Vec::new();
    let mut faults = Vec::new();
    let names = definition.get("numbers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        match sheet.column(name.as_str().unwrap_or_default()) {
            Ok(position) => positions.push(position),
            Err(fault) => faults.push(fault.under(&format!("/numbers/{index}"))),
        }
    }
    if faults.is_empty() { Ok(positions) } else { Err(faults) }
}

impl Table {
    /// Adds a row; `false` where no call can ever find it.
    fn add(&mut self, row: ::csv::StringRecord, number_columns: &[usize], reach: &Reach<'_>) -> bool {
        let position = self.rows.len();
        let mut found = false;
        for column in number_columns {
            let number = CustomerNumber::parse(row.get(*column), reach.region);
            let Some(e164) = number.e164() else { continue };
            found = true;
            let positions = self.by_number.entry(e164.into()).or_default();
            if positions.last() != Some(&position) {
                positions.push(position);
            }
        }
        self.rows.push(row);
        found
    }
}

impl Csv {
    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// The rows of this customer, in the order of the file.
    pub(super) fn ask(&self, customer: &CustomerNumber) -> Records {
        let positions = customer.e164().and_then(|e164| self.table.by_number.get(e164));
        let rows = positions.into_iter().flatten().filter_map(|position| self.table.rows.get(*position));
        let records = rows.take(super::RECORDS_MAX).map(|row| self.record(row)).collect();
        Records { records, dropped: 0 }
    }

    fn record(&self, row: &::csv::StringRecord) -> Record {
        self.table.columns.iter().zip(row).map(|(column, field)| (column.clone(), Value::from(field))).collect()
    }
}
