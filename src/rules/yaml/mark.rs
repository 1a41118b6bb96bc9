//! Where a value stands in its file.
//!
//! It is kept small: a rule set has a million of them while it is loaded. What stands there is not known here.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use serde_yaml::{Location, Spanned};

use crate::problem::{Place, SourceFile};

/// A stretch of a file, which has fewer than 2³² bytes (`FILE_BYTES_MAX`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(Stretch);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stretch {
    /// The line can't be 0, which leaves room to tell it from the other: a mark has 16 bytes.
    Written { line: NonZeroU32, column: u32, start: u32, length: u32 },
    /// Where the alias stands, and where the value is written.
    Alias(Box<(Mark, Mark)>),
}

const _: () = assert!(size_of::<Mark>() == 16, "a mark is kept small");

impl Default for Mark {
    fn default() -> Mark {
        Mark::new((1, 1), 0, 0)
    }
}

impl Mark {
    /// A stretch of `length` bytes from a place on, which has a line and a column from 1, and a byte.
    pub(super) fn new((line, column): (usize, usize), start: usize, length: usize) -> Mark {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = NonZeroU32::new(small(line)).unwrap_or(NonZeroU32::MIN);
        Mark(Stretch::Written { line, column: small(column), start: small(start), length: small(length) })
    }

    /// Where the parser saw a value in the text.
    pub(super) fn of<T>(value: &Spanned<T>, text: &str) -> Mark {
        let referenced = Mark::from_location(value.referenced, text);
        if value.defined == value.referenced {
            return referenced;
        }
        Mark(Stretch::Alias(Box::new((referenced, Mark::from_location(value.defined, text)))))
    }

    /// Where a mistake was seen.
    pub(super) fn from_location(location: Location, text: &str) -> Mark {
        let line = usize::try_from(location.line()).unwrap_or_default();
        let column = usize::try_from(location.column()).unwrap_or_default();
        let span = location.span();
        // The parser counts in characters where it has no byte offsets; the spans here are always bytes.
        let (start, length) = match (span.byte_offset(), span.byte_len()) {
            (Some(start), Some(length)) => {
                (usize::try_from(start).unwrap_or_default(), usize::try_from(length).unwrap_or_default())
            }
            _ => (byte_at(text, line, column), 0),
        };
        Mark::new((line, column), start, length)
    }

    /// Where the value itself is written.
    pub(super) fn written(&self) -> &Mark {
        match &self.0 {
            Stretch::Written { .. } => self,
            Stretch::Alias(both) => &both.1,
        }
    }

    /// Its place, in this file.
    pub(super) fn place(&self, file: &Arc<SourceFile>) -> Place {
        match &self.0 {
            Stretch::Written { line, column, .. } => {
                let (line, column) = (wide(line.get()), wide(*column).max(1));
                Place { file: Arc::clone(file), line, column, span: self.span() }
            }
            Stretch::Alias(both) => both.0.place(file),
        }
    }

    /// The bytes of the file.
    pub fn span(&self) -> Range<usize> {
        match &self.0 {
            Stretch::Written { start, length, .. } => wide(*start)..wide(*start) + wide(*length),
            Stretch::Alias(both) => both.0.span(),
        }
    }
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn byte_at(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}
