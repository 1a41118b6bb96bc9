//! The file of a table: where it lies, and whether it is still the one that was read.
//!
//! What it holds is not looked at here, and there is no clock: a file is told from its successor by what the file system
//! says about it, also on a network file system or where a link is turned to another file.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::problem::{Code, Fault};
use crate::source::{Reach, inside};

/// Where a table lies.
#[derive(Clone, Debug)]
pub struct File {
    /// As it is written in the rules.
    pub(super) path: String,
    directory: PathBuf,
    root: PathBuf,
}

/// What the file system says about a file at one time. Two files of one stamp are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Present { device: u64, inode: u64, bytes: u64, modified: (i64, i64), changed: (i64, i64) },
    Absent(ErrorKind),
}

/// Which of a file's states were seen, and which of them was dealt with.
#[derive(Debug)]
pub(super) struct Watch {
    dealt_with: Stamp,
    seen: Stamp,
}

impl File {
    /// The file that a definition names.
    pub fn new(path: &str, reach: &Reach<'_>) -> File {
        File { path: path.to_owned(), directory: reach.directory.to_owned(), root: reach.root.to_owned() }
    }

    /// Opens it, if it lies inside the rule directory.
    pub(super) fn open(&self) -> Result<std::fs::File, Fault> {
        let path = &self.path;
        let opened = inside(path, &self.directory, &self.root)
            // A pipe would be waited for until somebody writes into it.
            .and_then(|real| if real.is_file() { Ok(real) } else { Err(format!("`{path}` is not a file")) })
            .and_then(|real| std::fs::File::open(real).map_err(|error| format!("`{path}` can't be opened: {error}")));
        opened.map_err(|message| {
            Fault::new(Code::SourceFile, "", message)
                .help("paths are relative to the file that names them, and stay inside the rule directory")
        })
    }

    /// Its stamp now; behind a link, that of the file it leads to.
    pub(super) fn stamp(&self) -> Stamp {
        std::fs::metadata(self.directory.join(&self.path))
            .map_or_else(|error| Stamp::Absent(error.kind()), |file| Stamp::of(&file))
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp::Present {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            // Some tools set the time of the change back to that of their copy, but not this one.
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Watch {
    /// Begins with a file of this stamp, which is about to be read.
    pub(super) fn new(stamp: Stamp) -> Watch {
        Watch { dealt_with: stamp, seen: stamp }
    }

    /// Whether a file of this stamp is to be read: it is another one than that dealt with last, and was the same at the
    /// last look, so nobody is writing it.
    pub(super) fn is_new(&mut self, stamp: Stamp) -> bool {
        !self.is_other(stamp) && stamp != self.dealt_with
    }

    /// Whether a stamp is another one than at the last look.
    pub(super) fn is_other(&mut self, stamp: Stamp) -> bool {
        std::mem::replace(&mut self.seen, stamp) != stamp
    }

    /// The file of this stamp was dealt with, for better or worse.
    pub(super) fn deal_with(&mut self, stamp: Stamp) {
        self.dealt_with = stamp;
    }
}
