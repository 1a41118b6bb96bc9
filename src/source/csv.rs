//! A table in a file, found by number.
//!
//! The file is read once, when the rules are compiled; a changed file takes effect with the next reload. Numbers are
//! normalised as the caller's is, so `0532 123 45 67` in the table is found for `+905321234567`. Nothing is matched by
//! its tail.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Compiled, Reach, Record, Records, Source, inside};
use crate::event::CustomerNumber;
use crate::problem::{Code, Fault, did_you_mean};

/// A larger file belongs into a database.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Lines that a warning names.
const LINES_NAMED: usize = 3;

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

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Compiled, Vec<Fault>> {
    let path = definition.get("file").and_then(Value::as_str).unwrap_or_default();
    let text = read(path, reach).map_err(|message| {
        let help = "paths are relative to the file that names them, and stay inside the rule directory";
        vec![Fault::new(Code::SourceFile, "/file", message).help(help)]
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let message = format!("`{path}` is not UTF-8 (byte {})", error.utf8_error().valid_up_to());
        vec![Fault::new(Code::SourceFile, "/file", message).help("save it as \"CSV UTF-8\"")]
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim().is_empty() {
        let fault = Fault::new(Code::SourceFile, "/file", format!("`{path}` is empty"));
        return Err(vec![fault.help("its first line names the columns")]);
    }
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).trim(::csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: &::csv::Error| {
        vec![
            Fault::new(Code::SourceFile, "/file", format!("`{path}` is not CSV: {error}"))
                .help("save it as \"CSV UTF-8\""),
        ]
    };
    let columns: Vec<String> =
        reader.headers().map_err(|error| unreadable(&error))?.iter().map(str::to_owned).collect();
    let number_columns = number_columns(definition, path, &columns)?;
    if let Some(twice) = columns
        .iter()
        .enumerate()
        .find(|(at, name)| !name.is_empty() && columns.iter().take(*at).any(|one| one == *name))
    {
        let message = format!("`{path}` has two columns named `{}`", twice.1);
        return Err(vec![
            Fault::new(Code::SourceFile, "/file", message)
                .help("rename one of them: templates could not tell them apart"),
        ]);
    }

    let mut table = Table { columns, rows: Vec::new(), by_number: HashMap::new() };
    let mut unfindable: Vec<u64> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| unreadable(&error))?;
        if row.len() != table.columns.len() {
            let line = row.position().map_or(0, ::csv::Position::line);
            return Err(vec![
                Fault::new(
                    Code::SourceFile,
                    "/file",
                    format!("`{path}` line {line} has {} fields, its header has {}", row.len(), table.columns.len()),
                )
                .help("a field that holds a comma or a line break stands in double quotes"),
            ]);
        }
        if !table.add(row.clone(), &number_columns, reach) {
            unfindable.push(row.position().map_or(0, ::csv::Position::line));
        }
    }
    let faults = warning(path, &unfindable).into_iter().collect();
    Ok(Compiled { source: Source::Csv(Csv { table: Arc::new(table) }), parameters: Vec::new(), faults })
}

fn read(path: &str, reach: &Reach<'_>) -> Result<Vec<u8>, String> {
    let file = inside(path, reach)?;
    let bytes = std::fs::metadata(&file).map_err(|error| format!("`{path}` can't be opened: {error}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("`{path}` has {bytes} bytes; a table may have {FILE_BYTES_MAX}"));
    }
    std::fs::read(&file).map_err(|error| format!("`{path}` can't be read: {error}"))
}

fn number_columns(definition: &Value, path: &str, columns: &[String]) -> Result<Vec<usize>, Vec<Fault>> {
    let mut positions = Vec::new();
    let mut faults = Vec::new();
    let names = definition.get("numbers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        match columns.iter().position(|column| column == name) {
            Some(position) => positions.push(position),
            None => {
                let message = format!("`{path}` has no column `{name}`");
                let mut fault = Fault::new(Code::SourceColumn, format!("/numbers/{index}"), message);
                fault.help = match columns {
                    [one] if one.contains([';', '\t']) => {
                        Some(format!("its header is `{one}`: save it with commas between the columns"))
                    }
                    _ => did_you_mean(name, columns.iter().map(String::as_str)),
                };
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() { Ok(positions) } else { Err(faults) }
}

fn warning(path: &str, unfindable: &[u64]) -> Option<Fault> {
    let named: Vec<String> = unfindable.iter().take(LINES_NAMED).map(u64::to_string).collect();
    let more = if unfindable.len() > LINES_NAMED { ", …" } else { "" };
    (!unfindable.is_empty()).then(|| {
        let (lines, rows) = (named.join(", "), unfindable.len());
        let message = match rows {
            1 => format!("`{path}` has a row without a readable number (line {lines})"),
            _ => format!("`{path}` has {rows} rows without a readable number (lines {lines}{more})"),
        };
        Fault::new(Code::SourceRows, "/file", message)
            .help("write numbers with their country code, or as they are dialled in `defaults.region`")
    })
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
