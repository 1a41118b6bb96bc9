//! Where something is, as other programs want to read it: from which line to which, and the path of the file as seen from
//! a directory.

use std::path::{Component, Path, PathBuf};

use crate::problem::Place;

/// A part of a file. Lines and columns count from 1; a column is a Unicode code point.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// The first line.
    pub(super) line: usize,
    /// The first character in it.
    pub(super) column: usize,
    /// The last line, and the column behind its last character that is meant; nothing where the whole file is.
    pub(super) end: Option<(usize, usize)>,
}

impl Region {
    /// Everything that is meant, without the blanks and line breaks behind it.
    pub(super) fn of(place: &Place) -> Region {
        Region::with(place, meant(place).trim_end())
    }

    /// The same up to the end of its first line: a mapping may be pages long, and is found by its beginning.
    pub(super) fn first_line(place: &Place) -> Region {
        Region::with(place, meant(place).lines().next().unwrap_or_default().trim_end())
    }

    fn with(place: &Place, meant: &str) -> Region {
        let step = |(line, column), character| match character {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        };
        let end = (!meant.is_empty()).then(|| meant.chars().fold((place.line, place.column), step));
        Region { line: place.line, column: place.column, end }
    }
}

fn meant(place: &Place) -> &str {
    let text = &place.file.text;
    text.get(place.span.start..place.span.end.min(text.len())).unwrap_or_default()
}

/// The directory that the program was started in.
pub(super) fn working_directory() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// The whole path, without `.` and `..`. Opens nothing, so links are not followed.
pub(super) fn whole(path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in working_directory().join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// The path as seen from a directory, with `/` between its parts; nothing where the file is not below it.
pub(super) fn seen_from(directory: &Path, path: &str) -> Option<String> {
    let whole = whole(path);
    let below = whole.strip_prefix(directory).ok()?;
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::problem::SourceFile;

    fn place(text: &str, line: usize, column: usize, part: &str) -> Place {
        let start = text.find(part).unwrap();
        let file = Arc::new(SourceFile { path: "main.yaml".to_owned(), text: text.to_owned() });
        Place { file, line, column, span: start..start + part.len() }
    }

    #[test]
    fn a_region_counts_code_points_and_ends_where_the_text_does() {
        let one = place("a: Ayşe 😀\nb: 1\n", 1, 4, "Ayşe 😀\n");
        assert_eq!(Region::of(&one), Region { line: 1, column: 4, end: Some((1, 10)) });
        let two = place("a:\r\n  b: 1\r\n  c: ü\r\n", 2, 3, "b: 1\r\n  c: ü\r\n");
        assert_eq!(Region::of(&two), Region { line: 2, column: 3, end: Some((3, 7)) });
        assert_eq!(Region::first_line(&two), Region { line: 2, column: 3, end: Some((2, 7)) });
    }

    #[test]
    fn a_whole_file_has_no_end() {
        let file = Arc::new(SourceFile { path: "main.yaml".to_owned(), text: "a: 1\n".to_owned() });
        assert_eq!(Region::of(&Place::whole(&file)), Region { line: 1, column: 1, end: None });
    }

    #[test]
    fn a_path_is_seen_from_a_directory_above_it_however_it_is_written() {
        let here = working_directory();
        assert_eq!(seen_from(&here, "./rules/../rules/a.yaml").as_deref(), Some("rules/a.yaml"));
        assert_eq!(seen_from(&here, &here.join("rules/a.yaml").to_string_lossy()).as_deref(), Some("rules/a.yaml"));
        assert_eq!(seen_from(&here, ".").as_deref(), Some("."));
        assert_eq!(seen_from(&here, "../a.yaml"), None);
    }
}
