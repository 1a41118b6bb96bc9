//! What reviewers would otherwise have to look for: layers, sizes, leftovers, and who may read the clock.
//!
//! Reads the sources as text, with the standard library alone. It is no parser: it knows lines, comments and words, which
//! is enough because `cargo fmt` has been over everything.

use std::path::{Path, PathBuf};

use crate::program::project;

/// DESIGN.md's table: a module uses rows above its own; modules of one row do not know each other.
const LAYERS: [&[&str]; 9] = [
    &["problem", "event", "rate", "shared"],
    &["expression"],
    &["condition", "source", "card"],
    &["rules"],
    &["engine"],
    &["phone", "outbox"],
    &["delivery"],
    &["web"],
    &["cli"],
];

/// A file is one idea.
const LINES_MAX: usize = 400;

/// Nouns that say nothing; every import circle began in one of them.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "types", "helpers", "prelude", "error"];

/// The template helpers are what the language calls helpers.
const NAMES_ALLOWED: [&str; 1] = ["src/card/helpers.rs"];

/// Left behind by somebody who meant to come back.
const LEFTOVERS: [&str; 6] = ["TODO", "FIXME", "XXX", "dbg!", "todo!", "unimplemented!"];

/// What only the outermost layer may do. A generator with a seed is no chance.
const ONLY_IN_CLI: [&str; 9] =
    ["println!", "eprintln!", "print!", "eprint!", "std::env", "SystemTime", "Timestamp::now", "fastrand", "Rng::new"];

/// A source file by its path from the project's directory.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The top module and the depth: `src/card/row.rs` is 2 deep in `card`. The roots have no module.
    fn module(&self) -> Option<(&str, usize)> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let top = inside.split('/').next()?;
        (!matches!(top, "lib" | "main")).then_some((top, inside.split('/').count()))
    }

    /// Lines with their numbers, without those that are only a comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `path:line: what`, for every line of code that has one of the words.
    fn words(&self, words: &[&str], what: &str) -> Vec<String> {
        self.code()
            .flat_map(|(number, line)| {
                let line = line.replace("fastrand::Rng", "Rng");
                let found = words.iter().filter(move |word| has_word(&line, word));
                found.map(move |word| format!("{}:{number}: {what}: {word}", self.path))
            })
            .collect()
    }
}

/// All Rust files below a directory of the project.
fn files(directory: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&project().join(directory), &mut found);
    found.sort();
    assert!(!found.is_empty(), "{directory} has no Rust file");
    let shown = |path: &Path| path.strip_prefix(project()).unwrap().to_str().unwrap().replace('\\', "/");
    found.iter().map(|path| File { path: shown(path), text: std::fs::read_to_string(path).unwrap() }).collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether the word stands in the text, not as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        let goes_on = word.ends_with(part) && behind.is_some_and(part);
        !goes_on && before.is_none_or(|character| !part(character))
    })
}

/// The top modules that a line of a file uses: `crate::x`, `crate::{x, y}`, `super::super::x`.
fn used(line: &str, depth: usize) -> Vec<&str> {
    let mut modules = Vec::new();
    for (at, root) in line.match_indices("crate::") {
        let rest = &line[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => modules.extend(group.split(['{', '}', ',', ' ']).map(first_word)),
            None => modules.push(first_word(rest)),
        }
    }
    let out = "super::".repeat(depth);
    modules.extend(line.match_indices(&out).map(|(at, _)| first_word(&line[at + out.len()..])));
    modules.retain(|module| layer(module).is_some());
    modules
}

fn first_word(text: &str) -> &str {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').next().unwrap_or_default()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Imports of a file that do not go down the table.
fn wrong_imports(file: &File) -> Vec<String> {
    let Some((own, depth)) = file.module() else { return Vec::new() };
    let Some(row) = layer(own) else { return vec![format!("{}:1: `{own}` is not in the layer table", file.path)] };
    let mut wrong = Vec::new();
    for (number, line) in file.code() {
        for module in used(line, depth).into_iter().filter(|module| *module != own) {
            if layer(module).is_none_or(|other| other >= row) {
                wrong.push(format!("{}:{number}: `{own}` may not know `{module}`", file.path));
            }
        }
    }
    wrong
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn imports_go_down_the_layer_table() {
    assert_none(files("src").iter().flat_map(wrong_imports).collect());
}

#[test]
fn every_module_is_in_the_layer_table_and_every_row_has_its_modules() {
    let lib = std::fs::read_to_string(project().join("src/lib.rs")).unwrap();
    let mut declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut listed: Vec<&str> = LAYERS.concat();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = |file: &File| !file.text.starts_with("//! ") && !file.text.starts_with("#!");
    let files = files("src").into_iter().chain(files("tests/cases"));
    assert_none(files.filter(silent).map(|file| format!("{}:1: does not open with `//!`", file.path)).collect());
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let files = files("src").into_iter().chain(files("tests/cases"));
    let long = files.filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}:{LINES_MAX}: {lines} lines, at most {LINES_MAX}", file.path))
    });
    assert_none(long.collect());
}

#[test]
fn nothing_is_left_behind() {
    let found = files("src").into_iter().flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let marked = lines.flat_map(|(index, line)| {
            let words = LEFTOVERS.iter().filter(move |word| has_word(line, word));
            words.map(move |word| (index + 1, *word)).collect::<Vec<_>>()
        });
        marked.map(|(number, word)| format!("{}:{number}: {word}", file.path)).collect::<Vec<_>>()
    });
    assert_none(found.collect());
}

#[test]
fn modules_have_names_that_say_something() {
    let named = |file: &File| {
        let stem = Path::new(&file.path).file_stem().unwrap().to_str().unwrap().to_owned();
        let empty = EMPTY_NAMES.contains(&stem.as_str()) && !NAMES_ALLOWED.contains(&file.path.as_str());
        (empty || stem == "mod").then(|| format!("{}:1: no module is named `{stem}`", file.path))
    };
    assert_none(files("src").iter().filter_map(named).collect());
}

#[test]
fn only_the_command_line_prints_reads_the_clock_the_environment_and_chance() {
    let inner = files("src").into_iter().filter(|file| !file.path.starts_with("src/cli"));
    assert_none(inner.flat_map(|file| file.words(&ONLY_IN_CLI, "only in src/cli")).collect());
}

#[test]
fn a_wrong_import_is_noticed_however_it_is_written() {
    let wrong = |path: &str, line: &str| {
        !wrong_imports(&File { path: path.to_owned(), text: format!("//! x\n{line}\n") }).is_empty()
    };
    assert!(wrong("src/card/row.rs", "use crate::source::Record;"), "modules of one row");
    assert!(wrong("src/card.rs", "    let x = crate::engine::decide();"), "a row below");
    assert!(wrong("src/problem.rs", "use crate::{event::Call, problem::Fault};"), "in a group");
    assert!(wrong("src/card/row.rs", "use super::super::rules::Rule;"), "through the root");
    assert!(wrong("src/card.rs", "use super::rules::Rule;"), "through the root");
    assert!(wrong("src/shiny.rs", ""), "a module that the table does not have");
    assert!(!wrong("src/card/row.rs", "use crate::event::{Region, Kind};"), "a row above");
    assert!(!wrong("src/card/row.rs", "// use crate::engine::decide;"), "a comment");
    assert!(!wrong("src/cli/demo/phone.rs", "use super::super::phone::Phone;"), "a module inside the own one");
    assert!(has_word("a TODO: b", "TODO") && !has_word("0XXX", "XXX") && !has_word("println!", "print!"));
}
