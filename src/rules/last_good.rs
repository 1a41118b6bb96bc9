//! A copy of the rules that were in force last, so that a restart with broken ones has something to serve.
//!
//! The files lie in it as they were, with their paths below the rule directory. Nothing that they name by a variable or a
//! mounted file is in it. Whether the copy is used is not decided here.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::problem::SourceFile;

/// Tables of one copy, in all. Larger ones are not worth the disk; rules that need them can't be served from the copy.
const TABLES_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where a copy is written before it is complete.
const UNFINISHED: &str = "unfinished";

/// The directory of the copies. Each is named by a number and its revision; the highest number counts.
#[derive(Debug)]
pub struct LastGood {
    directory: PathBuf,
}

/// The files of a rule set.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) revision: String,
    /// By their paths below the rule directory.
    pub(super) rules: Vec<(PathBuf, Arc<SourceFile>)>,
    /// Tables, by the same and by where they are.
    pub(super) tables: Vec<(PathBuf, PathBuf)>,
}

/// A complete copy.
pub(super) struct Copy {
    number: u64,
    pub(super) revision: String,
    pub(super) path: PathBuf,
}

impl LastGood {
    /// The copies in this directory, which need not be there yet.
    pub fn new(directory: PathBuf) -> LastGood {
        LastGood { directory }
    }

    /// The newest copy.
    pub(super) fn newest(&self) -> Option<Copy> {
        self.copies().into_iter().max_by_key(|copy| copy.number)
    }

    fn copies(&self) -> Vec<Copy> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let copy = |name: String| {
            let (number, revision) = name.split_once('-')?;
            Some(Copy { number: number.parse().ok()?, revision: revision.to_owned(), path: self.directory.join(&name) })
        };
        entries.filter_map(|entry| copy(entry.file_name().into_string().ok()?)).collect()
    }

    /// Keeps these files instead of those kept before; returns the tables that are too large or are gone.
    pub(super) fn keep(&self, files: &Files) -> io::Result<Vec<PathBuf>> {
        let unfinished = self.directory.join(UNFINISHED);
        match std::fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => directory(&unfinished)?,
        }
        for (path, file) in &files.rules {
            let mut to = create(&unfinished.join(path))?;
            to.write_all(file.text.as_bytes())?;
            to.sync_all()?;
        }
        let missing = copy_tables(files, &unfinished)?;
        sync_directories(&unfinished)?;
        let before = self.copies();
        let number = before.iter().map(|copy| copy.number).max().unwrap_or_default() + 1;
        // From here on it is the newest, and whole.
        std::fs::rename(&unfinished, self.directory.join(format!("{number}-{}", files.revision)))?;
        File::open(&self.directory)?.sync_all()?;
        before.iter().try_for_each(|copy| std::fs::remove_dir_all(&copy.path))?;
        Ok(missing)
    }
}

fn copy_tables(files: &Files, to: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut missing, mut bytes) = (Vec::new(), 0);
    for (path, from) in &files.tables {
        let size = std::fs::metadata(from).map_or(u64::MAX, |table| table.len());
        if size > TABLES_BYTES_MAX - bytes {
            missing.push(path.clone());
            continue;
        }
        bytes += size;
        let mut copy = create(&to.join(path))?;
        io::copy(&mut File::open(from)?, &mut copy)?;
        copy.sync_all()?;
    }
    Ok(missing)
}

/// Only the user that runs the server may look into it, whoever may see the rules.
fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn create(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), directory)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn sync_directories(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() {
            sync_directories(&entry)?;
        }
    }
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(revision: &str, text: &str) -> Files {
        let file = SourceFile { path: "rules/main.yaml".to_owned(), text: text.to_owned() };
        let rules = vec![(PathBuf::from("deep/main.yaml"), Arc::new(file))];
        Files { revision: revision.to_owned(), rules, tables: Vec::new() }
    }

    #[test]
    fn the_newest_whole_copy_counts_and_is_the_only_one() {
        let directory = tempfile::tempdir().unwrap();
        let last_good = LastGood::new(directory.path().join("rules"));
        assert!(last_good.newest().is_none());
        for number in 1..=11 {
            last_good.keep(&files(&format!("r{number}"), &format!("text {number}"))).unwrap();
        }
        // As a crash leaves it in the middle.
        std::fs::create_dir(last_good.directory.join(UNFINISHED)).unwrap();
        let copy = last_good.newest().unwrap();
        assert_eq!((copy.number, copy.revision.as_str()), (11, "r11"));
        assert_eq!(std::fs::read_to_string(copy.path.join("deep/main.yaml")).unwrap(), "text 11");
        assert_eq!(last_good.copies().len(), 1);
    }

    #[test]
    fn a_table_that_is_gone_or_too_large_is_told_and_the_others_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let [small, large] = ["small.csv", "large.csv"].map(|name| directory.path().join(name));
        std::fs::write(&small, "phone").unwrap();
        File::create(&large).unwrap().set_len(TABLES_BYTES_MAX).unwrap();
        let last_good = LastGood::new(directory.path().join("rules"));
        let gone = directory.path().join("gone.csv");
        let tables = [("small.csv", small), ("large.csv", large), ("gone.csv", gone)];
        let tables = tables.map(|(name, path)| (PathBuf::from(name), path)).to_vec();
        let missing = last_good.keep(&Files { tables, ..files("r", "text") }).unwrap();
        assert_eq!(missing, ["large.csv", "gone.csv"].map(PathBuf::from));
        assert_eq!(std::fs::read_to_string(last_good.newest().unwrap().path.join("small.csv")).unwrap(), "phone");
    }
}
