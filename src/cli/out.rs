//! Writing to the terminal: stdout for results, stderr for everything else, colour only where a person reads.

use std::io::{IsTerminal, Write};

/// A line of a result. A reader that has gone away (`| head`) is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line that is not a result.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// How far something is that takes long, in one line that the next call overwrites. Only a person at a terminal sees it.
pub(super) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{text}");
    }
}

/// Whether stdout takes colour (`NO_COLOR`: no-color.org).
pub(super) fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether stderr takes colour.
pub(super) fn errors_have_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours for stdout.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
}

/// The text in a colour, where stdout takes one.
pub(super) fn coloured(text: &str, colour: Colour) -> String {
    let code = match colour {
        Colour::Bold => "1",
        Colour::Dim => "2",
        Colour::Green => "32",
        Colour::Red => "31",
        Colour::Yellow => "33",
    };
    if has_colour() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
