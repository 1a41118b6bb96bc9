//! The program under test, its folders, and files that hold what must come out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The project's directory.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `callcard` in a directory, with an environment that holds nothing: what the machine has set must not matter.
pub fn callcard(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callcard"));
    command.current_dir(directory).env_clear().args(arguments);
    command
}

/// Runs it to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Ran {
    Ran::from(callcard(directory, arguments).output().unwrap())
}

/// What a command said.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The result.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The result as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }
}

/// The case folders of one area, by name.
pub fn folders(area: &str) -> Vec<PathBuf> {
    let directory = project().join("tests/cases").join(area);
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// What is wrong with the cases of one area, checked side by side: a process a case is most of the time they take.
pub fn wrong(area: &str, check: fn(&Path) -> Option<String>) -> Vec<String> {
    let folders = folders(area);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let parts: Vec<_> = folders
            .chunks(folders.len().div_ceil(threads).max(1))
            .map(|part| scope.spawn(move || part.iter().filter_map(|folder| check(folder)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

/// Arguments that only this case has, one a line.
pub fn own_arguments(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("arguments.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What differs from the expected file, or nothing. With `UPDATE` set the file is written instead.
pub fn difference(file: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, found).unwrap();
        return None;
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    (expected != found).then(|| {
        let name = file.strip_prefix(project()).unwrap_or(file).display();
        format!("{name}\n--- expected\n{expected}+++ found\n{found}")
    })
}
