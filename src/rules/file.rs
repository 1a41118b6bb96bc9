//! The files of a rule directory, in the order in which they count.
//!
//! It reads and parses; what the files mean is not its business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::letters;
use super::yaml::{Document, FILE_BYTES_MAX};
use crate::problem::{Code, Place, Problem, SourceFile};

/// Directories inside directories; deeper ones are a link that leads back.
const DIRECTORIES_DEEP_MAX: usize = 16;

/// Files of one rule set.
const FILES_MAX: usize = 10_000;

/// What a rule directory holds.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The files with rules, parsed.
    pub(super) rules: Vec<Document>,
    /// The files with tests, parsed.
    pub(super) tests: Vec<Document>,
    /// What could not be read or parsed.
    pub(super) problems: Vec<Problem>,
    /// Mistakes that the parsed ones were read in spite of.
    pub(super) slips: Vec<Problem>,
}

impl Directory {
    /// Reads all `*.yaml` and `*.yml` files below `path`, or the one file that `path` names.
    pub(super) fn read(path: &Path) -> Directory {
        let mut directory = Directory::default();
        match files(path) {
            Err(problem) => directory.problems.push(problem),
            Ok(files) if files.iter().all(|file| is_test(file)) => {
                let message = format!("there are only tests in `{}`, and no rule file", path.display());
                directory.problems.push(directory_problem(path, message));
            }
            Ok(files) => files.iter().for_each(|file| directory.add(file)),
        }
        directory
    }

    fn add(&mut self, path: &Path) {
        match read(path).and_then(|file| Document::parse(&file)) {
            Ok(mut document) => {
                self.slips.append(&mut document.problems);
                self.slips.extend(letters::mend(&mut document, is_test(path)));
                if is_test(path) { self.tests.push(document) } else { self.rules.push(document) }
            }
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// All `*.yaml` and `*.yml` files below `path`, or the one file that `path` names, in the order in which they count.
///
/// # Errors
/// One problem where there is none, or where a directory can't be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let found = if path.is_file() { Ok(vec![path.to_owned()]) } else { find(path) };
    match found {
        Err(message) => Err(directory_problem(path, message)),
        Ok(files) if files.is_empty() => {
            let message = format!("there is no rule file (*.yaml, *.yml) in `{}`", path.display());
            Err(directory_problem(path, message))
        }
        Ok(files) => Ok(files),
    }
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

fn directory_problem(path: &Path, message: String) -> Problem {
    let file = Arc::new(SourceFile { path: path.display().to_string(), text: String::new() });
    Problem::new(Code::Directory, Place::whole(&file), message)
        .help("name the rule directory with --rules or CALLCARD_RULES")
}

fn find(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    walk(directory, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let told = |error: std::io::Error| format!("the directory `{}` can't be read: {error}", directory.display());
    if depth > DIRECTORIES_DEEP_MAX {
        return Err(format!("`{}` is more than {DIRECTORIES_DEEP_MAX} directories deep", directory.display()));
    }
    for entry in std::fs::read_dir(directory).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("a rule set has at most {FILES_MAX} files"));
        }
    }
    Ok(())
}

/// The file, if it can be read, is not too large and is UTF-8.
pub(super) fn read(path: &Path) -> Result<Arc<SourceFile>, Problem> {
    let shown = path.display().to_string();
    let problem = |message: String, help: &str| {
        let file = Arc::new(SourceFile { path: shown.clone(), text: String::new() });
        Problem::new(Code::File, Place::whole(&file), message).help(help)
    };
    let readable = "let the user that runs callcard read it, or take it out of the rule directory";
    let bytes =
        std::fs::metadata(path).map_err(|error| problem(format!("the file can't be opened: {error}"), readable))?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        let message = format!("the file has {bytes} bytes; a rule file may have {FILE_BYTES_MAX}");
        return Err(problem(message, "move what is data into a CSV source"));
    }
    let bytes = std::fs::read(path).map_err(|error| problem(format!("the file can't be read: {error}"), readable))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let before = String::from_utf8_lossy(valid);
        let message = match error.as_bytes() {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "the file is UTF-16, not UTF-8".to_owned(),
            bytes => {
                let byte = bytes.get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
                format!("the file is not UTF-8: here is the byte {byte:02X}")
            }
        };
        let mut problem = problem(message, "save it as UTF-8 in your editor");
        problem.place.line = before.matches('\n').count() + 1;
        problem.place.column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        problem
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceFile { path: shown, text }))
}
