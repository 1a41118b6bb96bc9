//! A CSV file in memory: its text, and where each row begins.
//!
//! It does not know what the cells mean; a source finds records in them, a list numbers. A row is taken apart only when it
//! is asked for, so a million of them take little more room than the file.

use std::fmt;

use super::layout::{Layout, written};
use super::rows::{Fields, NotClosed, Splitter};
use super::{File, text};
use crate::problem::{Code, Fault, did_you_mean};

/// Lines that a warning names.
const LINES_NAMED: usize = 3;

/// What may stand between columns where the rules say something else.
const DELIMITERS: [char; 4] = [';', '\t', ',', '|'];

/// Columns and rows. Each row has a field for each column.
pub struct Sheet {
    path: String,
    text: String,
    /// Where each row begins.
    rows: Vec<u32>,
    pub(super) columns: Vec<String>,
    delimiter: u8,
    /// What stands in the first line, where that looks as if other columns had been meant.
    meant: Option<String>,
}

impl Sheet {
    /// Reads the file, which must lie inside the rule directory.
    ///
    /// # Errors
    /// Why it is no table, as a fault of the whole definition but for what is under `/header`.
    pub fn read(file: &File, layout: &Layout) -> Result<Sheet, Fault> {
        let path = &file.path;
        let mut sheet = Sheet {
            path: path.clone(),
            text: text::read(file.open()?, path, layout.encoding)?,
            rows: Vec::new(),
            columns: layout.header.clone().unwrap_or_default(),
            delimiter: layout.delimiter,
            meant: None,
        };
        if sheet.text.trim().is_empty() {
            let message = format!("`{path}` is empty");
            return Err(Fault::new(Code::SourceFile, "", message).help("its first line names the columns"));
        }
        sheet.rows = sheet.begins(layout)?;
        Ok(sheet)
    }

    /// Finds the columns and where each row begins; every row must have a field for each column.
    fn begins(&mut self, layout: &Layout) -> Result<Vec<u32>, Fault> {
        let (mut begins, mut splitter) = (Vec::new(), self.splitter());
        let (mut place, mut is_first) = (0, true);
        while let Some((row, fields)) =
            splitter.row(&self.text, place).map_err(|NotClosed(begin)| self.not_closed(begin))?
        {
            place = row.end;
            if std::mem::take(&mut is_first) {
                self.meant = other_delimiter(fields, layout.delimiter);
                match &layout.header {
                    Some(header) => self.check_header(header, fields)?,
                    None => {
                        self.columns = fields.iter().map(str::to_owned).collect();
                        continue;
                    }
                }
            }
            if fields.len() != self.columns.len() {
                return Err(self.ragged(row.start, fields.len()));
            }
            // A text has fewer bytes than this can count; see there.
            begins.extend(u32::try_from(row.start));
        }
        begins.shrink_to_fit();
        Ok(begins)
    }

    /// Whether the first row has the columns that the rules name, and not their names.
    fn check_header(&self, header: &[String], first: &Fields) -> Result<(), Fault> {
        let fault = |message| Fault::new(Code::SourceColumn, "/header", message);
        let (path, named, found) = (&self.path, header.len(), first.len());
        if first.iter().eq(header.iter().map(String::as_str)) {
            return Err(fault(format!("the first line of `{path}` names these columns itself"))
                .help("leave `header` out: it is for files that begin with a row"));
        }
        if named == found {
            return Ok(());
        }
        let help = self.meant.clone().unwrap_or_else(|| "name every column, from left to right".to_owned());
        let message = format!("the first row of `{path}` has {}, and this names {named}", fields(found));
        Err(fault(message).help(help))
    }

    fn ragged(&self, begin: usize, found: usize) -> Fault {
        let (path, line, columns) = (&self.path, self.line(begin), self.columns.len());
        let message = format!("`{path}` line {line} has {}, its header has {columns}", fields(found));
        let fault = Fault::new(Code::SourceFile, "", message);
        let quotes = "a field that holds a delimiter or a line break stands in double quotes";
        fault.help(self.meant.clone().unwrap_or_else(|| quotes.to_owned()))
    }

    fn not_closed(&self, begin: usize) -> Fault {
        let message = format!("in `{}` a quote in the row of line {} is not closed", self.path, self.line(begin));
        Fault::new(Code::SourceFile, "", message)
            .help("a field in double quotes ends with one; inside it they are written twice")
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The position of a column.
    ///
    /// # Errors
    /// As a fault of the column's name, where there is none.
    pub fn column(&self, name: &str) -> Result<usize, Fault> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| {
            let message = format!("`{}` has no column `{name}`", self.path);
            let mut fault = Fault::new(Code::SourceColumn, "", message);
            fault.help = self.meant.clone().or_else(|| did_you_mean(name, self.columns.iter().map(String::as_str)));
            fault
        })
    }

    /// What takes its rows apart; it can be used for any number of them.
    pub(super) fn splitter(&self) -> Splitter {
        Splitter::new(self.delimiter)
    }

    /// The fields of a row.
    pub(super) fn row<'s>(&self, position: usize, splitter: &'s mut Splitter) -> Option<&'s Fields> {
        let begin = usize::try_from(*self.rows.get(position)?).ok()?;
        // They have been read once: each is whole.
        splitter.row(&self.text, begin).ok()?.map(|(_, fields)| fields)
    }

    /// The cells of a column, each with the position of its row.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = (usize, String)> {
        let mut splitter = self.splitter();
        (0..self.len())
            .filter_map(move |position| Some((position, self.row(position, &mut splitter)?.get(column).to_owned())))
    }

    /// The name of two columns, if there are such.
    pub(super) fn column_that_stands_twice(&self) -> Option<&str> {
        let named = self.columns.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let mut twice = named.filter(|(at, name)| self.columns.iter().take(*at).any(|one| one == *name));
        twice.next().map(|(_, name)| name.as_str())
    }

    /// The warning about rows at these positions, in their order, if there are any.
    pub fn rows_without_number(&self, positions: &[usize]) -> Option<Fault> {
        let begins = positions.iter().filter_map(|position| usize::try_from(*self.rows.get(*position)?).ok());
        let named: Vec<String> = begins.take(LINES_NAMED).map(|begin| self.line(begin).to_string()).collect();
        let more = if positions.len() > LINES_NAMED { ", …" } else { "" };
        let (path, named, rows) = (&self.path, named.join(", "), positions.len());
        let message = match rows {
            0 => return None,
            1 => format!("`{path}` has a row without a readable number (line {named})"),
            _ => format!("`{path}` has {rows} rows without a readable number (lines {named}{more})"),
        };
        let help = "write numbers with their country code, or as they are dialled in `defaults.region`";
        Some(Fault::new(Code::SourceRows, "", message).help(help))
    }

    /// The line of a place, from 1.
    fn line(&self, place: usize) -> usize {
        1 + text::line_breaks(self.text.as_bytes().get(..place).unwrap_or_default())
    }
}

/// Without the text: what is in a table is nobody's business.
impl fmt::Debug for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sheet").field("path", &self.path).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}

/// What helps where the first line is one column, and has something in it that stands between columns elsewhere.
fn other_delimiter(first: &Fields, delimiter: u8) -> Option<String> {
    let line = (first.len() == 1).then(|| first.get(0))?;
    let meant = DELIMITERS.into_iter().find(|one| line.contains(*one) && u32::from(*one) != u32::from(delimiter))?;
    Some(format!("its first line is `{}`: write `{}`", line.replace('\t', "\\t"), written(meant)))
}
