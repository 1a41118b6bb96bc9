//! Whether the files behind the rules have changed: their paths, what the file system says of each, and their content.
//!
//! It is asked again and again, which also works on network file systems and where a link is turned to another directory.
//! It has no clock and no thread, and what is in the files is not its business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files;

/// What a look found: every path with its content, as a hash.
type State = [u8; 32];

/// The files as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    files: BTreeMap<PathBuf, Seen>,
    /// Those among them that are rule files.
    rules: BTreeSet<PathBuf>,
    /// Why the directory could not be read.
    trouble: Option<String>,
    /// At the last look.
    state: State,
    /// When the rules were loaded last, with whatever outcome.
    dealt_with: State,
}

#[derive(Debug)]
struct Seen {
    stamp: Option<Stamp>,
    content: Result<State, ErrorKind>,
    /// The stamp was another one at the look before. The file is read once more, because it may still be written within
    /// one tick of the file system's clock.
    is_fresh: bool,
}

/// Two files of one stamp are the same, unless they were written at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    /// Looks at the rule files below `path` and at those that they read; whether they have changed since they were dealt
    /// with, and have been quiet since the last look.
    pub(super) fn look(&mut self, path: &Path, read: &BTreeSet<PathBuf>) -> bool {
        let walked = files(path);
        self.trouble = walked.as_ref().err().map(|problem| problem.message.clone());
        self.rules = walked.unwrap_or_default().into_iter().collect();
        let mut before = std::mem::take(&mut self.files);
        self.files = self.rules.union(read).map(|path| (path.clone(), Seen::look(path, before.remove(path)))).collect();
        let before = self.state;
        self.state = self.hash();
        self.state == before && self.state != self.dealt_with
    }

    /// What the last look found was loaded, and turned out to read these files beside itself.
    pub(super) fn dealt_with(&mut self, read: &BTreeSet<PathBuf>) {
        self.files.retain(|path, _| self.rules.contains(path) || read.contains(path));
        for path in read {
            self.files.entry(path.clone()).or_insert_with_key(|path| Seen::look(path, None));
        }
        self.state = self.hash();
        self.dealt_with = self.state;
    }

    fn hash(&self) -> State {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}", self.trouble));
        for (path, seen) in &self.files {
            hash.update(format!("{path:?} {:?}", seen.content));
        }
        hash.finalize().into()
    }
}

impl Seen {
    fn look(path: &Path, before: Option<Seen>) -> Seen {
        let stamp = std::fs::metadata(path).ok().map(|file| Stamp::of(&file));
        match before {
            Some(before) if stamp.is_some() && before.stamp == stamp && !before.is_fresh => before,
            before => {
                let is_fresh = before.is_none_or(|before| before.stamp != stamp);
                Seen { stamp, content: content(path).map_err(|error| error.kind()), is_fresh }
            }
        }
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

fn content(path: &Path) -> std::io::Result<State> {
    // A pipe would be waited for until somebody writes into it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let (mut hash, mut file) = (Sha256::new(), BufReader::new(File::open(path)?));
    loop {
        let part = file.fill_buf()?;
        let bytes = part.len();
        if bytes == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(part);
        file.consume(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(path: &Path) -> Watch {
        let mut watch = Watch::default();
        watch.look(path, &BTreeSet::new());
        watch.dealt_with(&BTreeSet::new());
        watch
    }

    /// Whether each of the next looks finds something to load, with a file that has this text before each.
    fn looks(watch: &mut Watch, path: &Path, texts: &[&str]) -> Vec<bool> {
        let look = |text: &&str| {
            std::fs::write(path.join("main.yaml"), text).unwrap();
            watch.look(path, &BTreeSet::new())
        };
        texts.iter().map(look).collect()
    }

    #[test]
    fn a_change_counts_once_it_was_quiet_for_one_look() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("main.yaml"), "old").unwrap();
        let mut watch = watched(directory.path());
        let found = looks(&mut watch, directory.path(), &["half", "more", "whole", "whole"]);
        assert_eq!(found, [false, false, false, true]);
        watch.dealt_with(&BTreeSet::new());
        assert_eq!(looks(&mut watch, directory.path(), &["whole", "whole"]), [false, false]);
    }

    #[test]
    fn the_same_text_written_again_or_a_change_taken_back_is_none() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("main.yaml"), "text").unwrap();
        let mut watch = watched(directory.path());
        let found = looks(&mut watch, directory.path(), &["text", "text", "other", "text", "text"]);
        assert_eq!(found, [false; 5]);
    }

    #[test]
    fn a_vanished_directory_is_a_change_and_so_is_its_return() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rules");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("main.yaml"), "text").unwrap();
        let mut watch = watched(&path);
        std::fs::rename(&path, directory.path().join("away")).unwrap();
        assert_eq!([(); 2].map(|()| watch.look(&path, &BTreeSet::new())), [false, true]);
        watch.dealt_with(&BTreeSet::new());
        std::fs::rename(directory.path().join("away"), &path).unwrap();
        assert_eq!([(); 3].map(|()| watch.look(&path, &BTreeSet::new())), [false, true, true]);
    }
}
