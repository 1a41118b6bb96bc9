//! The statement of a source: one that only asks, with `$1`, `$2` … where values are bound.
//!
//! It finds the ends of strings, quoted names and comments as each database does, so that nothing inside them is taken for a
//! placeholder. It knows no grammar beyond that: whether tables and columns exist, only the database can say.

use std::ops::Range;

use super::Dialect;

/// A statement that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Up to a semicolon at its end, which not every database takes.
    text: String,
    placeholders: Vec<Placeholder>,
}

/// A `$1`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placeholder {
    bytes: Range<usize>,
    /// From 1.
    number: usize,
}

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The character where it was seen, from 1.
    pub(super) character: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The words that a statement which only asks may begin with.
const ASKING: [&str; 5] = ["select", "with", "values", "table", "show"];

const PASTED: &str =
    "write `$1` there and what it stands for under `parameters`: a value is bound, never part of the text";
const PLACEHOLDERS: &str = "parameters are written `$1`, `$2` … for every database";
const CLOSE: &str = "put the sign that ends it";

impl Statement {
    /// Reads a statement of a database; `parameters` is how many values it is given.
    pub(super) fn read(text: &str, dialect: Dialect, parameters: usize) -> Result<Statement, Wrong> {
        no_pasted_value(text)?;
        let mut reader = Reader { text, dialect, at: 0, placeholders: Vec::new(), words: Vec::new(), end: None };
        reader.read()?;
        let Reader { placeholders, words, end, .. } = reader;
        let asks = |word: &str| ASKING.iter().any(|asking| word.eq_ignore_ascii_case(asking));
        match words.first() {
            None => return Err(wrong(text, 0, "there is no statement".to_owned(), "write a `select`")),
            Some(first) if !asks(text.get(first.clone()).unwrap_or_default()) => {
                let word = text.get(first.clone()).unwrap_or_default();
                let message = format!("a source only asks, and this statement begins with `{word}`");
                return Err(wrong(text, first.start, message, "it begins with select, with, values, table or show"));
            }
            Some(_) => {}
        }
        let into =
            words.iter().find(|word| text.get((*word).clone()).is_some_and(|word| word.eq_ignore_ascii_case("into")));
        if let Some(into) = into {
            let message = "a source only asks, and `into` writes".to_owned();
            return Err(wrong(text, into.start, message, "leave it out; a column of that name is put in quotes"));
        }
        if let Some(strange) = placeholders.iter().find(|one| !(1..=parameters).contains(&one.number)) {
            let message = match parameters {
                0 => format!("`${}` stands for nothing: there are no `parameters`", strange.number),
                1 => format!("`${}` stands for nothing: there is one parameter", strange.number),
                many => format!("`${}` stands for nothing: there are {many} parameters", strange.number),
            };
            return Err(wrong(text, strange.bytes.start, message, "write an expression for it under `parameters`"));
        }
        let text = text.get(..end.unwrap_or(text.len())).unwrap_or(text).to_owned();
        Ok(Statement { text, placeholders })
    }

    /// Whether it uses a parameter, from 1.
    pub(super) fn uses(&self, number: usize) -> bool {
        self.placeholders.iter().any(|placeholder| placeholder.number == number)
    }

    /// The statement as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The statement with other placeholders, made from the number of each.
    pub(super) fn with_placeholders(&self, made: impl Fn(usize) -> String) -> String {
        let mut rewritten = String::with_capacity(self.text.len());
        let mut from = 0;
        for placeholder in &self.placeholders {
            rewritten.push_str(self.text.get(from..placeholder.bytes.start).unwrap_or_default());
            rewritten.push_str(&made(placeholder.number));
            from = placeholder.bytes.end;
        }
        rewritten.push_str(self.text.get(from..).unwrap_or_default());
        rewritten
    }

    /// The numbers of the placeholders as they stand in the text, repetitions included.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.placeholders.iter().map(|placeholder| placeholder.number)
    }
}

fn wrong(text: &str, byte: usize, message: String, help: &'static str) -> Wrong {
    Wrong { character: text.get(..byte).unwrap_or(text).chars().count() + 1, message, help }
}

/// `{{name}}` and `${NAME}`, also inside quotes and comments: that is where they are put by people who mean to paste.
fn no_pasted_value(text: &str) -> Result<(), Wrong> {
    for (open, close, shown) in [("{{", "}}", "{{…}}"), ("${", "}", "${…}")] {
        let mut from = 0;
        while let Some(start) = text.get(from..).and_then(|rest| rest.find(open)).map(|at| from + at) {
            from = start + open.len();
            let inner = text.get(from..).and_then(|rest| rest.split_once(close)).map(|(inner, _)| inner);
            // PostgreSQL's lists of lists look alike, `'{{1,2},{3,4}}'`, but have no name in them.
            let begins = |inner: &str| inner.trim_start_matches(['{', '~', '#', ' ']).starts_with(char::is_alphabetic);
            if inner.is_some_and(|inner| begins(inner) && !inner.contains([',', ';'])) {
                let message = format!("a statement has no `{shown}`: no value is pasted into it");
                return Err(wrong(text, start, message, PASTED));
            }
        }
    }
    Ok(())
}

/// Goes through a statement once.
struct Reader<'t> {
    text: &'t str,
    dialect: Dialect,
    /// The byte that is read next.
    at: usize,
    placeholders: Vec<Placeholder>,
    words: Vec<Range<usize>>,
    /// Where a semicolon ended it.
    end: Option<usize>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, byte: usize, message: &str, help: &'static str) -> Wrong {
        wrong(self.text, byte, message.to_owned(), help)
    }

    fn read(&mut self) -> Result<(), Wrong> {
        while let Some(next) = self.rest().chars().next() {
            let start = self.at;
            if next.is_whitespace() {
                self.at += next.len_utf8();
            } else if self.comment()? {
            } else if next == ';' {
                self.at += 1;
                self.end.get_or_insert(start);
            } else if self.end.is_some() {
                return Err(self.wrong(
                    start,
                    "a source asks one statement, and here a second one begins",
                    "make two sources of it",
                ));
            } else {
                self.token(next)?;
            }
        }
        Ok(())
    }

    /// Whatever is neither blank nor comment.
    fn token(&mut self, next: char) -> Result<(), Wrong> {
        let start = self.at;
        match (next, self.dialect) {
            ('\'', dialect) => self.quoted('\'', dialect == Dialect::MySql),
            ('"', dialect) => self.quoted('"', dialect == Dialect::MySql),
            ('`', Dialect::MySql | Dialect::Sqlite) => self.quoted('`', false),
            ('[', Dialect::Sqlite) => self.quoted(']', false),
            ('$', _) => self.dollar(),
            ('?', Dialect::MySql | Dialect::Sqlite) => Err(self.wrong(start, "`?` is no parameter here", PLACEHOLDERS)),
            (':' | '@', Dialect::Sqlite) if self.rest().chars().nth(1).is_some_and(char::is_alphabetic) => {
                Err(self.wrong(start, "this is no parameter here", PLACEHOLDERS))
            }
            (next, _) if next.is_alphanumeric() || next == '_' => self.word(),
            (next, _) => {
                self.at += next.len_utf8();
                Ok(())
            }
        }
    }

    /// Reads a comment; `false` where there is none.
    fn comment(&mut self) -> Result<bool, Wrong> {
        let rest = self.rest();
        let dashes = rest.strip_prefix("--").is_some_and(|behind| {
            self.dialect != Dialect::MySql
                || behind.chars().next().is_none_or(|next| next.is_whitespace() || next.is_control())
        });
        if dashes || (self.dialect == Dialect::MySql && rest.starts_with('#')) {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Ok(true);
        }
        if !rest.starts_with("/*") {
            return Ok(false);
        }
        if self.dialect == Dialect::MySql && (rest.starts_with("/*!") || rest.starts_with("/*M!")) {
            let message = "MySQL and MariaDB run what stands in such a comment";
            return Err(self.wrong(self.at, message, "write it as a part of the statement, or as a usual comment"));
        }
        let start = self.at;
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(true);
                }
            } else if let Some(next) = rest.chars().next() {
                self.at += next.len_utf8();
            } else {
                return Err(self.wrong(start, "this comment has no end", "end it with `*/`"));
            }
        }
    }

    /// A string or a quoted name, in which the closing sign stands twice for itself.
    fn quoted(&mut self, close: char, backslash: bool) -> Result<(), Wrong> {
        let start = self.at;
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((byte, character)) = characters.next() {
            if character == '\\' && backslash {
                characters.next();
            } else if character == close && characters.next_if(|(_, next)| *next == close && close != ']').is_none() {
                self.at = start + byte + character.len_utf8();
                return Ok(());
            }
        }
        Err(self.wrong(start, "what is quoted from here on has no end", CLOSE))
    }

    /// `$1`, or in PostgreSQL a string between `$tag$`.
    fn dollar(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let behind = self.text.get(start + 1..).unwrap_or_default();
        let digits = behind.find(|next: char| !next.is_ascii_digit()).unwrap_or(behind.len());
        if digits > 0 {
            self.at = start + 1 + digits;
            // A number that does not fit is greater than all that there are.
            let number = behind.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX);
            self.placeholders.push(Placeholder { bytes: start..self.at, number });
            return Ok(());
        }
        if self.dialect == Dialect::Postgres {
            let name = behind.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(behind.len());
            if behind.get(name..).is_some_and(|rest| rest.starts_with('$')) {
                let tag = self.text.get(start..start + name + 2).unwrap_or_default();
                let body = self.text.get(start + tag.len()..).unwrap_or_default();
                let Some(length) = body.find(tag) else {
                    return Err(self.wrong(start, "what is quoted from here on has no end", CLOSE));
                };
                self.at = start + length + 2 * tag.len();
                return Ok(());
            }
        }
        Err(self.wrong(start, "behind `$` stands no number", PLACEHOLDERS))
    }

    /// A name, a key word or a number; in PostgreSQL `e'…'` is a string with backslashes.
    fn word(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let rest = self.rest();
        let inside = |next: char| next.is_alphanumeric() || matches!(next, '_' | '$');
        let (word, behind) = rest.split_at(rest.find(|next: char| !inside(next)).unwrap_or(rest.len()));
        let escapes = self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case("e") && behind.starts_with('\'');
        self.at += word.len();
        if escapes {
            return self.quoted('\'', true);
        }
        self.words.push(start..self.at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

    /// The numbers of the placeholders, or the character where something is wrong.
    fn read(text: &str, dialect: Dialect) -> Result<Vec<usize>, usize> {
        match Statement::read(text, dialect, 2) {
            Ok(statement) => Ok(statement.numbers().collect()),
            Err(wrong) => Err(wrong.character),
        }
    }

    #[test]
    fn a_placeholder_is_one_only_where_the_database_sees_one() {
        for text in [
            "select '$1', $2, 'it''s $1'",
            "select \"$1\", $2",
            "select /* $1 ' */ $2",
            "select -- $1 '\n $2",
            "(select $2) union (select 1) ;; -- '",
            "\n  with x as (values ($2)) table x",
            "select price$1 from x where y=$2",
            "select '{{1,2},{3,4}}', $2",
        ] {
            for dialect in ALL {
                assert_eq!(read(text, dialect), Ok(vec![2]), "{dialect:?}: {text}");
            }
        }
    }

    #[test]
    fn each_database_quotes_in_its_own_way() {
        for (text, dialect, expected) in [
            (r"select 'it\'s $1', $2", Dialect::MySql, Ok(vec![2])),
            (r"select 'it\'s $1', $2", Dialect::Postgres, Err(17)),
            (r"select e'it\'s $1', $2", Dialect::Postgres, Ok(vec![2])),
            (r"select 'a\', $1", Dialect::Postgres, Ok(vec![1])),
            (r"select 'a\', $1", Dialect::Sqlite, Ok(vec![1])),
            ("select $$ $1 ' $$, $x$ $$ $1 $x$, $2", Dialect::Postgres, Ok(vec![2])),
            ("select $$ $1", Dialect::Postgres, Err(8)),
            ("select /* /* $1 */ ' */ $2", Dialect::Postgres, Ok(vec![2])),
            ("select /* /* $1 */ $2", Dialect::MySql, Ok(vec![2])),
            ("select 1 # $1 '\n, $2", Dialect::MySql, Ok(vec![2])),
            ("select a #> $1 from x", Dialect::Postgres, Ok(vec![1])),
            ("select 5--$1\n, $2", Dialect::MySql, Ok(vec![1, 2])),
            ("select `$1`, $2", Dialect::MySql, Ok(vec![2])),
            ("select [$1'], $2", Dialect::Sqlite, Ok(vec![2])),
            ("select a[$1], $2", Dialect::Postgres, Ok(vec![1, 2])),
            ("select data ? 'a', $1", Dialect::Postgres, Ok(vec![1])),
            ("select ?", Dialect::MySql, Err(8)),
            ("SELECT $1::text", Dialect::Postgres, Ok(vec![1])),
            ("select :name", Dialect::Sqlite, Err(8)),
            ("select @name", Dialect::MySql, Ok(vec![])),
            ("select /*! $1 */ 1", Dialect::MySql, Err(8)),
        ] {
            assert_eq!(read(text, dialect), expected, "{dialect:?}: {text}");
        }
    }

    #[test]
    fn what_does_more_than_ask_once_is_refused_at_its_place() {
        for (text, character) in [
            ("", 1),
            ("delete from x", 1),
            ("/* ü */ update x set y = 1", 9),
            ("select 1; select 2", 11),
            ("select 1 into x", 10),
            ("select $0", 8),
            ("select $3", 8),
            ("select $99999999999999999999999", 8),
            ("select $", 8),
            ("select 'x", 8),
            ("select /* x", 8),
            ("select '{{ customer.e164 }}'", 9),
            ("select {{{x}}}", 8),
            ("select ${NAME}", 8),
        ] {
            for dialect in ALL {
                assert_eq!(read(text, dialect), Err(character), "{dialect:?}: {text}");
            }
        }
    }

    #[test]
    fn placeholders_are_written_as_the_database_wants_them() {
        let text = "select 'ü$1', $2, $1, $2 ; ";
        let statement = Statement::read(text, Dialect::MySql, 2).unwrap();
        assert_eq!(statement.with_placeholders(|_| "?".to_owned()), "select 'ü$1', ?, ?, ? ");
        assert_eq!(statement.with_placeholders(|number| format!("?{number}")), "select 'ü$1', ?2, ?1, ?2 ");
        assert_eq!(statement.numbers().collect::<Vec<_>>(), [2, 1, 2]);
        assert_eq!(statement.text(), "select 'ü$1', $2, $1, $2 ");
    }
}
