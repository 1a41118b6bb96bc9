//! A CSV file as it lies on the disk: columns and rows, read whole.
//!
//! It does not know what the cells mean; a source finds records in them, a list numbers.

use crate::problem::{Code, Fault, did_you_mean};
use crate::source::{Reach, inside};

/// A larger file belongs into a database.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Lines that a warning names.
const LINES_NAMED: usize = 3;

/// Columns and rows. Each row has a field for each column.
#[derive(Debug)]
pub struct Sheet {
    path: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<::csv::StringRecord>,
}

impl Sheet {
    /// Reads the file, which must lie inside the rule directory.
    ///
    /// # Errors
    /// Why it is no table, as a fault of the path.
    pub fn read(path: &str, reach: &Reach<'_>) -> Result<Sheet, Fault> {
        let fault = |message: String, help: &str| Fault::new(Code::SourceFile, "", message).help(help);
        let bytes = bytes(path, reach).map_err(|message| {
            fault(message, "paths are relative to the file that names them, and stay inside the rule directory")
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let message = format!("`{path}` is not UTF-8 (byte {})", error.utf8_error().valid_up_to());
            fault(message, "save it as \"CSV UTF-8\"")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if text.trim().is_empty() {
            return Err(fault(format!("`{path}` is empty"), "its first line names the columns"));
        }
        let mut reader = ::csv::ReaderBuilder::new().flexible(true).trim(::csv::Trim::All).from_reader(text.as_bytes());
        let unreadable =
            |error: ::csv::Error| fault(format!("`{path}` is not CSV: {error}"), "save it as \"CSV UTF-8\"");
        let columns: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for row in reader.into_records() {
            let row = row.map_err(unreadable)?;
            if row.len() != columns.len() {
                let line = row.position().map_or(0, ::csv::Position::line);
                let message =
                    format!("`{path}` line {line} has {} fields, its header has {}", row.len(), columns.len());
                return Err(fault(message, "a field that holds a comma or a line break stands in double quotes"));
            }
            rows.push(row);
        }
        Ok(Sheet { path: path.to_owned(), columns, rows })
    }

    /// The position of a column.
    ///
    /// # Errors
    /// As a fault of the column's name, where there is none.
    pub fn column(&self, name: &str) -> Result<usize, Fault> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| {
            let message = format!("`{}` has no column `{name}`", self.path);
            let mut fault = Fault::new(Code::SourceColumn, "", message);
            fault.help = match self.columns.as_slice() {
                [one] if one.contains([';', '\t']) => {
                    Some(format!("its header is `{one}`: save it with commas between the columns"))
                }
                columns => did_you_mean(name, columns.iter().map(String::as_str)),
            };
            fault
        })
    }

    /// The cells of a column, each with its line in the file.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = (u64, &str)> {
        let line = |row: &::csv::StringRecord| row.position().map_or(0, ::csv::Position::line);
        self.rows.iter().map(move |row| (line(row), row.get(column).unwrap_or_default()))
    }

    /// The name of two columns, if there are such.
    pub(super) fn column_that_stands_twice(&self) -> Option<&str> {
        let named = self.columns.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let mut twice = named.filter(|(at, name)| self.columns.iter().take(*at).any(|one| one == *name));
        twice.next().map(|(_, name)| name.as_str())
    }
}

/// The warning about rows of these lines, if there are any.
pub fn rows_without_number(path: &str, lines: &[u64]) -> Option<Fault> {
    let named: Vec<String> = lines.iter().take(LINES_NAMED).map(u64::to_string).collect();
    let more = if lines.len() > LINES_NAMED { ", …" } else { "" };
    (!lines.is_empty()).then(|| {
        let (named, rows) = (named.join(", "), lines.len());
        let message = match rows {
            1 => format!("`{path}` has a row without a readable number (line {named})"),
            _ => format!("`{path}` has {rows} rows without a readable number (lines {named}{more})"),
        };
        Fault::new(Code::SourceRows, "", message)
            .help("write numbers with their country code, or as they are dialled in `defaults.region`")
    })
}

fn bytes(path: &str, reach: &Reach<'_>) -> Result<Vec<u8>, String> {
    let file = inside(path, reach)?;
    let bytes = std::fs::metadata(&file).map_err(|error| format!("`{path}` can't be opened: {error}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("`{path}` has {bytes} bytes; a table may have {FILE_BYTES_MAX}"));
    }
    std::fs::read(&file).map_err(|error| format!("`{path}` can't be read: {error}"))
}
