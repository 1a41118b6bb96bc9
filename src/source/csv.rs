//! A table in a file, found by number.
//!
//! The file is read when the rules are compiled, and again when it has changed and somebody asks for that; a file that is
//! no such table any more changes nothing. Numbers are normalised as the caller's is, so `0532 123 45 67` in the table is
//! found for `+905321234567`. Nothing is matched by its tail.

mod file;
mod layout;
mod rows;
mod sheet;
mod table;
mod text;

pub use file::File;
pub use layout::Layout;
pub use sheet::Sheet;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde_json::Value;

use super::{Kind, Made, Reach, Records};
use crate::event::{CustomerNumber, Region};
use crate::problem::Fault;
use file::Watch;
use table::Table;

/// A table in memory; copies share it.
#[derive(Clone, Debug)]
pub struct Csv {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    definition: Definition,
    /// As they were when the rules were compiled, which is what templates were checked against.
    columns: Vec<String>,
    /// A question sees one table from its beginning to its end.
    table: ArcSwap<Table>,
    watch: Mutex<Watch>,
}

/// What it takes to read a table again.
#[derive(Debug)]
struct Definition {
    file: File,
    layout: Layout,
    numbers: Vec<String>,
    region: Region,
}

/// What became of a table whose file has changed. It has no part of what is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The file, as it is written in the rules.
    pub path: String,
    /// How many rows the new table has; or why the old one stays.
    pub rows: Result<usize, String>,
    /// The warning that came with the new table.
    pub warning: Option<String>,
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let path = definition.get("file").and_then(Value::as_str).unwrap_or_default();
    let numbers = definition.get("numbers").and_then(Value::as_array).into_iter().flatten();
    let definition = Definition {
        file: File::new(path, reach),
        layout: Layout::of(definition)?,
        numbers: numbers.filter_map(Value::as_str).map(str::to_owned).collect(),
        region: reach.region,
    };
    // Whatever happens to the file from here on is seen at the first look.
    let stamp = definition.file.stamp();
    let table = Table::read(&definition)?;
    let faults = table.warning().map(|fault| fault.under("/file")).into_iter().collect();
    let shared = Shared {
        definition,
        columns: table.columns().to_vec(),
        table: ArcSwap::from_pointee(table),
        watch: Mutex::new(Watch::new(stamp)),
    };
    Ok(Made { kind: Kind::Csv(Csv { shared: Arc::new(shared) }), parameters: Vec::new(), faults })
}

impl Csv {
    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.shared.columns
    }

    /// The rows of this customer, in the order of the file.
    pub(super) fn ask(&self, customer: &CustomerNumber) -> Records {
        Records { records: self.shared.table.load().records(customer), dropped: 0 }
    }

    /// Looks at the file, and reads it where it is another one than before and did not change since the last look. What
    /// became of it is told once.
    pub(super) fn refresh(&self) -> Option<Refreshed> {
        let Shared { definition, watch, .. } = &*self.shared;
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = definition.file.stamp();
        if !watch.is_new(stamp) {
            return None;
        }
        let read = self.read_again();
        // Somebody began to write while it was read: what was read is of no account, good or bad.
        if watch.is_other(definition.file.stamp()) {
            return None;
        }
        watch.deal_with(stamp);
        let path = definition.file.path.clone();
        Some(match read {
            Ok(table) => {
                let (rows, warning) = (table.len(), table.warning().map(|fault| fault.message));
                self.shared.table.store(Arc::new(table));
                Refreshed { path, rows: Ok(rows), warning }
            }
            Err(why) => Refreshed { path, rows: Err(why), warning: None },
        })
    }

    /// The table as it is in the file now, unless that can't take the place of the one in force.
    fn read_again(&self) -> Result<Table, String> {
        let Shared { definition, columns, table, .. } = &*self.shared;
        let first = |faults: Vec<Fault>| faults.into_iter().next().map(|fault| fault.message).unwrap_or_default();
        let new = Table::read(definition).map_err(first)?;
        let path = &definition.file.path;
        if let Some(lost) = columns.iter().find(|column| !new.columns().contains(column)) {
            return Err(format!("`{path}` has lost its column `{lost}`"));
        }
        if table.load().can_be_found() && !new.can_be_found() {
            return Err(format!("`{path}` has no row with a readable number any more"));
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests;
